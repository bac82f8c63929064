"""Checkpoints as files: sealed, refused when a bit has changed, and found wherever they are."""

import io
import random
import shutil
import zipfile
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from infovae.errors import UserError
from infovae.runs.checkpoints import WholeCheckpoints, load_weights, newest_sound, read_checkpoint
from infovae.runs.sealed import SEAL_LENGTH

WEIGHTS = {"weight": torch.arange(6.0).reshape(2, 3), "bias": torch.ones(2)}


def checkpoint(step: int = 1, ends_epoch: bool = True, **more: Any) -> dict[str, Any]:
    loops = {"fit_loop": {"epoch_loop.batch_progress": {"is_last_batch": ends_epoch}}}
    return {"state_dict": WEIGHTS, "epoch": 0, "global_step": step, "loops": loops, "optimizer_states": []} | more


def save(path: Path, content: dict[str, Any]) -> bytes:
    WholeCheckpoints(path.parents[1]).save_checkpoint(content, path)
    return path.read_bytes()


def test_a_sealed_checkpoint_is_read_by_torch_too_and_survives_a_new_name(tmp_path: Path) -> None:
    path = tmp_path / "run" / "last.ckpt"
    save(path, checkpoint())
    moved = path.rename(tmp_path / "moved.ckpt")
    for content in (torch.load(moved, weights_only=True), read_checkpoint(moved, "")):
        assert torch.equal(content["state_dict"]["weight"], WEIGHTS["weight"])
    assert zipfile.ZipFile(moved).testzip() is None


def test_no_flipped_bit_goes_unseen(tmp_path: Path) -> None:
    """Every bit of the archive's directory and of the seal, and a sample of all others."""
    path = tmp_path / "run" / "last.ckpt"
    whole = save(path, checkpoint())
    directory = whole.index(b"PK\x01\x02") * 8
    bits = [*random.Random(1).sample(range(directory), 200), *range(directory, len(whole) * 8)]
    mark = range((len(whole) - SEAL_LENGTH) * 8, (len(whole) - 64) * 8)
    for bit in bits:
        content = bytearray(whole)
        content[bit // 8] ^= 1 << bit % 8
        path.write_bytes(content)
        if bit in mark:  # no seal then: what it sealed is whole, and is what is read
            assert torch.equal(read_checkpoint(path, "")["state_dict"]["weight"], WEIGHTS["weight"])
        else:
            with pytest.raises(UserError, match=r"last.ckpt is damaged, or not a checkpoint of a run"):
                read_checkpoint(path, "ckpt_path=x")


def test_a_checkpoint_without_a_seal_is_held_against_its_archive_s_checksums(tmp_path: Path) -> None:
    path, content = tmp_path / "old.ckpt", io.BytesIO()
    torch.save(checkpoint(), content)
    path.write_bytes(content.getvalue())
    assert read_checkpoint(path, "")["global_step"] == 1
    damaged = bytearray(content.getvalue())
    damaged[damaged.index(WEIGHTS["weight"].numpy().tobytes()) + 4] ^= 1
    path.write_bytes(damaged)
    with pytest.raises(UserError, match="damaged"):
        read_checkpoint(path, "")


def test_the_furthest_is_used_and_the_damaged_are_set_aside(tmp_path: Path) -> None:
    folder = tmp_path / "checkpoints"
    for step, name in ((4, "best.ckpt"), (2, "previous.ckpt"), (3, "last.ckpt"), (2, "epoch-07.ckpt")):
        save(folder / name, checkpoint(step))
    assert newest_sound([folder], tmp_path, ["epoch-*.ckpt"]) == folder / "last.ckpt"
    save(folder / "epoch-07.ckpt", checkpoint(5))
    assert newest_sound([folder], tmp_path, ["epoch-*.ckpt"]) == folder / "epoch-07.ckpt"
    (folder / "epoch-07.ckpt").unlink()
    save(folder / "middle.ckpt", checkpoint(9, ends_epoch=False))
    save(folder / "weights.ckpt", {"state_dict": WEIGHTS, "global_step": 99})
    for name in ("last", "previous", "best"):
        path = folder / f"{name}.ckpt"
        assert newest_sound([folder], tmp_path) == path
        path.write_bytes(path.read_bytes()[:-100])
    assert newest_sound([folder, tmp_path / "nowhere"], tmp_path) is None  # the middle of an epoch is none
    assert {path.name for path in folder.iterdir()} == {
        "last.damaged", "previous.damaged", "best.damaged", "middle.ckpt", "weights.ckpt"
    }  # fmt: skip


def test_where_a_run_is_over_in_the_middle_of_an_epoch_its_last_checkpoint_is_used(tmp_path: Path) -> None:
    folder = tmp_path / "checkpoints"
    save(folder / "previous.ckpt", checkpoint(4))
    save(folder / "last.ckpt", checkpoint(5, ends_epoch=False))
    assert newest_sound([folder], tmp_path) == folder / "previous.ckpt"
    found = newest_sound([folder], tmp_path, is_over=lambda path, content: content["global_step"] == 5)
    assert found == folder / "last.ckpt"


def test_checkpoints_in_subfolders_are_found(tmp_path: Path) -> None:
    folder = tmp_path / "checkpoints"
    save(folder / "best.ckpt", checkpoint(2))
    save(folder / "a" / "b.ckpt", checkpoint(2))
    assert newest_sound([folder], tmp_path, ["a/b.ckpt"]) == folder / "a" / "b.ckpt"


def test_in_a_shared_folder_only_a_run_s_own_count_and_nothing_is_moved(tmp_path: Path) -> None:
    shared = tmp_path / "shared"
    save(shared / "a.ckpt", checkpoint(5, config={"run_dir": str(tmp_path / "other")}))
    save(shared / "b.ckpt", checkpoint(4, config={"run_dir": str(tmp_path / "run")}))
    (shared / "c.ckpt").write_bytes(b"torn")
    assert newest_sound([shared], tmp_path / "run") == shared / "b.ckpt"
    assert (shared / "c.ckpt").exists()


@pytest.mark.parametrize("kind", [torch.complex64, torch.int64, torch.bool, torch.float8_e4m3fn])
def test_weights_of_another_kind_are_refused(kind: torch.dtype) -> None:
    weights = WEIGHTS | {"bias": torch.ones(2, dtype=kind)}
    with pytest.raises(UserError, match=rf"bias is of shape \(2,\) and type {kind} there and of shape \(2,\) here"):
        load_weights(nn.Linear(3, 2), weights, Path("x.ckpt"))
    load_weights(nn.Linear(3, 2), {name: value.double() for name, value in WEIGHTS.items()}, Path("x.ckpt"))


def test_no_checkpoint_is_written_through_a_link(tmp_path: Path) -> None:
    (tmp_path / "precious").mkdir()
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "checkpoints").symlink_to(tmp_path / "precious")
    with pytest.raises(UserError, match="is a link"):
        save(tmp_path / "run" / "checkpoints" / "last.ckpt", checkpoint())
    shutil.rmtree(tmp_path / "run")
    assert not list((tmp_path / "precious").iterdir())
