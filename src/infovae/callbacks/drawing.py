"""What drawing callbacks share: when to draw, and where pictures go."""

from abc import abstractmethod
from pathlib import Path
from typing import cast

import numpy as np
import pytorch_lightning as pl
import torch
from jaxtyping import UInt8
from PIL import Image
from pytorch_lightning.loggers import TensorBoardLogger, WandbLogger
from torch import Tensor
from torchvision.utils import make_grid

from infovae.callbacks.random_streams import evaluation_mode, isolated_stream
from infovae.data.module import image_data
from infovae.module import InfoVAE


class Drawing(pl.Callback):
    """A picture at the end of every n-th epoch and of the last, as a PNG in the run folder and in each logger.

    Args:
        name: of the picture; files are ``<folder>/<name>-<epoch>.png``, the newest also ``<folder>/<name>.png``.
        folder: where PNG files go.
        every_n_epochs: how often.
    """

    def __init__(self, name: str, folder: str, every_n_epochs: int = 5) -> None:
        if every_n_epochs < 1:
            raise ValueError(f"every_n_epochs={every_n_epochs}: accepted are whole numbers of at least 1")
        self.name = name
        self.folder = Path(folder)
        self.every_n_epochs = every_n_epochs
        self._drawn_epoch = -1

    @abstractmethod
    def draw(self, module: InfoVAE) -> UInt8[np.ndarray, "height width 3"] | None:
        """The picture, or None where there is nothing to draw."""

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        if (trainer.current_epoch + 1) % self.every_n_epochs == 0:
            self._keep(trainer, cast(InfoVAE, pl_module), trainer.current_epoch + 1)

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        if self._drawn_epoch != trainer.current_epoch:
            self._keep(trainer, cast(InfoVAE, pl_module), trainer.current_epoch)

    def _keep(self, trainer: pl.Trainer, module: InfoVAE, epoch: int) -> None:
        self._drawn_epoch = epoch
        if not trainer.is_global_zero:
            return
        with evaluation_mode(module), torch.no_grad(), isolated_stream(module.device):
            picture = self.draw(module)
        if picture is None:
            return
        self.folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray(picture).save(self.folder / f"{self.name}-{epoch:04d}.png")
        Image.fromarray(picture).save(self.folder / f"{self.name}.png")
        for logger in trainer.loggers:
            if isinstance(logger, WandbLogger):
                # As bytes: wandb shows floats in [0, 1] as black.
                logger.log_image(self.name, [picture], caption=[f"epoch {epoch}"])
            elif isinstance(logger, TensorBoardLogger):
                logger.experiment.add_image(self.name, picture, epoch, dataformats="HWC")


def first_test_images(trainer: pl.Trainer, count: int) -> Tensor:
    """The first images of the test split, (n, c, h, w); all where there are fewer than ``count``."""
    loader = image_data(trainer).evaluation_loader("test", shared=False)
    images: list[Tensor] = []
    for batch in loader:
        images.append(batch.images)
        if sum(map(len, images)) >= count:
            break
    return torch.cat(images)[:count]


def image_grid(images: Tensor, columns: int) -> UInt8[np.ndarray, "height width 3"]:
    """Images with pixels in [0, 1] side by side, as bytes."""
    grid = make_grid(images.clamp(0, 1), nrow=columns, padding=2, pad_value=1.0)
    if len(grid) not in (1, 3):
        grid = grid[:1].expand(3, -1, -1)  # neither grey nor colour: the first channel
    pixels: np.ndarray = grid.mul(255).round().to(torch.uint8).permute(1, 2, 0).cpu().numpy()
    return pixels
