"""Aim, into a local repository or a server."""

import logging
from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import UInt8
from PIL import Image

from infovae.training.loggers.tracker import Tracker, require, started


class Aim(Tracker):
    """A run in an Aim repository, new or with the hash ``identity``."""

    def __init__(self, repo: str, project: str, name: str, tags: Sequence[str], identity: str | None) -> None:
        super().__init__("aim")
        import aim  # an extra

        logging.getLogger("aim.sdk.reporter").setLevel(logging.WARNING)
        self.package = aim
        place = aim.Repo.from_path(repo, init=True)
        again = identity is not None  # a run that was killed still holds its lock
        self.run = aim.Run(identity, repo=place, experiment=project, force_resume=again, system_tracking_interval=None)
        self.identity = self.run.hash
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


def aim_logger(
    run_dir: str,
    name: str,
    project: str,
    repo: str,
    group: str | None = None,
    tags: Sequence[str] = (),
    goes_on: bool = False,
) -> Aim | None:
    """Return the logger of an Aim run, whose group is a tag; None if Aim doesn't start. See :func:`started`.

    ``project`` names the experiment, and ``repo`` the repository's folder or the address of a server.
    """
    require("aim", "aim")
    labels = [*tags, *([group] if group else [])]
    return started("aim", run_dir, goes_on, lambda identity: Aim(repo, project, name, labels, identity))
