"""When pictures are drawn while training, and where they go."""

import gc
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import cast

import pytorch_lightning as pl
import torch
from jaxtyping import Float
from PIL import Image
from pytorch_lightning.loggers import TensorBoardLogger, WandbLogger
from torch import Tensor

from infovae.callbacks.kept_weights import kept_epoch
from infovae.callbacks.random_streams import EVALUATION_SEED, evaluation_mode, isolated_stream
from infovae.codes import joined
from infovae.data.loader import Batch, ImageLoader
from infovae.data.module import image_data
from infovae.model import Model, sample_codes
from infovae.module import InfoVAE
from infovae.observed import Observed
from infovae.pictures.picture import Picture, Pixels


class Drawing(pl.Callback):
    """Draws at the end of every n-th epoch and of the last, from the test split; as PNG and in each logger.

    Args:
        pictures: of ``conf/pictures/``, by name.
        folder: where PNG files go: ``<folder>/<name>-<epoch>.png``, by the epoch whose weights these are; the newest
            also as ``<folder>/<name>.png``.
        every_n_epochs: how often.
    """

    def __init__(self, pictures: Mapping[str, Picture], folder: str, every_n_epochs: int = 5) -> None:
        if every_n_epochs < 1:
            raise ValueError(f"every_n_epochs={every_n_epochs}: accepted are whole numbers of at least 1")
        self.pictures = pictures
        self.folder = Path(folder)
        self.every_n_epochs = every_n_epochs
        self._batches: list[Batch] | None = None

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        epoch = trainer.current_epoch + 1
        is_last = trainer.should_stop or epoch == trainer.max_epochs  # with other weights perhaps, once training ends
        if epoch % self.every_n_epochs == 0 and not is_last:
            self._keep(trainer, cast(InfoVAE, pl_module), epoch)

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._keep(trainer, cast(InfoVAE, pl_module), kept_epoch(trainer) or trainer.current_epoch)

    def _keep(self, trainer: pl.Trainer, module: InfoVAE, epoch: int) -> None:
        if not trainer.is_global_zero:
            return
        if self._batches is None:
            self._batches = first_batches(image_data(trainer).evaluation_loader("test", shared=False), self.pictures)
        with evaluation_mode(module), torch.no_grad():
            drawn = draw(self.pictures, module, self._batches, module.device)
        # A figure, its texts and its canvas of megabytes hold each other. Left to Python, which looks for such cycles
        # only when much else has been made, a long run's memory doubles.
        gc.collect()
        for name, picture in drawn.items():
            save(picture, self.folder / f"{name}-{epoch:04d}.png")
            save(picture, self.folder / f"{name}.png")
            for logger in trainer.loggers:
                if isinstance(logger, WandbLogger):
                    # As bytes: wandb shows floats in [0, 1] as black.
                    logger.log_image(name, [picture], caption=[f"epoch {epoch}"])
                elif isinstance(logger, TensorBoardLogger):
                    logger.experiment.add_image(name, picture, epoch, dataformats="HWC")


def first_batches(loader: ImageLoader, pictures: Mapping[str, Picture]) -> list[Batch]:
    """The first batches of a split: as many as the pictures want examples, but one at least."""
    wanted = max((picture.examples for picture in pictures.values()), default=0)
    batches: list[Batch] = []
    for batch in loader:
        batches.append(batch)
        if sum(len(taken.images) for taken in batches) >= wanted:
            break
    return batches


def draw(
    pictures: Mapping[str, Picture],
    model: Model,
    batches: Sequence[Batch],
    device: torch.device,
    seed: int = EVALUATION_SEED,
) -> dict[str, Pixels]:
    """The pictures there are, by name. Each draws from a stream of its own: none moves another, or training.

    Args:
        pictures: by name.
        model: in evaluation mode, on the device.
        batches: of examples, at least one.
        device: where model and batches are.
        seed: of each stream.
    """
    with isolated_stream(device, seed):
        observed = _observe(model, batches, device)
    drawn: dict[str, Pixels] = {}
    for name, picture in pictures.items():
        with isolated_stream(device, seed):
            pixels = picture.draw(model, observed.take(slice(picture.examples)))
        if pixels is not None:
            drawn[name] = pixels
    return drawn


def save(picture: Pixels, path: Path) -> None:
    """As PNG, in a folder that is made where there is none."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(picture).save(path)


def observe_batch(
    model: Model, batch: Batch, noise: Float[Tensor, "n d"], dataset_size: int, device: torch.device | str
) -> Observed:
    """A batch as a model sees it; noise and dataset_size as for :func:`infovae.model.sample_codes`."""
    images = batch.images.to(device)
    factors = None if batch.factors is None else batch.factors.to(device)
    return Observed(images, batch.labels.to(device), sample_codes(model, images, noise, dataset_size), factors)


def _observe(model: Model, batches: Sequence[Batch], device: torch.device) -> Observed:
    """All batches as one; encoded batch by batch, as memory allows."""
    sizes = [len(batch.images) for batch in batches]
    noise = torch.randn(sum(sizes), model.prior.latent_dim, device=device).split(sizes)
    parts = [observe_batch(model, batch, own, sum(sizes), device) for batch, own in zip(batches, noise, strict=True)]
    factors = [part.factors for part in parts if part.factors is not None]
    return Observed(
        images=torch.cat([part.images for part in parts]),
        labels=torch.cat([part.labels for part in parts]),
        codes=joined([part.codes for part in parts]),
        factors=torch.cat(factors) if factors else None,
    )
