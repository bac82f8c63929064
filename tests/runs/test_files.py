"""A file is written whole or not at all, and never through a link."""

import os
from pathlib import Path

import pytest

from infovae.errors import UserError
from infovae.runs.files import write_whole


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
