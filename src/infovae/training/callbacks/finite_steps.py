"""Stops a run, or leaves a step out, where a number isn't finite; says which broke first."""

import copy
import logging
import math
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Literal, NamedTuple, cast

import pytorch_lightning as pl
import torch
from torch import Tensor, nn

from infovae.data.loader import Batch, ImageLoader
from infovae.errors import UserError
from infovae.module import InfoVAE
from infovae.parallel import is_first_process
from infovae.runs.folder import write_record

log = logging.getLogger(__name__)


class Step(NamedTuple):
    """What is known of one batch after its backward pass; tensors that stay where they are unless something is wrong.

    Attributes:
        epoch: counted from 0, as is ``batch_index``.
        step: of the optimiser, counted from 1.
        batch_index: of the batch in its epoch.
        batch: this process's rows.
        terms: of the objective, and the loss.
        gradient_norms: by part of the model.
        is_finite: whether the loss and all gradients are.
    """

    epoch: int
    step: int
    batch_index: int
    batch: Batch
    terms: dict[str, Tensor]
    gradient_norms: dict[str, Tensor]
    is_finite: Tensor


class FiniteSteps(pl.Callback):
    """Looks at the loss and the gradients of each step before the optimiser does.

    On the CPU a look costs the norm of the gradients. On a GPU the answer of a step is read when the next one has been
    queued, so that the processor doesn't wait: a run then stops one step late, but still before anything is saved.
    Leaving a step out can't be late, so ``on_nan=skip`` waits at each step.

    A step that is left out changes neither weights, nor the optimiser, nor what the divergence learned, and isn't in
    the epoch's averages; it counts as a step, and moves the random stream. Where a whole epoch's worth of steps in a
    row had to be left out, the run stops.

    Under a gradient scaler (``trainer.precision=16-mixed``) infinite gradients are in the order of things, and the
    scaler itself leaves such steps out: there the loss alone is looked at.

    Args:
        folder: of the run, for ``diagnosis.json``.
        on_nan: what to do about such a step.
    """

    def __init__(self, folder: str, on_nan: Literal["stop", "skip"]) -> None:
        self.folder = Path(folder)
        self.on_nan = on_nan
        self.skipped = 0
        self._in_a_row = 0
        self._batch: tuple[Batch, int] | None = None
        self._before: dict[str, Any] = {}
        self._unread: Step | None = None
        self._parameters: list[nn.Parameter] = []

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._parameters = list(pl_module.parameters())  # looked up once: that takes longer than the look at them

    def on_train_batch_start(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, batch: Any, batch_idx: int
    ) -> None:
        self._batch = batch, batch_idx
        if self.on_nan == "skip":
            self._before = _state_beside_the_weights(cast(InfoVAE, pl_module))

    def on_after_backward(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        module = cast(InfoVAE, pl_module)
        assert self._batch is not None
        if self.on_nan == "stop" and not answers_at_once(module.device):
            self._read(trainer, module)
            self._unread = _step(trainer, module, *self._batch)
            return
        if self._is_finite(trainer, module) or (step := _step(trainer, module, *self._batch)).is_finite:
            self._in_a_row = 0
        elif self.on_nan == "stop":
            self._stop(trainer, module, step, broken_parts(module, step))
        else:
            self._skip(trainer, module, step)

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        if trainer.is_last_batch:
            self._read(trainer, cast(InfoVAE, pl_module))

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        if self.on_nan == "skip":
            pl_module.log("train/skipped_steps", float(self.skipped))

    def on_save_checkpoint(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        """Weights that are no numbers never take the place of ones that are."""
        module = cast(InfoVAE, pl_module)
        self._read(trainer, module)
        for name, part in module.named_children():
            if not _all_finite(part.parameters()):
                raise self._error(
                    f"the weights of {name} are no longer finite after step {trainer.global_step}, and weren't saved"
                )

    def state_dict(self) -> dict[str, Any]:
        return {"skipped": self.skipped, "in_a_row": self._in_a_row}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.skipped, self._in_a_row = state_dict["skipped"], state_dict["in_a_row"]

    def _is_finite(self, trainer: pl.Trainer, module: InfoVAE) -> bool:
        """Whether the loss and all gradients are, in one number; what a :class:`Step` adds, only a broken one needs."""
        assert module.step_terms is not None
        seen = module.step_terms.loss
        if not _scales_gradients(trainer):
            gradients = [parameter.grad for parameter in self._parameters if parameter.grad is not None]
            seen = seen + torch.nn.utils.get_total_norm(gradients)
        return math.isfinite(seen)

    def _read(self, trainer: pl.Trainer, module: InfoVAE) -> None:
        """What became of the step before, whose optimiser has stepped since."""
        step, self._unread = self._unread, None
        if step is not None and not step.is_finite:
            self._stop(trainer, module, step, broken_parts(None, step))

    def _skip(self, trainer: pl.Trainer, module: InfoVAE, step: Step) -> None:
        self.skipped += 1
        self._in_a_row += 1
        broken = broken_parts(module, step)
        if self._in_a_row >= len(_loader(trainer)):
            self._stop(trainer, module, step, broken, f", as in {self._in_a_row} steps in a row")
        log.warning("step %d is left out: %s", step.step, _what(broken, step))
        self._record(trainer, module, step, broken)
        module.load_state_dict(self._before, strict=False)
        module.step_terms = None
        if not _scales_gradients(trainer):
            for parameter in module.parameters():
                parameter.grad = None

    def _stop(self, trainer: pl.Trainer, module: InfoVAE, step: Step, broken: list[str], more: str = "") -> None:
        self._record(trainer, module, step, broken)
        where = f"step {step.step} (epoch {step.epoch + 1}, batch {step.batch_index + 1})"
        raise self._error(f"{where}: {_what(broken, step)}{more}; {self.folder / 'diagnosis.json'} says more")

    def _error(self, text: str) -> UserError:
        last = self.folder / "checkpoints" / "last.ckpt"
        return UserError(f"{text}; {f'the last good checkpoint is {last}' if last.exists() else 'nothing was saved'}")

    def _record(self, trainer: pl.Trainer, module: InfoVAE, step: Step, broken: list[str]) -> None:
        if not is_first_process():
            return
        rows = ~step.batch.images.flatten(1).isfinite().all(dim=1)
        record = {
            "epoch": step.epoch + 1,
            "step": step.step,
            "batch": step.batch_index + 1,
            "broke_first": broken[0],
            "broken": broken,
            "terms": {name: float(value) for name, value in step.terms.items()},
            "gradient_norms": {name: float(norm) for name, norm in step.gradient_norms.items()},
            "weight_norms": {name: float(_norm(part.parameters())) for name, part in _parts(module).items()},
            "training_examples": _loader(trainer).positions_of(step.batch_index).tolist(),
            "rows_with_broken_images": rows.nonzero().flatten().tolist(),
            "on_nan": self.on_nan,
            "skipped_steps": self.skipped,
        }
        write_record(self.folder / "diagnosis.json", record)


def answers_at_once(device: torch.device) -> bool:
    """Whether reading a number off the device keeps nobody waiting."""
    return device.type == "cpu"


def broken_parts(module: InfoVAE | None, step: Step) -> list[str]:
    """What isn't finite, in the order in which a step computes it; what comes first is where to look.

    Terms without a weight in the objective can't have broken it and aren't looked at. Neither are weights where no
    module is given, as after the optimiser took the step.
    """
    weights = [] if module is None else [name for name, part in _parts(module).items() if not _all_finite(_held(part))]
    broken = [] if bool(step.batch.images.isfinite().all()) else ["input"]
    broken += [f"weights of {name}" for name in weights if name != "divergence"]
    for name, value in step.terms.items():
        if name == "divergence" and name in weights:
            broken.append("weights of divergence")
        if not value.isfinite():
            broken.append(name)
    return broken + [f"gradient of {name}" for name, norm in step.gradient_norms.items() if not norm.isfinite()]


def _what(broken: list[str], step: Step) -> str:
    first = broken[0]
    if first.startswith("weights"):
        return f"{first} aren't finite"
    values = {**step.terms, **{f"gradient of {name}": norm for name, norm in step.gradient_norms.items()}}
    return f"{first} is {float(values[first]):g}" if first in values else f"{first} isn't finite"


def _step(trainer: pl.Trainer, module: InfoVAE, batch: Batch, batch_index: int) -> Step:
    terms = module.step_terms
    assert terms is not None
    objective = module.objective
    seen = {"reconstruction": terms.reconstruction}
    if objective.rate_weight:
        seen["rate"] = terms.rate
    if objective.divergence_weight:
        seen["divergence"] = terms.divergence
    seen["loss"] = terms.loss
    norms = {
        name: torch.nn.utils.get_total_norm(gradients)
        for name, part in _parts(module).items()
        if (gradients := [parameter.grad for parameter in part.parameters() if parameter.grad is not None])
    }
    looked_at = [terms.loss] if _scales_gradients(trainer) else [terms.loss, *norms.values()]
    is_finite = torch.stack([value.float() for value in looked_at]).isfinite().all()
    return Step(trainer.current_epoch, trainer.global_step + 1, batch_index, batch, seen, norms, is_finite)


def _parts(module: InfoVAE) -> dict[str, nn.Module]:
    return {name: part for name, part in module.named_children() if any(True for _ in part.parameters())}


def _held(part: nn.Module) -> Iterable[Tensor]:
    yield from part.parameters()
    yield from part.buffers()


def _all_finite(tensors: Iterable[Tensor]) -> bool:
    return all(bool(tensor.isfinite().all()) for tensor in tensors)


def _norm(tensors: Iterable[Tensor]) -> Tensor:
    return torch.nn.utils.get_total_norm([tensor.detach() for tensor in tensors])


def _scales_gradients(trainer: pl.Trainer) -> bool:
    return getattr(trainer.precision_plugin, "scaler", None) is not None


def _loader(trainer: pl.Trainer) -> ImageLoader:
    return cast(ImageLoader, trainer.train_dataloader)


def _state_beside_the_weights(module: InfoVAE) -> dict[str, Any]:
    """What the forward pass moves: buffers, and whatever the divergence learns by itself."""
    learned = {id(parameter) for parameter in module.parameters() if parameter.requires_grad}
    state = module.state_dict(keep_vars=True).items()
    return {name: copy.deepcopy(value) for name, value in state if id(value) not in learned}
