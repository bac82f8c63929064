"""Counts of genes in cells, from an .h5ad file."""

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import torch
from jaxtyping import Float, Int64
from torch import Tensor

from infovae.data.examples import Examples
from infovae.data.memory import Streaming, is_held
from infovae.data.stored import StoredExamples
from infovae.data.table import check_names, roles
from infovae.data.values import LARGEST_COUNT
from infovae.errors import ArgumentError, UserError, reason_of
from infovae.terminal.install import install

log = logging.getLogger(__name__)

USUAL = "counts"
"""The name that analyses of single cells give to the layer of counts, once ``X`` is something else."""


class SparseRows(StoredExamples):
    """Rows of a sparse matrix, which become dense when they are indexed.

    Args:
        matrix: in SciPy's CSR form.
    """

    def __init__(self, matrix: Any) -> None:
        super().__init__(matrix.shape[0], (matrix.shape[1],), torch.float32)
        self.matrix = matrix

    def read_at(self, positions: Int64[Tensor, " m"]) -> Float[Tensor, "m k"]:
        return torch.from_numpy(self.matrix[positions.numpy()].toarray().astype(np.float32))


def read_anndata(path: str, layer: str, label: str | None, conditions: Sequence[str], streaming: Streaming) -> Examples:
    """Return the cells of an .h5ad file, with the names of their rows; sparse ones stay so unless memory holds them.

    Args:
        path: the file.
        layer: the layer that holds the counts. If it is ``counts`` and the file has no such layer, ``X`` is read.
        label: the column of ``obs`` that holds the classes; None: all cells are of one class.
        conditions: columns of ``obs`` that are condition columns.
        streaming: see :func:`infovae.data.memory.is_held`.

    Raises:
        ArgumentError: the file can't be read, has no such layer or column, or holds no counts.
        UserError: anndata isn't installed.
    """
    try:
        import anndata  # an extra
    except ImportError as error:
        raise UserError("needs anndata", key="data.path", value=path, accepted=install("anndata")) from error
    if not Path(path).is_file():
        raise ArgumentError("path", path, "an .h5ad file", "no such file")
    try:
        cells = anndata.read_h5ad(path)
    except Exception as error:  # damaged bytes can make a reader raise anything
        why = f"can't be read as .h5ad ({reason_of(error)})"
        raise ArgumentError("path", path, "a whole .h5ad file", why) from error
    if layer not in cells.layers and (layer != USUAL or cells.X is None):
        accepted = ", ".join(cells.layers) or f"{USUAL}, for X: there are no layers"
        raise ArgumentError("key", layer, accepted, "no such layer" if cells.X is not None else "no such layer, nor X")
    matrix = cells.layers.get(layer, cells.X)
    log.info("counts are %s of %s", f"the layer {layer}" if layer in cells.layers else "X", path)
    values = matrix.data if hasattr(matrix, "tocsr") else np.asarray(matrix)
    if not ((values >= 0) & (values == np.round(values)) & (values <= LARGEST_COUNT)).all():
        accepted = "counts as they were measured, in X or in the layer that data.source.key names"
        raise ArgumentError("path", path, accepted, "it holds numbers that aren't whole, below 0 or above 2^53")
    x: SparseRows | Tensor
    if hasattr(matrix, "tocsr"):
        x = SparseRows(matrix.tocsr())
        if is_held("path", path, x.nbytes, streaming):
            x = x[torch.arange(len(x))]
    else:
        x = torch.from_numpy(values.astype(np.float32))
    labels, classes = torch.zeros(len(x), dtype=torch.int64), None
    if label is not None:
        if label not in cells.obs:
            raise ArgumentError("label", label, ", ".join(cells.obs.columns) or "null", "obs has no such column")
        found = cells.obs[label].astype("category").cat
        labels, classes = torch.from_numpy(found.codes.to_numpy().astype(np.int64)), tuple(map(str, found.categories))
        if (labels < 0).any():
            raise ArgumentError("label", label, "a column with a class for each cell", "some cells have none")
    check_names("conditions", conditions, [str(name) for name in cells.obs.columns])
    told = roles(pa.Table.from_pandas(cells.obs[[*conditions]], preserve_index=False), None, conditions)
    return told._replace(x=x, labels=labels, names=np.asarray(cells.obs_names, dtype=np.str_), classes=classes)
