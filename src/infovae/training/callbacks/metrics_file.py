"""The run folder's own record of what was measured, whatever the loggers do."""

import csv
import io
from pathlib import Path
from time import perf_counter
from typing import Any

import pytorch_lightning as pl
from pytorch_lightning.callbacks import Checkpoint

from infovae.runs.files import write_whole


class MetricsFile(Checkpoint):
    """``metrics.csv``: a row an epoch, a column a metric; flushed each epoch.

    It is a Checkpoint because those run last, when everything of the epoch has been logged. The rows are part of the
    training checkpoint, so that a resumed run's file goes on exactly where the checkpoint was taken, in any folder.

    Args:
        path: of the file.
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
            with self.path.open("a", newline="") as file:
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
        write_whole(self.path, content.getvalue())
