"""The server, by real requests: three addresses and nothing else."""

import contextlib
import http.client
import json
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from conftest import PROJECT
from run_folders import png, write_run

from infovae.dashboard import watch as watching
from infovae.dashboard.run import RunData
from infovae.dashboard.server import Server
from infovae.dashboard.settings import Settings
from infovae.dashboard.watch import Watch

Answer = tuple[int, dict[str, str], bytes]
Get = Callable[..., Answer]


def watch_of(folder: Path) -> Watch:
    return Watch(
        Settings(
            runs=[str(folder)],
            output=Path("unused"),
            serve=True,
            host="127.0.0.1",
            port=0,
            poll_seconds=1e-6,
            picture_megabytes=1,
            curve_points=300,
            stalled_after_minutes=30,
        )
    )


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    write_run(tmp_path / "runs" / "0", pictures=("samples-0001.png",))
    write_run(tmp_path / "runs" / "1", seed=2)
    (tmp_path / "runs" / "0" / "figures" / "notes.txt").write_text("secret")
    (tmp_path / "secret.png").write_bytes(png())
    return tmp_path / "runs"


@contextlib.contextmanager
def served(watch: Watch) -> Iterator[Get]:
    with Server(watch) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()

        def get(path: str, method: str = "GET", body: bytes | None = None, **headers: str) -> Answer:
            connection = http.client.HTTPConnection("127.0.0.1", server.server_address[1], timeout=10)
            with contextlib.closing(connection):
                connection.request(method, path, body, headers)
                answer = connection.getresponse()
                return answer.status, dict(answer.getheaders()), answer.read()

        yield get
        server.shutdown()


@pytest.fixture
def get(runs: Path) -> Iterator[Get]:
    watch = watch_of(runs)
    watch.look()
    with served(watch) as get:
        yield get


def test_page_data_and_pictures(get: Get, runs: Path) -> None:
    status, headers, body = get("/")
    assert (status, headers["Content-Type"]) == (200, "text/html; charset=utf-8")
    assert b"<title>InfoVAE Lab: runs</title>" in body
    assert headers["Content-Security-Policy"].startswith("default-src 'none'; script-src")
    assert "frame-ancestors 'none'" in headers["Content-Security-Policy"]
    data = json.loads(get("/data?since=0")[2])
    assert [Path(run["path"]).name for run in data["runs"]] == ["0", "1"]
    ((_, file, modified),) = data["runs"][0]["pictures"]["samples"]
    status, headers, body = get(f"/figures/0/{file}?v={modified}")
    assert (status, headers["Content-Type"], headers["X-Content-Type-Options"]) == (200, "image/png", "nosniff")
    assert body == (runs / "0" / "figures" / "samples-0001.png").read_bytes()


@pytest.mark.parametrize(
    "path",
    [
        "/figures/0/..%2Fconfig.yaml",
        "/figures/0/..%2F..%2F..%2Fsecret.png",
        "/figures/0/%2e%2e/%2e%2e/secret.png",
        "/figures/0/../../../secret.png",
        "/figures/0/notes.txt",
        "/figures/0/%00",
        "/figures/7/samples-0001.png",
        "/figures/1/samples-0001.png",
        "/figures/-1/samples-0001.png",
        "/config.yaml",
        "/../secret.png",
        "//etc/passwd",
        "/data/",
        "/figures/",
        "/index.html",
    ],
)
def test_nothing_else_is_served(get: Get, path: str) -> None:
    status, _, body = get(path)
    assert status == 404
    assert b"secret" not in body


def test_a_link_put_there_after_the_look_is_not_followed(get: Get, runs: Path) -> None:
    picture = runs / "0" / "figures" / "samples-0001.png"
    picture.unlink()
    picture.symlink_to(runs.parent / "secret.png")
    assert get("/figures/0/samples-0001.png")[0] == 404


@pytest.mark.parametrize("method", ["POST", "DELETE", "OPTIONS", "HEAD"])
def test_only_get(get: Get, method: str) -> None:
    assert get("/", method)[0] == 501


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("127.0.0.1:8765", 200),
        ("localhost", 200),
        ("[::1]:8765", 200),
        ("evil.example", 421),
        ("127.0.0.1.evil.example:8765", 421),
        ("localhost.evil.example", 421),
        ("", 421),
        ("[", 400),
    ],
)
def test_foreign_names_are_refused(get: Get, host: str, status: int) -> None:
    assert get("/data?since=0", Host=host)[0] == status


def test_what_is_asked_for_badly_is_answered(get: Get) -> None:
    assert json.loads(get("/data")[2])["runs"]
    assert json.loads(get("/data?since=x%00")[2])["runs"]
    assert json.loads(get("/data?since=" + "9" * 15)[2])["runs"] == []


def test_only_what_changed_is_told_again(runs: Path) -> None:
    with served(watch_of(runs)) as get:

        def changes(since: int) -> tuple[list[int], list[int], int]:
            data = json.loads(get(f"/data?since={since}")[2])
            return [run["id"] for run in data["runs"]], data["gone"], data["version"]

        numbers, gone, version = changes(0)
        assert (numbers, gone) == ([0, 1], [])
        numbers, _, version = changes(version)
        assert numbers == []
        with (runs / "1" / "metrics.csv").open("a") as file:
            file.write("4,16,6.0,1.0,2.0,3.0,4.0\n")
        numbers, _, version = changes(version)
        assert numbers == [1]
        write_run(runs / "00")
        numbers, _, version = changes(version)
        assert numbers == [2]
        (runs / "0").rename(runs.parent / "away")
        numbers, gone, version = changes(version)
        assert (numbers, gone) == ([], [0])
        (runs.parent / "away").rename(runs / "0")
        assert changes(version)[:2] == ([0], [])


def test_serve_as_typed_and_ended_by_ctrl_c(runs: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    process = subprocess.Popen(
        [sys.executable, str(PROJECT / "dashboard.py"), "--serve", f"runs={runs}", f"port={port}"],
        cwd=runs.parent,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL) and None,
    )
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == f"2 runs at http://127.0.0.1:{port}/ (Ctrl-C ends)\n"
        with contextlib.closing(http.client.HTTPConnection("127.0.0.1", port, timeout=10)) as connection:
            for _ in range(100):  # it reads them while it answers
                connection.request("GET", "/data?since=0")
                data = json.loads(connection.getresponse().read())
                if len(data["runs"]) == data["found"] == 2:
                    break
            assert len(data["runs"]) == 2
        process.send_signal(signal.SIGINT)
        output, errors = process.communicate(timeout=20)
        assert (process.returncode, output, errors) == (0, "ended\n", "")
    finally:
        process.kill()
    assert {path.name for path in runs.parent.iterdir()} == {"runs", "secret.png"}


def test_many_runs_are_sent_in_parts_and_only_what_changed_is_sent_again(runs: Path) -> None:
    for number in range(2, 7):
        write_run(runs / str(number))
    watch = watch_of(runs)
    watch.look()
    received: list[int] = []
    since, more, parts = 0, True, 0
    while more:
        data = json.loads(watch.changes(since, most=1500))
        since, more, parts = data["version"], data["more"], parts + 1
        received += [run["id"] for run in data["runs"]]
        if parts == 1:  # a run that changes meanwhile is sent again
            (runs / "0" / "summary.json").unlink()
            watch.look()
    assert received == [*range(7), 0]
    assert parts > 3
    assert json.loads(watch.changes(since))["runs"] == []


def test_answers_do_not_wait_for_a_run_that_takes_long_to_read(runs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    go_on = threading.Event()
    read = watching.read_run

    def slow(folder: Path, *arguments: float) -> RunData:
        if folder.name == "1":
            go_on.wait(60)
        return read(folder, *arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(watching, "read_run", slow)
    with served(watch_of(runs)) as get:
        for _ in range(3):
            data = json.loads(get("/data?since=0")[2])
            assert ([run["id"] for run in data["runs"]], data["found"]) == ([0], 2)
        go_on.set()
        while len(json.loads(get("/data?since=0")[2])["runs"]) < 2:
            pass


def test_runs_are_read_once(runs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    watch = watch_of(runs)
    watch.look()

    def fail(*_: object) -> RunData:
        raise AssertionError("read again")

    monkeypatch.setattr(watching, "read_run", fail)
    watch.look()
    assert len(json.loads(watch.changes(0))["runs"]) == 2


def test_a_traceback_has_no_terminal_escapes(
    runs: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("\x1b[2J")

    watch = watch_of(runs)
    monkeypatch.setattr(watch, "refresh", broken)
    with served(watch) as get, pytest.raises(http.client.HTTPException):
        get("/data")
    told = capsys.readouterr().err
    assert "\\x1b[2J" in told
    assert "\x1b" not in told


def test_notes_are_written_for_our_own_page_alone(runs: Path) -> None:
    watch = watch_of(runs)
    watch.look()
    good = b'{"notes": "n", "tags": ["t"]}'
    with served(watch) as ask:
        token = {"X-Token": watch.instance}
        assert ask("/notes/0", "PUT", good)[0] == 403
        assert ask("/notes/0", "PUT", good, **{"X-Token": "\xe4"})[0] == 403
        assert ask("/notes/0", "PUT", good, Host="evil.example", **token)[0] == 421
        assert ask("/notes/9", "PUT", good, **token)[0] == 404
        assert ask("/notes/../0", "PUT", good, **token)[0] == 404
        for bad in (
            b"",
            b"[]",
            b'{"notes": 1}',
            b'{"tags": [""]}',
            b'{"other": 1}',
            b'{"notes": "' + b"x" * 20_000 + b'"}',
        ):
            assert ask("/notes/0", "PUT", bad, **token)[0] == 400
        assert not (runs / "0" / "notes.json").exists()
        assert ask("/notes/0", "PUT", good, **token)[0] == 200
        assert json.loads((runs / "0" / "notes.json").read_text()) == json.loads(good)
        changed = json.loads(ask("/data?since=0")[2])["runs"]
        assert [run["tags"] for run in changed if run["id"] == 0] == [["t"]]
        (runs / "0" / "notes.json").unlink()
        (runs / "0" / "notes.json").symlink_to(runs.parent / "secret.png")
        before = (runs.parent / "secret.png").read_bytes()
        assert ask("/notes/0", "PUT", good, **token)[0] == 200  # the link is replaced, not followed
        assert (runs.parent / "secret.png").read_bytes() == before
        assert ask("/notes/0", "PUT", b"{}", **token)[0] == 200
        assert not (runs / "0" / "notes.json").exists()
