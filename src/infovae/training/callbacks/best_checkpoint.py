"""Checkpoints of the best epochs."""

from pathlib import Path
from typing import Any

import pytorch_lightning as pl
from pytorch_lightning.callbacks import ModelCheckpoint
from torch import Tensor

from infovae.errors import UserError
from infovae.runs.files import write_whole


class BestCheckpoint(ModelCheckpoint):
    """Lightning's ModelCheckpoint, with files that are what their names say.

    Epochs in which the monitored metric wasn't measured are passed over. With ``save_top_k`` other than 1, the best
    epochs have a file each, ``best-0007.ckpt`` with the epoch counted from 1, and ``best.ckpt`` is a copy of the best.
    Lightning counts a fixed file name once, and leaves the last epoch under it.
    """

    @property
    def state_key(self) -> str:
        # Lightning's own name, under which checkpoints of version 0.1 hold the scores so far.
        return super().state_key.replace(type(self).__qualname__, ModelCheckpoint.__qualname__, 1)

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restore the scores so far, also in a run folder that was moved; Lightning would forget them there."""
        paths = [*state_dict.get("best_k_models", {}), *filter(None, [state_dict.get("best_model_path")])]
        if self.dirpath is not None and paths and all(Path(self._here(path)).is_file() for path in paths):
            state_dict = state_dict | {
                "dirpath": self.dirpath,
                "best_k_models": {self._here(path): score for path, score in state_dict["best_k_models"].items()},
                "kth_best_model_path": self._here(state_dict["kth_best_model_path"]),
                "best_model_path": self._here(state_dict["best_model_path"]),
            }
        super().load_state_dict(state_dict)

    def _here(self, path: str) -> str:
        return str(Path(self.dirpath or "", Path(path).name)) if path else path

    def _save_topk_checkpoint(self, trainer: pl.Trainer, monitor_candidates: dict[str, Tensor]) -> None:
        if self.monitor is None or self.monitor in monitor_candidates:
            super()._save_topk_checkpoint(trainer, monitor_candidates)
        elif f"{self.monitor.partition('/')[0]}/loss" in monitor_candidates:
            measured = ", ".join(sorted(name for name in monitor_candidates if "/" in name))
            raise UserError("no such metric", key="callbacks.*.monitor", value=self.monitor, accepted=measured)

    def _get_metric_interpolated_filepath_name(
        self, monitor_candidates: dict[str, Tensor], trainer: pl.Trainer, del_filepath: str | None = None
    ) -> str:
        path: str = super()._get_metric_interpolated_filepath_name(monitor_candidates, trainer, del_filepath)
        if not self._has_a_file_an_epoch:
            return path
        return str(Path(path).with_stem(f"{Path(path).stem}-{trainer.current_epoch + 1:04d}"))

    def _update_best_and_save(self, current: Tensor, trainer: pl.Trainer, monitor_candidates: dict[str, Any]) -> None:
        super()._update_best_and_save(current, trainer, monitor_candidates)
        newest = self._last_checkpoint_saved
        if self._has_a_file_an_epoch and self.best_model_path == newest and trainer.is_global_zero:
            best = Path(self.format_checkpoint_name(monitor_candidates))
            write_whole(best, Path(newest).read_bytes(), durable=True)

    @property
    def _has_a_file_an_epoch(self) -> bool:
        return self.save_top_k not in (0, 1) and "{" not in (self.filename or "{")
