"""From a config to the objects it names."""

import inspect
import math
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from omegaconf import DictConfig, OmegaConf
from pytorch_lightning.accelerators import AcceleratorRegistry
from pytorch_lightning.callbacks import ProgressBar
from pytorch_lightning.loggers import Logger
from torch import nn

from infovae.conditions.condition import Condition
from infovae.conditions.labels import Labels
from infovae.config.build import build
from infovae.config.check import check_nodes
from infovae.config.options import unknown_key
from infovae.config.signatures import located
from infovae.data.description import Description
from infovae.data.module import DataModule
from infovae.data.values import Values
from infovae.divergences.per_class import PerClass
from infovae.errors import ArgumentError, UserError, below, reason_of
from infovae.likelihoods.likelihood import Likelihood
from infovae.likelihoods.observed_entries import ObservedEntries
from infovae.module import InfoVAE
from infovae.parallel import is_first_process
from infovae.runs.changes import Change
from infovae.runs.checkpoints import WholeCheckpoints, newest_sound
from infovae.training.callbacks.aggregate_posterior import AggregatePosterior
from infovae.training.callbacks.calibration import Calibration
from infovae.training.callbacks.drawing import Drawing
from infovae.training.callbacks.finite_steps import FiniteSteps
from infovae.training.callbacks.kept_config import KeptConfig
from infovae.training.callbacks.learning_rate import LearningRate
from infovae.training.callbacks.metrics_file import MetricsFile
from infovae.training.callbacks.random_streams import RandomStreams
from infovae.training.callbacks.throughput import Throughput
from infovae.training.fit_loop import FitLoop
from infovae.training.preemption import cluster_plugins


def build_data(cfg: DictConfig) -> DataModule:
    """Return the data module, with its examples read."""
    return build(cfg.data, "data")


def build_module(cfg: DictConfig, data: DataModule) -> InfoVAE:
    """Return the model for examples of the data's shape, ready to train; the prior has seen the training split.

    Settings of ``freeze`` and ``parameter_groups`` that can't be are refused.
    """
    module = build_bare_module(cfg, data.description)
    inputs = data.inputs("train")
    with below(""):
        module.attach_prior(inputs)
        if module.decoder.starts_at_mean:
            module.decoder.start_at(module.likelihood.parameters_of(inputs.mean()))
    groups: Any = OmegaConf.to_container(OmegaConf.create(cfg.get("parameter_groups") or {}), resolve=True)
    target = {"_target_": cfg.optimizer._target_}
    check_nodes({f"parameter_groups.{name}": own | target for name, own in groups.items()})
    module.parameter_groups = groups
    frozen = cfg.get("freeze") or []
    for name in set(groups).intersection(frozen):
        why = f"freeze=[{','.join(frozen)}] keeps it as it is, so the optimiser never sees it"
        accepted = "settings of a part that learns, or another freeze"
        raise UserError(why, key=f"parameter_groups.{name}", accepted=accepted)
    module.freeze_parts(frozen)
    if not any(parameter.requires_grad for parameter in module.parameters()):
        raise UserError("nothing learns", key="freeze", value=f"[{','.join(frozen)}]", accepted="one of them")
    return module


def build_bare_module(cfg: DictConfig, data: Description) -> InfoVAE:
    """Return the model for data of a description, before its prior has seen any; refuse parts that don't fit."""
    # Parts draw their weights from one random stream, so the order in which they are built belongs to a seed.
    posterior, likelihood = build(cfg.posterior, "posterior"), build_likelihood(cfg, data.values)
    condition = build_condition(cfg, data)
    features = 0 if condition is None else condition.width
    encoder = _build_network(
        cfg.network.encoder,
        "network.encoder",
        shape=_shape_with(features, data.shape, cfg.network.encoder),
        outputs=posterior.parameters_per_dimension * cfg.latent_dim,
        **_vocabulary(cfg.network.encoder, data.values),
    )
    decoder = _build_network(
        cfg.network.decoder,
        "network.decoder",
        latent_dim=cfg.latent_dim + features,
        shape=data.shape,
        parameters_per_channel=likelihood.parameters_per_channel,
    )
    parts = {name: build(cfg[name], name) for name in ("prior", "divergence", "optimizer")}
    if isinstance(condition, Labels) and condition.per_class:
        with below("condition"):
            parts["divergence"] = PerClass(parts["divergence"], condition.classes)
    own = OmegaConf.create({"_target_": "infovae.module.InfoVAE", **(cfg.get("module") or {}), "_partial_": True})
    target = located(own._target_, "module")
    if isinstance(target, type) and not issubclass(target, InfoVAE):
        accepted = "a subclass of infovae.module.InfoVAE"
        raise UserError("it isn't an InfoVAE", key="module._target_", value=own._target_, accepted=accepted)
    named = inspect.signature(target).parameters.values()
    taken = [entry.name for entry in named if entry.kind is not entry.VAR_KEYWORD]
    for name in map(str, own):  # where a subclass passes others on to InfoVAE, the check of the config accepts any name
        if not name.startswith("_") and name not in taken:
            raise unknown_key(f"module.{name}", own[name], taken, {})
    make_module = build(own, "module")
    try:
        parts["optimizer"]([nn.Parameter(torch.zeros(1))])  # what it refuses, it refuses before training
    except (ValueError, TypeError, RuntimeError) as error:
        raise UserError(reason_of(error), key="optimizer") from error
    try:
        module: InfoVAE = make_module(
            encoder=encoder,
            decoder=decoder,
            posterior=posterior,
            likelihood=likelihood,
            objective=build(cfg.model, "model"),
            bound=build(cfg.bound, "bound") if cfg.get("bound") else None,
            splits=data.evaluation_splits,
            condition=condition,
            values=data.values,
            shape=data.shape,
            **parts,
        )
    except ArgumentError as error:
        key = error.argument.replace("objective.", "model.", 1)  # the config's name for it
        key = f"network.{key}" if key in ("encoder", "decoder") else key
        key = f"module.{key}" if key in own else key
        raise UserError(error.why, key=key, value=error.value, accepted=error.accepted) from error
    return module


def build_likelihood(cfg: DictConfig, values: Values) -> Likelihood:
    """Return the likelihood, if it is one of such values; one that leaves missing entries out, where there are any."""
    own = _taken(cfg.likelihood, "likelihood", values=values) | _vocabulary(cfg.likelihood, values)
    likelihood: Likelihood = build(cfg.likelihood, "likelihood", **own)
    if likelihood.of not in values.suits:
        why = f"it is of {likelihood.of}, and these data are {values.name}"
        raise UserError(why, key="likelihood", value=type(likelihood).__name__, accepted=values.likelihoods)
    return ObservedEntries(likelihood) if values.has_missing else likelihood


def _vocabulary(node: DictConfig, values: Values) -> dict[str, int]:
    """Return the number of different tokens, for a part that leaves it to the data."""
    size = getattr(values, "vocabulary", None)
    return {} if size is None or node.get("vocabulary", size) is not None else {"vocabulary": size}


def build_condition(cfg: DictConfig, data: Description) -> Condition | None:
    """Return what encoder and decoder are given beside x and z; None if nothing."""
    if not cfg.get("condition"):
        return None
    columns = 0 if data.conditions is None else len(data.conditions.mean)
    own = _taken(cfg.condition, "condition", classes=data.classes, columns=columns)
    return build(cfg.condition, "condition", **own)


def _taken(node: DictConfig, key: str, **offered: Any) -> dict[str, Any]:
    """Return those of the offered arguments that what a node names takes; none if it names nothing."""
    target = node.get("_target_")
    named = inspect.signature(located(target, key)).parameters if target else ()
    return {name: value for name, value in offered.items() if name in named}


def _build_network(node: DictConfig, key: str, shape: tuple[int, ...], **arguments: Any) -> Any:
    """Return a network; those written for version 0.1 call the shape of an example ``image_shape``."""
    own = _taken(node, key, shape=shape) or _taken(node, key, image_shape=shape) or {"shape": shape}
    return build(node, key, **own, **arguments)


def _shape_with(features: int, shape: tuple[int, ...], encoder: DictConfig) -> tuple[int, ...]:
    """Return the shape of what an encoder sees: x, and beside it the features of the condition."""
    if not features:
        return shape
    target = encoder.get("_target_")
    if target and getattr(located(target, "network.encoder"), "flattens", False):
        return (math.prod(shape) + features,)
    return (shape[0] + features, *shape[1:])


def build_chosen(cfg: DictConfig, group: str, **offered: Any) -> dict[str, Any]:
    """Return the chosen options of a group that takes several, by name; entries that are null are left out.

    Each option gets the offered arguments that it takes.
    """
    made = {}
    for name, node in (cfg.get(group) or {}).items():
        if node is not None:
            made[str(name)] = build(node, f"{group}.{name}", **_taken(node, f"{group}.{name}", **offered))
    return made


def build_callbacks(cfg: DictConfig) -> list[pl.Callback]:
    """Return the configured callbacks; the one that draws is given the chosen pictures, and comes last.

    So it draws the weights that the other callbacks leave at the end of training.
    """
    callbacks = list(build_chosen(cfg, "callbacks", pictures=build_chosen(cfg, "pictures")).values())
    _check_kind("callbacks", callbacks, pl.Callback)
    states = [callback.state_key for callback in callbacks if type(callback).state_dict is not pl.Callback.state_dict]
    if twins := [key for key in states if states.count(key) > 1]:
        raise UserError(
            "two callbacks would share their state in a checkpoint",
            key="callbacks",
            value=twins[0],
            accepted="one of them",
        )
    if not cfg.trainer.get("enable_progress_bar", True):
        callbacks = [callback for callback in callbacks if not isinstance(callback, ProgressBar)]
    return sorted(callbacks, key=lambda callback: isinstance(callback, Drawing))


def goes_on(cfg: DictConfig) -> bool:
    """Return whether a run takes up what its folder already holds; a job of a resumed sweep does."""
    return bool(cfg.resume == "auto" or cfg.sweep.resume)


def newest_checkpoint(cfg: DictConfig, is_over: Callable[[Path, dict[str, Any]], bool]) -> Path | None:
    """Return the checkpoint that a run can go on from, wherever its callbacks write them; None if there is none.

    ``is_over`` is that of :func:`infovae.runs.checkpoints.newest_sound`.
    """
    nodes = [node for node in (cfg.get("callbacks") or {}).values() if node is not None and "dirpath" in node]
    folders = [Path(node.dirpath) for node in nodes if node.dirpath is not None]
    names = [node.filename for node in nodes if not node.get("monitor") and "filename" in node]
    regular = [re.sub(r"\{.*?\}", "*", f"{name}.ckpt") for name in names]
    run_dir = Path(cfg.run_dir)
    return newest_sound(dict.fromkeys([run_dir / "checkpoints", *folders]), run_dir, regular, is_over)


def build_trainer(cfg: DictConfig, changes: Sequence[Change] = (), stopped: bool = False) -> pl.Trainer:
    """Return Lightning's trainer with the configured callbacks and those that every run has; without loggers yet."""
    file = MetricsFile(str(Path(cfg.run_dir) / "metrics.csv"))
    config: Any = OmegaConf.to_container(cfg, resolve=True)
    groups = config.get("parameter_groups")
    always = [
        RandomStreams(cfg.seed),
        Calibration(),
        FiniteSteps(cfg.run_dir, cfg.on_nan),
        KeptConfig(config, changes, stopped),
        Throughput(),
        AggregatePosterior(build_chosen(cfg, "metrics")),
        *([LearningRate(build(cfg.scheduler, "scheduler"), file, groups)] if cfg.get("scheduler") else []),
        file,  # before checkpoints, which hold its rows
    ]
    _check_accelerator(cfg.trainer.get("accelerator", "auto"), str(cfg.trainer.get("precision")))
    given = enumerate(cfg.trainer.get("plugins") or [])
    own = [build(node, f"trainer.plugins[{position}]") for position, node in given]
    plugins = [WholeCheckpoints(Path(cfg.run_dir)), *cluster_plugins(), *own]
    trainer: pl.Trainer = build(
        cfg.trainer, "trainer", callbacks=always + build_callbacks(cfg), plugins=plugins, logger=False
    )
    epoch_loop = trainer.fit_loop.epoch_loop
    trainer.fit_loop = FitLoop(trainer, trainer.min_epochs, trainer.max_epochs)
    trainer.fit_loop.epoch_loop = epoch_loop
    return trainer


def _check_accelerator(name: str, precision: str) -> None:
    there = [key for key in AcceleratorRegistry if AcceleratorRegistry[key]["accelerator"].is_available()]
    accepted = ["auto", *there, *(["gpu"] if {"cuda", "mps"}.intersection(there) else [])]
    if name not in accepted:
        raise UserError("not here", key="trainer.accelerator", value=name, accepted=", ".join(accepted))
    if precision in ("16", "16-mixed") and (name == "cpu" or there == ["cpu"]):
        # Lightning would compute in bfloat16 under that name.
        why = "a CPU can't compute in it"
        raise UserError(why, key="trainer.precision", value=precision, accepted="bf16-mixed, 32-true, or trainer=gpu")


def build_loggers(cfg: DictConfig) -> list[Logger]:
    """Return the configured loggers, on the first of several processes alone.

    A logger that takes ``goes_on`` learns whether the run resumes.
    """
    if not is_first_process():
        return []
    made = build_chosen(cfg, "logger", goes_on=goes_on(cfg))
    loggers = [logger for logger in made.values() if logger is not None]
    _check_kind("logger", loggers, Logger)
    return loggers


def _check_kind(group: str, made: Sequence[object], kind: type) -> None:
    for part in made:
        if not isinstance(part, kind):
            accepted = f"a _target_ that makes a {kind.__module__.partition('.')[0]}.{kind.__name__}"
            raise UserError(f"one of them is a {type(part).__name__}", key=group, accepted=accepted)
