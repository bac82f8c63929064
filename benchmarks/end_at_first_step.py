"""The callback by which startup.py ends a run where its first step has been taken."""

import os
from typing import Any

import pytorch_lightning as pl


class EndAtFirstStep(pl.Callback):
    """Leaves without a word: what follows the first step isn't measured."""

    def on_train_batch_end(self, *arguments: Any) -> None:
        """The first batch's end is the last thing that happens."""
        os._exit(0)
