"""Draw the distribution of each column: of the data, and of what the model draws."""

import math
from collections.abc import Sequence

import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

from infovae.errors import require_at_least
from infovae.model import Model, Observed
from infovae.pictures.canvas import AGGREGATE_COLOUR, PRIOR_COLOUR, rendered, style
from infovae.pictures.picture import Picture, Pixels

LONGEST_NAME = 22


class Marginals(Picture):
    """A histogram for each column of a table or of counts, in the units of the data; of other data, nothing.

    Filled: the data. Line: x ~ p(x|z) for z ~ p(z), as many.

    Args:
        columns: how many to show, at most; the first ones.
        examples: how many examples to compare with.
        bins: of each histogram.
    """

    def __init__(self, columns: int = 24, examples: int = 2000, bins: int = 30) -> None:
        require_at_least(1, columns=columns, examples=examples, bins=bins)
        super().__init__(examples)
        self.columns = columns
        self.bins = bins

    def draw(self, model: Model, observed: Observed) -> Pixels | None:
        if not are_rows(observed):
            return None
        data, samples, names = data_and_samples(model, observed)
        return marginals(data, samples, names[: self.columns], self.bins)


def are_rows(observed: Observed) -> bool:
    """Return whether there are examples and they are rows, without a place as pixels have."""
    return len(observed.x) > 0 and observed.x.ndim == 2


def data_and_samples(
    model: Model, observed: Observed
) -> tuple[Float[Tensor, "n c"], Float[Tensor, "n c"], Sequence[str]]:
    """Return the data, and as many draws x ~ p(x|z) with z ~ p(z), both in the data's units; and names of columns."""
    drawn = model.decode(model.prior.sample(len(observed.x))).sample()
    values = getattr(model, "values", None)
    data, samples = (x if values is None else values.from_model(x) for x in (observed.x, drawn))
    return data, samples, getattr(values, "names", None) or [f"entry {number}" for number in range(data.shape[1])]


def marginals(data: Float[Tensor, "n c"], samples: Float[Tensor, "m c"], names: Sequence[str], bins: int) -> Pixels:
    """Return a histogram of each of the named first columns, of data and of samples."""
    across = min(6, len(names))
    down = math.ceil(len(names) / across)
    with style():
        figure = Figure(figsize=(1.6 * across, 1.3 * down + 0.3))
        axes = figure.subplots(down, across, squeeze=False).flatten()
        for number, axis in enumerate(axes):
            if number >= len(names):
                axis.axis("off")
                continue
            _histogram(axis, data[:, number].cpu().numpy(), samples[:, number].cpu().numpy(), bins)
            axis.set_title(shortened(names[number]), fontsize=7, parse_math=False)
        figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=2)
        return rendered(figure)


def shortened(name: str) -> str:
    """Return a column's name as there is room for it."""
    return name if len(name) <= LONGEST_NAME else f"{name[:LONGEST_NAME]}..."


def limits(*parts: Float[np.ndarray, " _n"]) -> tuple[float, float]:
    """Return the numbers between which nearly all finite values lie; 0 and 1 if there are none."""
    values = np.concatenate(parts)
    finite = values[np.isfinite(values)]
    if not len(finite):
        return 0.0, 1.0
    low, high = np.quantile(finite, 0.002, method="lower"), np.quantile(finite, 0.998, method="higher")
    return low.item(), high.item()


def _histogram(axis: Axes, data: np.ndarray, samples: np.ndarray, bins: int) -> None:
    data, samples = data[np.isfinite(data)], samples[np.isfinite(samples)]
    low, high = limits(data, samples)
    edges = np.linspace(low, high, bins + 1).tolist() if low < high else [low - 0.5, low + 0.5]
    axis.hist(data, edges, density=True, color=AGGREGATE_COLOUR, alpha=0.5, label="data")
    axis.hist(samples, edges, density=True, histtype="step", color=PRIOR_COLOUR, linewidth=1, label="model")
    axis.set_yticks([])
    axis.tick_params(labelsize=6)
