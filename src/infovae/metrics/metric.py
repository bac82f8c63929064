"""What a metric of the aggregate posterior is."""

from abc import ABC, abstractmethod

import torchmetrics
from torch import Tensor

from infovae.codes import Codes
from infovae.priors.prior import Prior


class CodeMetric(torchmetrics.Metric, ABC):
    """Measures q(z) from all codes of a split.

    Args:
        prior: p(z), shared with the model: one with learned parts is measured as it is at that time.
    """

    full_state_update = False

    def __init__(self, prior: Prior) -> None:
        super().__init__()
        self.prior = prior

    @abstractmethod
    def update(self, codes: Codes) -> None:
        """Take in one batch."""

    @abstractmethod
    def compute(self) -> dict[str, Tensor]:
        """The measured numbers by name, over all that was taken in."""
