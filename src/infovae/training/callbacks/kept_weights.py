"""Callbacks that end a run with the weights of an earlier epoch."""

from typing import Protocol, runtime_checkable

import pytorch_lightning as pl

KEPT = "trained_weights"
"""Where a checkpoint holds the weights that training goes on with, if ``state_dict`` is of an earlier epoch."""


@runtime_checkable
class KeepsWeights(Protocol):
    """A callback that may restore the weights of an earlier epoch when training ends."""

    kept_epoch: int | None
    """The epoch that those weights come from, counted from 1; None if there are none."""


def keeping(trainer: pl.Trainer | None) -> list[KeepsWeights]:
    """Return the callbacks that may end the run with earlier weights."""
    return [callback for callback in getattr(trainer, "callbacks", []) if isinstance(callback, KeepsWeights)]


def kept_epoch(trainer: pl.Trainer | None) -> int | None:
    """Return the epoch, counted from 1, that the final weights come from; None if it is the last."""
    return next((keeper.kept_epoch for keeper in keeping(trainer) if keeper.kept_epoch is not None), None)
