"""Rows of a table side by side, with a line for each column and its name."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure

from infovae.pictures.canvas import rendered, style
from infovae.pictures.marginals import shortened
from infovae.pictures.picture import Pixels

MOST_COLUMNS = 60
CELL = 0.5, 0.2
"""Width and height in inches."""


def column_map(columns: Mapping[str, np.ndarray], labels: Sequence[str]) -> Pixels:
    """Return a picture of some rows of a table; each number's colour is its place between its column's extremes.

    Args:
        columns: the content of the first of them, by name: numbers, or categories in words; NaN is an empty cell.
        labels: of the rows, which stand side by side.
    """
    names = list(columns)[:MOST_COLUMNS]
    shades = np.full((len(names), len(labels)), np.nan)
    for line, name in enumerate(names):
        if columns[name].dtype.kind == "f" and np.isfinite(columns[name]).any():
            low, high = np.nanmin(columns[name]), np.nanmax(columns[name])
            shades[line] = (columns[name] - low) / (high - low or 1)
    with style():
        figure = Figure(figsize=(CELL[0] * min(len(labels), 120) + 1.5, CELL[1] * len(names) + 0.5))
        axis = figure.subplots()
        axis.imshow(shades, cmap="Blues", vmin=0, vmax=2, aspect="auto")  # as far as black text can be read
        axis.set_yticks(range(len(names)), list(map(shortened, names)), parse_math=False)
        axis.set_xticks(range(len(labels)), labels)
        axis.tick_params(length=0, labeltop=True, labelbottom=False, labelsize=7)
        axis.grid(visible=False)
        axis.spines[:].set_visible(False)
        for (line, row), _ in np.ndenumerate(shades):
            value = columns[names[line]][row]
            text = value if isinstance(value, str) else "" if np.isnan(value) else f"{value:.4g}"
            axis.text(row, line, text[:10], ha="center", va="center", fontsize=5, parse_math=False)
        return rendered(figure)
