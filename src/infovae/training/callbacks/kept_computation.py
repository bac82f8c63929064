"""How steps are computed, kept in checkpoints."""

from typing import Any, NamedTuple

import pytorch_lightning as pl


class Computation(NamedTuple):
    """How training steps are computed.

    Attributes:
        precision: as Lightning's Trainer takes it.
        compile: whether training steps are compiled.
    """

    precision: str
    compile: bool


class KeptComputation(pl.Callback):
    """Keeps it in the checkpoint: under ``auto`` a run that goes on must not choose anew.

    Args:
        computation: of this run.
    """

    def __init__(self, computation: Computation) -> None:
        self.computation = computation

    def on_save_checkpoint(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        checkpoint["computation"] = self.computation._asdict()


def kept_computation(checkpoint: dict[str, Any]) -> Computation | None:
    """What a checkpoint tells of the run that wrote it; None of one from before this was kept."""
    kept = checkpoint.get("computation")
    return None if kept is None else Computation(**kept)
