"""Callbacks that end a run with the weights of an earlier epoch."""

from typing import Protocol, runtime_checkable

import pytorch_lightning as pl


@runtime_checkable
class KeepsWeights(Protocol):
    """A callback that may restore the weights of an earlier epoch when training ends."""

    kept_epoch: int | None
    """The epoch that those weights come from, counted from 1; None if there are none."""


def kept_epoch(trainer: pl.Trainer | None) -> int | None:
    """Return the epoch, counted from 1, that the final weights come from; None if it is the last."""
    callbacks = getattr(trainer, "callbacks", [])
    kept = (callback.kept_epoch for callback in callbacks if isinstance(callback, KeepsWeights))
    return next((epoch for epoch in kept if epoch is not None), None)
