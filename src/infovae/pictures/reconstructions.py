"""Draw images beside their reconstructions."""

import torch

from infovae.errors import require_at_least
from infovae.model import Model, Observed
from infovae.pictures.canvas import labelled_grid
from infovae.pictures.picture import Picture, Pixels


class Reconstructions(Picture):
    """Pairs of columns: an image x, and beside it the mean of p(x|z) for a z ~ q(z|x).

    Args:
        rows: of the grid.
        pairs: how many pairs in a row.
    """

    def __init__(self, rows: int = 10, pairs: int = 5) -> None:
        require_at_least(1, rows=rows, pairs=pairs)
        super().__init__(examples=rows * pairs)
        self.pairs = pairs

    def draw(self, model: Model, observed: Observed) -> Pixels | None:
        if not len(observed.x):
            return None
        reconstructions = model.decode(observed.codes.z).mean
        images = torch.stack([observed.x.to(reconstructions), reconstructions], dim=1).flatten(0, 1)
        pairs = min(self.pairs, len(observed.x))
        return labelled_grid(images, 2 * pairs, column_labels=["$x$", r"$\hat{x}$"] * pairs)
