"""The run folder's own record of the metrics, whatever the loggers do."""

import csv
import io
import os
from pathlib import Path
from time import perf_counter
from typing import Any

import pytorch_lightning as pl
from pytorch_lightning.callbacks import Checkpoint

from infovae.runs.files import write_whole


class MetricsFile(Checkpoint):
    """Write ``metrics.csv``: a row for each epoch, a column for each metric, empty where it wasn't measured.

    The class is a Checkpoint because Lightning calls those last, when everything of the epoch has been logged. The rows
    are part of each checkpoint, so a resumed run's file goes on exactly from there, in any folder.

    An epoch begins without the metrics of the one before. Lightning keeps a metric until it is measured again: after an
    epoch without a validation, files, checkpoints, early stopping and pruning would take old numbers for new ones.
    """

    def __init__(self, path: str) -> None:
        self.path = Path(path)
        self.rows: list[dict[str, float]] = []
        self._seconds_before = 0.0
        self._start = perf_counter()

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._seconds_before = self.rows[-1]["seconds"] if self.rows else 0.0
        self._start = perf_counter()
        if trainer.is_global_zero and self.rows:
            self._rewrite()

    def on_train_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        trainer.callback_metrics.clear()

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        row = {
            "epoch": trainer.current_epoch + 1,
            "step": trainer.global_step,
            "seconds": round(self._seconds_before + perf_counter() - self._start, 3),
        }
        row |= {name: float(value) for name, value in sorted(trainer.callback_metrics.items())}
        columns_changed = not self.rows or row.keys() != self.rows[-1].keys()
        self.rows.append(row)
        if not trainer.is_global_zero:
            return
        if columns_changed:
            self._rewrite()
        else:
            with open(self.path, "a", newline="", opener=_without_following) as file:
                csv.DictWriter(file, self._columns()).writerow(row)

    def state_dict(self) -> dict[str, Any]:
        return {"rows": self.rows}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.rows = list(state_dict["rows"])

    def _columns(self) -> list[str]:
        return list(dict.fromkeys(name for row in self.rows for name in row))

    def _rewrite(self) -> None:
        content = io.StringIO(newline="")
        writer = csv.DictWriter(content, self._columns())
        writer.writeheader()
        writer.writerows(self.rows)
        write_whole(self.path, content.getvalue(), inside=self.path.parent)


def _without_following(path: str, flags: int) -> int:
    """Open a file, but not through a link that someone put there."""
    return os.open(path, flags | getattr(os, "O_NOFOLLOW", 0))
