"""A run folder, made into a model again."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, NamedTuple

import torch
import yaml
from hydra.errors import HydraException
from hydra.utils import get_object
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from infovae.config.check import check_nodes
from infovae.data.module import ImageData
from infovae.errors import UserError
from infovae.module import InfoVAE
from infovae.runs.checkpoints import load_weights, read_checkpoint
from infovae.runs.safe_yaml import check_plain
from infovae.training.assemble import build_data, build_module

PARTS = {
    "data": ("infovae.data",),
    "network": ("infovae.networks",),
    "posterior": ("infovae.posteriors",),
    "prior": ("infovae.priors",),
    "likelihood": ("infovae.likelihoods",),
    "divergence": ("infovae.divergences", "torch.optim"),
    "optimizer": ("torch.optim",),
    "model": ("infovae.objective",),
}
"""What a model is made of, and where a part that is built without being trusted must come from."""


LONGEST = 2**20
"""Bytes of a config; one of a run has some thousand."""


class SavedRun(NamedTuple):
    """A trained model in evaluation mode, with the data it was trained on.

    Attributes:
        folder: of the run.
        checkpoint: the file that the weights are from.
        cfg: its config.
        data: its images, split as they were in training.
        module: with the trained weights.
    """

    folder: Path
    checkpoint: Path
    cfg: DictConfig
    data: ImageData
    module: InfoVAE


def load(
    run: str | Path,
    checkpoint: str | Path | Literal["last", "best"] = "last",
    changes: Mapping[str, Any] | None = None,
    trust: bool = False,
) -> SavedRun:
    """A ready model from a run folder.

    Nothing in the folder is executed: weights are read as tensors alone, and the config may name only this package's
    own parts unless it is trusted.

    Args:
        run: the folder.
        checkpoint: ``last``, ``best``, or the path of another checkpoint of the same run.
        changes: to the config, as ``{"data": {"train_size": 500}}``.
        trust: whether the config may name parts from other packages, whose code then runs.

    Raises:
        UserError: no run folder, no such checkpoint, a damaged one, a part that isn't trusted, or images that aren't
            where the config says.
    """
    folder = Path(run)
    cfg = read_config(folder, changes or {})
    path = folder / "checkpoints" / f"{checkpoint}.ckpt" if checkpoint in ("last", "best") else Path(checkpoint)
    weights = read_checkpoint(path, f"checkpoint={checkpoint}")["state_dict"]
    if not trust:
        check_trusted(cfg, folder)
    check_nodes({key: OmegaConf.to_container(cfg[key], resolve=True) for key in PARTS})
    with torch.random.fork_rng():
        data = _read_data(cfg)
        module = build_module(cfg, data)
    load_weights(module, weights, path)
    return SavedRun(folder, path, cfg, data, module.eval())


def _read_data(cfg: DictConfig) -> ImageData:
    """The images of a run, which may have been made in another folder.

    Raises:
        UserError: they can't be read.
    """
    try:
        return build_data(cfg)
    except UserError as error:
        for name in ("root", "path"):
            if str(error).startswith(f"data.{name}="):
                raise UserError(
                    f"{error}; or, where the run's data lie elsewhere, +override.data.{name}=PLACE, in Python "
                    f'load(RUN, changes={{"data": {{"{name}": PLACE}}}})'
                ) from None
        raise


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
    """Whether a target is defined, not just reachable, in one of the packages, and meant to be called."""
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
    """The config of a run, with changes.

    Args:
        folder: of the run.
        changes: by key.
        lists: whether a list of runs is accepted too where the folder is given, which an error then says.

    Raises:
        UserError: no run folder, a damaged config, or a change to a key that it doesn't have.
    """
    path = folder / "config.yaml"
    if not path.is_file():
        raise UserError(f"run={folder}: {_no_run(_runs_below(folder), lists)}")
    try:
        if path.stat().st_size > LONGEST:
            raise ValueError(f"longer than {LONGEST} bytes")
        text = path.read_text(encoding="utf-8")
        check_plain(text)
        cfg = OmegaConf.create(text)
        if not isinstance(cfg, DictConfig):
            raise ValueError("not a mapping")
        _refuse_interpolations(cfg, path)
        keys = sorted(map(str, cfg))
        unknown = [key for key in changes if key not in cfg]
        cfg.merge_with(changes)
        missing = [key for key in [*PARTS, "latent_dim"] if cfg.get(key) is None]
    except (yaml.YAMLError, OmegaConfBaseException, HydraException, OSError, ValueError) as error:
        reason = " ".join(str(error).split())
        raise UserError(
            f"run={folder}: config.yaml is damaged ({reason}); accepted: the folder of a run, as a run leaves it"
        ) from error
    if missing:
        raise UserError(f"run={folder}: config.yaml lacks {', '.join(missing)}; accepted: the folder of a run")
    if unknown:
        raise UserError(f"override.{unknown[0]}: unknown key; accepted: {', '.join(keys)}")
    return cfg


def _no_run(below: list[Path], lists: bool) -> str:
    """What is wrong with a folder that is no run but has those below it."""
    if not below:
        return "no config.yaml there; accepted: the folder of a run, as infovae train prints it"
    if lists and len(below) > 1:
        several = ",".join(map(str, below[:2]))
        return f"{len(below)} runs are below it; accepted: one, as run={below[0]}, and a list, as run=[{several}]"
    return f"runs are below it; accepted: one, as run={below[0]}"


def _runs_below(folder: Path) -> list[Path]:
    """The runs below a folder that is none itself, as those of a day or of a sweep are; the nearest alone."""
    for pattern in ("[!.]*/config.yaml", "[!.]*/[!.]*/config.yaml"):
        if found := sorted(folder.glob(pattern)):
            return [path.parent for path in found]
    return []


def _refuse_interpolations(cfg: DictConfig, path: Path) -> None:
    # A run's config is written resolved. One that isn't could read the environment of whoever opens it.
    if "${" in OmegaConf.to_yaml(cfg, resolve=False):
        raise UserError(f"{path}: holds an interpolation (${{...}}); accepted: the resolved config that a run writes")
