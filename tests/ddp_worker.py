"""Trains each case on a tiny scale and keeps what came out: python tests/ddp_worker.py TRAINER OUTPUT CASE...

A case is a list of overrides joined by blanks. Lightning starts this very command once more for the second process.
"""

import sys

import pytorch_lightning as pl
import torch
from hydra import compose, initialize_config_dir

from infovae.app.cli import CONF
from infovae.parallel import is_first_process
from infovae.training.assemble import build_data, build_module, build_trainer
from infovae.training.quiet import quieten

# Double precision: there Adam's division by a gradient's size can't blow rounding up to a whole step.
COMMON = [
    "data.train_size=300",
    "data.validation_size=131",
    "data.batch_size=32",
    "data.binarization=stochastic",
    "network.encoder.hidden=[32]",
    "network.decoder.hidden=[32]",
    "callbacks=none",
    "logger=none",
    "metrics.mmd.samples=200",
    "metrics.mmd.prior_samples=400",
    "name=ddp",
    "trainer.precision=64-true",
    "trainer.max_epochs=1",
    "trainer.limit_val_batches=2",
    "trainer.limit_test_batches=3",
    "trainer.enable_progress_bar=false",
]


def main(trainer_name: str, output: str, cases: list[str]) -> None:
    """Train, test, and save metrics and weights by case."""
    quieten()
    data, results = None, {}
    for number, case in enumerate(cases):
        overrides = [*COMMON, f"trainer={trainer_name}", f"run_dir={output}-{number}", *case.split()]
        cfg = compose("config", overrides=overrides)
        pl.seed_everything(cfg.seed, verbose=False)
        data = data or build_data(cfg)  # alike in all cases
        module = build_module(cfg, data)
        trainer = build_trainer(cfg)
        start = {name: value.clone() for name, value in module.state_dict().items() if isinstance(value, torch.Tensor)}
        trainer.fit(module, datamodule=data)
        metrics = {name: value.clone() for name, value in trainer.callback_metrics.items()}
        trainer.test(module, datamodule=data, verbose=False)
        metrics |= trainer.callback_metrics
        results[case] = {"metrics": metrics, "start": start, "weights": module.state_dict()}
    if is_first_process():
        torch.save(results, output)


if __name__ == "__main__":
    with initialize_config_dir(str(CONF), version_base="1.3"):
        main(sys.argv[1], sys.argv[2], sys.argv[3:])
