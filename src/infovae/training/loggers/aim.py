"""Aim, into a local repository or a server."""

import logging
from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import UInt8
from PIL import Image

from infovae.training.loggers.tracker import Tracker, require, started


class Aim(Tracker):
    """A run in an Aim repository."""

    def __init__(self, repo: str, project: str, name: str, tags: Sequence[str]) -> None:
        super().__init__("aim")
        import aim  # an extra

        logging.getLogger("aim.sdk.reporter").setLevel(logging.WARNING)
        self.package = aim
        self.run = aim.Run(repo=aim.Repo.from_path(repo, init=True), experiment=project, system_tracking_interval=None)
        self.run.name = name
        for tag in tags:
            self.run.add_tag(tag)

    def log_settings(self, settings: dict[str, Any]) -> None:
        self.run["config"] = settings

    def log_numbers(self, numbers: dict[str, float], step: int) -> None:
        for name, value in numbers.items():
            self.run.track(value, name=name, step=step)

    def log_picture(self, name: str, picture: UInt8[np.ndarray, "height width 3"], step: int) -> None:
        self.run.track(self.package.Image(Image.fromarray(picture)), name=name, step=step)

    def end(self, succeeded: bool) -> None:
        self.run["succeeded"] = succeeded
        self.run.close()


def aim_logger(name: str, project: str, repo: str, group: str | None = None, tags: Sequence[str] = ()) -> Aim | None:
    """Return the logger of a new Aim run, whose group is a tag; None if Aim doesn't start.

    ``project`` names the experiment, and ``repo`` the repository's folder or the address of a server.
    """
    require("aim", "aim")
    return started("aim", lambda: Aim(repo, project, name, [*tags, *([group] if group else [])]))
