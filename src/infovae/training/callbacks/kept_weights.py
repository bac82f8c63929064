"""Runs that end with the weights of an earlier epoch."""

from typing import Protocol, runtime_checkable

import pytorch_lightning as pl


@runtime_checkable
class KeepsWeights(Protocol):
    """A callback that may put back, when training ends, weights of an earlier epoch.

    Attributes:
        kept_epoch: after which the weights were those, counted from 1; None where it keeps none.
    """

    kept_epoch: int | None


def kept_epoch(trainer: pl.Trainer | None) -> int | None:
    """After which epoch, counted from 1, the weights were those that a run ends with; None: after its last."""
    callbacks = getattr(trainer, "callbacks", [])
    kept = (callback.kept_epoch for callback in callbacks if isinstance(callback, KeepsWeights))
    return next((epoch for epoch in kept if epoch is not None), None)
