"""What a conditional model is given, from what a user types."""

import logging
import math
from typing import Any

import torch
from jaxtyping import Float
from omegaconf import DictConfig, OmegaConf
from torch import Tensor

from infovae.conditions.labels import Labels
from infovae.errors import ArgumentError, UserError, listed
from infovae.evaluation.load import SavedRun

log = logging.getLogger(__name__)


def condition_for(
    saved: SavedRun, cfg: DictConfig, own: Float[Tensor, "1 k"] | None = None, why: str = "no condition is given"
) -> Float[Tensor, "1 k"] | None:
    """Return the condition that a user typed, else an example's own, else the null condition, and warn of that.

    Args:
        saved: the run.
        cfg: the config of the command, whose ``condition`` is what was typed.
        own: that of the example; None: it has none.
        why: it has none.

    Returns:
        None for a model that isn't conditional.

    Raises:
        UserError: see :func:`typed_condition`.
    """
    typed: Any = OmegaConf.to_container(cfg)["condition"]  # type: ignore[call-overload, index]
    if typed is not None or (own is None and saved.module.condition is not None):
        row = typed_condition(saved, typed)
        if typed is None:
            log.warning("%s, so the model is given the null condition; condition=VALUE gives another", why)
        return row
    return own


def typed_condition(saved: SavedRun, typed: Any, warn: bool = False) -> Float[Tensor, "1 k"]:
    """Return a condition as the model saw it in training.

    Args:
        saved: the run.
        typed: a class as the data call it, or, for each condition column, a category or a number in the column's units;
            in a list, None is a missing one. None: the null condition, if the model learned to do without.
        warn: whether to warn of numbers that lie outside what training saw.

    Raises:
        UserError: the model isn't conditional, has no such class or columns, or needs a condition.
    """
    condition, columns, names = saved.module.condition, saved.description.conditions, saved.description.class_names

    def refused(why: str) -> UserError:
        return UserError(why, key="condition", value=... if typed is None else typed, accepted=accepted)

    if condition is None:
        accepted = "null, or a run that was trained with condition=labels or condition=columns"
        raise refused("the model isn't conditional")
    if isinstance(condition, Labels) or columns is None:
        accepted, columns = listed(names), None
    else:
        accepted = columns.accepted
    values = typed if isinstance(typed, list) else [typed]
    if typed is None:
        row = [math.nan] * (condition.entries or 1)
    elif columns is not None:
        try:
            row = columns.entries(values)
        except ArgumentError as error:
            raise refused(error.why) from error
    elif len(values) == 1 and str(values[0]) in names:
        row = [float(names.index(str(values[0])))]
    else:
        raise refused("no such class")
    told = torch.tensor([row], dtype=torch.float64)
    given = told.float() if columns is None else columns.to_model(told)
    if told.float().isinf().any() or given.isinf().any():
        raise refused("infinite, or too large for 32 bits")
    if told.isnan().any() and condition.dropout == 0 and not (columns is not None and columns.has_missing):
        raise refused("missing, and the model was never trained without (condition.dropout=0)")
    if warn and columns is not None and (unseen := columns.unseen(row)):
        log.warning("condition=%s: %s; the model can only guess there", typed, unseen)
    return given.to(saved.module.device)
