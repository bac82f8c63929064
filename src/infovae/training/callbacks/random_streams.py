"""Random streams of training and evaluation, kept apart, and restored when a run goes on."""

import contextlib
from typing import Any

import pytorch_lightning as pl
import torch
from torch import Tensor

from infovae.streams import EVALUATION_SEED, isolated_stream


class RandomStreams(pl.Callback):
    """Start training's stream, evaluate on an isolated one, and go on from the stream in a checkpoint.

    Training's stream depends on the seed alone, whatever was drawn before. The data-parallel strategy draws numbers of
    its own, and all processes must have the stream that one process alone would have.
    """

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self._evaluation = contextlib.ExitStack()
        self._restored: dict[str, Tensor] | None = None

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        if self._restored is None:
            # The weights were drawn from the stream of the seed itself.
            torch.manual_seed(self.seed ^ 0x5DEECE66)
        else:
            torch.set_rng_state(self._restored["cpu"])
            if pl_module.device.type == "cuda" and "cuda" in self._restored:
                torch.cuda.set_rng_state(self._restored["cuda"], pl_module.device)
            if pl_module.device.type == "mps" and "mps" in self._restored:
                torch.mps.set_rng_state(self._restored["mps"])
            self._restored = None

    def on_validation_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._evaluation.enter_context(isolated_stream(pl_module.device))

    def on_validation_batch_start(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, batch: Any, batch_idx: int, dataloader_idx: int = 0
    ) -> None:
        if batch_idx == 0:  # each split on the same noise, whichever was evaluated before it
            torch.manual_seed(EVALUATION_SEED)

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._evaluation.close()

    on_test_start, on_test_end = on_validation_start, on_validation_end

    def on_exception(self, trainer: pl.Trainer, pl_module: pl.LightningModule, exception: BaseException) -> None:
        self._evaluation.close()

    def state_dict(self) -> dict[str, Any]:
        state = {"cpu": torch.get_rng_state()}
        if torch.cuda.is_available():
            state["cuda"] = torch.cuda.get_rng_state()
        if torch.backends.mps.is_available():
            state["mps"] = torch.mps.get_rng_state()
        return state

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self._restored = {name: state.cpu() for name, state in state_dict.items()}
