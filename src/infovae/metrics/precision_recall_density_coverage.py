"""Precision, recall, density and coverage: whether samples look like data, and whether they cover all of it.

Precision and recall are those of Kynkaanniemi et al. 2019 (arXiv 1904.06991), density and coverage those of Naeem et
al. 2020 (arXiv 2002.09797). Each point has a ball that reaches to its k-th nearest neighbour among its own kind.
"""

from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from infovae.errors import ArgumentError
from infovae.exact import exact
from infovae.terminal.progress import progress


class Overlap(NamedTuple):
    """How much real and generated points overlap.

    Attributes:
        precision: share of generated points that lie in some real point's ball.
        recall: share of real points that lie in some generated point's ball.
        density: the number of real balls that a generated point lies in, on average, over k; above 1 where they crowd.
        coverage: share of real points whose ball holds some generated point.
    """

    precision: Float[Tensor, ""]
    recall: Float[Tensor, ""]
    density: Float[Tensor, ""]
    coverage: Float[Tensor, ""]


def distances(x: Float[Tensor, "n k"], y: Float[Tensor, "m k"]) -> Float[Tensor, "n m"]:
    """Return ||x_i - y_j|| from the differences themselves: exactly 0 where points coincide, the same in any block."""
    return torch.cdist(x, y, compute_mode="donot_use_mm_for_euclid_dist")


def neighbour_radii(x: Float[Tensor, "n d"], k: int, block: int) -> Float[Tensor, " n"]:
    """Return the distance of each point's k-th nearest neighbour, the point itself not counted."""
    rows = progress(x.split(max(1, block // len(x))), "finding neighbours")
    # Each point is its own nearest, at distance 0.
    return torch.cat([distances(part, x).topk(k + 1, dim=1, largest=False).values[:, k] for part in rows])


def precision_recall_density_coverage(
    real: Float[Tensor, "n d"], generated: Float[Tensor, "m d"], k: int = 5, block: int = 2**22
) -> Overlap:
    """Return how two sets of points overlap, at a cost of (n^2 + m^2 + n m) d; all nan where a point isn't finite.

    Balls are open, so one of radius 0 is empty.

    Args:
        real: features of real images.
        generated: features of generated images.
        k: the neighbour that a ball reaches to.
        block: how many distances are held at a time, or n, or m, if that is more.

    Raises:
        ValueError: a point has fewer than k neighbours.
    """
    most = min(len(real), len(generated)) - 1
    if not 1 <= k <= most:
        found = f"there are {len(real)} real and {len(generated)} generated images"
        raise ArgumentError("k", k, f"whole numbers from 1 to {most}", found)
    if not (real.isfinite().all() and generated.isfinite().all()):
        return Overlap(*real.new_full((4,), torch.nan).unbind())
    real_radii, generated_radii = neighbour_radii(real, k, block), neighbour_radii(generated, k, block)
    balls_with_each = torch.zeros(len(generated), device=real.device, dtype=torch.int64)
    recalled = torch.zeros(len(real), device=real.device, dtype=torch.bool)
    covered = torch.zeros_like(recalled)
    chunk = max(1, block // len(real))
    for start in progress(range(0, len(generated), chunk), "comparing with real images"):
        part = slice(start, start + chunk)
        apart = distances(generated[part], real)
        inside = apart < real_radii
        balls_with_each[part] = inside.sum(dim=1)
        covered |= inside.any(dim=0)
        recalled |= (apart < generated_radii[part, None]).any(dim=0)
    return Overlap(
        precision=exact(balls_with_each > 0).mean(),
        recall=exact(recalled).mean(),
        density=exact(balls_with_each).mean() / k,
        coverage=exact(covered).mean(),
    )
