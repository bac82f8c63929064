"""A grid of test images and what the model makes of them."""

import numpy as np
import pytorch_lightning as pl
import torch
from jaxtyping import UInt8
from torch import Tensor

from infovae.callbacks.drawing import Drawing, first_test_images, image_grid
from infovae.module import InfoVAE


class Reconstructions(Drawing):
    """Columns in pairs: an original of the test split, and E[x|z] for a z ~ q(z|x) beside it.

    Args:
        folder: where PNG files go.
        every_n_epochs: how often.
        rows: of the grid.
        pairs: in a row.
    """

    def __init__(self, folder: str, every_n_epochs: int = 5, rows: int = 10, pairs: int = 5) -> None:
        super().__init__("reconstructions", folder, every_n_epochs)
        self.rows = rows
        self.pairs = pairs
        self._originals: Tensor | None = None

    def setup(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        self._originals = first_test_images(trainer, self.rows * self.pairs)

    def draw(self, module: InfoVAE) -> UInt8[np.ndarray, "height width 3"]:
        assert self._originals is not None
        reconstructions = module.decode(module.encode(self._originals).rsample()).mean
        pairs = torch.stack([self._originals, reconstructions], dim=1).flatten(0, 1)
        return image_grid(pairs, 2 * self.pairs)
