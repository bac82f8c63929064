"""An epoch on each kind of image, from files in their own format to pictures, by the path that train.py takes."""

import math
from pathlib import Path

import pytest
from conftest import Compose
from formats import WRITERS
from PIL import Image

from infovae.training.run import train

NETWORKS = {
    "mlp": ["network.encoder.hidden=[8]", "network.decoder.hidden=[8]"],
    "conv": ["network.encoder.channels=[4,4]", "network.encoder.hidden=8"],
    "resnet": ["network.encoder.widths=[4]"],
}


@pytest.mark.parametrize(
    ("name", "shape", "network", "latent_dim"),
    [
        ("usps", (1, 16, 16), "mlp", 3),
        ("fashion_mnist", (1, 28, 28), "conv", 2),
        ("cifar10", (3, 32, 32), "resnet", 2),
        ("celeba", (3, 64, 64), "conv", 3),
        ("stl10", (3, 96, 96), "resnet", 3),
        ("omniglot", (1, 105, 105), "conv", 3),
    ],
)
def test_an_epoch_and_its_pictures(
    composed: Compose, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    name: str, shape: tuple[int, int, int], network: str, latent_dim: int,
) -> None:  # fmt: skip
    WRITERS[name](tmp_path / "data", monkeypatch)
    overrides = [
        f"data={name}", f"data.root={tmp_path / 'data'}", "data.source.download=false", "data.batch_size=2",
        f"data.validation_size={'null' if name == 'celeba' else 2}", f"network={network}", *NETWORKS[network],
        "likelihood=discretized_logistic", f"latent_dim={latent_dim}", "trainer.max_epochs=1",
        "trainer.accelerator=cpu", "trainer.enable_progress_bar=false", "logger=none",
    ]  # fmt: skip
    metrics = train(composed(*overrides, run_dir=tmp_path / "run"))
    # A likelihood over 256 levels, before it has learned anything, takes some 8 bits for each value of a pixel.
    assert 0 < metrics["test/reconstruction"] < 10 * math.log(256) * math.prod(shape)
    pictures = {path.stem for path in (tmp_path / "run" / "figures").glob("*.png")}
    plane = {"latent_scatter", "latent_manifold"} if latent_dim == 2 else set()
    assert {"samples", "reconstructions"} | plane <= pictures
    for picture in pictures:
        with Image.open(tmp_path / "run" / "figures" / f"{picture}.png") as image:
            assert min(image.size) >= min(shape[1:])
