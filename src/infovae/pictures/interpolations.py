"""Draw the path from one image to another through the latent space."""

import torch
from jaxtyping import Float
from torch import Tensor

from infovae.errors import require_at_least
from infovae.model import Model, Observed, given
from infovae.pictures.canvas import labelled_grid
from infovae.pictures.latent_space import finite
from infovae.pictures.picture import Picture, Pixels


def linear(start: Float[Tensor, " d"], end: Float[Tensor, " d"], time: Float[Tensor, " k"]) -> Float[Tensor, "k d"]:
    """Return points on the straight line from start at time 0 to end at time 1."""
    return (1 - time)[:, None] * start + time[:, None] * end


def spherical(start: Float[Tensor, " d"], end: Float[Tensor, " d"], time: Float[Tensor, " k"]) -> Float[Tensor, "k d"]:
    """Return points from start at time 0 to end at time 1: the direction turns evenly, the norm changes linearly.

    This stays where a normal prior of many dimensions has its mass, which the straight line leaves. Two codes of the
    same norm are joined by an arc of the great circle (White 2016, arXiv 1609.04468). Opposite directions have no
    shortest arc; theirs passes through the coordinate axis that start is furthest from. The path is the straight line
    where directions agree, where a code is 0 and has none, and in one dimension.
    """
    norms = torch.stack([start.norm(), end.norm()])
    if len(start) == 1 or not (norms > 0).all():
        return linear(start, end, time)
    directions = start / norms[0], end / norms[1]
    # The cosine can't tell small angles from 0.
    angle = 2 * torch.atan2((directions[0] - directions[1]).norm(), (directions[0] + directions[1]).norm())
    tolerance = 8 * torch.finfo(angle.dtype).eps ** 0.5
    if torch.pi - angle < tolerance:
        axis = torch.zeros_like(start)
        axis[directions[0].abs().argmin()] = 1
        rest = axis - (axis @ directions[0]) * directions[0]
        halfway = rest / rest.norm() * norms.mean()
        first, second = spherical(start, halfway, 2 * time), spherical(halfway, end, 2 * time - 1)
        return torch.where((time < 0.5)[:, None], first, second)
    if angle < tolerance:
        return linear(start, end, time)
    weights = torch.sin(torch.stack([1 - time, time]) * angle) / torch.sin(angle)
    norm = (1 - time) * norms[0] + time * norms[1]
    return (weights * norm / norms[:, None]).T @ torch.stack([start, end])


class Interpolations(Picture):
    """For pairs of images, the decoded path between E[z|x] of both: a straight row and a spherical one.

    The images themselves stand at both ends, beside their reconstructions.

    Args:
        pairs: how many pairs of images, two rows each.
        steps: of the path, both ends included.
    """

    def __init__(self, pairs: int = 5, steps: int = 11) -> None:
        require_at_least(1, pairs=pairs)
        require_at_least(2, steps=steps)
        super().__init__(examples=2 * pairs)
        self.steps = steps

    def draw(self, model: Model, observed: Observed) -> Pixels | None:
        images, _, codes, _, conditions = finite(observed)
        pairs = len(images) // 2
        if not pairs:
            return None
        time = torch.linspace(0, 1, self.steps).to(codes.mean)
        means = codes.mean[: 2 * pairs].unflatten(0, (pairs, 2))
        ways = torch.stack([way(start, end, time) for start, end in means for way in (linear, spherical)])
        if conditions is not None:  # those of the first image of a pair, all the way
            model = given(model, conditions[: 2 * pairs : 2].repeat_interleave(2 * self.steps, dim=0))
        decoded = model.decode(ways.flatten(0, 1)).mean.unflatten(0, (2 * pairs, self.steps))
        ends = images[: 2 * pairs].to(decoded).unflatten(0, (pairs, 2)).repeat_interleave(2, dim=0)
        rows = torch.cat([ends[:, :1], decoded, ends[:, 1:]], dim=1)
        return labelled_grid(
            rows.flatten(0, 1),
            self.steps + 2,
            row_labels=["linear", "spherical"] * pairs,
            column_labels=["$x$", *[""] * self.steps, "$x'$"],
        )
