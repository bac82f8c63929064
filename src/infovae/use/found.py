"""The examples that score lowest, kept while a data set streams by."""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from jaxtyping import Float
from rich.table import Column, Table
from torch import Tensor

from infovae.data.module import DataModule
from infovae.terminal.tables import print_table
from infovae.use.encode import Encoded, classes_in


class Found(NamedTuple):
    """An example that was found by its score; for the rest see :class:`infovae.use.encode.Encoded`."""

    score: float
    split: str
    name: str
    label: int
    x: Float[Tensor, "*shape"]
    mean: Float[Tensor, " d"]
    conditions: Float[Tensor, " k"] | None


def lowest(so_far: Sequence[Found], batch: Encoded, scores: Float[Tensor, " n"], k: int) -> list[Found]:
    """Return the k of lowest score among those found so far and a batch, in order."""
    values, chosen = scores.topk(min(k, len(scores)), largest=False)
    new = [
        Found(
            value, batch.split, str(batch.names[position]), int(batch.labels[position]), batch.x[position].clone(),
            batch.mean[position].clone(), None if batch.conditions is None else batch.conditions[position].clone(),
        )
        for value, position in zip(values.tolist(), chosen.tolist(), strict=True)
        if value == value  # nan is no score
    ]  # fmt: skip
    return sorted([*so_far, *new], key=lambda found: found.score)[:k]


def print_found(title: str, score: str, found: Sequence[Found], data: DataModule, sign: int = 1) -> None:
    """Print a row for each example that was found, with its score times ``sign``."""
    table = Table("split", Column("example", overflow="fold"), "class", Column(score, justify="right"))
    classes = classes_in(data, torch.tensor([entry.label for entry in found], dtype=torch.int64))
    for entry, name in zip(found, classes, strict=True):
        table.add_row(entry.split, entry.name, name, f"{sign * entry.score:.4g}")
    print_table(title, table)
