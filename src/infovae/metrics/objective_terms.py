"""The terms of the objective, averaged over a split."""

import functools
import logging
from typing import Any, NamedTuple

import torch
import torchmetrics
from jaxtyping import Float
from torch import Tensor, nn

from infovae.exact import Change, exact, keeping_exact

log = logging.getLogger(__name__)

TERM_NAMES = ("loss", "reconstruction", "rate", "divergence", "elbo")

SUMMED_AT_ONCE = 100
"""Training steps whose terms are added up together: one by one, that would take 2 % of a step."""


class StepTerms(NamedTuple):
    """The terms of a training step, without gradient, on the device; they stand for ``n`` examples.

    The divergence is nan if it has no weight. If only the loss ``is_known``, the rest is nan.
    """

    loss: Float[Tensor, ""]
    reconstruction: Float[Tensor, ""]
    rate: Float[Tensor, ""]
    divergence: Float[Tensor, ""]
    n: float
    is_known: bool = True


class SplitTerms(torchmetrics.Metric):
    """Average loss, reconstruction, rate, ELBO and divergence over examples, all but the divergence in nats.

    Each batch adds to sums on the device, so no number leaves the device before the end of the epoch. Sums are reduced
    over processes: each process counts for an equal share of the global batch, as its gradient does.

    A batch may be too small for an estimate of the divergence, such as a last batch of one. The divergence is then the
    average over the other batches, and stands in the loss for that batch too. Where no batch is large enough, the
    divergence is nan and the loss leaves it out, so that a monitored loss stays a number.
    """

    full_state_update = False
    total: Tensor
    count: Tensor
    divergence_count: Tensor
    missing_weight: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.add_state("total", torch.zeros(len(TERM_NAMES), dtype=torch.float64), dist_reduce_fx="sum")
        for name in ("count", "divergence_count", "missing_weight"):
            self.add_state(name, torch.tensor(0.0, dtype=torch.float64), dist_reduce_fx="sum")
        self._steps: list[StepTerms] = []

    def _apply(self, fn: Change, *arguments: Any) -> nn.Module:
        return super()._apply(keeping_exact(fn), *arguments)

    def update(
        self,
        loss: Tensor,
        reconstruction: Tensor,
        rate: Tensor,
        divergence: Tensor | None,
        n: float,
        divergence_weight: float = 0.0,
    ) -> None:
        """Take in the averages of a batch.

        Args:
            loss: without the divergence if the batch has none.
            reconstruction: -E log p(x|z).
            rate: E KL(q(z|x) || p(z)).
            divergence: D(q(z) || p(z)); None where the batch is too small for an estimate.
            n: the number of examples that the averages stand for.
            divergence_weight: of the divergence in the loss, used where the divergence is None.
        """
        found = torch.zeros_like(loss) if divergence is None else divergence
        self.total += exact(n * torch.stack([loss, reconstruction, rate, found, -reconstruction - rate]).detach())
        self.count += n
        if divergence is None:
            self.missing_weight += n * divergence_weight
        else:
            self.divergence_count += n

    def add(self, step: StepTerms) -> None:
        """Take in a training step, now or together with later ones."""
        self._steps.append(step)
        if len(self._steps) == SUMMED_AT_ONCE:
            self.sum_steps()

    def sum_steps(self) -> None:
        """Take in the steps that still wait; to be called before ``compute``."""
        if self._steps:
            *terms, sizes, _ = zip(*self._steps, strict=True)
            steps = exact(torch.stack([torch.stack(term) for term in terms]))
            loss, reconstruction, rate, divergence = steps @ (steps.new_tensor(sizes) / sum(sizes))
            self.update(loss, reconstruction, rate, divergence, sum(sizes))
        self._steps.clear()

    def reset(self) -> None:
        super().reset()
        self._steps.clear()

    def compute(self) -> dict[str, Tensor]:
        terms = dict(zip(TERM_NAMES, self.total / self.count, strict=True))
        terms["divergence"] = self.total[TERM_NAMES.index("divergence")] / self.divergence_count
        if self.divergence_count > 0 and self.missing_weight > 0:
            terms["loss"] = terms["loss"] + self.missing_weight / self.count * terms["divergence"]
        elif self.missing_weight > 0:
            _warn_once()
        return terms


@functools.cache
def _warn_once() -> None:
    log.warning("no batch of a split has enough examples to estimate the divergence: nan, and left out of the loss")
