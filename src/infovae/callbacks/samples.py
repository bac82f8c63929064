"""A grid of decoded prior draws."""

import numpy as np
from jaxtyping import UInt8

from infovae.callbacks.drawing import Drawing, image_grid
from infovae.module import InfoVAE


class Samples(Drawing):
    """E[x|z] for the same draws z ~ p(z) at each epoch, so that epochs compare.

    Args:
        folder: where PNG files go.
        every_n_epochs: how often.
        rows: of the square grid.
    """

    def __init__(self, folder: str, every_n_epochs: int = 5, rows: int = 10) -> None:
        super().__init__("samples", folder, every_n_epochs)
        self.rows = rows

    def draw(self, module: InfoVAE) -> UInt8[np.ndarray, "height width 3"]:
        return image_grid(module.decode(module.prior.sample(self.rows**2)).mean, self.rows)
