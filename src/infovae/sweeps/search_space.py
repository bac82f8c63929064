"""Turn Hydra's sweep syntax into Optuna's distributions."""

from collections.abc import Iterable

from hydra.core.override_parser.types import IntervalSweep, Override, RangeSweep
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution

from infovae.errors import UserError

Space = dict[str, BaseDistribution]


def shared_and_searched(overrides: Iterable[Override]) -> tuple[list[str], Space]:
    """Return the overrides that all trials share, and the distributions of the keys to search over.

    If a key has two overrides, the later counts.

    Raises:
        UserError: a sweep can't be searched.
    """
    shared: dict[str, str] = {}
    space: Space = {}
    for override in overrides:
        key = override.get_key_element()
        shared.pop(key, None)
        space.pop(key, None)
        if override.is_sweep_override():
            space[key] = _distribution(key, override)
        else:
            shared[key] = override.input_line or ""
    return list(shared.values()), space


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
