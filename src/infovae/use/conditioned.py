"""What a conditional model is given, from what a user types."""

import logging
import math
from typing import Any

import torch
from jaxtyping import Float
from omegaconf import DictConfig, OmegaConf
from torch import Tensor

from infovae.conditions.labels import Labels
from infovae.errors import UserError
from infovae.evaluation.load import SavedRun

log = logging.getLogger(__name__)

Typed = str | int | float | list[float | int | None] | None
"""A class, or a number for each condition column; null: none."""


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


def typed_condition(saved: SavedRun, typed: Typed) -> Float[Tensor, "1 k"]:
    """Return a condition as the model saw it in training.

    Args:
        saved: the run.
        typed: a class as the data call it, or a number for each condition column, in the column's units; in a list,
            None is a missing number. None: the null condition, if the model learned to do without.

    Raises:
        UserError: the model isn't conditional, has no such class, isn't of so many columns, or needs a condition.
    """
    condition, columns = saved.module.condition, saved.description.conditions
    if condition is None:
        accepted = "null, or a run that was trained with condition=labels or condition=columns"
        raise UserError("the model isn't conditional", key="condition", value=typed, accepted=accepted)
    names = saved.description.class_names or tuple(map(str, range(saved.description.classes)))
    listed = ", ".join(names[:20]) + (", ..." if len(names) > 20 else "")
    named = f": {', '.join(columns.names)}" if columns is not None and columns.names else ""
    accepted = listed if isinstance(condition, Labels) else f"{condition.width - 1} numbers, as [1.5,...]{named}"
    values = typed if isinstance(typed, list) else [typed]
    if typed is None:
        if condition.dropout == 0:
            why = "missing, and the model was never trained without (condition.dropout=0)"
            raise UserError(why, key="condition", accepted=accepted)
        width = 1 if columns is None or isinstance(condition, Labels) else len(columns.mean)
        return torch.full((1, width), math.nan, device=saved.module.device)
    if isinstance(condition, Labels):
        if len(values) != 1 or str(values[0]) not in names:
            raise UserError("no such class", key="condition", value=typed, accepted=accepted)
        return torch.tensor([[float(names.index(str(values[0])))]], device=saved.module.device)
    assert columns is not None
    try:
        row = [math.nan if value is None else float(value) for value in values]  # a single one is typed as a text
    except ValueError:
        row = []
    if len(row) != len(columns.mean):
        why = "doesn't fit the model's condition columns"
        raise UserError(why, key="condition", value=typed, accepted=accepted)
    typed_row = torch.tensor([row], dtype=torch.float64)
    told = columns.to_model(typed_row)
    if typed_row.float().isinf().any() or told.isinf().any():
        raise UserError("infinite, or too large for 32 bits", key="condition", value=typed, accepted=accepted)
    return told.to(saved.module.device)
