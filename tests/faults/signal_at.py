"""A callback for runs of the real command that are to get a signal at a step."""

import os
import signal
from pathlib import Path

import pytorch_lightning as pl


class SignalAt(pl.Callback):
    """Send this process a signal before a training step, once in the life of a run.

    Args:
        step: how many steps were taken before.
        name: the signal's name, as SIGTERM.
        mark: a file that is made when the signal is sent; while it exists none is.
    """

    def __init__(self, step: int, name: str, mark: str) -> None:
        self.step = step
        self.signal = signal.Signals[name]
        self.mark = Path(mark)

    def on_train_batch_start(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, batch: object, batch_idx: int
    ) -> None:
        if trainer.global_step == self.step and not self.mark.exists():
            self.mark.touch()
            os.kill(os.getpid(), self.signal)


def override(step: int, name: str, mark: Path) -> str:
    """Return the override that adds the callback; its module is found by PATHS."""
    return f"+callbacks.fault={{_target_: signal_at.SignalAt, step: {step}, name: {name}, mark: '{mark}'}}"


PATHS = os.pathsep.join([str(Path(__file__).parents[2] / "src"), str(Path(__file__).parent)])
