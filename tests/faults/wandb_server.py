"""A W&B server as far as wandb's client needs one, on 127.0.0.1, that can be told to fail."""

import gzip
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

VIEWER = {"id": "1", "entity": "somebody", "username": "somebody", "flags": "{}"}
PROJECT = {"id": "1", "name": "infovae", "entity": {"id": "1", "name": "somebody"}}


class Server:
    """What it was asked, and how it answers. It keeps the history of each run.

    Attributes:
        url: of the server.
        fault: None, ``hang``, or the status of every answer.
        faultless: requests that are still answered well before the fault begins.
        asked: path and body of each request.
    """

    def __init__(self, url: str, fault: str | None, faultless: int) -> None:
        self.url = url
        self.fault = fault
        self.faultless = faultless
        self.asked: list[tuple[str, str]] = []
        self.runs: dict[str, dict[int, dict[str, Any]]] = {}
        """Rows of each run's history by line; those sent later replace those that were there."""
        self.closing = threading.Event()

    def answer(self, path: str, body: str) -> tuple[int, dict[str, Any]]:
        self.asked.append((path, body))
        if self.fault is not None and len(self.asked) > self.faultless:
            if self.fault == "hang":
                self.closing.wait()
                return 500, {}
            return int(self.fault), {"errors": [{"message": "so it was told"}]}
        if path.endswith("/file_stream"):
            sent = json.loads(body).get("files", {}).get("wandb-history.jsonl", {"offset": 0, "content": []})
            rows = self.runs.setdefault(path.split("/")[-2], {})
            rows |= {line: json.loads(row) for line, row in enumerate(sent["content"], sent["offset"])}
        return 200, {"data": self._data(json.loads(body))} if path == "/graphql" else {}

    def _data(self, request: dict[str, Any]) -> dict[str, Any]:
        query, variables = request["query"], request.get("variables") or {}
        if "viewer" in query:
            return {"viewer": VIEWER}
        if "RunResumeStatus" in query and variables["name"] in self.runs:
            rows = self.runs[variables["name"]]
            last = rows[max(rows)]
            bucket = {
                "id": "1", "name": variables["name"], "historyLineCount": len(rows), "eventsLineCount": 0,
                "logLineCount": 0, "historyTail": json.dumps([json.dumps(last)]), "eventsTail": "[]",
                "summaryMetrics": json.dumps(last), "config": "{}", "wandbConfig": json.dumps({"t": 1}), "tags": [],
            }  # fmt: skip
            return {"model": PROJECT | {"bucket": bucket}}
        if "UpsertBucket" in query:
            bucket = {"id": "1", "name": variables["name"], "config": "{}", "historyLineCount": 0, "project": PROJECT}
            return {"upsertBucket": {"bucket": bucket, "inserted": True}}
        if "CreateRunFiles" in query:
            files = [{"name": name, "uploadUrl": f"{self.url}/upload/{name}"} for name in variables["files"]]
            return {"createRunFiles": {"runID": "1", "uploadHeaders": [], "files": files}}
        return {}


@contextmanager
def wandb_server(fault: str | None = None, faultless: int = 0) -> Iterator[Server]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            if self.headers.get("Content-Encoding") == "gzip":
                body = gzip.decompress(body)
            status, content = server.answer(self.path, body.decode(errors="replace"))
            answer = json.dumps(content).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        do_GET = do_PUT = do_POST  # noqa: N815

        def log_message(self, format: str, *arguments: Any) -> None:
            pass

    class Quiet(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, request: Any, client_address: Any) -> None:
            pass  # a client that no longer waits for its answer

    http = Quiet(("127.0.0.1", 0), Handler)
    server = Server(f"http://127.0.0.1:{http.server_port}", fault, faultless)
    thread = threading.Thread(target=http.serve_forever, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.closing.set()
        http.shutdown()
        http.server_close()
