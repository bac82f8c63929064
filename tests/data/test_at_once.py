"""Several processes that read a set for the first time at the same moment: real processes, one folder."""

import hashlib
import multiprocessing
import shutil
from collections.abc import Callable
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from time import sleep
from typing import Any

import formats
import pytest
from conftest import PROJECT
from torchvision.datasets import SVHN

from infovae.data.celeba import celeba
from infovae.data.examples import DataSet
from infovae.data.mnist import SHA256, mnist
from infovae.data.omniglot import omniglot
from infovae.data.svhn import svhn

PROCESSES = 5


def digest(sets: DataSet) -> str:
    content = hashlib.sha256()
    for part in (sets.train, sets.test):
        content.update(part.x[:].numpy().tobytes())
        content.update(part.labels.numpy().tobytes())
    return content.hexdigest()


def at_once(read: Callable[[], DataSet]) -> list[str]:
    """What each of the processes read, or what it stumbled over."""
    fork = multiprocessing.get_context("fork")
    together, found = fork.Barrier(PROCESSES), fork.SimpleQueue()

    def work() -> None:
        together.wait()
        try:
            found.put(digest(read()))
        except BaseException as error:
            found.put(repr(error))

    processes = [fork.Process(target=work) for _ in range(PROCESSES)]
    for process in processes:
        process.start()
    answers = [found.get() for _ in processes]
    for process in processes:
        process.join()
    return answers


def check_all(read: Callable[[], DataSet]) -> None:
    answers = at_once(read)
    assert answers == [digest(read())] * PROCESSES


def test_the_bundled_archives_are_unpacked(tmp_path: Path) -> None:
    shutil.copytree(PROJECT / "data" / "mnist", tmp_path / "mnist")
    check_all(partial(mnist, str(tmp_path), download=False))
    left = {path.name for path in (tmp_path / "MNIST" / "raw").iterdir()}
    assert left == set(SHA256)


@pytest.mark.parametrize(("read", "write"), [(omniglot, formats.omniglot), (celeba, formats.celeba)])
def test_an_archive_is_unpacked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, read: Callable[..., DataSet], write: Callable[..., Any]
) -> None:
    write(tmp_path, monkeypatch)
    check_all(partial(read, str(tmp_path), download=False))


def test_a_set_is_downloaded_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Slow(SimpleHTTPRequestHandler):
        def do_GET(self) -> None:
            if "Method" not in self.headers:  # with it, torchvision only looks where the address leads
                asked.append(self.path)
            sleep(0.2)  # that the others come while a file is being fetched
            super().do_GET()

        def log_message(self, format: str, *arguments: Any) -> None:
            pass

    asked: list[str] = []
    formats.svhn(tmp_path / "server", monkeypatch)
    handler = partial(Slow, directory=str(tmp_path / "server" / "svhn"))
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    Thread(target=server.serve_forever, daemon=True).start()
    url = f"http://127.0.0.1:{server.server_port}"
    known = {name: [f"{url}/{entry[1]}", *entry[1:]] for name, entry in SVHN.split_list.items()}
    monkeypatch.setattr(SVHN, "split_list", known)
    check_all(partial(svhn, str(tmp_path / "data")))
    server.shutdown()
    server.server_close()
    assert sorted(asked) == ["/test_32x32.mat", "/train_32x32.mat"]
