"""Checks of each training step for NaN and infinity."""

import copy
import logging
import math
from collections.abc import Iterable
from itertools import chain
from pathlib import Path
from typing import Any, Literal, NamedTuple, cast

import pytorch_lightning as pl
import torch
from torch import Tensor, nn
from torch.nn.utils import get_total_norm

from infovae.data.loader import Batch, Loader
from infovae.errors import UserError
from infovae.module import InfoVAE
from infovae.parallel import is_first_process
from infovae.runs.checkpoints import left_behind
from infovae.runs.folder import write_record
from infovae.training.callbacks.last_step import is_last_step

log = logging.getLogger(__name__)


class Step(NamedTuple):
    """One batch after its backward pass. Its tensors stay on the device unless something is wrong.

    ``epoch`` and ``batch_index`` count from 0, ``step`` from 1. ``terms`` has the loss too, ``gradient_norms`` a norm
    for each part of the model. ``is_finite`` is of the loss and all gradients.
    """

    epoch: int
    step: int
    batch_index: int
    batch: Batch
    terms: dict[str, Tensor]
    gradient_norms: dict[str, Tensor]
    is_finite: Tensor


class FiniteSteps(pl.Callback):
    """Stop the run, or skip the step, if its loss or a gradient isn't finite; say which term broke first.

    The check comes before the optimiser's step. On the CPU it costs the norm of the gradients. On a GPU the result is
    read after the next step has been queued, so that the processor doesn't wait. A run then stops one step late, but
    before anything is saved. ``on_nan=skip`` can't be late, and waits at each step.

    A skipped step changes neither weights, nor optimiser, nor the divergence's own state, and doesn't enter the epoch's
    averages. It counts as a step, and draws from the random stream. The run stops if as many steps in a row are skipped
    as an epoch has.

    A gradient scaler (``trainer.precision=16-mixed``) expects infinite gradients and skips such steps itself. Then only
    the loss is checked. The run's folder gets a ``diagnosis.json`` of the last such step.
    """

    def __init__(self, folder: str, on_nan: Literal["stop", "skip"]) -> None:
        self.folder = Path(folder)
        self.on_nan = on_nan
        self.logs = ("train/skipped_steps",) if on_nan == "skip" else ()
        self.skipped = 0
        self._in_a_row = 0
        self._batch: tuple[Batch, int] | None = None
        self._before: dict[str, Any] = {}
        self._unread: Step | None = None
        self._parameters: list[nn.Parameter] = []

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._parameters = list(pl_module.parameters())  # looking them up takes longer than the check

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
            raise self._stopped(trainer, step, self._diagnose(trainer, module, step))
        else:
            self._skip(trainer, module, step)

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        if is_last_step(trainer):
            self._read(trainer, cast(InfoVAE, pl_module))

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        if self.on_nan == "skip":
            pl_module.log("train/skipped_steps", float(self.skipped))

    def on_save_checkpoint(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        """Refuse to save weights that aren't finite, so that the earlier checkpoint stays."""
        module = cast(InfoVAE, pl_module)
        self._read(trainer, module)
        for name, part in module.named_children():
            if not _all_finite(part.parameters()):
                why = f"the weights of {name} are no longer finite after step {trainer.global_step}, and weren't saved"
                raise UserError(f"{why}; {left_behind(self.folder, trainer)}")

    def state_dict(self) -> dict[str, Any]:
        return {"skipped": self.skipped, "in_a_row": self._in_a_row}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.skipped, self._in_a_row = state_dict["skipped"], state_dict["in_a_row"]

    def _is_finite(self, trainer: pl.Trainer, module: InfoVAE) -> bool:
        """Return whether the loss and all gradients are finite, from one number; a :class:`Step` has the details."""
        seen = 0.0 if module.step_terms is None else module.step_terms.loss
        if not _scales_gradients(trainer):
            gradients = [parameter.grad for parameter in self._parameters if parameter.grad is not None]
            seen = seen + get_total_norm(gradients)
        return math.isfinite(seen)

    def _read(self, trainer: pl.Trainer, module: InfoVAE) -> None:
        """Read the result of the step before, whose optimiser has stepped since."""
        step, self._unread = self._unread, None
        if step is not None and not step.is_finite:
            raise self._stopped(trainer, step, self._diagnose(trainer, module, step, has_stepped=True))

    def _skip(self, trainer: pl.Trainer, module: InfoVAE, step: Step) -> None:
        self.skipped += 1
        self._in_a_row += 1
        what = self._diagnose(trainer, module, step)
        if self._in_a_row >= len(_loader(trainer)):
            raise self._stopped(trainer, step, f"{what}, as in {self._in_a_row} steps in a row")
        log.warning("step %d is skipped: %s", step.step, what)
        module.load_state_dict(self._before, strict=False)
        module.step_terms = None
        if not _scales_gradients(trainer):
            for parameter in module.parameters():
                parameter.grad = None

    def _stopped(self, trainer: pl.Trainer, step: Step, what: str) -> UserError:
        where = f"step {step.step} (epoch {step.epoch + 1}, batch {step.batch_index + 1})"
        more = f"{self.folder / 'diagnosis.json'} says more; {left_behind(self.folder, trainer)}"
        return UserError(f"{where}: {what}; {more}")

    def _diagnose(self, trainer: pl.Trainer, module: InfoVAE, step: Step, has_stepped: bool = False) -> str:
        """Write ``diagnosis.json``, and return what broke first; not the weights if the optimiser has stepped since."""
        broken = _broken_parts(None if has_stepped else module, step)
        if is_first_process():
            self._record(trainer, module, step, broken)
        values = {**step.terms, **{f"gradient of {name}": norm for name, norm in step.gradient_norms.items()}}
        if broken[0] in values:
            return f"{broken[0]} is {float(values[broken[0]]):g}"
        return f"{broken[0]} {'aren' if broken[0].startswith('weights') else 'isn'}'t finite"

    def _record(self, trainer: pl.Trainer, module: InfoVAE, step: Step, broken: list[str]) -> None:
        weights = {name: list(part.parameters()) for name, part in _parts(module).items()}
        rows = ~step.batch.x.flatten(1).isfinite().all(dim=1)
        record = {
            "epoch": step.epoch + 1,
            "step": step.step,
            "batch": step.batch_index + 1,
            "broke_first": broken[0],
            "broken": broken,
            "terms": {name: float(value) for name, value in step.terms.items()},
            "gradient_norms": {name: float(norm) for name, norm in step.gradient_norms.items()},
            "weight_norms": {name: float(get_total_norm(part)) for name, part in weights.items()},
            "training_examples": _loader(trainer).positions_of(step.batch_index).tolist(),
            "rows_with_broken_images": rows.nonzero().flatten().tolist(),
            "on_nan": self.on_nan,
            "skipped_steps": self.skipped,
        }
        write_record(self.folder / "diagnosis.json", record, inside=self.folder)


def answers_at_once(device: torch.device) -> bool:
    """Return whether a number can be read from the device without waiting."""
    return device.type == "cpu"


def _broken_parts(module: InfoVAE | None, step: Step) -> list[str]:
    """Return the names of what isn't finite, in the order in which a step computes them; the first is where to look.

    Terms without a weight in the objective aren't checked, since they can't have broken it; nor weights of no module.
    """
    parts = {} if module is None else _parts(module)
    weights = [name for name, part in parts.items() if not _all_finite(chain(part.parameters(), part.buffers()))]
    broken = [] if bool(step.batch.x.isfinite().all()) else ["input"]
    broken += [f"weights of {name}" for name in weights if name != "divergence"]
    for name, value in step.terms.items():
        if name == "divergence" and name in weights:
            broken.append("weights of divergence")
        if not value.isfinite():
            broken.append(name)
    return broken + [f"gradient of {name}" for name, norm in step.gradient_norms.items() if not norm.isfinite()]


def _step(trainer: pl.Trainer, module: InfoVAE, batch: Batch, batch_index: int) -> Step:
    seen = _terms(module)
    norms = {
        name: get_total_norm(gradients)
        for name, part in _parts(module).items()
        if (gradients := [parameter.grad for parameter in part.parameters() if parameter.grad is not None])
    }
    looked_at = [seen.get("loss", torch.zeros((), device=module.device))]
    looked_at += [] if _scales_gradients(trainer) else norms.values()
    is_finite = torch.stack([value.float() for value in looked_at]).isfinite().all()
    return Step(trainer.current_epoch, trainer.global_step + 1, batch_index, batch, seen, norms, is_finite)


def _terms(module: InfoVAE) -> dict[str, Tensor]:
    """Return the terms of a step that have a weight, in the order in which it computes them, and the loss.

    A subclass's own ``step`` may say the loss alone, and its ``training_step`` nothing.
    """
    terms, objective = module.step_terms, module.objective
    if terms is None:
        return {}
    if not terms.is_known:
        return {"loss": terms.loss}
    seen = {"reconstruction": terms.reconstruction}
    if objective.weighs_rate:
        seen["rate"] = terms.rate
    if objective.weighs_divergence:
        seen["divergence"] = terms.divergence
    point = objective.point()
    seen |= {name: torch.as_tensor(point[name]) for name in objective.moving}
    return seen | {"loss": terms.loss}


def _parts(module: InfoVAE) -> dict[str, nn.Module]:
    return {name: part for name, part in module.named_children() if any(True for _ in part.parameters())}


def _all_finite(tensors: Iterable[Tensor]) -> bool:
    return all(bool(tensor.isfinite().all()) for tensor in tensors)


def _scales_gradients(trainer: pl.Trainer) -> bool:
    return getattr(trainer.precision_plugin, "scaler", None) is not None


def _loader(trainer: pl.Trainer) -> Loader:
    return cast(Loader, trainer.train_dataloader)


def _state_beside_the_weights(module: InfoVAE) -> dict[str, Any]:
    """Return what the forward pass changes: buffers, and what the divergence learns by itself.

    The objective's weights aren't: they move before a step and after it.
    """
    learned = [parameter for parameter in module.parameters() if parameter.requires_grad]
    kept = {id(tensor) for tensor in chain(learned, module.objective.buffers())}
    state = module.state_dict(keep_vars=True).items()
    return {name: copy.deepcopy(value) for name, value in state if id(value) not in kept}
