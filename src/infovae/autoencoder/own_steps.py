"""A LightningModule that takes the optimiser's steps itself: Lightning's loop would add 0.3 ms to each."""

import weakref
from abc import abstractmethod
from collections.abc import Iterable
from functools import partial
from typing import Any

import pytorch_lightning as pl
import torch
from jaxtyping import Float
from pytorch_lightning.callbacks import GradientAccumulationScheduler
from pytorch_lightning.strategies import SingleDeviceStrategy
from torch import Tensor

PARTS_OF_A_STEP = (
    "optimizer_step",
    "optimizer_zero_grad",
    "backward",
    "configure_gradient_clipping",
    "lr_scheduler_step",
    "manual_backward",
)
"""Methods with which a subclass may change how Lightning takes a step."""


class OwnSteps(pl.LightningModule):
    """A module that says the loss of a batch.

    It calls the same hooks in the same order as Lightning, on the same weights, and counts in the same places. A
    subclass that overrides ``training_step`` or another part of a step has it taken by Lightning.
    """

    def __init__(self) -> None:
        super().__init__()
        self._steps_itself_under: weakref.ref[Any] | None = None

    @abstractmethod
    def step_loss(self, batch: Any) -> Float[Tensor, ""]:
        """Return the loss of a training batch, with gradient."""

    @property
    def automatic_optimization(self) -> bool:
        """Whether Lightning takes the optimiser's steps, as it must for a few settings; it takes 0.3 ms more a step."""
        trainer: Any = self._trainer
        if self._steps_itself_under is not None and self._steps_itself_under() is trainer:
            return False
        return (
            trainer is None
            or _changes_steps(type(self))
            or not (
                isinstance(trainer.strategy, SingleDeviceStrategy)
                and trainer.precision in ("32-true", "bf16-mixed")
                and not trainer.gradient_clip_val
                and trainer.accumulate_grad_batches == 1
                and len(trainer.optimizers) <= 1
                and not trainer.lr_scheduler_configs
                and not any(isinstance(callback, GradientAccumulationScheduler) for callback in trainer.callbacks)
            )
        )

    @automatic_optimization.setter
    def automatic_optimization(self, automatic: bool) -> None:
        """Take what Lightning's constructor sets; the settings of the trainer decide."""

    def __getstate__(self) -> dict[str, Any]:
        return super().__getstate__() | {"_steps_itself_under": None}  # like Lightning, leave the trainer behind

    def training_step(self, batch: Any, batch_idx: int) -> Float[Tensor, ""]:
        if self.automatic_optimization:
            return self.step_loss(batch)
        optimizer: Any = self.optimizers()
        optimizer._on_before_step()
        with torch.autocast(self.device.type, enabled=False):  # Lightning has enabled it for all of this method
            loss: Tensor = optimizer.optimizer.step(partial(self._closure, batch))
        optimizer._on_after_step()
        return loss

    def _closure(self, batch: Any) -> Float[Tensor, ""]:
        """Return the loss of a batch with its gradient left in the parameters, by Lightning's steps and hooks."""
        torch.clear_autocast_cache()  # of the weights before the last step
        with self.trainer.precision_plugin.forward_context():
            loss = self.step_loss(batch)
        self._call("on_before_zero_grad", self.trainer.optimizers[0])
        self.trainer.optimizers[0].zero_grad()
        self._call("on_before_backward", loss)
        loss.backward()
        self._call("on_after_backward")
        self._call("on_before_optimizer_step", self.trainer.optimizers[0])
        return loss

    def _call(self, hook: str, *arguments: Any) -> None:
        """Call a hook of the callbacks that have it, and of this module; Lightning goes through all at each step."""
        for callback in self.trainer.callbacks:  # type: ignore[attr-defined]
            if getattr(type(callback), hook) is not getattr(pl.Callback, hook):
                getattr(callback, hook)(self.trainer, self, *arguments)
        getattr(self, hook)(*arguments)

    def on_train_start(self) -> None:
        # Lightning counts the steps apart, and a checkpoint's may have been taken the other way.
        loop = self.trainer.fit_loop.epoch_loop
        theirs = loop.automatic_optimization.optim_progress.optimizer.step.total
        ours = loop.manual_optimization.optim_step_progress.total
        before, now = (ours, theirs) if self.automatic_optimization else (theirs, ours)
        if now.completed < before.completed:
            now.ready, now.completed = before.ready, before.completed
        if not self.automatic_optimization:  # to look at the settings seven times a step would take 1 % of it
            self._steps_itself_under = weakref.ref(self._trainer)


def _changes_steps(module: type[OwnSteps]) -> bool:
    return replaces(module, OwnSteps, ["training_step"]) or replaces(module, pl.LightningModule, PARTS_OF_A_STEP)


def replaces(own: type, base: type, names: Iterable[str]) -> bool:
    """Return whether a class has one of these methods of its own in the place of its base's."""
    return any(getattr(own, name) is not getattr(base, name) for name in names)
