"""Small pictures of examples of any kind: images, signals, volumes and rows of a table."""

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

HEIGHT, WIDTH = 48, 72
COLOURS = torch.tensor([[0.10, 0.10, 0.10], [0.25, 0.56, 0.85], [1.00, 0.66, 0.05], [0.74, 0.12, 0.0]])
"""Of the first channel, the second, ..., and from the start again."""


def as_images(examples: Float[Tensor, "n c *s"], limits: tuple[float, float] | None = None) -> Float[Tensor, "n k h w"]:
    """Return an image of each example, with pixels in [0, 1].

    An image is itself. A signal is a line for each channel, a row of a table one line over its columns; all lines have
    the same scale. A volume is its three middle slices, of its first channel.

    Args:
        examples: of any kind.
        limits: the lowest and the highest number that is shown; None: those of the examples.
    """
    if examples.ndim == 4:
        return examples
    limits = limits_of(examples) if limits is None else limits
    if examples.ndim == 5:
        return _slices(examples[:, 0], *limits)
    return _lines(examples if examples.ndim == 3 else examples[:, None], *limits)


def limits_of(examples: Float[Tensor, "n c *s"]) -> tuple[float, float]:
    """Return the lowest and the highest finite number in examples; 0 and 1 if none is finite."""
    finite = examples[examples.isfinite()]
    return (float(finite.min()), float(finite.max())) if len(finite) else (0.0, 1.0)


def _lines(signals: Float[Tensor, "n c l"], low: float, high: float) -> Float[Tensor, "n 3 h w"]:
    drawn = functional.interpolate(signals.float(), size=WIDTH, mode="linear", align_corners=True)
    height = (HEIGHT - 3) * (1 - (drawn - low) / max(high - low, 1e-12)) + 1
    before = torch.cat([height[..., :1], height[..., :-1]], dim=2)
    # From each point to the one before, so that steep lines have no gaps; nan leaves one.
    top, bottom = torch.minimum(height, before) - 0.6, torch.maximum(height, before) + 0.6
    rows = torch.arange(HEIGHT, device=signals.device)[:, None]
    pixels = torch.ones(len(signals), 3, HEIGHT, WIDTH, device=signals.device)
    for channel in range(signals.shape[1]):
        inside = (rows >= top[:, channel, None]) & (rows <= bottom[:, channel, None])
        colour = COLOURS[channel % len(COLOURS)].to(pixels)
        pixels = torch.where(inside[:, None], colour[:, None, None], pixels)
    return pixels


def _slices(volumes: Float[Tensor, "n d h w"], low: float, high: float) -> Float[Tensor, "n 1 a b"]:
    middle = [volumes.select(axis, volumes.shape[axis] // 2) for axis in (1, 2, 3)]
    tall = max(part.shape[1] for part in middle)
    beside = torch.cat([functional.pad(part, (0, 1, 0, tall - part.shape[1])) for part in middle], dim=2)[:, None]
    return (beside - low) / (high - low) if low < 0 or high > 1 else beside  # else pixels
