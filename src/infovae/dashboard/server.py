"""Serve the page, its changes and the pictures of known runs over HTTP, and nothing else."""

import ipaddress
import re
import secrets
import socket
import sys
import traceback
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from infovae.dashboard.folders import find_runs
from infovae.dashboard.notes import write_notes
from infovae.dashboard.page import page
from infovae.dashboard.pictures import read_picture
from infovae.dashboard.reading import UnreadableError
from infovae.dashboard.watch import Watch
from infovae.errors import UserError
from infovae.terminal.printable import without_controls

NOTES = re.compile(r"/notes/(?P<run>[0-9]{1,9})")
PICTURE = re.compile(r"/figures/(?P<run>[0-9]{1,9})/(?P<file>[^/]+)")


class Server(ThreadingHTTPServer):
    """Serve what one ``Watch`` has read."""

    daemon_threads = True

    def __init__(self, watch: Watch) -> None:
        self.watch = watch
        settings = watch.settings
        self.address_family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
        live = {"live": True, "poll_seconds": settings.poll_seconds}
        content, policy = page(live, watch.changes(since=0, most=0), {})
        self.content = content.encode()
        self.policy = f"{policy}; frame-ancestors 'none'"
        self.hosts = {"localhost", socket.gethostname().lower(), settings.host.lower()}
        super().__init__((settings.host, settings.port), Handler)

    @property
    def url(self) -> str:
        """The address of the page on this machine."""
        host = self.watch.settings.host
        return f"http://{f'[{host}]' if ':' in host else host}:{self.server_address[1]}/"

    def handle_error(self, request: Any, client_address: Any) -> None:
        if not isinstance(sys.exc_info()[1], ConnectionError):  # a browser may hang up at any time
            print(without_controls(traceback.format_exc()), file=sys.stderr)


class Handler(BaseHTTPRequestHandler):
    """Answer GET of three paths, and PUT of a run's notes; refuse all else."""

    server: Server
    protocol_version = "HTTP/1.1"
    server_version = "InfoVAE-Lab"
    sys_version = ""
    timeout = 60

    def do_GET(self) -> None:
        try:
            url, ours = urlsplit(self.path), self._host_is_ours()
        except ValueError:
            self._refuse(HTTPStatus.BAD_REQUEST)
            return
        if not ours:
            self._refuse(HTTPStatus.MISDIRECTED_REQUEST)
            return
        picture = PICTURE.fullmatch(url.path)
        if url.path == "/":
            self._answer("text/html; charset=utf-8", self.server.content)
        elif url.path == "/data":
            since = parse_qs(url.query).get("since", ["0"])[0]
            self._data(int(since) if re.fullmatch(r"[0-9]{1,15}", since) else 0)
        elif picture:
            self._picture(int(picture["run"]), unquote(picture["file"]))
        else:
            self._refuse(HTTPStatus.NOT_FOUND)

    def do_PUT(self) -> None:
        """Write a run's notes, for a page on this machine that we served."""
        address = NOTES.fullmatch(self.path)
        run = self.server.watch.run(int(address["run"])) if address else None
        length = self.headers.get("Content-Length", "")
        self.close_connection = True  # what is refused is left unread
        # A foreign page can send requests here, but it can't read the token.
        is_ours = self._host_is_ours() and ipaddress.ip_address(self.client_address[0]).is_loopback
        if not is_ours or not secrets.compare_digest(
            self.headers.get("X-Token", "").encode(), self.server.watch.instance.encode()
        ):
            self._refuse(HTTPStatus.FORBIDDEN)
        elif address is None or run is None:
            self._refuse(HTTPStatus.NOT_FOUND)
        elif not re.fullmatch(r"[0-9]{1,5}", length):
            self._refuse(HTTPStatus.BAD_REQUEST)
        else:
            self._write_notes(int(address["run"]), run.folder, self.rfile.read(int(length)))

    def _write_notes(self, number: int, folder: Path, content: bytes) -> None:
        try:
            write_notes(folder, content)
        except ValueError:
            self._refuse(HTTPStatus.BAD_REQUEST)
        except (OSError, UserError):
            self._refuse(HTTPStatus.CONFLICT)
        else:
            self.server.watch.look_again(number)
            self._answer("application/json", b"{}")

    def _data(self, since: int) -> None:
        self.server.watch.refresh()
        self._answer("application/json", self.server.watch.changes(since).encode())

    def _picture(self, number: int, file: str) -> None:
        run = self.server.watch.run(number)
        # Only names that were found in the run's folder: a request never chooses a path.
        known = {picture.file for picture in run.pictures} if run else set()
        if run is None or file not in known:
            self._refuse(HTTPStatus.NOT_FOUND)
            return
        try:
            content = read_picture(run.folder, file)
        except UnreadableError:
            self._refuse(HTTPStatus.NOT_FOUND)
            return
        self._answer("image/png", content, "private, max-age=86400, immutable")  # its address names its time

    def _host_is_ours(self) -> bool:
        """Return whether the request's host is this machine.

        Anyone can point a name of theirs at this machine; a page of theirs would then read what we serve.
        """
        host = urlsplit(f"//{self.headers.get('Host', '')}").hostname or ""
        try:
            ipaddress.ip_address(host)
        except ValueError:
            return host in self.server.hosts
        return True

    def _answer(self, kind: str, content: bytes, cache: str = "no-store") -> None:
        self.send_response(HTTPStatus.OK)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        self.send_header("Cache-Control", cache)
        self.end_headers()
        self.wfile.write(content)

    def _refuse(self, status: HTTPStatus) -> None:
        content = f"{status.value} {status.phrase}\n".encode()
        self.send_response(status)
        self.send_header("Content-Type", "text/plain; charset=utf-8")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def end_headers(self) -> None:
        self.send_header("Content-Security-Policy", self.server.policy)
        self.send_header("X-Content-Type-Options", "nosniff")
        self.send_header("Cross-Origin-Resource-Policy", "same-origin")
        self.send_header("Referrer-Policy", "no-referrer")
        super().end_headers()

    def log_message(self, format: str, *args: Any) -> None:
        pass


def serve(watch: Watch) -> None:
    """Serve until Ctrl-C.

    Raises:
        UserError: the address can't be listened on.
    """
    settings = watch.settings
    try:
        server = Server(watch)
    except (OSError, OverflowError) as error:
        reason = getattr(error, "strerror", None) or error
        raise UserError(
            f"host={settings.host} port={settings.port}: {reason}; accepted: an address of this machine and a free "
            "port (port=0 takes any)"
        ) from error
    with server:
        print(f"{len(find_runs(settings.runs))} runs at {server.url} (Ctrl-C ends)", flush=True)
        watch.refresh(patience=0)
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            print("ended")
