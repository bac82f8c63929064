"""MLflow, into a local store or a server."""

import logging
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
        # They tell of each new store, and of each retry.
        for name in ("mlflow", "alembic", "urllib3", "pytorch_lightning.loggers.mlflow"):
            logging.getLogger(name).setLevel(logging.ERROR)
        self.logger = logger
        self.run_id = logger.run_id  # starts the run

    def log_settings(self, settings: dict[str, Any]) -> None:
        self.logger.log_hyperparams(settings)

    def log_numbers(self, numbers: dict[str, float], step: int) -> None:
        self.logger.log_metrics(numbers, step)

    def log_picture(self, name: str, picture: UInt8[np.ndarray, "height width 3"], step: int) -> None:
        self.logger.experiment.log_image(self.run_id, picture, key=name, step=step)

    def end(self, succeeded: bool) -> None:
        self.logger.experiment.set_terminated(self.run_id, "FINISHED" if succeeded else "FAILED")


def mlflow_logger(
    name: str, project: str, tracking_uri: str, group: str | None = None, tags: Sequence[str] = ()
) -> MLflow | None:
    """Return the logger of a new MLflow run; None if MLflow doesn't start.

    ``project`` names the experiment, and ``tracking_uri`` the store: ``sqlite:///FILE`` or the address of a server. The
    tags have the value ``true``, and the tag ``group`` that of the group.
    """
    require("mlflow", "mlflow")
    labels = dict.fromkeys(tags, "true") | ({"group": group} if group else {})
    return started("mlflow", lambda: MLflow(MLFlowLogger(project, name, tracking_uri, labels)))
