"""What a search minimises or maximises, and when another run is better by all of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from omegaconf import OmegaConf

from infovae.errors import UserError
from infovae.metrics.meanings import of_prior

SEARCH = "hydra.sweeper.objectives"
"""The key of the metrics that a search goes by. It takes those of the run's end, which test always has."""

STOPPED = "stopped"
"""The attribute of a trial that says why it was stopped early."""


@dataclass(frozen=True)
class SearchObjective:
    """One metric of a run, to minimise or to maximise.

    Args:
        metric: its name, of the validation split: a choice by the test split would bias the test metrics.
        direction: which way is better.
        absolute: whether to use the distance from 0, or from the prior's number where the run measured that, as for
            log det Cov.
    """

    metric: str
    direction: Literal["minimize", "maximize"] = "minimize"
    absolute: bool = False

    def value(self, metrics: Mapping[str, float]) -> float:
        """Return the number to minimise or maximise; raise a UserError if the metric wasn't measured."""
        if self.metric not in metrics:
            why, accepted = f"{self.metric} is not measured", ", ".join(sorted(metrics))
            raise UserError(why, key=SEARCH, accepted=accepted)
        value = float(metrics[self.metric])
        return abs(value - metrics.get(of_prior(self.metric), 0.0)) if self.absolute else value


def read_objectives(given: Any) -> list[SearchObjective]:
    """Return what a search goes by, from the value of its key.

    Raises:
        UserError: it isn't a list of objectives.
    """
    from infovae.config.check import check_nodes  # here: Hydra imports every sweeper, and so this module, for --help

    entries = OmegaConf.to_container(given, resolve=True) if OmegaConf.is_config(given) else given
    listed = entries if isinstance(entries, list) else []
    if not listed or not all(isinstance(entry, dict) and "metric" in entry for entry in listed):
        accepted = "a list, as [{metric: validation/elbo, direction: maximize}]"
        raise UserError("invalid", key=SEARCH, value=entries, accepted=accepted)
    target = f"{SearchObjective.__module__}.{SearchObjective.__qualname__}"
    check_nodes({SEARCH: [{"_target_": target, **entry} for entry in listed]})
    return [SearchObjective(**entry) for entry in listed]


def dominates(others: Sequence[float], own: Sequence[float], objectives: Sequence[SearchObjective]) -> bool:
    """Return whether the other values are as good as our own by every objective, and better by one."""
    signs = [1 if objective.direction == "minimize" else -1 for objective in objectives]
    gains = [sign * (mine - theirs) for sign, mine, theirs in zip(signs, own, others, strict=True)]
    return all(gain >= 0 for gain in gains) and any(gain > 0 for gain in gains)
