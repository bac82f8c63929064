"""Open the run that a command uses, and check where its results go."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from infovae.config.check import check, without_choices
from infovae.errors import ArgumentError, UserError
from infovae.evaluation.load import LOADED, SavedRun, load
from infovae.runs.folder import check_writable
from infovae.training.devices import chosen_device
from infovae.training.quiet import quieten
from infovae.use.conditioned import typed_condition

KEYS: dict[str, Any] = LOADED | {"run": str | None, "device": str}
"""Keys of ``conf/trained.yaml``, with their types."""


def opened(cfg: DictConfig, own_keys: Mapping[str, Any]) -> SavedRun:
    """Return the run of a command, its model on the device.

    Args:
        cfg: the config of the command.
        own_keys: types of its keys beside :data:`KEYS`.

    Raises:
        UserError: the config, the run or the checkpoint is refused.
    """
    (saved,) = opened_runs(cfg, own_keys)
    return saved


def opened_runs(cfg: DictConfig, own_keys: Mapping[str, Any]) -> list[SavedRun]:
    """Return the runs of a command that may take several; see :func:`opened`."""
    quieten()
    without_choices(cfg, "likelihood", "network", "pictures")
    if isinstance(typed := cfg.get("condition"), DictConfig):  # as app/cli.py hands it through Hydra
        if unknown := sorted(set(typed) - {"value"}):
            why, accepted = "unknown key", "condition=VALUE"
            raise UserError(why, key=f"condition.{unknown[0]}", value=typed[unknown[0]], accepted=accepted)
        cfg.condition = typed.value
    check(cfg, {**KEYS, **own_keys})
    if not cfg.run:
        raise UserError("missing", key="run", accepted="run=FOLDER, as infovae train prints it")
    device = chosen_device(cfg.device)
    folders = [cfg.run] if isinstance(cfg.run, str) else list(cfg.run)
    saved = [load(folder, cfg.checkpoint, cfg.override, cfg.trust, cfg.weights) for folder in folders]
    for run in saved:
        run.module.to(device)
        if (condition := OmegaConf.to_container(cfg).get("condition")) is not None:  # type: ignore[union-attr]
            typed_condition(run, condition, warn=True)
    return saved


def check_file(key: str, given: str | None, suffixes: tuple[str, ...], default: str = "") -> Path:
    """Return the path of a file to write.

    Args:
        key: by which it was given.
        given: the path; None: the first of ``default``, ``default-2``, ... that isn't there yet.
        suffixes: what its name may end in.
        default: its name.

    Raises:
        UserError: its name has another suffix, it is a folder, or its folder can't be written to.
    """
    if given is None:
        stem, suffix = Path(default).stem, Path(default).suffix
        names = (f"{stem}-{number}{suffix}" if number > 1 else default for number in count(1))
        given = next(name for name in names if not Path(name).exists())
    path = Path(given)
    if path.suffix not in suffixes:
        raise UserError(
            "of no kind that is written", key=key, value=given, accepted=f"files named {', '.join(suffixes)}"
        )
    if path.is_dir():
        raise UserError("is a folder", key=key, value=given, accepted="a file's path")
    check_writable(path.parent, key)
    return path


def check_new_folder(key: str, given: str) -> Path:
    """Return the path of a folder to fill.

    Raises:
        UserError: it holds something, or can't be made or written to.
    """
    path = Path(given)
    check_writable(path, key)
    if path.is_dir() and any(path.iterdir()):
        raise UserError("holds something already", key=key, value=given, accepted="a new or an empty folder")
    return path


@contextmanager
def user_error(key: str, value: Any = ...) -> Iterator[None]:
    """Turn an argument that library code refuses into the error of the key by which it was given."""
    try:
        yield
    except ArgumentError as error:
        raise UserError(error.why, key=key, value=value, accepted=error.accepted) from error
