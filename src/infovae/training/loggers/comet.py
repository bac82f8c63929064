"""Comet, online or into a file that `comet upload` sends later."""

import os
from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
from jaxtyping import UInt8

from infovae.training.loggers.tracker import Tracker, require, started


class Comet(Tracker):
    """A Comet experiment."""

    def __init__(self, run_dir: str, name: str, project: str, tags: Sequence[str], online: bool) -> None:
        super().__init__("comet")
        os.environ.setdefault("COMET_DISABLE_AUTO_LOGGING", "1")  # else it hooks into torch and Lightning
        os.environ.setdefault("COMET_LOGGING_CONSOLE", "ERROR")
        import comet_ml  # an extra

        quiet = {"log_code": False, "display_summary_level": 0}
        settings = comet_ml.ExperimentConfig(name=name, tags=list(tags), offline_directory=run_dir, **quiet)
        self.experiment = comet_ml.start(project=project, online=online, experiment_config=settings)

    def log_settings(self, settings: dict[str, Any]) -> None:
        self.experiment.log_parameters(settings)

    def log_numbers(self, numbers: dict[str, float], step: int) -> None:
        self.experiment.log_metrics(numbers, step=step)

    def log_picture(self, name: str, picture: UInt8[np.ndarray, "height width 3"], step: int) -> None:
        self.experiment.log_image(picture, name=name, step=step)

    def end(self, succeeded: bool) -> None:
        self.experiment.log_other("succeeded", succeeded)
        self.experiment.end()


def comet_logger(
    run_dir: str,
    name: str,
    project: str,
    group: str | None = None,
    tags: Sequence[str] = (),
    mode: Literal["auto", "online", "offline"] = "auto",
) -> Comet | None:
    """Return the logger of a new Comet experiment, whose group is a tag; None if Comet doesn't start.

    The mode ``auto`` is online if COMET_API_KEY is set, else offline, into a file in ``run_dir``.
    """
    require("comet_ml", "comet")
    online = mode == "online" or (mode == "auto" and bool(os.environ.get("COMET_API_KEY")))
    labels = [*tags, *([group] if group else [])]
    return started("comet", lambda: Comet(run_dir, name, project, labels, online))
