"""Turn Hydra's sweep syntax into Optuna's distributions."""

from collections.abc import Iterable
from typing import TYPE_CHECKING

from hydra.core.override_parser.types import ChoiceSweep, IntervalSweep, Override, RangeSweep
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
    check_distribution_compatibility,
)

from infovae.errors import UserError

if TYPE_CHECKING:
    from optuna import Study

Space = dict[str, BaseDistribution]


def shared_and_searched(overrides: Iterable[Override]) -> tuple[list[str], Space]:
    """Return the overrides that all trials share, and the distributions of the keys to search over.

    If a key has two overrides, the later counts. A sweep that can't be searched is refused.
    """
    shared: dict[str, str] = {}
    space: Space = {}
    for override in overrides:
        key = override.get_key_element()
        shared.pop(key, None)
        space.pop(key, None)
        sweep = override.value()
        if isinstance(sweep, ChoiceSweep) and len(sweep.list) == 1:
            shared[key] = f"{key}={next(override.sweep_string_iterator())}"
        elif override.is_sweep_override():
            space[key] = _distribution(key, override)
        else:
            shared[key] = override.input_line or ""
    return list(shared.values()), space


def first_trial(shared: Iterable[str], space: Space) -> list[str]:
    """Return overrides of a possible trial, with the first of each key's choices: one option of each searched group."""
    chosen = {key: kind.choices[0] for key, kind in space.items() if isinstance(kind, CategoricalDistribution)}
    return [*shared, *(f"{key}={choice}" for key, choice in chosen.items())]


def refuse_another_space(space: Space, study: "Study") -> None:
    """Refuse a key that the study has drawn from other choices, or from another kind of range; bounds may change."""
    known = {key: kind for trial in study.get_trials(deepcopy=False) for key, kind in trial.distributions.items()}
    for key, kind in space.items():
        drawn = known.get(key, kind)
        try:
            check_distribution_compatibility(drawn, kind)
        except ValueError as error:
            why = f"{study.study_name} in the storage draws otherwise"
            others = "" if isinstance(drawn, CategoricalDistribution) else ", other bounds of that kind,"
            accepted = f"{written(drawn)}{others} and one value"
            raise UserError(why, key=key, value=written(kind), accepted=accepted) from error


def written(kind: BaseDistribution) -> str:
    """Return a distribution as a sweep in Hydra's syntax."""
    match kind:
        case CategoricalDistribution(choices=choices):
            return f"choice({','.join(map(str, choices))})"
        case IntDistribution(low=low, high=high, log=False, step=step):
            return f"range({low},{high + 1},{step})"
        case IntDistribution(low=low, high=high):
            return f"int(tag(log,interval({low},{high})))"
        case FloatDistribution(low=low, high=high, log=log):
            return f"tag(log,interval({low},{high}))" if log else f"interval({low},{high})"
    return str(kind)


def _distribution(key: str, override: Override) -> BaseDistribution:
    sweep = override.value()
    if not isinstance(sweep, IntervalSweep | RangeSweep):
        return CategoricalDistribution(list(override.sweep_string_iterator()))
    try:
        match sweep:
            case IntervalSweep(start=int(low), end=int(high)):
                return IntDistribution(low, high, log="log" in sweep.tags)
            case IntervalSweep(start=int() | float() as low, end=int() | float() as high):
                return FloatDistribution(low, high, log="log" in sweep.tags)
            case RangeSweep(start=int(low), stop=int(high), step=int(step)):
                return IntDistribution(low, high - 1, step=step)
    except ValueError as error:
        raise UserError(f"{override.input_line}: {error}") from error
    raise UserError(f"{override.input_line}: invalid; accepted: ranges of whole numbers, and {key}=interval(LOW,HIGH)")
