"""What a metric of the aggregate posterior is."""

from abc import ABC, abstractmethod

import torchmetrics
from torch import Tensor

from infovae.codes import Codes
from infovae.priors.prior import Prior


class CodeMetric(torchmetrics.Metric, ABC):
    """Measures q(z) from all codes of a split.

    Under data-parallel training every process sees the codes of the global batches, in the order in which one process
    alone would see them, and measures them all: nothing is left to reduce, and no metric needs to know of it.

    Args:
        prior: p(z), shared with the model: one with learned parts is measured as it is at that time.
    """

    full_state_update = False

    def __init__(self, prior: Prior) -> None:
        super().__init__(sync_on_compute=False)
        self.prior = prior

    @abstractmethod
    def update(self, codes: Codes) -> None:
        """Take in one batch."""

    @abstractmethod
    def compute(self) -> dict[str, Tensor]:
        """The measured numbers by name, over all that was taken in."""
