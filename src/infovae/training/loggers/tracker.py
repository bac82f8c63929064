"""An experiment tracker that may lose entries, but never stops or long delays a run."""

import importlib.util
import json
import logging
import math
from abc import abstractmethod
from argparse import Namespace
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import pytorch_lightning as pl
from jaxtyping import UInt8
from pytorch_lightning.loggers import Logger

from infovae.errors import UserError, reason_of
from infovae.runs.files import write_whole
from infovae.terminal.install import install
from infovae.training.loggers.bounded import bounded

log = logging.getLogger(__name__)

IDENTITIES = "trackers.json"
"""The file of a run folder that says by what each tracker knows the run."""

SECONDS_TO_START = 60.0
"""Longest wait for a tracker when a run starts; one may have to set up its store."""

SECONDS = 20.0
"""Longest wait for a tracker's answer. One that takes longer isn't asked again."""


class Tracker(Logger):
    """A Lightning logger that hands settings, numbers and pictures to a tracker's own package.

    The run folder has everything too, so an error is logged once and the run goes on. ``option`` is the logger's in
    ``conf/logger/``, and ``identity`` what the tracker knows the run by.
    """

    def __init__(self, option: str) -> None:
        super().__init__()
        self.option = option
        self.identity = ""
        self._warned = self._given_up = False

    @abstractmethod
    def log_settings(self, settings: dict[str, Any]) -> None:
        """Log the config of the run, by key."""

    @abstractmethod
    def log_numbers(self, numbers: dict[str, float], step: int) -> None:
        """Log finite numbers by ``split/name``."""

    @abstractmethod
    def log_picture(self, name: str, picture: UInt8[np.ndarray, "height width 3"], step: int) -> None:
        """Log a picture."""

    @abstractmethod
    def end(self, succeeded: bool) -> None:
        """Tell the tracker that the run has ended."""

    @property
    def name(self) -> str:
        return self.option

    @property
    def version(self) -> str:
        return ""

    def log_hyperparams(self, params: dict[str, Any] | Namespace, *_: Any, **__: Any) -> None:
        self._attempt(self.log_settings, dict(params if isinstance(params, dict) else vars(params)))

    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        finite = {name: float(value) for name, value in metrics.items() if math.isfinite(value)}
        self._attempt(self.log_numbers, finite, step or 0)

    def log_image(self, key: str, images: list[Any], step: int) -> None:
        """Log pictures under one name."""
        for picture in images:
            self._attempt(self.log_picture, key, picture, step)

    def close(self, succeeded: bool) -> None:
        """End the tracker's run, after training and testing."""
        self._attempt(self.end, succeeded)

    def _attempt(self, work: Callable[..., None], *arguments: Any) -> None:
        if self._given_up:
            return
        try:
            bounded(partial(work, *arguments), SECONDS)
        except Exception as error:
            self._given_up = isinstance(error, TimeoutError)
            if not self._warned:
                why = reason_of(error)
                log.warning("logger=%s: entries are missing (%s); the run folder has everything", self.option, why)
            self._warned = True


Started = TypeVar("Started", bound=Tracker)


def started(option: str, run_dir: str, goes_on: bool, start: Callable[[str | None], Started]) -> Started | None:
    """Return a tracker, or None with a warning if it doesn't start in time.

    Args:
        option: the logger's.
        run_dir: the run folder, which remembers the run's identity.
        goes_on: whether the run takes up what its folder holds, so that the tracker's run goes on too.
        start: makes the tracker, of the run with an identity, or of a new one.
    """
    file = Path(run_dir) / IDENTITIES
    earlier = identities(file) if file.is_file() else {}
    try:
        tracker = bounded(partial(start, earlier.get(option) if goes_on else None), SECONDS_TO_START)
    except Exception as error:
        log.warning("logger=%s: it doesn't start (%s); the run folder has everything", option, reason_of(error))
        return None
    write_whole(file, json.dumps({**earlier, option: tracker.identity}, indent=2) + "\n", inside=Path(run_dir))
    return tracker


def identities(file: Path) -> dict[str, str]:
    """Return by what each tracker knows the run of a folder; empty if the file isn't one of ours."""
    try:
        return {str(option): str(identity) for option, identity in json.loads(file.read_text()).items()}
    except (OSError, ValueError, AttributeError):
        return {}


def require(package: str, option: str) -> None:
    """Refuse a tracker whose package is missing, and name the command that installs it."""
    if importlib.util.find_spec(package) is None:
        raise UserError("not installed", key="logger", value=option, accepted=f"{install(option)}, or another logger")


def close_trackers(trainer: pl.Trainer | None, succeeded: bool) -> None:
    """End the trackers' runs."""
    for logger in getattr(trainer, "loggers", []):
        if isinstance(logger, Tracker):
            logger.close(succeeded)
