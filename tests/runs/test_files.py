"""A file is written whole or not at all, and never through a link."""

import os
from pathlib import Path

import pytest

from infovae.errors import UserError
from infovae.runs.files import refuse_unfit, write_whole
from infovae.runs.folder import leave_no_trace
from infovae.runs.lock import claimed


def test_what_was_there_goes_where_it_is_told(tmp_path: Path) -> None:
    for content in ("one", b"two", memoryview(b"three")):
        write_whole(tmp_path / "new" / "file", content, durable=True, earlier=tmp_path / "new" / "before")
    assert (tmp_path / "new" / "file").read_text() == "three"
    assert (tmp_path / "new" / "before").read_text() == "two"
    assert sorted(os.listdir(tmp_path / "new")) == ["before", "file"]


def test_an_error_keeps_the_earlier_file_and_leaves_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_whole(tmp_path / "file", "whole")

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        write_whole(tmp_path / "file", "new", durable=True)
    assert (tmp_path / "file").read_text() == "whole"
    assert os.listdir(tmp_path) == ["file"]


@pytest.mark.parametrize("name", ["file", "file.part"])
def test_links_are_replaced_not_followed(name: str, tmp_path: Path) -> None:
    precious = tmp_path / "precious"
    precious.write_text("mine")
    run = tmp_path / "run"
    run.mkdir()
    (run / name).symlink_to(precious)
    write_whole(run / "file", "new")
    assert precious.read_text() == "mine"
    assert (run / "file").read_text() == "new"
    assert not (run / "file").is_symlink()


def test_a_folder_that_is_a_link_is_refused(tmp_path: Path) -> None:
    mine, run = tmp_path / "mine", tmp_path / "run"
    mine.mkdir()
    run.mkdir()
    (run / "evaluation").symlink_to(mine)
    with pytest.raises(UserError, match="evaluation: is a link"):
        write_whole(run / "evaluation" / "samples.png", b"", inside=run)
    assert not list(mine.iterdir())
    (tmp_path / "runs").symlink_to(tmp_path)  # above the run it is the user's own business
    write_whole(tmp_path / "runs" / "run" / "config.yaml", "", inside=tmp_path / "runs" / "run")


@pytest.mark.parametrize("name", ["summary.json", "config.yaml", ".hydra"])
def test_a_folder_in_a_file_s_place_and_a_file_in_a_folder_s_are_refused(name: str, tmp_path: Path) -> None:
    (tmp_path / "checkpoints").mkdir()
    (tmp_path / "metrics.csv").touch()
    refuse_unfit(tmp_path)
    (tmp_path / name).touch() if name == ".hydra" else (tmp_path / name).mkdir()
    with pytest.raises(UserError, match=rf"^hydra.run.dir=.*: {tmp_path / name} is a (file|folder); accepted: "):
        refuse_unfit(tmp_path)


def test_nothing_is_left_beside_a_folder_in_a_file_s_place(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    with pytest.raises(IsADirectoryError) as refusal:
        write_whole(tmp_path / "a", "text")
    assert refusal.value.filename == str(tmp_path / "a")
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


def test_an_empty_folder_that_was_there_outlasts_a_refusal(tmp_path: Path) -> None:
    folder = tmp_path / "there"
    folder.mkdir()
    os.utime(folder, (1, 1))
    with claimed(folder, "hydra.run.dir"):
        pass
    leave_no_trace(folder, since=2)
    assert folder.is_dir()
