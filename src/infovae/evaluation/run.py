"""evaluate.py: trained models measured and drawn, and what was found recorded."""

import logging
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple

import torch
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, ListConfig
from pydantic import Field
from rich.table import Column, Table

from infovae.config.check import build, check
from infovae.data.module import ImageData
from infovae.errors import UserError
from infovae.evaluation.load import load, read_config
from infovae.evaluation.measure import Measured, draw, measure
from infovae.metrics.metric import Metric
from infovae.model import Model
from infovae.pictures.drawing import save_picture
from infovae.pictures.picture import Picture
from infovae.runs.folder import check_writable, write_record
from infovae.terminal.tables import print_table
from infovae.training.assemble import build_chosen, build_data
from infovae.training.devices import chosen_device
from infovae.training.loggers import wandb
from infovae.training.quiet import quieten

log = logging.getLogger(__name__)

TOP_LEVEL: dict[str, Any] = {
    "run": str | list[str] | None,
    "checkpoint": str,
    "ckpt": str | None,
    "override": dict[str, Any],
    "trust": bool,
    "output": str | None,
    "split": Literal["train", "validation", "test"],
    "batch_size": Annotated[int, Field(ge=1)],
    "seed": Annotated[int, Field(ge=0, lt=2**32)],
    "device": str,
    "latent_dim": Annotated[int, Field(ge=1)] | None,
}
"""Keys of infovae evaluate that belong to no group, with their types."""


class Subject(NamedTuple):
    """What is evaluated.

    Attributes:
        name: for the table.
        model: in evaluation mode.
        data: its images.
        folder: where results go.
        checkpoint: that the weights are from; None of an adapter's model.
    """

    name: str
    model: Model
    data: ImageData
    folder: Path
    checkpoint: str | None


def evaluate(cfg: DictConfig) -> None:
    """Evaluate one model or several; results go into each one's folder and, where it has one, its W&B run.

    Raises:
        UserError: the config, a run folder or a checkpoint is refused.
    """
    quieten()
    _check_subject(cfg)
    check(cfg, TOP_LEVEL)
    metrics, pictures = build_chosen(cfg, "metrics"), build_chosen(cfg, "pictures")
    device = chosen_device(cfg.device)
    folders = _folders(cfg)
    for folder in folders:
        read_config(folder, cfg.override, lists=True)
    for folder in [Path(cfg.output)] if cfg.output is not None else folders:
        check_writable(folder, "output" if cfg.output is not None else "run")
    for subject in _subjects(cfg, folders):
        _evaluate_one(subject, metrics, pictures, cfg, device)


def _evaluate_one(
    subject: Subject,
    metrics: dict[str, Callable[..., Metric]],
    pictures: dict[str, Picture],
    cfg: DictConfig,
    device: torch.device,
) -> None:
    if not len(subject.data.splits[cfg.split].images):
        raise UserError(f"split={cfg.split}: {subject.name} has none; accepted: train and test")
    if isinstance(subject.model, torch.nn.Module):
        subject.model.to(device)
    subject.data.batch_size = cfg.batch_size
    measured = measure(subject.model, subject.data, metrics, cfg.split, cfg.seed, device)
    path = subject.folder / "evaluation.json"
    record = {
        "name": subject.name,
        "checkpoint": subject.checkpoint,
        "split": cfg.split,
        "seed": cfg.seed,
        "metrics": measured.values,
        "seconds": measured.seconds,
    }
    write_record(path, record)
    drawn = draw(subject.model, subject.data, pictures, cfg.split, cfg.seed, device)
    for name, picture in drawn.items():
        save_picture(picture, subject.folder / "evaluation" / f"{name}.png")
    wandb.log_evaluation(subject.folder, measured.values, drawn)
    _report(subject.name, measured, path)
    if drawn:
        print(f"pictures: {subject.folder / 'evaluation'} ({', '.join(drawn)})")


def _check_subject(cfg: DictConfig) -> None:
    """Refuse what doesn't say which model to evaluate, on what."""
    chosen = [key for key in ("run", "ckpt", "adapter") if cfg.get(key) is not None]
    if len(chosen) != 1:
        raise UserError(
            f"{' and '.join(chosen) or 'run'}: {'together' if chosen else 'missing'}; accepted: one of run=FOLDER, "
            "ckpt=RUN/checkpoints/FILE and adapter=encode_decode"
        )
    data_is_chosen = HydraConfig.get().runtime.choices.get("data") is not None
    if chosen != ["adapter"]:
        if data_is_chosen:
            raise UserError("data: a run brings its own; accepted: changes, as +override.data.root=PATH")
        if cfg.output is not None and isinstance(cfg.run, ListConfig) and len(cfg.run) > 1:
            raise UserError(
                f"output={cfg.output}: {len(cfg.run)} runs can't share it; accepted: null, their own folders"
            )
        return
    for key, given in (("data", data_is_chosen), ("output", cfg.output), ("latent_dim", cfg.latent_dim)):
        if not given:
            raise UserError(f"{key}: missing; a model trained elsewhere needs data, latent_dim and output")


def _subjects(cfg: DictConfig, folders: list[Path]) -> Iterator[Subject]:
    """What the config names, one after the other, each built when its turn comes."""
    if cfg.get("adapter") is not None:
        data = build_data(cfg)
        model = build(cfg.adapter, "adapter", image_shape=data.image_shape)
        yield Subject(cfg.adapter.model["_target_"], model, data, Path(cfg.output), None)
        return
    for folder in folders:
        saved = load(folder, cfg.ckpt or cfg.checkpoint, cfg.override, cfg.trust)
        yield Subject(str(folder), saved.module, saved.data, Path(cfg.output or folder), str(saved.checkpoint))


def _folders(cfg: DictConfig) -> list[Path]:
    """Of the runs that the config names."""
    if cfg.ckpt is not None:
        folder = Path(cfg.ckpt).parent.parent
        if Path(cfg.ckpt).parent.name != "checkpoints" or not (folder / "config.yaml").is_file():
            raise UserError(f"ckpt={cfg.ckpt}: lies in no run folder; accepted: RUN/checkpoints/FILE")
        return [folder]
    runs = cfg.run if isinstance(cfg.run, ListConfig) else [cfg.run]
    return [Path(run) for run in runs if run is not None]


def _report(name: str, measured: Measured, path: Path) -> None:
    """A row a number, a column a split; standard errors beside what they belong to."""
    splits = list(dict.fromkeys(key.partition("/")[0] for key in measured.values))
    names = dict.fromkeys(key.partition("/")[2] for key in measured.values)
    table = Table(Column("metric", overflow="fold"), *splits)
    for entry in names:
        if not entry.endswith("_standard_error"):
            cells = [_cell(measured, f"{split}/{entry}") for split in splits]
            if any(cells):
                table.add_row(entry, *cells)
    print_table(name, table)
    for metric, reason in measured.reasons.items():
        print(f"nan: {metric}: {reason}")
    print(f"results: {path}")


def _cell(measured: Measured, key: str) -> str:
    value, error = measured.values.get(key), measured.values.get(f"{key}_standard_error")
    if not isinstance(value, int | float):
        return ""  # absent, or a vector: those are in evaluation.json
    return f"{value:.4g}" if not isinstance(error, int | float) else f"{value:.4g} ± {error:.2g}"
