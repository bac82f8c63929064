"""Trackio, a tracker with a local store."""

from typing import Any

import numpy as np
from jaxtyping import UInt8

from infovae.training.loggers.tracker import Tracker, require, started


class Trackio(Tracker):
    """A run of a Trackio project."""

    def __init__(self, project: str, name: str, group: str | None) -> None:
        super().__init__("trackio")
        import trackio  # an extra

        self.package = trackio
        quiet = {"embed": False, "auto_log_cpu": False, "auto_log_gpu": False}
        self.run = trackio.init(project=project, name=name, group=group, **quiet)

    def log_settings(self, settings: dict[str, Any]) -> None:
        self.run.config.update(settings)

    def log_numbers(self, numbers: dict[str, float], step: int) -> None:
        self.run.log(numbers, step=step)

    def log_picture(self, name: str, picture: UInt8[np.ndarray, "height width 3"], step: int) -> None:
        self.run.log({name: self.package.Image(picture)}, step=step)

    def end(self, succeeded: bool) -> None:
        self.run.finish()


def trackio_logger(name: str, project: str, group: str | None = None) -> Trackio | None:
    """Return the logger of a new Trackio run; None if Trackio doesn't start."""
    require("trackio", "trackio")
    return started("trackio", lambda: Trackio(project, name, group))
