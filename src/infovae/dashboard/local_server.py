"""What every page that is served from this machine has in common: who may ask, and the headers of answers."""

import ipaddress
import socket
import sys
import traceback
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import SplitResult, urlsplit

from infovae.errors import UserError
from infovae.terminal.printable import without_controls


class LocalServer(ThreadingHTTPServer):
    """Serve a page to browsers that reach it under a name of this machine.

    Args:
        host: the address to listen on.
        port: the port; 0 takes any free one.
        policy: the content security policy of the page.
        handler: answers requests.

    Raises:
        UserError: the address can't be listened on.
    """

    daemon_threads = True

    def __init__(self, host: str, port: int, policy: str, handler: type["LocalHandler"]) -> None:
        self.address_family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self.host = host
        self.policy = f"{policy}; frame-ancestors 'none'"
        self.hosts = {"localhost", socket.gethostname().lower(), host.lower()}
        try:
            super().__init__((host, port), handler)
        except (OSError, OverflowError) as error:
            reason = getattr(error, "strerror", None) or error
            accepted = "an address of this machine and a free port (port=0 takes any)"
            raise UserError(f"host={host} port={port}: {reason}; accepted: {accepted}") from error

    @property
    def url(self) -> str:
        """The address of the page on this machine."""
        return f"http://{f'[{self.host}]' if ':' in self.host else self.host}:{self.server_address[1]}/"

    def handle_error(self, request: Any, client_address: Any) -> None:
        if not isinstance(sys.exc_info()[1], ConnectionError):  # a browser may hang up at any time
            print(without_controls(traceback.format_exc()), file=sys.stderr)


class LocalHandler(BaseHTTPRequestHandler):
    """Answer requests for a :class:`LocalServer`, by methods ``do_GET``, ``do_POST`` or ``do_PUT``."""

    server: LocalServer
    url: SplitResult
    protocol_version = "HTTP/1.1"
    server_version = "InfoVAE-Lab"
    sys_version = ""
    timeout = 60

    def parse_request(self) -> bool:
        """Return whether to answer: refuse what isn't a request, or isn't for this machine."""
        if not super().parse_request():
            return False
        try:
            self.url, ours = urlsplit(self.path), self._host_is_ours()
        except ValueError:
            self.refuse(HTTPStatus.BAD_REQUEST)
            return False
        if not ours:
            self.refuse(HTTPStatus.MISDIRECTED_REQUEST)
        return ours

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

    def answer(self, kind: str, content: bytes, cache: str = "no-store") -> None:
        """Send a whole answer."""
        self._send(HTTPStatus.OK, kind, content, {"Cache-Control": cache})

    def refuse(self, status: HTTPStatus) -> None:
        """Send an answer that says no more than its status."""
        self._send(status, "text/plain; charset=utf-8", f"{status.value} {status.phrase}\n".encode(), {})

    def _send(self, status: HTTPStatus, kind: str, content: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in {"Content-Type": kind, "Content-Length": str(len(content)), **headers}.items():
            self.send_header(name, value)
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
