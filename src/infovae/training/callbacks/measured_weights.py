"""The weights that an epoch's numbers and pictures are of."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytorch_lightning as pl
from pytorch_lightning.callbacks import WeightAveraging


@contextmanager
def measured_weights(trainer: pl.Trainer, module: pl.LightningModule) -> Iterator[None]:
    """Put into the model the weights that validation measures: the averages, under Lightning's WeightAveraging."""
    callbacks = getattr(trainer, "callbacks", [])
    averaging = [callback for callback in callbacks if isinstance(callback, WeightAveraging)]
    for callback in averaging:
        callback.on_validation_epoch_start(trainer, module)
    try:
        yield
    finally:
        for callback in averaging:
            callback.on_validation_epoch_end(trainer, module)
