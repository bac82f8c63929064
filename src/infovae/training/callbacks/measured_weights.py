"""The weights that an epoch's numbers and pictures are of."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytorch_lightning as pl
from pytorch_lightning.callbacks import WeightAveraging

AVERAGED = "current_model_state"
"""Where Lightning's checkpoint holds the weights that training goes on with, if ``state_dict`` is of averages."""


def averages(trainer: pl.Trainer) -> list[WeightAveraging]:
    """Return the callbacks that average the weights."""
    return [callback for callback in getattr(trainer, "callbacks", []) if isinstance(callback, WeightAveraging)]


@contextmanager
def measured_weights(trainer: pl.Trainer, module: pl.LightningModule) -> Iterator[None]:
    """Put into the model the weights that validation measures: the averages, under Lightning's WeightAveraging."""
    averaging = averages(trainer)
    for callback in averaging:
        callback.on_validation_epoch_start(trainer, module)
    try:
        yield
    finally:
        for callback in averaging:
            callback.on_validation_epoch_end(trainer, module)
