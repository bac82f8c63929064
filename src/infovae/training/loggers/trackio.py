"""Trackio, a tracker with a local store."""

from typing import Any

import numpy as np
from jaxtyping import UInt8

from infovae.training.loggers.tracker import Tracker, require, started


class Trackio(Tracker):
    """A run of a Trackio project, or the latest of an earlier ``identity``, which is a name."""

    def __init__(self, project: str, name: str, group: str | None, identity: str | None) -> None:
        super().__init__("trackio")
        import trackio  # an extra

        self.package = trackio
        quiet = {"embed": False, "auto_log_cpu": False, "auto_log_gpu": False}
        resume = "never" if identity is None else "allow"
        self.run = trackio.init(project=project, name=identity or name, group=group, resume=resume, **quiet)
        self.identity = self.run.name

    def log_settings(self, settings: dict[str, Any]) -> None:
        self.run.config.update(settings)

    def log_numbers(self, numbers: dict[str, float], step: int) -> None:
        self.run.log(numbers, step=step)

    def log_picture(self, name: str, picture: UInt8[np.ndarray, "height width 3"], step: int) -> None:
        self.run.log({name: self.package.Image(picture)}, step=step)

    def end(self, succeeded: bool) -> None:
        self.run.finish()


def trackio_logger(
    run_dir: str, name: str, project: str, group: str | None = None, goes_on: bool = False
) -> Trackio | None:
    """Return the logger of a Trackio run; None if Trackio doesn't start. See :func:`started`."""
    require("trackio", "trackio")
    return started("trackio", run_dir, goes_on, lambda identity: Trackio(project, name, group, identity))
