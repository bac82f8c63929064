"""The mutual information gap (Chen, Li, Grosse, Duvenaud 2018, arXiv 1802.04942, section 4), from binned means."""

import torch
from jaxtyping import Float64, Int64
from sklearn.metrics import mutual_info_score
from torch import Tensor

from infovae.data.module import DataModule
from infovae.errors import require_at_least
from infovae.metrics.factor_metric import FactorMetric, gap


def discretise(codes: Float64[Tensor, "n d"], bins: int) -> Int64[Tensor, "n d"]:
    """Return the bin of each code, for bins of equal width from a dimension's smallest to its largest code."""
    low, high = codes.amin(dim=0), codes.amax(dim=0)
    width = torch.where(high > low, high - low, 1.0)
    return ((codes - low) / width * bins).long().clamp_max(bins - 1)


def mutual_information_gaps(
    codes: Float64[Tensor, "n d"], factors: Int64[Tensor, "n k"], bins: int
) -> Float64[Tensor, " k"]:
    """Return (I(z_first;v) - I(z_second;v)) / H(v) of each factor v and the two dimensions most informative of it.

    A factor with one value has no entropy: nan. A dimension that never moves has no information.
    """
    discrete, values = discretise(codes, bins).numpy().T, factors.numpy().T
    information = codes.new_tensor([[mutual_info_score(binned, factor) for factor in values] for binned in discrete])
    entropies = codes.new_tensor([mutual_info_score(factor, factor) for factor in values])
    return torch.where(entropies > 0, gap(information) / entropies, torch.nan)


class MIG(FactorMetric):
    """The mean of :func:`mutual_information_gaps` over the factors that vary, and each factor's as ``mig_by_factor``.

    Args:
        bins: of each dimension. A factor with more values than bins can't reach 1.
    """

    names = ("mig",)

    def __init__(self, data: DataModule, examples: int = 60000, bins: int = 20) -> None:
        super().__init__(data, examples)
        require_at_least(2, bins=bins)
        self.bins = bins

    def measured(self, codes: Float64[Tensor, "n d"], factors: Int64[Tensor, "n k"]) -> dict[str, Tensor]:
        gaps = mutual_information_gaps(codes, factors, self.bins)
        return {"mig": gaps.nanmean(), "mig_by_factor": gaps}
