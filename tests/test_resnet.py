"""The residual network: any size, a signal at every size, and digits."""

from typing import Any

import pytest
import pytorch_lightning as pl
import torch
from conftest import SMALL, Compose
from hypothesis import given, settings
from hypothesis import strategies as st
from test_training import Losses

from infovae.networks.resnet import ResidualBlock, ResnetDecoder, ResnetEncoder
from infovae.training.assemble import build_data, build_module


@given(
    n=st.integers(1, 3),
    channels=st.integers(1, 4),
    height=st.integers(1, 40),
    width=st.integers(1, 40),
    latent_dim=st.integers(1, 4),
    blocks=st.integers(1, 2),
)
@settings(deadline=None, max_examples=25)
def test_any_image_size_and_channel_count(
    n: int, channels: int, height: int, width: int, latent_dim: int, blocks: int
) -> None:
    shape = (channels, height, width)
    assert ResnetEncoder(shape, 7, [3, 4], blocks)(torch.rand(n, *shape)).shape == (n, 7)
    assert ResnetDecoder(latent_dim, shape, 1, [3, 4], blocks)(torch.randn(n, latent_dim)).shape == (n, *shape)


@pytest.mark.parametrize("side", [1, 2, 8, 9, 28, 64])
@pytest.mark.parametrize("widths", [[3], [32]])
def test_the_output_depends_on_every_input_and_on_no_other_example(side: int, widths: list[int]) -> None:
    encoder, decoder = ResnetEncoder((1, side, side), 2, widths), ResnetDecoder(2, (1, side, side), 1, widths)
    images, z = torch.rand(2, 1, side, side, requires_grad=True), torch.randn(2, 2, requires_grad=True)
    for network, inputs in ((encoder, images), (decoder, z)):
        (gradient,) = torch.autograd.grad(network(inputs)[0].square().sum(), inputs)
        assert gradient[0].all()
        assert not gradient[1].any()


def test_resolutions_halve_down_to_eight_and_keep_the_last_width() -> None:
    encoder = ResnetEncoder((3, 256, 130), 2, [4, 6], 2)
    blocks = [layer for layer in encoder.layers if isinstance(layer, ResidualBlock)]
    widths = [block.residual[-1].out_channels for block in blocks]
    assert widths == [4, 4] + [6, 6] * 5
    assert encoder.layers[-1].in_features == 6 * 8 * 5
    assert ResnetDecoder(2, (3, 256, 130), 1, [4, 6], 2).layers[0].out_features == 6 * 8 * 5


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: ResnetEncoder((1, 4, 4), 2, []), r"widths=\[\]: invalid; accepted: non-empty lists"),
        (lambda: ResnetDecoder(2, (1, 4, 4), 1, [2, 0]), r"widths=\[2, 0\]: invalid; accepted"),
        (lambda: ResnetEncoder((1, 4, 4), 2, [2], 0), "blocks=0: invalid; accepted: whole numbers of at least 1"),
    ],
)
def test_impossible_sizes_are_refused(make: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()


def test_the_loss_falls_on_real_digits(composed: Compose) -> None:
    small = [entry for entry in SMALL if not entry.startswith("network")]
    cfg = composed(*small, "network=resnet", "network.encoder.widths=[4,8,8]")
    data = build_data(cfg)
    module, losses = build_module(cfg, data), Losses()
    pl.Trainer(
        max_epochs=3, accelerator="cpu", logger=False, enable_checkpointing=False, enable_progress_bar=False,
        enable_model_summary=False, limit_val_batches=0, callbacks=[losses],
    ).fit(module, datamodule=data)  # fmt: skip
    assert losses.losses[-1] < losses.losses[0]
