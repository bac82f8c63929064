"""Read a user's own file as a whole, with the settings and columns of the run."""

import inspect
import logging
from pathlib import Path

import torch
from omegaconf import DictConfig

from infovae.config.build import build
from infovae.config.signatures import located
from infovae.data.columns import columns_of, entries_as, known
from infovae.data.condition_columns import ConditionColumns
from infovae.data.examples import DataSet
from infovae.data.module import DataModule
from infovae.data.table import names_in, roles
from infovae.data.table_file import read_table
from infovae.data.values import TableValues
from infovae.errors import ArgumentError
from infovae.evaluation.load import SavedRun
from infovae.evaluation.matching import require_whole

log = logging.getLogger(__name__)

TABLE, HUB = "infovae.data.table.table", "infovae.data.huggingface.huggingface"


def is_own_file(cfg: DictConfig) -> bool:
    """Return whether the data of a config are one file, which has no test split but one cut off at random."""
    source = cfg.data.source
    return cfg.data.get("path") is not None and "test_fraction" in source and source._target_ != HUB


def own_file(saved: SavedRun, cfg: DictConfig) -> DataModule:
    """Return all examples of a file, in its order, as the split ``test`` of a data module.

    Settings that were left at their defaults are those of the run, where it read such a file. Of a table, the columns
    are those of the model. Others are left out, and so are labels and conditions that the file lacks.

    Raises:
        ArgumentError: the file can't be read, or lacks a column of the model.
    """
    node = cfg.data.copy()
    source, then = node.source, saved.cfg.data.get("source") or {}
    if source._target_ == then.get("_target_"):
        for name, argument in inspect.signature(located(source._target_, "data.source")).parameters.items():
            default = [*argument.default] if isinstance(argument.default, tuple) else argument.default
            if name in then and name != "streaming" and source.get(name) == default:
                source[name] = then[name]
    source.test_fraction = 1
    if source._target_ == TABLE and isinstance(saved.description.values, TableValues):
        sets = _rows(saved, node.path, source)
        data: DataModule = DataModule(lambda: sets, validation_size=0)
    else:
        node.validation_size = 0
        data = build(node, "data")
    data.origin = Path(str(node.path)).name
    return data


def _rows(saved: SavedRun, path: str, source: DictConfig) -> DataSet:
    values, told = saved.description.values, saved.description.conditions
    assert isinstance(values, TableValues)
    read = read_table(str(Path(path).expanduser()), source.delimiter, source.encoding)
    x = entries_as(read, columns_of(values.names))
    if not len(x):
        raise ArgumentError("path", path, "a table with rows", "it has none")
    labels = [name for name in names_in(source.label) if name in read.column_names]
    if gaps := [name for name in labels if known(read.column(name)).null_count]:
        log.warning("%s: some rows have no class, so none is listed", gaps[0])
        labels = []
    examples = roles(read, labels)._replace(x=x)
    if isinstance(told, ConditionColumns) and {column.name for column in told.columns} <= {*read.column_names}:
        examples = examples._replace(conditions=entries_as(read, told.columns), condition_names=tuple(told.names))
    if not values.has_missing:
        require_whole(examples, "path", path)
    return DataSet(examples.take(torch.arange(1)), examples.named(), values=values)
