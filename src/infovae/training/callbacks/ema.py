"""An exponential moving average of the weights."""

from typing import Any

import pytorch_lightning as pl
from pytorch_lightning.callbacks import WeightAveraging
from torch.optim.swa_utils import get_ema_multi_avg_fn

from infovae.errors import ArgumentError
from infovae.training.callbacks.measured_weights import AVERAGED


class EMA(WeightAveraging):
    """Average the weights over the steps by Lightning's WeightAveraging; the run ends with the averages.

    After the first step the average is that step's weights w, and after each further step
    ``decay * average + (1 - decay) * w``. Validation, test, metrics and pictures are of the averages. A checkpoint
    holds them as ``state_dict``, and as ``current_model_state`` the weights that training goes on with. Buffers, such
    as those of spectral normalisation, aren't averaged.

    Args:
        decay: at least 0 and below 1.

    Raises:
        ArgumentError: ``decay`` is out of range.
    """

    def __init__(self, decay: float = 0.999) -> None:
        if not 0 <= decay < 1:
            raise ArgumentError("decay", f"{decay:g}", "numbers from 0 to below 1")
        super().__init__(use_buffers=False, multi_avg_fn=get_ema_multi_avg_fn(decay))

    def setup(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        self._device = trainer.strategy.root_device  # the module itself moves there later
        super().setup(trainer, pl_module, stage)

    def on_save_checkpoint(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        super().on_save_checkpoint(trainer, pl_module, checkpoint)
        # Only tensors are averaged: without this, the averaged copy would keep a critic's optimiser as it began.
        trained = checkpoint.get(AVERAGED, {})
        checkpoint["state_dict"] |= {name: value for name, value in trained.items() if name.endswith("_extra_state")}
