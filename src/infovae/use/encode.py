"""The `encode` command: write the code of every example into a table."""

from collections.abc import Iterator
from typing import Annotated, Any, Literal, NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Int64
from omegaconf import DictConfig
from pydantic import Field
from torch import Tensor

from infovae.data.module import DataModule
from infovae.errors import ArgumentError, UserError, below
from infovae.evaluation.load import SavedRun
from infovae.evaluation.matching import has_conditions, match_conditions, match_examples
from infovae.model import conditions_of, given
from infovae.runs.disk import disk_errors
from infovae.terminal.progress import progress
from infovae.training.assemble import build_data
from infovae.use.conditioned import condition_for
from infovae.use.opened import check_file, opened
from infovae.use.own_file import is_own_file, own_file
from infovae.use.own_images import own_data
from infovae.use.tables import SUFFIXES, table_file

SPLITS = ("train", "validation", "test")
Split = Literal["train", "validation", "test", "all"]

EXAMPLES: dict[str, Any] = {
    "split": Split | None,
    "images": str | None,
    "condition": Any,
    "batch_size": Annotated[int, Field(ge=1)],
    "seed": Annotated[int, Field(ge=0, lt=2**32)],
}
"""Keys of ``conf/examples.yaml``, which say what to encode, with their types."""


class Encoded(NamedTuple):
    """Some examples and their codes.

    Attributes:
        x: the examples, as the model sees them: pixels in [0, 1], for instance.
        names: the path of each one's file below the set's folder, or its index in the set as that comes.
        labels: their classes.
        mean: of q(z|x).
        deviation: the standard deviation of q(z|x) in each dimension.
        split: that they are of, or the name of a user's own file.
        conditions: what a conditional model was given beside x; None: nothing.
    """

    x: Float[Tensor, "n *shape"]
    names: np.ndarray
    labels: Int64[Tensor, " n"]
    mean: Float[Tensor, "n d"]
    deviation: Float[Tensor, "n d"]
    split: str
    conditions: Float[Tensor, "n k"] | None = None


def encode(cfg: DictConfig) -> None:
    """Write mean and standard deviation of q(z|x) for every example, a row each.

    Raises:
        UserError: the config, the run or the data are refused, or the disk is full.
    """
    saved = opened(cfg, {**EXAMPLES, "output": str | None})
    path = check_file("output", cfg.output, SUFFIXES, "codes.csv")
    data, splits, condition = examples(saved, cfg)
    written = 0
    with disk_errors(f"output={path}"), table_file(path) as write:
        for split in splits:
            for batch in encoded(saved, data, split, condition):
                nothing = np.full(len(batch.names), np.nan, np.float32)
                columns = {
                    "split": np.full(len(batch.names), batch.split),
                    "example": batch.names,
                    "label": data.classes[batch.labels].numpy() if data.has_classes else nothing,
                    "class": classes_in(data, batch.labels),
                    "mean": batch.mean.float().cpu().numpy(),
                    "std": batch.deviation.float().cpu().numpy(),
                }
                write(columns)
                written += len(batch.names)
    print(f"codes: {path} ({written} rows)")


def examples(
    saved: SavedRun, cfg: DictConfig, default: Split = "test"
) -> tuple[DataModule, list[str], Float[Tensor, "1 k"] | None]:
    """Return the data and splits that a command encodes: the user's own files, another data set, or the run's.

    Beside them comes what a conditional model is given for all of them; None: the condition of each one.

    Args:
        saved: the run.
        cfg: the config of the command, with the keys :data:`EXAMPLES`.
        default: the split to encode if the user chose none. The user's own files have no splits and are encoded whole.

    Raises:
        UserError: it can't be read, isn't like the run's data, has no condition that the model needs, or is empty.
    """
    chosen, module, split, why = "source" in cfg.data, saved.module, cfg.split or default, ""
    is_own = cfg.images is not None or (chosen and is_own_file(cfg))
    if is_own:
        if cfg.split not in (None, "test", "all"):
            raise UserError("your own files have no splits", key="split", value=cfg.split, accepted="null or all")
        split = "test"
    with below(""):
        if cfg.images is not None:
            if chosen:
                raise UserError("together", key="data and images", accepted="one of them")
            data = own_data(saved, cfg.images)
        elif is_own:
            with below("data"):
                data = own_file(saved, cfg)
        else:
            data = build_data(cfg) if chosen else saved.data
        match_examples(data, saved.description, "data" if cfg.images is None else "images")
    try:
        match_conditions(data, saved.description, module.condition, "data" if chosen else "images")
    except ArgumentError as error:
        why = error.why
    known = has_conditions(data, saved.description, module.condition)
    condition = None if known and cfg.condition is None else condition_for(saved, cfg, why=why)
    data.batch_size = cfg.batch_size
    splits = [name for name in SPLITS if split in (name, "all") and len(data.splits[name].x)]
    if not splits:
        raise UserError("the data have none", key="split", value=split, accepted="train, test and all")
    return data, splits, condition


def classes_in(data: DataModule, labels: Int64[Tensor, " n"]) -> np.ndarray:
    """Return the names of examples' classes, as tables show them: empty where the data have none."""
    names = np.asarray(data.class_names if data.has_classes else [""] * len(data.class_names))
    return names[labels.numpy()]


@torch.no_grad()
def encoded(
    saved: SavedRun, data: DataModule, split: str, condition: Float[Tensor, "1 k"] | None = None
) -> Iterator[Encoded]:
    """Yield the codes of a split, batch by batch, in the order in which it is stored.

    Args:
        saved: the run.
        data: gives the examples; its batch size is how many are encoded at a time.
        split: ``train``, ``validation`` or ``test``.
        condition: what a conditional model is given for all examples. None: the class or columns of each, where
            :func:`infovae.evaluation.matching.match_conditions` finds that the model knows them, else the null
            condition.
    """
    names = data.splits[split].names
    assert names is not None
    module = saved.module
    own = has_conditions(data, saved.description, module.condition)
    start = 0
    for batch in progress(data.evaluation_loader(split, stored_order=True), f"encoding the {split} split"):
        stop = start + len(batch.labels)
        columns = None if batch.conditions is None else batch.conditions.to(module.device)
        conditions = conditions_of(module, batch.labels.to(module.device), columns) if own else None
        conditions = conditions if condition is None else condition.expand(len(batch.labels), -1)
        x = batch.x.to(module.device)
        posterior = given(module, conditions).encode(x)
        deviation = posterior.variance.sqrt()
        yield Encoded(x, names[start:stop], batch.labels, posterior.mean, deviation, data.origin or split, conditions)
        start = stop
