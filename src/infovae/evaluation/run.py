"""The `evaluate` command: measure and draw trained models, and record the results."""

import hashlib
from functools import partial
from typing import Any, Literal

import torch
from omegaconf import DictConfig, OmegaConf

from infovae.config.check import check, without_choices
from infovae.config.ranges import Positive, Seed
from infovae.data.module import DataModule
from infovae.errors import UserError
from infovae.evaluation.cut import measured_before
from infovae.evaluation.load import LOADED
from infovae.evaluation.measure import NOTHING, Measured, draw, measure
from infovae.evaluation.subjects import Subject, check_subjects, run_folders, subjects
from infovae.metrics.table import print_measured
from infovae.pictures.drawing import save_picture
from infovae.pictures.picture import Pixels
from infovae.runs.disk import disk_errors
from infovae.runs.files import refuse_links
from infovae.runs.folder import write_record
from infovae.training.assemble import build_chosen
from infovae.training.devices import chosen_device
from infovae.training.loggers import wandb
from infovae.training.quiet import quieten

TOP_LEVEL: dict[str, Any] = LOADED | {
    "run": str | list[str] | None,
    "ckpt": str | None,
    "output": str | None,
    "wandb": bool,
    "split": Literal["train", "validation", "test"],
    "batch_size": Positive,
    "seed": Seed,
    "device": str,
    "latent_dim": Positive | None,
}
"""Keys of `evaluate` that belong to no group, with their types."""


def evaluate(cfg: DictConfig) -> None:
    """Measure and draw one model or several, and write the results into each one's folder."""
    quieten()
    check_subjects(cfg)
    without_choices(cfg, "likelihood", "network")
    check(cfg, TOP_LEVEL)
    metrics, pictures = build_chosen(cfg, "metrics"), build_chosen(cfg, "pictures")
    device = chosen_device(cfg.device)
    for subject in subjects(cfg, run_folders(cfg)):
        if isinstance(subject.model, torch.nn.Module):
            subject.model.to(device)
        about = _about(subject, cfg, device)
        keep = partial(_record, subject, about)
        measured = NOTHING
        if metrics:
            before = measured_before(subject.results.folder, about)
            measured = measure(subject.model, _images(subject, cfg), metrics, cfg.split, cfg.seed, device, keep, before)
        keep(measured)
        told = {name: value for name, value in measured.values.items() if name not in measured.absent}
        print_measured(f"{subject.name}{f', weights={subject.weights}' if subject.weights else ''}", told)
        for metric, reason in measured.reasons.items():
            print(f"nan: {metric}: {reason}")
        print(f"results: {subject.results.folder / 'evaluation.json'}")
        drawn = {}
        if pictures:
            images = _images(subject, cfg) if any(picture.examples for picture in pictures.values()) else None
            drawn = draw(subject.model, images, pictures, cfg.split, cfg.seed, device)
        _save(subject, drawn)
        if cfg.wandb and subject.cfg is not None:
            wandb.log_evaluation(subject.results.folder, measured.values, drawn, subject.cfg)


def _images(subject: Subject, cfg: DictConfig) -> DataModule:
    data = subject.data()
    if not len(data.splits[cfg.split].x):
        raise UserError(f"split={cfg.split}: {subject.name} has none; accepted: train and test")
    data.batch_size = cfg.batch_size
    return data


def _about(subject: Subject, cfg: DictConfig, device: torch.device) -> dict[str, Any]:
    """Return all that the numbers depend on."""
    path = subject.checkpoint
    return {
        "name": subject.name,
        "checkpoint": str(path) if path else None,
        "sha256": hashlib.sha256(path.read_bytes()).hexdigest() if path else None,
        "weights": subject.weights,
        "override": OmegaConf.to_container(cfg.override, resolve=True),
        "split": cfg.split,
        "batch_size": cfg.batch_size,
        "seed": cfg.seed,
        "device": str(device),
        "settings": OmegaConf.to_container(cfg.metrics, resolve=True) if cfg.get("metrics") else {},
    }


def _record(subject: Subject, about: dict[str, Any], measured: Measured) -> None:
    """Write what was measured until now."""
    folder, inside = subject.results
    record = about | {
        "metrics": measured.values,
        "reasons": measured.reasons,
        "absent": sorted(measured.absent),
        "seconds": measured.seconds,
        "not_yet_measured": measured.left,
    }
    with disk_errors(f"results in {folder}"):
        write_record(folder / "evaluation.json", record, inside=inside)


def _save(subject: Subject, drawn: dict[str, Pixels]) -> None:
    folder, inside = subject.results
    with disk_errors(f"results in {folder}"):
        for name, picture in drawn.items():
            path = folder / "evaluation" / f"{name}.png"
            refuse_links(path.parent, inside)
            save_picture(picture, path)
    if drawn:
        print(f"pictures: {folder / 'evaluation'} ({', '.join(drawn)})")
