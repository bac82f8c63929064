"""Draw a grid of decoded prior draws."""

from infovae.errors import require_at_least
from infovae.model import Model, Observed, given
from infovae.pictures.canvas import image_grid
from infovae.pictures.picture import Picture, Pixels


class Samples(Picture):
    """E[x|z] for draws z ~ p(z), the same each time, so that epochs compare.

    A model that is conditioned on labels draws a row for each class.

    Args:
        rows: of the square grid.
    """

    def __init__(self, rows: int = 10) -> None:
        require_at_least(1, rows=rows)
        super().__init__(examples=0)
        self.rows = rows

    def draw(self, model: Model, observed: Observed) -> Pixels:
        condition = getattr(model, "condition", None)
        conditions = None if condition is None else condition.spread(self.rows, self.rows)
        z = model.prior.sample(self.rows**2)
        return image_grid(given(model, None if conditions is None else conditions.to(z)).decode(z).mean, self.rows)
