"""From a config to the objects it names."""

import re
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from omegaconf import DictConfig
from pytorch_lightning.accelerators import AcceleratorRegistry
from pytorch_lightning.callbacks import ProgressBar
from pytorch_lightning.loggers import Logger
from torch import nn

from infovae.config.check import build
from infovae.data.module import ImageData
from infovae.errors import UserError
from infovae.module import InfoVAE
from infovae.parallel import is_first_process
from infovae.runs.checkpoints import WholeCheckpoints
from infovae.training.callbacks.aggregate_posterior import AggregatePosterior
from infovae.training.callbacks.drawing import Drawing
from infovae.training.callbacks.early_end import EarlyEnd
from infovae.training.callbacks.finite_steps import FiniteSteps
from infovae.training.callbacks.kept_computation import Computation, KeptComputation
from infovae.training.callbacks.metrics_file import MetricsFile
from infovae.training.callbacks.random_streams import RandomStreams
from infovae.training.callbacks.throughput import Throughput
from infovae.training.preemption import cluster_plugins


def build_data(cfg: DictConfig) -> ImageData:
    """The data module, with its images read."""
    data: ImageData = build(cfg.data, "data")
    return data


def build_module(cfg: DictConfig, data: ImageData) -> InfoVAE:
    """The model for images of the data's shape."""
    posterior = build(cfg.posterior, "posterior")
    likelihood = build(cfg.likelihood, "likelihood")
    encoder = build(
        cfg.network.encoder,
        "network.encoder",
        image_shape=data.image_shape,
        outputs=posterior.parameters_per_dimension * cfg.latent_dim,
    )
    decoder = build(
        cfg.network.decoder,
        "network.decoder",
        latent_dim=cfg.latent_dim,
        image_shape=data.image_shape,
        parameters_per_channel=likelihood.parameters_per_channel,
    )
    parts = {name: build(cfg[name], name) for name in ("prior", "divergence", "optimizer")}
    try:
        parts["optimizer"]([nn.Parameter(torch.zeros(1))])  # what it refuses, it refuses before training
    except (ValueError, TypeError, RuntimeError) as error:
        raise UserError(f"optimizer: {' '.join(str(error).split())}") from error
    try:
        module = InfoVAE(
            encoder=encoder,
            decoder=decoder,
            posterior=posterior,
            likelihood=likelihood,
            objective=build(cfg.model, "model"),
            splits=data.evaluation_splits,
            **parts,
        )
    except ValueError as error:
        raise UserError(str(error)) from error
    module.attach_prior(data.splits["train"].images)
    return module


def build_chosen(cfg: DictConfig, group: str) -> dict[str, Any]:
    """The built nodes, by name, of a group from which any number can be chosen; one that is null is left out."""
    nodes = {str(name): node for name, node in (cfg.get(group) or {}).items() if node is not None}
    return {name: build(node, f"{group}.{name}") for name, node in nodes.items()}


def build_callbacks(cfg: DictConfig) -> list[pl.Callback]:
    """The configured callbacks; the one that draws is given the chosen pictures."""
    given = {"drawing": {"pictures": build_chosen(cfg, "pictures")}}
    return [
        build(node, f"callbacks.{name}", **given.get(str(name), {}))
        for name, node in (cfg.get("callbacks") or {}).items()
        if node is not None
    ]


def goes_on(cfg: DictConfig) -> bool:
    """Whether a run takes up what its folder already holds; a job of a resumed sweep does."""
    return bool(cfg.resume == "auto" or cfg.sweep.resume)


def build_trainer(cfg: DictConfig) -> pl.Trainer:
    """Lightning's trainer with the configured callbacks and those that every run has; without loggers yet."""
    run_dir = Path(cfg.run_dir)
    # What is drawn at the end are the weights that the other callbacks leave.
    configured = sorted(build_callbacks(cfg), key=lambda callback: isinstance(callback, Drawing))
    if not cfg.trainer.get("enable_progress_bar", True):
        configured = [callback for callback in configured if not isinstance(callback, ProgressBar)]
    always = [
        RandomStreams(cfg.seed),
        FiniteSteps(cfg.run_dir, cfg.on_nan),
        EarlyEnd(goes_on(cfg)),
        KeptComputation(Computation(str(cfg.trainer.get("precision", "32-true")), bool(cfg.compile))),
        Throughput(),
        AggregatePosterior(build_chosen(cfg, "metrics")),
        MetricsFile(str(run_dir / "metrics.csv")),  # before checkpoints, which hold its rows
    ]
    _check_accelerator(cfg.trainer.get("accelerator", "auto"))
    given = enumerate(cfg.trainer.get("plugins") or [])
    plugins = [WholeCheckpoints(), *cluster_plugins(), *(build(node, f"trainer.plugins[{i}]") for i, node in given)]
    try:
        trainer: pl.Trainer = build(
            cfg.trainer, "trainer", callbacks=always + configured, plugins=plugins, logger=False
        )
    except UserError as error:  # in Lightning's words, which may name an argument
        named = [key for key in map(str, cfg.trainer) if re.search(rf"\b{key}\b", str(error))]
        values = " ".join(f"trainer.{key}={cfg.trainer[key]}" for key in named) or "trainer"
        raise UserError(f"{values}: {re.sub('^trainer[.:] ?', '', str(error))}") from error
    return trainer


def _check_accelerator(name: str) -> None:
    there = [key for key in AcceleratorRegistry if AcceleratorRegistry[key]["accelerator"].is_available()]
    accepted = ["auto", *there, *(["gpu"] if {"cuda", "mps"}.intersection(there) else [])]
    if name not in accepted:
        raise UserError(f"trainer.accelerator={name}: not here; accepted: {', '.join(accepted)}")


def build_loggers(cfg: DictConfig) -> list[Logger]:
    """The configured loggers, on the first of several processes alone."""
    if not is_first_process():
        return []
    return [logger for logger in build_chosen(cfg, "logger").values() if logger is not None]
