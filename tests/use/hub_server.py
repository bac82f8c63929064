"""Stands in for the Hugging Face Hub: keeps what is committed, and gives it back."""

import base64
import hashlib
import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

COMMIT = "a" * 40


class Hub(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Answer)
        self.created: dict[str, Any] = {}
        self.files: dict[str, bytes] = {}

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class Answer(BaseHTTPRequestHandler):
    server: Hub
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.path == "/api/repos/create":
            self.server.created = json.loads(body)
            self._json({"url": f"{self.server.url}/me/squares", "id": "me/squares"})
        elif self.path.endswith("/preupload/main"):
            files = [{"path": file["path"], "uploadMode": "regular"} for file in json.loads(body)["files"]]
            self._json({"files": [file | {"shouldIgnore": False} for file in files]})
        elif self.path.endswith("/commit/main"):
            for line in map(json.loads, body.splitlines()):
                if line["key"] == "file":
                    self.server.files[line["value"]["path"]] = base64.b64decode(line["value"]["content"])
            self._json({"commitUrl": f"{self.server.url}/me/squares/commit/{COMMIT}", "commitOid": COMMIT})
        else:
            self._json({})

    def do_GET(self) -> None:
        file = re.fullmatch(rf"/me/squares/resolve/{COMMIT}/(.+)", self.path)
        if self.path.startswith("/api/models/me/squares/tree/"):
            self._json(
                [
                    {"type": "file", "path": name, "size": len(content), "oid": hashlib.sha1(content).hexdigest()}
                    for name, content in self.server.files.items()
                ]
            )
        elif self.path.startswith("/api/models/me/squares/") and self.server.files:
            siblings = [{"rfilename": name} for name in self.server.files]
            self._json({"id": "me/squares", "modelId": "me/squares", "sha": COMMIT, "siblings": siblings})
        elif file and file[1] in self.server.files:
            self._send(200, self.server.files[file[1]])
        elif self.path == "/api/agent-harnesses":
            self._json({})
        else:
            self._send(404, b"{}")

    def do_HEAD(self) -> None:
        self.do_GET()

    def _json(self, content: Any) -> None:
        self._send(200, json.dumps(content).encode())

    def _send(self, status: int, content: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(content)))
        self.send_header("ETag", f'"{hashlib.sha1(content).hexdigest()}"')
        self.send_header("X-Repo-Commit", COMMIT)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    def log_message(self, format: str, *args: Any) -> None:
        pass


@contextmanager
def hub_server() -> Iterator[Hub]:
    with Hub() as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()
