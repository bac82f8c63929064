"""Measures q(z) on every split at the end of each epoch."""

from collections.abc import Callable, Mapping
from typing import Any, cast

import pytorch_lightning as pl
import torch

from infovae.callbacks.random_streams import evaluation_mode, isolated_stream
from infovae.codes import Codes
from infovae.data.module import image_data
from infovae.metrics.metric import CodeMetric
from infovae.module import InfoVAE
from infovae.priors.prior import Prior


class AggregatePosterior(pl.Callback):
    """Feeds the metrics of ``conf/metrics/`` with the codes of each whole split and logs what they find.

    Validation and test codes come from the evaluation that runs anyway. The training split is encoded once more with
    the weights that the epoch ended with: codes gathered while the weights still moved would belong to no model.

    Args:
        metrics: for each name, what makes the metric from the prior.
    """

    def __init__(self, metrics: Mapping[str, Callable[[Prior], CodeMetric]]) -> None:
        self.factories = metrics
        self._metrics: dict[str, list[CodeMetric]] = {}

    def setup(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        module = cast(InfoVAE, pl_module)
        for split in ("train", "test", *module.splits):
            self._metrics[split] = [factory(module.prior) for factory in self.factories.values()]

    def on_validation_batch_end(
        self,
        trainer: pl.Trainer,
        pl_module: pl.LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        self._update(cast(InfoVAE, pl_module).splits[dataloader_idx], outputs["codes"])

    def on_test_batch_end(
        self,
        trainer: pl.Trainer,
        pl_module: pl.LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        self._update("test", outputs["codes"])

    def on_validation_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        for split in cast(InfoVAE, pl_module).splits:
            self._log(pl_module, split)

    def on_test_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._log(pl_module, "test")

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        module = cast(InfoVAE, pl_module)
        loader = image_data(trainer).evaluation_loader("train")
        weighted = module.objective.divergence_weight != 0
        divergence, count = torch.zeros((), device=module.device), 0
        with evaluation_mode(module), torch.no_grad(), isolated_stream(module.device):
            for batch in loader:
                own = module.codes(module.encode(batch.images), len(loader.dataset), batch.global_size)
                codes = module.gather(own, batch.global_size)
                self._update("train", codes)
                if not weighted:
                    divergence += len(codes.z) * module.estimate_divergence(codes)
                    count += len(codes.z)
            self._log(module, "train")
        if not weighted:
            module.log("train/divergence", divergence / count)

    def _update(self, split: str, codes: Codes) -> None:
        for metric in self._metrics[split]:
            metric.to(codes.z.device).update(codes)

    def _log(self, module: pl.LightningModule, split: str) -> None:
        for metric in self._metrics[split]:
            for name, value in metric.compute().items():
                module.log(f"{split}/{name}", value.to(torch.float32))
            metric.reset()
