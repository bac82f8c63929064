"""Measures q(z) on every split at the end of each epoch."""

import logging
from collections.abc import Callable, Mapping
from time import perf_counter
from typing import Any, cast

import pytorch_lightning as pl
import torch

from infovae.codes import Codes
from infovae.data.loader import Batch
from infovae.data.module import ImageData, image_data
from infovae.errors import UserError
from infovae.metrics.metric import Metric, make_metric
from infovae.model import Observed
from infovae.module import InfoVAE
from infovae.parallel import gather_rows
from infovae.streams import evaluation_mode, isolated_stream

log = logging.getLogger(__name__)

TOLD_FROM = 2.0
"""Seconds an epoch that metrics may take without a word."""


class AggregatePosterior(pl.Callback):
    """Feeds the metrics of ``conf/metrics/`` with each whole split and logs the numbers, not the vectors, they find.

    Validation and test codes come from the evaluation that runs anyway. Of the training split as many examples as the
    data module says are encoded once more with the weights that the epoch ended with: codes gathered while the weights
    still moved would belong to no model.

    Args:
        metrics: for each name, what makes the metric.
    """

    def __init__(self, metrics: Mapping[str, Callable[..., Metric]]) -> None:
        self.factories = metrics
        self._metrics: dict[str, dict[str, Metric]] = {}
        self._seconds = dict.fromkeys(metrics, 0.0)
        self._told = False

    def setup(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        self.prepare(cast(InfoVAE, pl_module), image_data(trainer), trainer.strategy.root_device)

    def prepare(self, module: InfoVAE, data: ImageData, device: torch.device) -> None:
        """Make the metrics of every split, on the device that training is on.

        Raises:
            UserError: one that this model or data doesn't allow, or that isn't measured while training.
        """
        for split in ("train", "test", *module.splits):
            made = {
                name: make_metric(name, factory, prior=module.prior, model=module, data=data)
                for name, factory in self.factories.items()
            }
            for metric in made.values():
                if metric.compares_with_training:
                    raise UserError(
                        f"metrics: {type(metric).__name__} compares splits; accepted: measuring it by evaluate.py"
                    )
            self._metrics[split] = {
                name: metric.to(device) for name, metric in made.items() if metric.of_any_split or split != "train"
            }

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
        self._observe(cast(InfoVAE, pl_module).splits[dataloader_idx], _observed(batch, outputs["codes"]))

    def on_test_batch_end(
        self,
        trainer: pl.Trainer,
        pl_module: pl.LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        self._observe("test", _observed(batch, outputs["codes"]))

    def on_validation_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        for split in cast(InfoVAE, pl_module).splits:
            self._log(pl_module, split)

    def on_test_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._log(pl_module, "test")

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        module = cast(InfoVAE, pl_module)
        if not module.objective.divergence_weight or self._metrics["train"]:
            self._measure_training(trainer, module)
        self._tell_cost()

    def _measure_training(self, trainer: pl.Trainer, module: InfoVAE) -> None:
        """Log the metrics of the training split, and the divergence where no training step has computed it."""
        weighted = module.objective.divergence_weight != 0
        loader = image_data(trainer).measured_train_loader()
        divergence, count = torch.zeros((), device=module.device), 0
        in_precision = trainer.precision_plugin.forward_context  # as in validation and test
        with evaluation_mode(module), torch.no_grad(), isolated_stream(module.device):
            for batch in loader:
                with in_precision():
                    posterior = module.encode(batch.images)
                own = module.codes(posterior, len(loader.dataset), batch.global_size)
                codes = module.gather(own, batch.global_size)
                self._observe("train", _observed(batch, codes))
                if not weighted:
                    divergence += len(codes.z) * module.estimate_divergence(codes)
                    count += len(codes.z)
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
        """Once, after the first epoch, where computing takes long."""
        total = sum(self._seconds.values())
        if total > TOLD_FROM and not self._told:
            slowest = max(self._seconds, key=lambda name: self._seconds[name])
            log.info(
                "the metrics took %.1f s of the first epoch, %s alone %.1f; cheaper are fewer of them, as "
                "metrics=[mmd], fewer examples, as metrics.mig.examples=1000, or measuring once, by evaluate.py",
                total, slowest, self._seconds[slowest],
            )  # fmt: skip
        self._told = True


def _observed(batch: Batch, codes: Codes) -> Observed:
    """The global batch, from this process's rows and the gathered codes."""
    images, labels = (gather_rows(rows, batch.global_size) for rows in (batch.images, batch.labels))
    factors = None if batch.factors is None else gather_rows(batch.factors, batch.global_size)
    return Observed(images, labels, codes, factors)
