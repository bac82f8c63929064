"""Load a trained model from a run folder."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import torch
from hydra.errors import HydraException
from hydra.utils import get_object
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from infovae.config.check import check_nodes
from infovae.data.module import ImageData
from infovae.errors import UserError
from infovae.module import InfoVAE
from infovae.runs.checkpoints import load_weights, read_checkpoint
from infovae.runs.find import runs_below
from infovae.runs.safe_yaml import LONGEST, safe_yaml
from infovae.terminal.printable import printable
from infovae.training.assemble import build_bare_module, build_data

PARTS = {
    "data": ("infovae.data",),
    "network": ("infovae.networks",),
    "posterior": ("infovae.posteriors",),
    "prior": ("infovae.priors",),
    "likelihood": ("infovae.likelihoods",),
    "divergence": ("infovae.divergences", "torch.optim"),
    "optimizer": ("torch.optim",),
    "model": ("infovae.objective", "infovae.schedules"),
}
"""The parts of a model, and the packages that an untrusted config may take each from."""


@dataclass(frozen=True)
class SavedRun:
    """A trained model in evaluation mode.

    Attributes:
        folder: of the run.
        checkpoint: the file that holds the weights.
        cfg: its config.
        module: with the trained weights.
        image_shape: (channels, height, width) of the images it was trained on.
    """

    folder: Path
    checkpoint: Path
    cfg: DictConfig
    module: InfoVAE
    image_shape: tuple[int, int, int]

    @cached_property
    def data(self) -> ImageData:
        """The run's images, split as they were in training; read at first use.

        Raises:
            UserError: they can't be read.
        """
        return _read_data(self.cfg)


def load(
    run: str | Path,
    checkpoint: str | Path | Literal["last", "best"] = "last",
    changes: Mapping[str, Any] | None = None,
    trust: bool = False,
) -> SavedRun:
    """Return the model of a run folder, ready to use.

    Nothing in the folder is executed: weights are read as tensors alone, and an untrusted config may name only this
    package's own parts. The training images may have moved, unless the run is of InfoVAE Lab 0.1, whose checkpoints
    don't record their shape, or its prior comes from another package.

    Args:
        run: the folder.
        checkpoint: ``last``, ``best``, or the path of another checkpoint of the same run.
        changes: to the config, as ``{"data": {"train_size": 500}}``.
        trust: whether the config may name parts from other packages, whose code then runs.

    Raises:
        UserError: no run folder, no such checkpoint, a damaged one, a part that isn't trusted, or images that are
            needed and can't be read.
    """
    folder = Path(run)
    cfg = read_config(folder, changes or {})
    path = folder / "checkpoints" / f"{checkpoint}.ckpt" if checkpoint in ("last", "best") else Path(checkpoint)
    content = read_checkpoint(path, f"checkpoint={checkpoint}")
    if not trust:
        check_trusted(cfg, folder)
    check_nodes({key: OmegaConf.to_container(cfg[key], resolve=True) for key in PARTS})
    described = _described(content) if _is_own_part(cfg.prior.get("_target_"), PARTS["prior"]) else None
    data = None
    if described is None:
        data = _read_data(cfg, path)
        described = data.image_shape, data.evaluation_splits
    shape, splits = described
    with torch.random.fork_rng():
        module = build_bare_module(cfg, shape, splits)
        # A prior of this package replaces what it takes from images by its weights.
        module.attach_prior(data.splits["train"].images if data else torch.zeros(1, *shape, dtype=torch.uint8))
    load_weights(module, content["state_dict"], path)
    saved = SavedRun(folder, path, cfg, module.eval(), shape)
    if data:
        saved.__dict__["data"] = data  # of the cached property: don't read them twice
    return saved


def _described(checkpoint: Mapping[str, Any]) -> tuple[tuple[int, int, int], tuple[str, ...]] | None:
    """Return the shape of a run's images and its evaluation splits; None if the checkpoint doesn't tell them."""
    match checkpoint.get("ImageData"):
        case {"image_shape": [int(channels), int(height), int(width)], "evaluation_splits": [*splits]} if min(
            channels, height, width
        ) > 0 and all(split in ("validation", "test") for split in splits):
            return (channels, height, width), tuple(splits)
    return None


def _read_data(cfg: DictConfig, needed_by: Path | None = None) -> ImageData:
    """Return the images of a run, which may have been made in another folder.

    Args:
        cfg: its config.
        needed_by: a checkpoint that can't be loaded without them.

    Raises:
        UserError: they can't be read.
    """
    try:
        with torch.random.fork_rng():
            return build_data(cfg)
    except UserError as error:
        needed = f"; {needed_by} doesn't record the shape of its images, so they must be read" if needed_by else ""
        for name in ("root", "path"):
            if str(error).startswith(f"data.{name}="):
                raise UserError(
                    f"{error}; or, where the run's data lie elsewhere, +override.data.{name}=PLACE, in Python "
                    f'load(RUN, changes={{"data": {{"{name}": PLACE}}}}){needed}'
                ) from None
        raise UserError(f"{error}{needed}") from None


def check_trusted(cfg: DictConfig, folder: Path) -> None:
    """Refuse a config that names anything but this package's own parts, each in its place.

    Raises:
        UserError: names the key and the target.
    """
    for key, packages in PARTS.items():
        _check_targets(OmegaConf.to_container(cfg[key]), key, packages, folder)


def _check_targets(node: Any, key: str, packages: tuple[str, ...], folder: Path) -> None:
    if isinstance(node, list):
        for position, entry in enumerate(node):
            _check_targets(entry, f"{key}[{position}]", packages, folder)
    if not isinstance(node, dict):
        return
    target = node.get("_target_")
    if target is not None and not _is_own_part(target, packages):
        raise UserError(
            f"{folder / 'config.yaml'}: {key}._target_={target} would run code that is not InfoVAE Lab's; accepted: "
            f"classes and functions of {', '.join(packages)}, or trust=true if you trust whoever made this folder, "
            "started where what it names can be imported (in the folder that its package lies in, or with that on "
            "PYTHONPATH)"
        )
    for name, entry in node.items():
        _check_targets(entry, f"{key}.{name}", packages, folder)


def _is_own_part(target: Any, packages: tuple[str, ...]) -> bool:
    """Return whether a target is public, and defined in one of the packages rather than imported there."""
    if not isinstance(target, str) or not any(target.startswith(f"{package}.") for package in packages):
        return False
    if any(part.startswith("_") for part in target.split(".")):
        return False
    try:
        defined_in = getattr(get_object(target), "__module__", None) or ""
    except (ImportError, ValueError, TypeError, AttributeError):
        return False
    return any(defined_in == package or defined_in.startswith(f"{package}.") for package in packages)


def read_config(folder: Path, changes: Mapping[str, Any], lists: bool = False) -> DictConfig:
    """Return the config of a run, with changes.

    Args:
        folder: of the run.
        changes: by key.
        lists: whether a list of runs is accepted too where the folder is given, which an error then says.

    Raises:
        UserError: no run folder, a damaged config, or a change to a key that it doesn't have.
    """
    path = folder / "config.yaml"
    if not path.is_file():
        raise UserError(f"run={folder}: {_no_run(folder, lists)}")
    try:
        with path.open("rb") as file:
            cfg = OmegaConf.create(safe_yaml(file.read(LONGEST + 1).decode()))
        if not isinstance(cfg, DictConfig):
            raise ValueError("not a mapping")
        _refuse_interpolations(cfg, path)
        keys = sorted(map(str, cfg))
        unknown = [key for key in changes if key not in cfg]
        cfg.merge_with(changes)
        missing = [key for key in PARTS if not isinstance(cfg.get(key), DictConfig)]
        missing += ["latent_dim"] if cfg.get("latent_dim") is None else []
    except (OmegaConfBaseException, HydraException, OSError, ValueError) as error:
        reason = printable(str(error))
        raise UserError(
            f"run={folder}: config.yaml is damaged ({reason}); accepted: the folder of a run, as a run leaves it"
        ) from error
    if missing:
        raise UserError(f"run={folder}: config.yaml lacks {', '.join(missing)}; accepted: the folder of a run")
    if unknown:
        raise UserError(f"override.{unknown[0]}: unknown key; accepted: {', '.join(keys)}")
    return cfg


def _no_run(folder: Path, lists: bool) -> str:
    """Return what is wrong with a folder that is no run, and which of the nearest runs below it are accepted."""
    below = [run for run in runs_below(folder, deepest=2) if (run / "config.yaml").is_file()]
    if not below:
        return "no config.yaml there; accepted: the folder of a run, as infovae train prints it"
    fewest = min(len(run.parts) for run in below)
    nearest = [run for run in below if len(run.parts) == fewest]
    if lists and len(nearest) > 1:
        several = ",".join(map(str, nearest[:2]))
        return f"{len(nearest)} runs are below it; accepted: one, as run={nearest[0]}, and a list, as run=[{several}]"
    return f"runs are below it; accepted: one, as run={nearest[0]}"


def _refuse_interpolations(cfg: DictConfig, path: Path) -> None:
    # A run's config is written resolved. One that isn't could read the environment of whoever opens it.
    if "${" in OmegaConf.to_yaml(cfg, resolve=False):
        raise UserError(f"{path}: holds an interpolation (${{...}}); accepted: the resolved config that a run writes")
