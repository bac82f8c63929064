"""What a code leaves open: several images drawn from p(x|z) for one z."""

import numpy as np
import pytorch_lightning as pl
import torch
from jaxtyping import UInt8
from torch import Tensor

from infovae.callbacks.drawing import Drawing, first_test_images, image_grid
from infovae.module import InfoVAE


class SamplesGivenCode(Drawing):
    """A row for each of several test images: the image, and draws x ~ p(x|z) for one z ~ q(z|x).

    Draws that have nothing in common with their image show that the decoder does without z.

    Args:
        folder: where PNG files go.
        every_n_epochs: how often.
        rows: of the grid.
        samples: in a row.
    """

    def __init__(self, folder: str, every_n_epochs: int = 5, rows: int = 10, samples: int = 9) -> None:
        super().__init__("samples_given_code", folder, every_n_epochs)
        self.rows = rows
        self.samples = samples
        self._originals: Tensor | None = None

    def setup(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        self._originals = first_test_images(trainer, self.rows)

    def draw(self, module: InfoVAE) -> UInt8[np.ndarray, "height width 3"]:
        assert self._originals is not None
        z = module.encode(self._originals).sample()
        samples = module.decode(z).sample(torch.Size((self.samples,)))
        rows = torch.cat([self._originals[None], samples]).transpose(0, 1)
        return image_grid(rows.flatten(0, 1), 1 + self.samples)
