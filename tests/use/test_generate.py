"""New codes are the prior's, or around an image's, and a path joins the codes of two images."""

from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import Use
from PIL import Image

from infovae.errors import UserError
from infovae.evaluation.load import load
from infovae.use.generate import generated
from infovae.use.own_images import prepared


def test_files_and_array_hold_the_same_decoded_codes(use: Use, squares_run: Path, tmp_path: Path) -> None:
    use("generate", "n=103", "output=files")
    use("generate", "n=103", "output=array.npy")
    array = np.load(tmp_path / "array.npy")
    assert array.shape == (103, 3, 8, 8)
    files = sorted((tmp_path / "files").iterdir())
    assert [path.name for path in files] == [f"{number:03}.png" for number in range(1, 104)]
    read = np.stack([np.asarray(Image.open(path)) for path in files]).transpose(0, 3, 1, 2)
    assert np.abs(read / 255 - array).max() <= 0.5 / 255 + 1e-6
    module = load(squares_run).module
    torch.manual_seed(0)
    first = module.decode(module.prior.sample(100)).mean.numpy()
    np.testing.assert_array_equal(array[:100], first)


def test_codes_around_an_image_are_its_posterior_s(squares: Path, squares_run: Path) -> None:
    saved = load(squares_run)
    image = prepared(saved, [squares / "cats/00.png"])
    decoded = []
    saved.module.decode = lambda z: decoded.append(z) or torch.distributions.Normal(z, 1)
    n = 20_000
    for spread in (None, 0.01):
        decoded.clear()
        list(generated(saved, n, image, spread))
        z, q = torch.cat(decoded), saved.module.encode(image)
        deviation = q.variance.sqrt()[0] if spread is None else torch.full((3,), spread)
        # Five standard errors: sd / sqrt(n) of a mean, and sd / sqrt(2 n) of a standard deviation.
        assert ((z.mean(0) - q.mean[0]).abs() < 5 * deviation / n**0.5).all()
        assert ((z.std(0) - deviation).abs() < 5 * deviation / (2 * n) ** 0.5).all()


def test_a_path_goes_from_one_reconstruction_to_the_other(
    use: Use, squares: Path, squares_run: Path, tmp_path: Path
) -> None:
    ends = [squares / "cats/01.png", squares / "dogs/17.png"]
    use("interpolate", f"from={ends[0]}", f"to={ends[1]}", "steps=4", "output=path")
    assert sorted(path.name for path in (tmp_path / "path").iterdir()) == [
        "interpolation.png", "linear.gif", "spherical.gif"
    ]  # fmt: skip
    saved = load(squares_run)
    expected = saved.module.decode(saved.module.encode(prepared(saved, ends)).mean).mean
    with Image.open(tmp_path / "path" / "linear.gif") as film:
        for frame, end in ((0, expected[0]), (59, expected[1])):
            film.seek(frame)
            pixels = np.asarray(film.convert("RGB"))[::30, ::30].transpose(2, 0, 1) / 255
            assert np.abs(pixels - end.numpy()).mean() < 0.05  # a film has 256 colours


def test_a_folder_that_holds_something_is_left_alone(use: Use, tmp_path: Path) -> None:
    (tmp_path / "files").mkdir()
    (tmp_path / "files" / "mine.txt").touch()
    with pytest.raises(UserError, match=r"^output=files: holds something already; accepted: a new or an empty folder"):
        use("generate", "output=files")
