"""Serve the page, its changes and the pictures of known runs over HTTP, and nothing else."""

import ipaddress
import re
import secrets
from http import HTTPStatus
from pathlib import Path
from typing import cast
from urllib.parse import parse_qs, unquote

from infovae.dashboard.folders import find_runs
from infovae.dashboard.local_server import LocalHandler, LocalServer
from infovae.dashboard.notes import write_notes
from infovae.dashboard.page import page
from infovae.dashboard.pictures import read_picture
from infovae.dashboard.reading import UnreadableError
from infovae.dashboard.watch import Watch
from infovae.errors import UserError

NOTES = re.compile(r"/notes/(?P<run>[0-9]{1,9})")
PICTURE = re.compile(r"/figures/(?P<run>[0-9]{1,9})/(?P<file>[^/]+)")


class Server(LocalServer):
    """Serve what one ``Watch`` has read."""

    def __init__(self, watch: Watch) -> None:
        self.watch = watch
        live = {"live": True, "poll_seconds": watch.settings.poll_seconds}
        content, policy = page(live, watch.changes(since=0, most=0), {})
        self.content = content.encode()
        super().__init__(watch.settings.host, watch.settings.port, policy, Handler)


class Handler(LocalHandler):
    """Answer GET of three paths, and PUT of a run's notes; refuse all else."""

    def do_GET(self) -> None:  # noqa: N802, the name that http.server calls
        url, server = self.url, cast(Server, self.server)
        picture = PICTURE.fullmatch(url.path)
        if url.path == "/":
            self.answer("text/html; charset=utf-8", server.content)
        elif url.path == "/data":
            since = parse_qs(url.query).get("since", ["0"])[0]
            server.watch.refresh()
            changes = server.watch.changes(int(since) if re.fullmatch(r"[0-9]{1,15}", since) else 0)
            self.answer("application/json", changes.encode())
        elif picture:
            self._picture(server.watch, int(picture["run"]), unquote(picture["file"]))
        else:
            self.refuse(HTTPStatus.NOT_FOUND)

    def do_PUT(self) -> None:  # noqa: N802, the name that http.server calls
        """Write a run's notes, for a page on this machine that we served."""
        watch, address = cast(Server, self.server).watch, NOTES.fullmatch(self.url.path)
        run = watch.watched.get(int(address["run"])) if address else None
        length = self.headers.get("Content-Length", "")
        self.close_connection = True  # what is refused is left unread
        # A foreign page can send requests here, but it can't read the token.
        is_local = ipaddress.ip_address(self.client_address[0]).is_loopback
        token = self.headers.get("X-Token", "").encode()
        if not is_local or not secrets.compare_digest(token, watch.instance.encode()):
            self.refuse(HTTPStatus.FORBIDDEN)
        elif address is None or run is None:
            self.refuse(HTTPStatus.NOT_FOUND)
        elif not re.fullmatch(r"[0-9]{1,5}", length):
            self.refuse(HTTPStatus.BAD_REQUEST)
        else:
            self._write_notes(watch, int(address["run"]), run.folder, self.rfile.read(int(length)))

    def _write_notes(self, watch: Watch, number: int, folder: Path, content: bytes) -> None:
        try:
            write_notes(folder, content)
        except ValueError:
            self.refuse(HTTPStatus.BAD_REQUEST)
        except (OSError, UserError):
            self.refuse(HTTPStatus.CONFLICT)
        else:
            watch.look_again(number)
            self.answer("application/json", b"{}")

    def _picture(self, watch: Watch, number: int, file: str) -> None:
        run = watch.watched.get(number)
        # Only names that were found in the run's folder: a request never chooses a path.
        known = run is not None and file in {picture.file for picture in run.pictures}
        try:
            content = read_picture(run.folder, file) if run and known else None
        except UnreadableError:
            content = None
        if content is None:
            self.refuse(HTTPStatus.NOT_FOUND)
        else:
            self.answer("image/png", content, "private, max-age=86400, immutable")  # its address names its time


def serve(watch: Watch) -> None:
    """Serve until Ctrl-C.

    Raises:
        UserError: the address can't be listened on.
    """
    with Server(watch) as server:
        print(f"{len(find_runs(watch.settings.runs))} runs at {server.url} (Ctrl-C ends)", flush=True)
        watch.refresh(patience=0)
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            print("ended")
