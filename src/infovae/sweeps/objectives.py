"""What a search minimises or maximises, and when another run is better by all of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from infovae.errors import UserError

STOPPED = "stopped"
"""The attribute of a trial that says why it was stopped early."""


@dataclass(frozen=True)
class SearchObjective:
    """One metric of a run, to minimise or to maximise.

    Args:
        metric: its name, of the validation split: a choice by the test split would bias the test metrics.
        direction: which way is better.
        absolute: whether to use the absolute value, as for log det Cov, whose ideal is 0.
    """

    metric: str
    direction: Literal["minimize", "maximize"] = "minimize"
    absolute: bool = False

    def value(self, metrics: Mapping[str, float]) -> float:
        """Return the number to minimise or maximise; raise a UserError if the metric wasn't measured."""
        if self.metric not in metrics:
            why, accepted = f"{self.metric} is not measured", ", ".join(sorted(metrics))
            raise UserError(why, key="hydra.sweeper.objectives", accepted=accepted)
        value = float(metrics[self.metric])
        return abs(value) if self.absolute else value


def check_terms(objectives: Sequence[SearchObjective]) -> None:
    """Refuse a metric that a run without ``metrics`` doesn't measure: it has the objective's terms alone."""
    from infovae.metrics.objective_terms import TERM_NAMES  # here: --help answers without waiting for torch

    names = [f"validation/{name}" for name in TERM_NAMES]
    for objective in objectives:
        if objective.metric not in names:
            why, accepted = "not measured with metrics=[]", f"{', '.join(names)}, or metrics=[METRIC,...]"
            raise UserError(why, key="hydra.sweeper.objectives", value=objective.metric, accepted=accepted)


def dominates(others: Sequence[float], own: Sequence[float], objectives: Sequence[SearchObjective]) -> bool:
    """Return whether the other values are as good as our own by every objective, and better by one."""
    signs = [1 if objective.direction == "minimize" else -1 for objective in objectives]
    gains = [sign * (mine - theirs) for sign, mine, theirs in zip(signs, own, others, strict=True)]
    return all(gain >= 0 for gain in gains) and any(gain > 0 for gain in gains)
