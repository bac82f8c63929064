"""Comet, online or into a file that `comet upload` sends later."""

import os
from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
from jaxtyping import UInt8

from infovae.training.loggers.tracker import Tracker, require, started


class Comet(Tracker):
    """A Comet experiment, new or with the key ``identity``."""

    def __init__(
        self, folder: str, name: str, project: str, tags: Sequence[str], online: bool, identity: str | None
    ) -> None:
        super().__init__("comet")
        os.environ.setdefault("COMET_DISABLE_AUTO_LOGGING", "1")  # else it hooks into torch and Lightning
        os.environ.setdefault("COMET_LOGGING_CONSOLE", "ERROR")
        import comet_ml  # an extra

        quiet = {"log_code": False, "display_summary_level": 0}
        settings = comet_ml.ExperimentConfig(name=name, tags=list(tags), offline_directory=folder, **quiet)
        mode = "create" if identity is None else "get"
        self.experiment = comet_ml.start(
            project=project, experiment_key=identity, mode=mode, online=online, experiment_config=settings
        )
        self.identity = self.experiment.get_key()

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
    goes_on: bool = False,
) -> Comet | None:
    """Return the logger of a Comet experiment, whose group is a tag; None if Comet doesn't start. See :func:`started`.

    The mode ``auto`` is online if COMET_API_KEY is set, else offline, into a file in ``run_dir/comet``.
    """
    require("comet_ml", "comet")
    online = mode == "online" or (mode == "auto" and bool(os.environ.get("COMET_API_KEY")))
    labels = [*tags, *([group] if group else [])]

    def start(identity: str | None) -> Comet:
        return Comet(f"{run_dir}/comet", name, project, labels, online, identity)

    return started("comet", run_dir, goes_on, start)
