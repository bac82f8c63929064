"""Draw the images that a plane of codes decodes to."""

import torch

from infovae.errors import ArgumentError, require_at_least
from infovae.model import Model, Observed
from infovae.pictures.canvas import axis_number, labelled_grid
from infovae.pictures.latent_space import prior_quantiles
from infovae.pictures.picture import Picture, Pixels


class LatentManifold(Picture):
    """E[x|z] over a rectangle of the plane, evenly spaced. Nothing is drawn if d is not 2.

    Args:
        rows: of the square grid.
        extent: half the width, in standard deviations of the prior. A prior that isn't normal is cut at the quantiles
            that a normal has there.
    """

    def __init__(self, rows: int = 21, extent: float = 2.5) -> None:
        require_at_least(1, rows=rows)
        if not 0 < extent <= 5:
            raise ArgumentError("extent", extent, "values above 0, up to 5", "out of range")
        super().__init__(examples=0)
        self.rows = rows
        self.extent = extent

    def draw(self, model: Model, observed: Observed) -> Pixels | None:
        if model.prior.latent_dim != 2:
            return None
        low, high = prior_quantiles(model.prior, torch.tensor([-self.extent, self.extent]))
        ticks = low + torch.linspace(0, 1, self.rows, device=low.device, dtype=low.dtype)[:, None] * (high - low)
        vertical, horizontal = torch.meshgrid(ticks[:, 1].flip(0), ticks[:, 0], indexing="ij")
        z = torch.stack([horizontal.flatten(), vertical.flatten()], dim=1)
        every = max(1, (self.rows - 1) // 10)
        return labelled_grid(
            model.decode(z).mean,
            self.rows,
            title=r"$\mathrm{E}[x|z]$: $z_1$ to the right, $z_2$ upwards",
            row_labels=_every(every, ticks[:, 1].flip(0).tolist()),
            column_labels=_every(every, ticks[:, 0].tolist()),
        )


def _every(step: int, values: list[float]) -> list[str]:
    return [axis_number(value, 1) if position % step == 0 else "" for position, value in enumerate(values)]
