"""Neighbours and outliers are those of a search through all codes at once."""

import csv
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import Use
from PIL import Image

from infovae.evaluation.load import load
from infovae.metrics.importance_weighted import importance_weighted_log_likelihood
from infovae.use.encode import encoded
from infovae.use.neighbours import nearest
from infovae.use.outliers import scored
from infovae.use.own_images import given_example, own_data, prepared


def test_the_nearest_are_those_of_a_whole_search(squares: Path, squares_run: Path) -> None:
    saved = load(squares_run)
    mean = saved.module.encode(prepared(saved, [squares / "dogs/07.png"])).mean
    data = own_data(saved, squares)
    data.batch_size = 7
    found = nearest(saved, mean, data, ["test"], k=9)
    (whole,) = encoded(saved, own_data(saved, squares), "test")
    distances = (whole.mean - mean).norm(dim=1)
    order = distances.argsort()[:9]
    assert [entry.name for entry in found] == whole.names[order.numpy()].tolist()
    assert found[0].name == "dogs/07.png"
    np.testing.assert_allclose([entry.score for entry in found], distances[order].numpy(), atol=1e-5)
    assert all(torch.equal(entry.x, whole.x[position]) for entry, position in zip(found, order.tolist(), strict=True))


def test_a_named_example_has_the_pixels_that_evaluation_gives_it(squares_run: Path) -> None:
    saved = load(squares_run, changes={"data": {"binarization": "stochastic"}})
    saved.data.batch_size = 3
    for batch in encoded(saved, saved.data, "train"):
        for x, name in zip(batch.x, batch.names, strict=True):
            assert torch.equal(given_example(saved, f"train:{name}")[0][0], x)


def test_neighbours_are_printed_and_drawn(
    use: Use, squares: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    use("neighbours", f"image={squares}/cats/03.png", "k=3", "split=all")
    assert "│ cats/03.png │" in capsys.readouterr().out
    first = (tmp_path / "neighbours.png").read_bytes()
    use("neighbours", f"image={squares}/dogs/03.png", "k=3")
    assert (tmp_path / "neighbours-2.png").read_bytes() != first == (tmp_path / "neighbours.png").read_bytes()
    with Image.open(tmp_path / "neighbours.png") as picture:
        assert picture.width > 5 * 56  # five images of 8 pixels, enlarged seven times


def test_an_image_unlike_all_others_is_found(
    use: Use, squares: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    images = np.stack([np.asarray(Image.open(path).resize((8, 8))) for path in sorted(squares.rglob("*.png"))])
    images[11] = 255
    np.save(tmp_path / "own.npy", images)
    use("outliers", "images=own.npy", "k=2", "samples=5")
    printed = capsys.readouterr().out
    with (tmp_path / "outliers" / "scores.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 40
    for column, sign in (("log_likelihood", 1), ("squared_error", -1)):
        assert min(rows, key=lambda row: sign * float(row[column]))["example"] == "11"
    assert printed.count("│ 11 ") == 2
    assert sorted(path.name for path in (tmp_path / "outliers").glob("*.png")) == [
        "badly_reconstructed.png", "unlikely.png"
    ]  # fmt: skip


def test_scores_are_the_bound_and_the_error_of_the_mean_code(squares: Path, squares_run: Path) -> None:
    saved = load(squares_run)
    torch.manual_seed(3)
    (part,) = scored(saved, own_data(saved, squares), ["test"], samples=4)
    module, x = saved.module, part.batch.x
    torch.manual_seed(3)
    bound = importance_weighted_log_likelihood(x, module.decode, module.prior.distribution(), module.encode(x), 4)
    torch.testing.assert_close(part.log_likelihood, bound.value)
    torch.testing.assert_close(
        part.squared_error, (module.decode(module.encode(x).mean).mean - x).square().sum(dim=(1, 2, 3))
    )
