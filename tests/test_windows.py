"""What Windows refuses: to open folders, to remove open files, and to fork. The calls fail here as they do there."""

import multiprocessing
import os
from pathlib import Path
from typing import Any

import pytest
import torch

from infovae.data.examples import Examples
from infovae.data.streamed import Streamed
from infovae.errors import UserError
from infovae.runs.files import write_whole
from infovae.runs.lock import LOCK, claimed


def test_a_durable_file_is_written_where_folders_cant_be_opened(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    opened = os.open

    def refusing_folders(path: Any, *arguments: Any, **keywords: Any) -> int:
        if os.path.isdir(path):
            raise PermissionError(13, "Permission denied", str(path))
        return opened(path, *arguments, **keywords)

    monkeypatch.setattr(os, "open", refusing_folders)
    write_whole(tmp_path / "run" / "last.ckpt", b"weights", durable=True)
    assert (tmp_path / "run" / "last.ckpt").read_bytes() == b"weights"


def test_a_refused_run_tells_why_where_an_open_lock_cant_be_removed(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    removed = Path.unlink

    def refusing_locks(path: Path, *arguments: Any, **keywords: Any) -> None:
        if path.name == LOCK:
            raise PermissionError(13, "in use by another process", str(path))
        removed(path, *arguments, **keywords)

    monkeypatch.setattr(Path, "unlink", refusing_locks)
    with pytest.raises(UserError, match="too few"), claimed(tmp_path, "hydra.run.dir"):
        raise UserError("too few")


def test_jobs_of_joblib_read_without_workers_where_there_is_no_fork(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(multiprocessing, "get_start_method", lambda **_: "loky")
    monkeypatch.setattr(multiprocessing, "get_all_start_methods", lambda: ["spawn"])
    monkeypatch.setattr(torch.multiprocessing, "get_all_start_methods", lambda: ["spawn"])
    x = torch.arange(6, dtype=torch.uint8).view(6, 1, 1, 1)
    streamed = Streamed(Examples(x, torch.zeros(6, dtype=torch.int64)), torch.device("cpu"), workers=2, prefetch=2)
    (batch,) = streamed.batches([torch.tensor([4, 1])])
    assert (batch.x * 255).flatten().tolist() == [4, 1]
