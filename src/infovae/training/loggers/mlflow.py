"""MLflow, into a local store or a server."""

import logging
import os
from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import UInt8
from pytorch_lightning.loggers import MLFlowLogger

from infovae.training.loggers.tracker import Tracker, require, started


class MLflow(Tracker):
    """A run of an MLflow experiment, by Lightning's own logger."""

    def __init__(self, logger: MLFlowLogger) -> None:
        super().__init__("mlflow")
        # They tell of each new store and retry, and of a failure over many lines. MLflow reads its level at import.
        os.environ.setdefault("MLFLOW_LOGGING_LEVEL", "CRITICAL")
        for name in ("mlflow", "alembic", "urllib3", "pytorch_lightning.loggers.mlflow"):
            logging.getLogger(name).setLevel(logging.CRITICAL)
        self.logger = logger
        self.identity = str(logger.run_id)  # starts the run

    def log_settings(self, settings: dict[str, Any]) -> None:
        known = self.logger.experiment.get_run(self.identity).data.params  # of a run that goes on; they can't change
        self.logger.log_hyperparams({name: value for name, value in settings.items() if name not in known})

    def log_numbers(self, numbers: dict[str, float], step: int) -> None:
        self.logger.log_metrics(numbers, step)

    def log_picture(self, name: str, picture: UInt8[np.ndarray, "height width 3"], step: int) -> None:
        self.logger.experiment.log_image(self.identity, picture, key=name, step=step)

    def end(self, succeeded: bool) -> None:
        self.logger.experiment.set_terminated(self.identity, "FINISHED" if succeeded else "FAILED")


def mlflow_logger(
    run_dir: str,
    name: str,
    project: str,
    tracking_uri: str,
    group: str | None = None,
    tags: Sequence[str] = (),
    goes_on: bool = False,
) -> MLflow | None:
    """Return the logger of an MLflow run; None if MLflow doesn't start. See :func:`started`.

    ``project`` names the experiment, and ``tracking_uri`` the store: ``sqlite:///FILE`` or the address of a server. The
    tags have the value ``true``, and the tag ``group`` that of the group.
    """
    require("mlflow", "mlflow")
    labels = dict.fromkeys(tags, "true") | ({"group": group} if group else {})

    def start(identity: str | None) -> MLflow:
        made = MLflow(MLFlowLogger(project, name, tracking_uri, labels, run_id=identity))
        if identity is not None:
            made.logger.experiment.update_run(identity, status="RUNNING")
        return made

    return started("mlflow", run_dir, goes_on, start)
