"""The style of all pictures: grids of images and matplotlib figures."""

import warnings
from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Any

import matplotlib
import numpy as np
import torch
from jaxtyping import Float
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from torch import Tensor
from torchvision.utils import make_grid

from infovae.pictures.picture import Pixels
from infovae.pictures.tiles import as_images

DPI = 200
STYLE: dict[Any, Any] = {
    "figure.dpi": DPI,
    "figure.constrained_layout.use": True,
    "font.family": "DejaVu Sans",  # comes with matplotlib, so it is the same on every machine
    "font.size": 9,
    "axes.titlesize": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.edgecolor": "0.3",
    "axes.linewidth": 0.8,
    "grid.color": "0.9",
    "grid.linewidth": 0.6,
    "xtick.color": "0.3",
    "ytick.color": "0.3",
    "lines.linewidth": 1.4,
    "legend.frameon": False,
    "legend.fontsize": 8,
    "legend.title_fontsize": 8,
}

AGGREGATE_COLOUR = "#3f90da"
PRIOR_COLOUR = "0.15"
MUTED_COLOUR = "0.75"
CLASS_COLOURS = (
    "#3f90da", "#ffa90e", "#bd1f01", "#94a4a2", "#832db6", "#a96b59", "#e76300", "#b9ac70", "#717581", "#92dadd",
)  # fmt: skip
"""Ten colours that stay distinct under all common forms of colour blindness (Petroff 2021, arXiv 2107.02270)."""

THUMBNAIL = 60
"""Smaller images are enlarged by a whole factor, up to about this many pixels."""

GAP = 4
"""The space between images, in pixels."""

BETWEEN = 0.85
"""Brightness of that space, so that neither black nor white images run into it."""


def style() -> AbstractContextManager[None]:
    """Return the context in which figures are made, filled and rendered."""
    return matplotlib.rc_context(STYLE)


def rendered(figure: Figure) -> Pixels:
    """Return a figure as pixels, without a display. A letter that the font lacks becomes a box, without a warning."""
    canvas = FigureCanvasAgg(figure)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", r"Glyph \d+ ")
        canvas.draw()
    return np.ascontiguousarray(np.asarray(canvas.buffer_rgba())[..., :3])


def image_grid(examples: Float[Tensor, "n c *s"], columns: int) -> Pixels:
    """Return examples side by side: images with pixels in [0, 1], and others as tiles.py draws them.

    nan is black; of 2 or over 3 channels, the first is shown.
    """
    images = as_images(examples)
    if images.shape[1] not in (1, 3):
        images = images[:, :1]
    scale = max(1, THUMBNAIL // max(images.shape[2:]))
    enlarged = images.nan_to_num(nan=0.0).clamp(0, 1).repeat_interleave(scale, dim=2).repeat_interleave(scale, dim=3)
    grid = make_grid(enlarged, nrow=columns, padding=GAP, pad_value=BETWEEN).expand(3, -1, -1)
    return grid.mul(255).round().to(torch.uint8).permute(1, 2, 0).cpu().numpy()


def labelled_grid(
    examples: Float[Tensor, "n c *s"],
    columns: int,
    title: str = "",
    row_labels: Sequence[str] = (),
    column_labels: Sequence[str] = (),
) -> Pixels:
    """Return :func:`image_grid` with a title above, and labels beside its rows and above its columns."""
    grid = image_grid(examples, columns)
    height, width = grid.shape[:2]
    with style():
        line = round(1.5 * matplotlib.rcParams["font.size"] * DPI / 72)
        left = max(map(_width, row_labels), default=0) + GAP
        top = line * (bool(title) + bool(column_labels)) + GAP
        total_width, total_height = max(left + width, _width(title)) + GAP, top + height
        figure = Figure(figsize=(total_width / DPI, total_height / DPI))

        def write(x: float, y: float, text: str, **alignment: Any) -> None:
            figure.text(x / total_width, 1 - y / total_height, text, **alignment)

        for row, label in enumerate(row_labels):
            write(left - GAP, top + (row + 0.5) * height / len(row_labels), label, ha="right", va="center_baseline")
        for column, label in enumerate(column_labels):
            write(left + (column + 0.5) * width / columns, top - 2 * GAP, label, ha="center", va="baseline")
        write(total_width / 2, line - GAP, title, ha="center", va="baseline")
        pixels = rendered(figure)
    pixels[top:, left : left + width] = grid  # pasted rather than drawn, so that no pixel is resampled
    return pixels


def axis_number(value: float, decimals: int) -> str:
    """Return a number with the minus sign that matplotlib puts on axes, and no sign before 0."""
    return f"{round(value, decimals) + 0.0:.{decimals}f}".replace("-", "\N{MINUS SIGN}")


def _width(text: str) -> int:
    """Return the width of a text in pixels, with a margin."""
    figure = Figure(figsize=(1 / DPI, 1 / DPI))  # one pixel, since the text is only measured
    renderer = FigureCanvasAgg(figure).get_renderer()
    return round(figure.text(0, 0, text).get_window_extent(renderer).width) + 2 * GAP
