"""Draw several images from p(x|z) for one z: what a code leaves open."""

import torch

from infovae.errors import require_at_least
from infovae.model import Model, Observed, given
from infovae.pictures.canvas import labelled_grid
from infovae.pictures.picture import Picture, Pixels


class SamplesGivenCode(Picture):
    """A row for each of several images: the image, and draws x ~ p(x|z) for one z ~ q(z|x).

    Draws that have nothing in common with their image show that the decoder ignores z.

    Args:
        rows: of the grid.
        samples: how many draws in a row.
    """

    def __init__(self, rows: int = 10, samples: int = 9) -> None:
        require_at_least(1, rows=rows, samples=samples)
        super().__init__(examples=rows)
        self.samples = samples

    def draw(self, model: Model, observed: Observed) -> Pixels | None:
        known = observed.codes.z.isfinite().all(dim=1)
        if not known.any():
            return None
        seen = observed.take(known)
        samples = given(model, seen.conditions).decode(seen.codes.z).sample(torch.Size((self.samples,)))
        rows = torch.cat([seen.x.to(samples)[None], samples]).transpose(0, 1)
        labels = ["$x$", *[""] * self.samples]
        return labelled_grid(rows.flatten(0, 1), 1 + self.samples, "draws from p(x|z), one z a row", (), labels)
