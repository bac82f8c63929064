"""A row for each example, the same in every format, from a model that needs no training images."""

import csv
import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet
import pytest
import torch
from conftest import PROJECT, Use
from omegaconf import OmegaConf
from PIL import Image

from infovae.data.fitting import read_image
from infovae.errors import UserError
from infovae.evaluation.load import load
from infovae.use import own_images
from infovae.use.own_images import prepared


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_each_row_is_the_code_of_its_file(use: Use, squares_run: Path, squares: Path, tmp_path: Path) -> None:
    use("encode", "split=all", "batch_size=7")
    rows, saved = rows_of(tmp_path / "codes.csv"), load(squares_run)
    assert sorted(row["example"] for row in rows) == sorted(
        str(path.relative_to(squares)) for path in squares.rglob("*.png")
    )
    sizes = {split: sum(row["split"] == split for row in rows) for split in ("train", "validation", "test")}
    assert sizes == {split: len(part.x) for split, part in saved.data.splits.items()}
    for row in rows[::9]:
        assert row["class"] == row["example"][:4] == saved.data.class_names[int(row["label"])]
        posterior = saved.module.encode(prepared(saved, [squares / row["example"]]))
        mean, deviation = ([float(row[f"{name}_{i}"]) for i in (1, 2, 3)] for name in ("mean", "std"))
        np.testing.assert_allclose(mean, posterior.mean[0].numpy(), rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(deviation, posterior.variance[0].sqrt().numpy(), rtol=1e-5)


def test_all_formats_hold_the_same(use: Use, squares: Path, tmp_path: Path) -> None:
    for suffix in ("csv", "parquet", "npz"):
        use("encode", f"images={squares}", "batch_size=16", f"output=codes.{suffix}")
    rows, table = rows_of(tmp_path / "codes.csv"), pyarrow.parquet.read_table(tmp_path / "codes.parquet")
    arrays = np.load(tmp_path / "codes.npz")
    assert len(rows) == table.num_rows == len(arrays["mean"]) == 40
    assert [row["example"] for row in rows] == table["example"].to_pylist() == arrays["example"].tolist()
    for entry in range(3):
        column = np.array([float(row[f"std_{entry + 1}"]) for row in rows], np.float32)
        np.testing.assert_array_equal(column, table[f"std_{entry + 1}"].to_numpy())
        np.testing.assert_array_equal(column, arrays["std"][:, entry])


def test_a_run_whose_pictures_are_gone_encodes_others(
    squares_run: Path, squares: Path, use: Use, tmp_path: Path
) -> None:
    run = tmp_path / "moved"
    shutil.copytree(squares_run, run)
    cfg = OmegaConf.load(run / "config.yaml")
    cfg.data.root = "gone"
    OmegaConf.save(cfg, run / "config.yaml")
    use("encode", f"run={run}", f"images={squares}/cats/03.png")
    assert [row["example"] for row in rows_of(tmp_path / "codes.csv")] == [f"{squares}/cats/03.png"]
    with pytest.raises(UserError, match=r"^data.root=gone: no such folder"):
        use("encode", f"run={run}", "output=none.csv")
    assert not (tmp_path / "none.csv").exists()


def test_an_image_of_ones_own_is_prepared_as_in_training(squares_run: Path, tmp_path: Path) -> None:
    saved, path = load(squares_run), tmp_path / "photo.jpg"
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (30, 50), np.uint8)).save(path)
    bytes_ = read_image(path, 8, 8, 3, "crop")
    assert torch.equal(prepared(saved, [path])[0], bytes_ / 255)
    saved.cfg.data.binarization, saved.cfg.data.source.fit = "threshold", "stretch"
    stretched = read_image(path, 8, 8, 3, "stretch")
    assert torch.equal(prepared(saved, [path])[0], (stretched / 255 >= 0.5).float())
    np.save(tmp_path / "own.npy", bytes_[None].numpy())
    assert torch.equal(own_images.own_data(saved, tmp_path / "own.npy").splits["test"].x[0], bytes_)


def test_documented_preparation_without_this_package_is_the_same(
    squares: Path, squares_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of a photograph on its side, a transparent drawing, a palette and grey, as docs/howto/export.md shows."""
    noise = np.random.default_rng(1).integers(0, 256, (21, 34, 4), np.uint8)
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(noise[..., :3]).save(tmp_path / "A.png", exif=exif)
    Image.fromarray(noise).save(tmp_path / "transparent.png")
    Image.fromarray(noise[..., :3]).convert("P").save(tmp_path / "palette.gif", transparency=7)
    Image.fromarray(noise[..., 0]).save(tmp_path / "grey.jpg")
    monkeypatch.chdir(tmp_path)
    code = re.findall(r"```python\n(.*?)```", (PROJECT / "docs/howto/export.md").read_text(), re.S)[-1]
    names: dict[str, Any] = {}
    exec(code, names)
    for path in tmp_path.iterdir():
        for channels in (1, 3):
            ours = read_image(path, 8, 12, channels, "crop").numpy()
            np.testing.assert_array_equal(names["prepared"](path, channels, 8, 12), np.float32(ours) / 255)


def test_documented_python_runs_as_written(
    squares: Path, squares_run: Path, use: Use, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, place in (("RUN", squares_run), ("A.png", squares / "cats/01.png"), ("B.png", squares / "dogs/01.png")):
        (tmp_path / name).symlink_to(place)
    use("outliers", "split=validation", "samples=2", "output=held_out")
    use("outliers", f"images={squares}", "samples=2", "output=new")
    capsys.readouterr()
    codes = re.findall(r"```python\n(.*?)```", (PROJECT / "docs/howto/use_a_trained_model.md").read_text(), re.S)
    for code in codes:
        exec(code, {})
    said = capsys.readouterr().out
    assert "log_likelihood" in said  # the table of anomalies, if only its columns
    lines = ["torch.Size([4, 1, 28, 28])", "(2, 3) (2, 3)", "(2, 3, 8, 8)"]
    assert [line for line in said.splitlines() if line in lines] == lines


@pytest.mark.parametrize(
    ("override", "told"),
    [
        ("data=digits", r"data: its examples are of 1x8x8; accepted: those of 3x8x8, as the model was trained on"),
        ("output=codes.txt", r"output=codes.txt: of no kind that is written; accepted: files named .csv"),
        ("images=nowhere.png", r"images=nowhere.png: nowhere.png can't be read .*; accepted: an image, a folder of"),
    ],
)  # fmt: skip
def test_what_can_not_be_encoded_is_refused(use: Use, tmp_path: Path, override: str, told: str) -> None:
    with pytest.raises(UserError, match=told):
        use("encode", override)
    assert list(tmp_path.iterdir()) == []
