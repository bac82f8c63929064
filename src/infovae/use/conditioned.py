"""Use a conditional model under a condition that the user gives."""

import dataclasses
import math
from collections.abc import Sequence
from typing import Any, cast

import torch
from jaxtyping import Float
from torch import Tensor

from infovae.conditions.labels import Labels
from infovae.errors import UserError
from infovae.evaluation.load import SavedRun
from infovae.model import Conditioned
from infovae.module import InfoVAE

Given = str | int | float | list[float | int | None] | None
"""A condition on the command line: a class, or a number for each condition column; null: none."""


def under(saved: SavedRun, condition: Given) -> SavedRun:
    """Return a run whose model encodes and decodes everything under one condition; the run itself if that is None.

    Raises:
        UserError: the model has no condition, or no such one.
    """
    if condition is None:
        return saved
    if saved.module.condition is None:
        accepted = "null, or a run that was trained with condition=labels or condition=columns"
        raise UserError("the model isn't conditional", key="condition", value=condition, accepted=accepted)
    row = condition_row(saved, condition).to(saved.module.device)
    return dataclasses.replace(saved, module=cast(InfoVAE, Conditioned(saved.module, row)))


def condition_row(saved: SavedRun, condition: Given) -> Float[Tensor, "1 k"]:
    """Return what the model is to be conditioned on, as it saw it in training.

    Args:
        saved: the run, of a conditional model.
        condition: a class as the data call it, or a number for each condition column, in the column's units.

    Raises:
        UserError: there is no such class, or the numbers aren't as many as the columns.
    """
    values = condition if isinstance(condition, list) else [condition]
    if isinstance(saved.module.condition, Labels):
        names = saved.description.class_names or tuple(map(str, range(saved.description.classes)))
        if len(values) != 1 or str(values[0]) not in names:
            raise UserError("no such class", key="condition", value=condition, accepted=_listed(names))
        return torch.tensor([[float(names.index(str(values[0])))]])
    columns = saved.description.conditions
    assert columns is not None
    if len(values) != len(columns.mean) or any(isinstance(value, str) for value in values):
        accepted = f"{len(columns.mean)} numbers, as [1.5,...], one for each condition column of the data"
        raise UserError("doesn't fit the model", key="condition", value=condition, accepted=accepted)
    numbers = [math.nan if value is None else float(value) for value in values]
    return columns.to_model(torch.tensor([numbers]))


def require_condition(saved: SavedRun) -> None:
    """Refuse to use a conditional model without a condition, unless it learned to do without.

    Raises:
        UserError: names the key.
    """
    condition = saved.module.condition
    if condition is not None and not isinstance(saved.module, Conditioned) and condition.dropout == 0:
        why = "missing, and the model was never trained without (condition.dropout=0)"
        accepted = "a number for each condition column"
        if isinstance(condition, Labels):
            accepted = _listed(saved.description.class_names or tuple(map(str, range(saved.description.classes))))
        raise UserError(why, key="condition", accepted=accepted)


def _listed(names: Sequence[Any]) -> str:
    return ", ".join(map(str, names[:20])) + (", ..." if len(names) > 20 else "")
