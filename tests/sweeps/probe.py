"""A callback that says in the run folder how many threads torch has."""

from pathlib import Path

import pytorch_lightning as pl
import torch


class Threads(pl.Callback):
    def __init__(self, path: str) -> None:
        self.path = Path(path)

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self.path.write_text(str(torch.get_num_threads()))
