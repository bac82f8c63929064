"""Callbacks that measure train.py from within: ``+callbacks.NAME._target_=callbacks.CLASS``."""

import json
import os
from pathlib import Path
from time import perf_counter
from typing import Any

import pytorch_lightning as pl
from windows import Turn


class Turns(pl.Callback):
    """Passes the turn where an epoch begins.

    Args:
        steps_alone: whether a window ends with the last step; otherwise it is all that an epoch brings, with its
            evaluation, files and pictures.
    """

    def __init__(self, steps_alone: bool = False) -> None:
        self.steps_alone = steps_alone
        self._turn = Turn()

    def on_train_epoch_start(self, *given: Any) -> None:
        self._turn.begin()

    def on_train_batch_end(self, trainer: pl.Trainer, *given: Any) -> None:
        if self.steps_alone and trainer.is_last_batch:
            self._turn.end()


class EndAtFirstStep(pl.Callback):
    """Leaves without a word: what follows the first step isn't measured."""

    def on_train_batch_end(self, *given: Any) -> None:
        os._exit(0)


class EpochParts(pl.Callback):
    """Writes a line of JSON for each epoch but the last: seconds by part.

    Args:
        path: of the file.
    """

    def __init__(self, path: str) -> None:
        self.path = Path(path)
        self._marks: dict[str, float] = {}

    def on_train_epoch_start(self, *given: Any) -> None:
        marks, now = self._marks, perf_counter()
        if "measured" in marks:
            parts = {
                "steps": marks["stepped"] - marks["begun"],
                "validation": marks["validated"] - marks["stepped"],
                "q(z) of the training set": marks["measured"] - marks["validated"],
                "checkpoints and pictures": now - marks["measured"],
            }
            with self.path.open("a") as file:
                file.write(json.dumps(parts) + "\n")
        self._marks = {"begun": now}

    def on_train_batch_end(self, trainer: pl.Trainer, *given: Any) -> None:
        if trainer.is_last_batch:
            self._marks["stepped"] = perf_counter()

    def on_validation_end(self, *given: Any) -> None:
        self._marks["validated"] = perf_counter()

    def on_train_epoch_end(self, *given: Any) -> None:
        self._marks["measured"] = perf_counter()  # after the callback that measures, before those that save
