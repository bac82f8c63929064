"""Which models `evaluate` measures, on which images, and where the results go."""

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, ListConfig, OmegaConf

from infovae.config.build import build
from infovae.data.module import DataModule
from infovae.errors import UserError
from infovae.evaluation.load import load
from infovae.evaluation.run_config import read_config
from infovae.model import Model
from infovae.runs.files import refuse_links
from infovae.runs.folder import check_writable
from infovae.runs.hub import ELSEWHERE
from infovae.training.assemble import build_data

PLACES = ("root", "path")
"""Keys of ``data`` that say where images lie, not which model is measured on what."""


class Results(NamedTuple):
    """The folder of the results of one model, and the one that the user chose, below which no link is followed."""

    folder: Path
    inside: Path


class Subject(NamedTuple):
    """One model to evaluate, in evaluation mode. Its data are read at the first call.

    An adapter's model has no checkpoint, and no config of a run.
    """

    name: str
    model: Model
    data: Callable[[], DataModule]
    results: Results
    checkpoint: Path | None
    cfg: DictConfig | None
    weights: str | None = None
    """Which of two sets, ``ema`` or ``raw``; None: there is one."""


def check_subjects(cfg: DictConfig) -> None:
    """Refuse a config that doesn't say which model to evaluate, or on what."""
    chosen = [key for key in ("run", "ckpt", "adapter") if cfg.get(key) is not None]
    if len(chosen) != 1:
        accepted = "one of run=FOLDER, ckpt=RUN/checkpoints/FILE and adapter=encode_decode"
        raise UserError("together" if chosen else "missing", key=" and ".join(chosen) or "run", accepted=accepted)
    if cfg.run == []:
        raise UserError("empty", key="run", value="[]", accepted="a run's folder, or several as run=[FOLDER,FOLDER]")
    data_is_chosen = HydraConfig.get().runtime.choices.get("data") is not None
    if chosen == ["adapter"]:
        for key, given in (("data", data_is_chosen), ("output", cfg.output), ("latent_dim", cfg.latent_dim)):
            if not given:
                raise UserError(f"{key}: missing; a model trained elsewhere needs data, latent_dim and output")
        return
    if data_is_chosen:
        raise UserError("data: a run brings its own; accepted: changes, as +override.data.root=PATH")
    if cfg.output is not None and isinstance(cfg.run, ListConfig) and len(cfg.run) > 1:
        raise UserError(f"output={cfg.output}: {len(cfg.run)} runs can't share it; accepted: null, their own folders")
    if cfg.wandb and (cfg.override or cfg.output or cfg.weights):
        without = "override, output, weights"
        raise UserError(f"wandb=true: the W&B run keeps one evaluation; accepted: wandb=true without {without}")


def run_folders(cfg: DictConfig) -> list[Path]:
    """Return the folders of the runs that the config names; refuse one that isn't a run or can't take the results."""
    if cfg.ckpt is not None:
        folder = Path(cfg.ckpt).parent.parent
        if Path(cfg.ckpt).parent.name != "checkpoints" or not (folder / "config.yaml").is_file():
            raise UserError(f"ckpt={cfg.ckpt}: lies in no run folder; accepted: RUN/checkpoints/FILE")
        folders = [folder]
    else:
        runs = cfg.run if isinstance(cfg.run, ListConfig) else [cfg.run]
        if remote := [run for run in runs if str(run).startswith(ELSEWHERE)]:
            accepted = f"run=FOLDER after infovae pull repo={remote[0]} output=FOLDER"
            raise UserError("it has no folder here for the results", key="run", value=remote[0], accepted=accepted)
        folders = [Path(run) for run in runs if run is not None]
    for folder in folders:
        read_config(folder, cfg.override, lists=True)
        _check_results(_results(cfg, folder), "run" if cfg.output is None else "output")
    if cfg.get("adapter") is not None:
        _check_results(_results(cfg, Path(cfg.output)), "output")
    return folders


def subjects(cfg: DictConfig, folders: list[Path]) -> Iterator[Subject]:
    """Yield the models that the config names, each built when its turn comes."""
    if cfg.get("adapter") is not None:
        data = build_data(cfg)
        model = build(cfg.adapter, "adapter", shape=data.shape)
        results = _results(cfg, Path(cfg.output))
        yield Subject(cfg.adapter.model["_target_"], model, lambda: data, results, None, None)
        return
    for folder in folders:
        saved = load(folder, cfg.ckpt or cfg.checkpoint, cfg.override, cfg.trust, cfg.weights)
        read = partial(getattr, saved, "data")
        yield Subject(
            str(folder), saved.module, read, _results(cfg, folder), saved.checkpoint, saved.cfg, saved.weights
        )


def _results(cfg: DictConfig, run: Path) -> Results:
    """Return where results go: where the user says, else into the run's folder.

    Results of a changed config, or of raw weights, go into a folder of their own there, one for each checkpoint, so
    that they don't replace the run's.
    """
    if cfg.output is not None:
        return Results(Path(cfg.output), Path(cfg.output))
    changed = _changed(OmegaConf.to_container(cfg.override, resolve=True))
    if cfg.weights == "raw":
        changed = {**changed, "weights": "raw"}
    if not changed:
        return Results(run, run)
    checkpoint = Path(cfg.ckpt or cfg.checkpoint).stem
    if checkpoint != "last":
        changed = {**changed, "checkpoint": checkpoint}
    digest = hashlib.sha256(json.dumps(changed, sort_keys=True).encode()).hexdigest()
    return Results(run / f"evaluation-{digest[:8]}", run)


def _changed(override: Any) -> Mapping[str, Any]:
    """Return the changes to a run's config, without those that only say where its images lie now."""
    data = {name: value for name, value in (override.get("data") or {}).items() if name not in PLACES}
    return {key: value for key, value in {**override, "data": data}.items() if value != {}}


def _check_results(results: Results, key: str) -> None:
    check_writable(results.inside, key)
    refuse_links(results.folder / "evaluation", results.inside)
    if (results.folder / "evaluation.json").is_dir():
        raise UserError(f"{results.folder / 'evaluation.json'} is a folder", key=key, accepted="a folder without it")
