"""Examples and conditions as columns of a table, in the data's own units and categories."""

from typing import Any

import numpy as np
from jaxtyping import Float
from omegaconf import OmegaConf
from torch import Tensor

from infovae.conditions.labels import Labels
from infovae.data.columns import by_column, columns_of
from infovae.data.values import TableValues, Values
from infovae.evaluation.load import SavedRun
from infovae.use.tables import Rows


def example_columns(values: Values, x: Float[Tensor, "n c *s"]) -> Rows:
    """Return examples in the data's units as columns by name, if they are rows of a table; else none."""
    if not isinstance(values, TableValues):
        return {}
    return by_column(x, columns_of(values.names), values.scale)


def with_columns(
    rows: Rows, saved: SavedRun, x: Float[Tensor, "n c *s"], conditions: Float[Tensor, "n k"] | None
) -> Rows:
    """Return columns with those of examples and conditions after them; ``_`` is added to a name until it is free.

    Args:
        rows: the first columns; classes that are one of them aren't repeated as conditions.
        saved: the run.
        x: the examples, in the data's units.
        conditions: as the model is given them.
    """
    whole = dict(rows)
    told = {} if conditions is None else _condition_columns(saved, conditions, "class" in rows)
    for columns in (example_columns(saved.description.values, x), told):
        for name, column in columns.items():
            while name in whole:
                name += "_"
            whole[name] = column
    return whole


def _condition_columns(saved: SavedRun, conditions: Float[Tensor, "n k"], has_classes: bool) -> Rows:
    columns = saved.description.conditions
    if columns is not None and not isinstance(saved.module.condition, Labels):
        told = columns.from_model(conditions)
        return by_column(told, columns.columns, columns.scale) if columns.columns else {"condition": told.cpu().numpy()}
    if has_classes:
        return {}
    source: Any = OmegaConf.to_container(saved.cfg.data).get("source") or {}  # type: ignore[union-attr]
    label = source.get("label") or "class"
    numbers = conditions[:, 0].nan_to_num(-1).long().cpu().numpy()
    return {label if isinstance(label, str) else label[0]: np.array([*saved.description.class_names, ""])[numbers]}
