"""Draw mean and variance of each column of counts: of the data, against what the model draws."""

import torch
from jaxtyping import Float, Float64
from matplotlib.figure import Figure
from torch import Tensor

from infovae.exact import exact
from infovae.model import Model, Observed
from infovae.pictures.canvas import AGGREGATE_COLOUR, MUTED_COLOUR, rendered, style
from infovae.pictures.marginals import are_rows, data_and_samples
from infovae.pictures.picture import Picture, Pixels


class ColumnMoments(Picture):
    """Two scatter plots with a point for each column: means, and variances, as log(1 + value).

    Points on the line are columns that the model draws as the data have them.

    Args:
        examples: how many examples to compare with.
    """

    def __init__(self, examples: int = 2000) -> None:
        super().__init__(examples, least=2)

    def draw(self, model: Model, observed: Observed) -> Pixels | None:
        if not are_rows(observed) or len(observed.x) < 2:
            return None
        data, samples, _ = data_and_samples(model, observed)
        return column_moments(moments(data), moments(samples))


def moments(rows: Float[Tensor, "n c"]) -> dict[str, Float64[Tensor, " c"]]:
    """Return mean and variance of each column over the entries that there are."""
    mean = exact(rows).nanmean(dim=0)
    return {"mean": mean, "variance": (exact(rows) - mean).square().nanmean(dim=0)}


def column_moments(data: dict[str, Float64[Tensor, " c"]], samples: dict[str, Float64[Tensor, " c"]]) -> Pixels:
    """Return a scatter plot of each moment."""
    with style():
        figure = Figure(figsize=(5.2, 2.6))
        for axis, name in zip(figure.subplots(1, 2), data, strict=True):
            theirs, ours = (part[name].sign() * part[name].abs().log1p() for part in (data, samples))
            both = torch.cat([ours, theirs])
            finite = both[both.isfinite()]
            ends = [finite.min().item(), finite.max().item()] if len(finite) else [0.0, 1.0]
            axis.plot(ends, ends, color=MUTED_COLOUR, linewidth=1)
            axis.scatter(theirs.cpu().numpy(), ours.cpu().numpy(), s=5, color=AGGREGATE_COLOUR, linewidths=0)
            axis.set(title=f"log(1 + {name}) of each column", xlabel="data", ylabel="model")
        return rendered(figure)
