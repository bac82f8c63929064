"""What a search is to make small or large, and when one run has been beaten."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from infovae.errors import UserError

STOPPED = "stopped"
"""The attribute of a trial that says why it was stopped."""


@dataclass(frozen=True)
class Objective:
    """One metric of a run as a number to minimise or to maximise.

    Args:
        metric: its name; of the validation split, since what is chosen by the test split isn't measured by it.
        direction: which way is better.
        absolute: whether the distance from 0 counts, as for log det Cov, whose ideal is 0.
    """

    metric: str
    direction: Literal["minimize", "maximize"] = "minimize"
    absolute: bool = False

    def value(self, metrics: Mapping[str, float]) -> float:
        """The number.

        Raises:
            UserError: the metric wasn't measured.
        """
        if self.metric not in metrics:
            raise UserError(
                f"hydra.sweeper.objectives: {self.metric} is not measured; accepted: {', '.join(sorted(metrics))}"
            )
        value = float(metrics[self.metric])
        return abs(value) if self.absolute else value


def dominates(others: Sequence[float], own: Sequence[float], objectives: Sequence[Objective]) -> bool:
    """Whether the others' values are as good as the own ones by every objective, and better by one."""
    signs = [1 if objective.direction == "minimize" else -1 for objective in objectives]
    gains = [sign * (mine - theirs) for sign, mine, theirs in zip(signs, own, others, strict=True)]
    return all(gain >= 0 for gain in gains) and any(gain > 0 for gain in gains)
