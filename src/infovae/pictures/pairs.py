"""Draw each column against each other one: the data, and what the model draws."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float
from matplotlib.figure import Figure

from infovae.errors import require_at_least
from infovae.model import Model, Observed
from infovae.pictures.canvas import AGGREGATE_COLOUR, PRIOR_COLOUR, rendered, style
from infovae.pictures.marginals import are_rows, data_and_samples, limits, shortened
from infovae.pictures.picture import Picture, Pixels


class PairPlots(Picture):
    """A grid of scatter plots: data below the diagonal, draws of the model above it, on the same axes. Rows only.

    Args:
        columns: how many columns to show, at most; the first ones.
        examples: how many examples to compare with.
    """

    def __init__(self, columns: int = 5, examples: int = 500) -> None:
        super().__init__(examples, least=1)
        require_at_least(2, columns=columns)
        self.columns = columns

    def draw(self, model: Model, observed: Observed) -> Pixels | None:
        if not are_rows(observed) or observed.x.shape[1] < 2:
            return None
        data, samples, names = data_and_samples(model, observed)
        return pairs(data.cpu().numpy(), samples.cpu().numpy(), names[: self.columns])


def pairs(data: Float[np.ndarray, "n c"], samples: Float[np.ndarray, "m c"], names: Sequence[str]) -> Pixels:
    """Return the scatter plots of the named first columns."""
    k = len(names)
    with style():
        figure = Figure(figsize=(1.3 * k, 1.3 * k))
        axes = figure.subplots(k, k, squeeze=False)
        ends = [limits(data[:, column], samples[:, column]) for column in range(k)]
        margins = [0.05 * (high - low) or 0.5 for low, high in ends]
        shown = [(low - margin, high + margin) for (low, high), margin in zip(ends, margins, strict=True)]
        for row in range(k):
            for column in range(k):
                axis = axes[row, column]
                points, colour = (data, AGGREGATE_COLOUR) if row > column else (samples, PRIOR_COLOUR)
                axis.set(xlim=shown[column], ylim=shown[row], xticks=[], yticks=[])
                if row == column:
                    axis.text(
                        0.5,
                        0.5,
                        shortened(names[row]),
                        ha="center",
                        transform=axis.transAxes,
                        fontsize=6,
                        parse_math=False,
                    )
                else:
                    axis.scatter(points[:, column], points[:, row], s=2, color=colour, alpha=0.5, linewidths=0)
        axes[k - 1, 0].set_xlabel("data", fontsize=7)
        axes[0, k - 1].set_title("model", fontsize=7)
        return rendered(figure)
