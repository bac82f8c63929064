"""The base classes of all metrics."""

import functools
import inspect
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from time import perf_counter
from typing import Any, ClassVar

import torch
import torchmetrics
from jaxtyping import Float
from torch import Tensor, nn

from infovae.codes import Codes
from infovae.errors import ArgumentError, UserError, below, reason_of, require_at_least, trace
from infovae.exact import Change, exact, keeping_exact
from infovae.model import Model, Observed, given
from infovae.priors.prior import Prior
from infovae.terminal.progress import progress


class Metric(torchmetrics.Metric, ABC):
    """Accumulate over the batches of a split, and return named numbers.

    Under data-parallel training every process sees the global batches, in the order that a single process would see.
    Every process therefore measures everything, and nothing is left to reduce.

    A constructor names the parts that it needs: ``prior`` is p(z), ``model`` the :class:`infovae.model.Model`, ``data``
    the :class:`infovae.data.module.DataModule`. The config sets all other arguments.
    """

    full_state_update = False

    of_any_split: ClassVar[bool] = True
    """Whether the training split is worth measuring too; evaluation then measures both splits."""

    compares_with_training: ClassVar[bool] = False
    """Whether the metric must also see the training split (``observe_training``). Evaluation alone can do that."""

    effort: float = 1
    """About how many seconds it takes on 10,000 digits. Evaluation begins with what takes least."""

    reason: str | None = None
    """Why a number is nan, where the metric knows."""

    def __init__(self) -> None:
        super().__init__(sync_on_compute=False)

    def _apply(self, fn: Change, *arguments: Any) -> nn.Module:
        return super()._apply(keeping_exact(fn), *arguments)

    def observe(self, observed: Observed) -> None:
        """Take in one batch: call ``update`` with the parts that this metric uses, by default with all of it."""
        self.update(observed)

    def observe_training(self, observed: Observed) -> None:
        """Take in one batch of the training split, before any batch of the measured split."""

    @abstractmethod
    def compute(self) -> dict[str, Tensor]:
        """Return numbers, or vectors of them, by name, over everything taken in."""

    def _wrap_compute(self, compute: Callable[[], dict[str, Tensor]]) -> Callable[[], dict[str, Tensor]]:
        """Keep vectors of one entry, which torchmetrics' own wrapper turns into numbers; explain missing errors."""

        @functools.wraps(compute)
        def wrapped() -> dict[str, Tensor]:
            values = compute()
            missing = [name for name, value in values.items() if name.endswith("_error") and value.isnan().any()]
            if self.reason is None and missing:
                self.reason = "a standard error needs at least two values to average"
            return values

        return wrapped


class CodeMetric(Metric):
    """Measure q(z) from the codes alone.

    Args:
        prior: p(z), shared with the model. A learned prior is measured as it is at that moment.
    """

    def __init__(self, prior: Prior) -> None:
        super().__init__()
        self.prior = prior

    def observe(self, observed: Observed) -> None:
        self.update(observed.codes)

    @abstractmethod
    def update(self, codes: Codes) -> None:
        """Take in the codes of one batch."""


class FirstCodesMetric(CodeMetric):
    """Measure q(z) from a sample: one code of each of the first ``samples`` examples that a split gives."""

    z: list[Tensor]

    def __init__(self, prior: Prior, samples: int) -> None:
        super().__init__(prior)
        self.add_state("z", [], dist_reduce_fx="cat")
        self.samples = samples

    def update(self, codes: Codes) -> None:
        missing = self.samples - sum(map(len, self.z))
        if missing > 0:
            self.z.append(exact(codes.z[:missing]))


class ExampleMetric(Metric):
    """Measure the model on the first examples of a split. Such metrics are costly and skip the training split.

    Args:
        images: how many examples to measure, at most; None measures as many as ``seconds`` allow, so that their number
            depends on the machine.
        seconds: the time limit where ``images`` is None. At least two examples are measured.
    """

    of_any_split = False
    first: list[Tensor]
    conditions: list[Tensor]

    def __init__(self, model: Model, images: int | None, seconds: float) -> None:
        super().__init__()
        if images is not None:
            require_at_least(1, images=images)
        if not seconds > 0:
            raise ArgumentError("seconds", seconds, "values above 0", "no time to measure")
        self.add_state("first", [], dist_reduce_fx="cat")
        self.add_state("conditions", [], dist_reduce_fx="cat")
        self.model = model
        self.images = images
        self.seconds = seconds
        self.effort = seconds

    def observe(self, observed: Observed) -> None:
        self.update(observed.x, observed.conditions)

    def update(self, x: Float[Tensor, "n c *s"], conditions: Float[Tensor, "n k"] | None = None) -> None:
        """Take in a batch of examples, and what the model is conditioned on."""
        missing = len(x) if self.images is None else self.images - sum(map(len, self.first))
        if missing > 0:
            self.first.append(x[:missing])
            if conditions is not None:
                self.conditions.append(conditions[:missing])

    def affordable(self, block: int, title: str) -> Iterator[tuple[Float[Tensor, "b c *s"], Model]]:
        """Yield the examples, ``block`` at a time: all of a fixed number, else as many as the time limit allows.

        The model comes with them, under their conditions.
        """
        end, done = perf_counter() + self.seconds, 0
        conditions = torch.cat(list(self.conditions)).split(block) if self.conditions else None
        for number, x in enumerate(progress(torch.cat(list(self.first)).split(block), title)):
            if self.images is None and done >= 2 and perf_counter() > end:
                return
            yield x, given(self.model, None if conditions is None else conditions[number])
            done += len(x)


def make_metric(name: str, factory: Callable[..., Metric], **available: Any) -> Metric:
    """Call a factory with those of the available parts that it names as arguments.

    Raises:
        UserError: the metric refuses one of its arguments, or its constructor fails; the details are then a traceback.
    """
    wanted = inspect.signature(factory).parameters
    try:
        with below(f"metrics.{name}"):
            return factory(**{key: part for key, part in available.items() if key in wanted})
    except ValueError as error:
        raise UserError(reason_of(error), key=f"metrics.{name}") from error
    except UserError:
        raise
    except Exception as error:  # whatever a constructor of the user's raises
        why = f"{type(error).__name__}: {reason_of(error)}"
        raise UserError(why, key=f"metrics.{name}", details=trace(error)) from error
