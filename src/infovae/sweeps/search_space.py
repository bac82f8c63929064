"""Turn Hydra's sweep syntax into Optuna's distributions."""

from collections.abc import Iterable

from hydra.core.override_parser.types import ChoiceSweep, IntervalSweep, Override, RangeSweep
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution

from infovae.errors import UserError

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
