"""What a metric is."""

import inspect
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, ClassVar

import torchmetrics
from jaxtyping import Float
from torch import Tensor

from infovae.codes import Codes
from infovae.errors import UserError
from infovae.model import Model, Observed
from infovae.priors.prior import Prior


class Metric(torchmetrics.Metric, ABC):
    """Accumulates over the batches of a split and gives named numbers.

    Under data-parallel training every process sees the global batches, in the order in which one process alone would
    see them, and measures them all: nothing is left to reduce, and no metric needs to know of it.

    A constructor asks for what it needs by the names of its arguments: ``prior`` is p(z), ``model`` the
    :class:`infovae.model.Model`, ``data`` the :class:`infovae.data.module.ImageData`. Its other arguments are config.
    """

    full_state_update = False

    of_any_split: ClassVar[bool] = True
    """Whether it means something on the training split too; evaluate.py then measures both."""

    reason: str | None = None
    """Why numbers that it gave are nan, where that is known."""

    def __init__(self) -> None:
        super().__init__(sync_on_compute=False)

    compares_with_training: ClassVar[bool] = False
    """Whether it has to see the training split too, through ``observe_training``; evaluate.py alone shows it that."""

    @abstractmethod
    def observe(self, observed: Observed) -> None:
        """Take in one batch: ``update`` with what this metric looks at."""

    def observe_training(self, observed: Observed) -> None:
        """Take in one batch of the training split, before any of the measured split."""

    @abstractmethod
    def compute(self) -> dict[str, Tensor]:
        """Numbers, or vectors of them, by name, over all that was taken in."""


class CodeMetric(Metric):
    """Measures q(z), from the codes alone.

    Args:
        prior: p(z), shared with the model: one with learned parts is measured as it is at that time.
    """

    def __init__(self, prior: Prior) -> None:
        super().__init__()
        self.prior = prior

    def observe(self, observed: Observed) -> None:
        self.update(observed.codes)

    @abstractmethod
    def update(self, codes: Codes) -> None:
        """Take in the codes of one batch."""


class ImageMetric(Metric):
    """Measures the model at the first images of a split; costly, and so of the evaluated split alone.

    Args:
        model: what is measured.
        images: how many images are taken, at most.
    """

    of_any_split = False
    first: list[Tensor]

    def __init__(self, model: Model, images: int) -> None:
        super().__init__()
        if images < 1:
            raise ValueError(f"images={images}: invalid; accepted: whole numbers of at least 1")
        self.add_state("first", [], dist_reduce_fx="cat")
        self.model = model
        self.images = images

    def observe(self, observed: Observed) -> None:
        self.update(observed.images)

    def update(self, images: Float[Tensor, "n c h w"]) -> None:
        """Take in a batch of images, pixels in [0, 1]."""
        missing = self.images - sum(map(len, self.first))
        if missing > 0:
            self.first.append(images[:missing])


def make_metric(name: str, factory: Callable[..., Metric], **available: Any) -> Metric:
    """Call a factory with those of the available parts that it names as arguments.

    Raises:
        UserError: the metric refuses one of its arguments.
    """
    wanted = inspect.signature(factory).parameters
    try:
        return factory(**{key: part for key, part in available.items() if key in wanted})
    except ValueError as error:
        raise UserError(f"metrics.{name}.{error}") from error
