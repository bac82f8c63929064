"""Measurements of q(z) on every split at the end of each epoch."""

import logging
from collections.abc import Callable, Iterator, Mapping
from time import perf_counter
from typing import Any, cast

import pytorch_lightning as pl
import torch

from infovae.codes import Codes, joined
from infovae.data.loader import Batch, Loader
from infovae.data.module import DataModule, data_module_of
from infovae.errors import UserError
from infovae.metrics.metric import Metric, make_metric
from infovae.model import Observed
from infovae.module import InfoVAE
from infovae.parallel import gather_rows
from infovae.streams import evaluation_mode, isolated_stream
from infovae.training.callbacks.measured_weights import averages, measured_weights

log = logging.getLogger(__name__)

LOGGED_FROM = 2.0
"""Seconds an epoch that metrics may take before a log line says so."""


class AggregatePosterior(pl.Callback):
    """Compute the metrics of ``conf/metrics/`` on each whole split, and log those of their values that are numbers.

    Validation and test codes come from the evaluation that runs anyway. Examples of the training split, as many as the
    data module says, are encoded once more with the weights at the epoch's end. Codes gathered during the epoch would
    belong to no single model. Where the weights are averaged, the terms of the loss are measured on those examples too,
    and replace the averages over the steps. Of a module with a loss of its own, which evaluation doesn't know, they
    stay those of the steps.
    """

    def __init__(self, metrics: Mapping[str, Callable[..., Metric]]) -> None:
        self.factories = metrics
        self._metrics: dict[str, dict[str, Metric]] = {}
        self._seconds = dict.fromkeys(metrics, 0.0)
        self._logged = False

    def setup(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        self.prepare(cast(InfoVAE, pl_module), data_module_of(trainer), trainer.strategy.root_device)

    def prepare(self, module: InfoVAE, data: DataModule, device: torch.device) -> None:
        """Make the metrics of every split, on the training device; refuse those that training can't measure."""
        for split in ("train", "test", *module.splits):
            made = {
                name: make_metric(name, factory, prior=module.prior, model=module, data=data)
                for name, factory in self.factories.items()
            }
            for metric in made.values():
                if metric.compares_with_training:
                    why = f"{type(metric).__name__} compares splits"
                    raise UserError(why, key="metrics", accepted="measuring it by infovae evaluate")
            chosen = {name: metric for name, metric in made.items() if metric.of_any_split or split != "train"}
            self._metrics[split] = {name: metric.to(device) for name, metric in chosen.items()}

    def columns(self, module: InfoVAE, data: DataModule, split: str) -> set[str]:
        """Return the columns that a split's metrics will have, from measuring its first batch."""
        batch = data.first_batch(split, module.device)
        with evaluation_mode(module), torch.no_grad(), isolated_stream(module.device):
            ((_, _, codes),) = module.parts(batch, batch.global_size)
            conditions = module.conditions_of(batch)
            self._observe(split, Observed(batch.x, batch.labels, codes, batch.factors, conditions))
            measured = [metric.compute() for metric in self._metrics[split].values()]
        return {f"{split}/{name}" for values in measured for name, value in values.items() if value.ndim == 0}

    def on_fit_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        if self.factories:
            log.info("measured at the end of each epoch: %s", ", ".join(self.factories))

    def on_validation_batch_end(
        self,
        trainer: pl.Trainer,
        pl_module: pl.LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        module = cast(InfoVAE, pl_module)
        split = "test" if trainer.testing else module.splits[dataloader_idx]
        self._observe(split, _observed(module, batch, outputs["codes"]))

    on_test_batch_end = on_validation_batch_end

    def on_validation_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        for split in cast(InfoVAE, pl_module).splits:
            self._log(pl_module, split)

    def on_test_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._log(pl_module, "test")

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        module = cast(InfoVAE, pl_module)
        if not module.objective.weighs_divergence or self._metrics["train"] or _measures_terms(trainer, module):
            self._measure_training(trainer, module)
        self._tell_cost()

    def _measure_training(self, trainer: pl.Trainer, module: InfoVAE) -> None:
        """Log the metrics of the training split, and the divergence if no training step has computed it."""
        weighted = module.objective.weighs_divergence
        loader = data_module_of(trainer).measured_train_loader()
        divergence, count = torch.zeros((), device=module.device), 0
        if _measures_terms(trainer, module):
            module.training_terms.reset()
        with (
            measured_weights(trainer, module), evaluation_mode(module), torch.no_grad(), isolated_stream(module.device)
        ):  # fmt: skip
            for batch in loader:
                parts = []
                for codes in _codes(trainer, module, batch, loader):
                    parts.append(codes)
                    if not weighted and module.can_estimate_divergence(codes):
                        divergence += len(codes.z) * module.estimate_divergence(codes)
                        count += len(codes.z)
                self._observe("train", _observed(module, batch, joined(parts)))
            self._log(module, "train")
        if not weighted:
            module.log("train/divergence", divergence / count)

    def _observe(self, split: str, observed: Observed) -> None:
        for metric in self._metrics[split].values():
            metric.observe(observed)

    def _log(self, module: pl.LightningModule, split: str) -> None:
        for name, metric in self._metrics[split].items():
            start = perf_counter()
            for entry, value in metric.compute().items():
                if value.ndim == 0:
                    module.log(f"{split}/{entry}", value.to(torch.float32))
            metric.reset()
            self._seconds[name] += perf_counter() - start

    def _tell_cost(self) -> None:
        """Log once, after the first epoch, how long the metrics took, if that was long."""
        total = sum(self._seconds.values())
        if total > LOGGED_FROM and not self._logged:
            slowest = max(self._seconds, key=lambda name: self._seconds[name])
            log.info(
                "the metrics took %.1f s of the first epoch, %s alone %.1f. Faster: fewer metrics (metrics=[mmd]), or "
                "one measurement after training (infovae evaluate)",
                total, slowest, self._seconds[slowest],
            )  # fmt: skip
        self._logged = True


def _measures_terms(trainer: pl.Trainer, module: InfoVAE) -> bool:
    """Return whether the terms of the loss are measured anew: the steps' are of other weights than the averages."""
    return bool(averages(trainer)) and not module.has_own_loss


def _codes(trainer: pl.Trainer, module: InfoVAE, batch: Batch, loader: Loader) -> Iterator[Codes]:
    """Yield the codes of each global batch of the training split; add its terms of the loss if they are measured."""
    with trainer.precision_plugin.forward_context():  # as in validation and test
        if _measures_terms(trainer, module):
            codes = module.measure_training(batch, loader)
            sizes = [size for size, _ in batch.parts]
            rows = zip(*(row.split(sizes) for row in codes.rows()), strict=True)
            yield from map(codes.with_rows, rows)
            return
        for part, _, own in module.parts(batch, len(loader.dataset)):
            yield module.gather(own, part.global_size)


def _observed(module: InfoVAE, batch: Batch, codes: Codes) -> Observed:
    """Return the global batch, from this process's rows and the gathered codes."""
    rows = (batch.x, batch.labels, batch.factors, module.conditions_of(batch))
    x, labels, factors, conditions = (None if row is None else gather_rows(row, batch.global_size) for row in rows)
    assert x is not None
    assert labels is not None
    return Observed(x, labels, codes, factors, conditions)
