"""A grid of decoded prior draws."""

from infovae.model import Model, Observed
from infovae.pictures.canvas import image_grid
from infovae.pictures.picture import Picture, Pixels, require_at_least


class Samples(Picture):
    """E[x|z] for the same draws z ~ p(z) each time, so that epochs compare.

    Args:
        rows: of the square grid.
    """

    def __init__(self, rows: int = 10) -> None:
        require_at_least(1, rows=rows)
        super().__init__(examples=0)
        self.rows = rows

    def draw(self, model: Model, observed: Observed) -> Pixels:
        return image_grid(model.decode(model.prior.sample(self.rows**2)).mean, self.rows)
