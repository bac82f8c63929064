"""Arrays of examples that aren't images: signals, volumes, tokens and counts."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path

import torch
from torch import Tensor

from infovae.data.array_file import SUFFIXES, Shaping, is_kept, mapped_in, read_arrays
from infovae.data.examples import DataSet, Examples
from infovae.data.mapped_array import MappedArray
from infovae.data.memory import Streaming
from infovae.data.splits import hold_out
from infovae.data.tensor import as_whole, labels_in
from infovae.data.values import LARGEST_COUNT, Counts, Standardized, TokenIds
from infovae.errors import ArgumentError

MOST_TOKENS = 2**20
"""Each token has weights of its own in a model; vocabularies of languages are a quarter of this."""


def signals(
    path: str, key: str = "signals", test_fraction: float = 0.1, test_seed: int = 1, streaming: Streaming = "auto"
) -> DataSet:
    """Read series of numbers, (n, length) or (n, channels, length); each channel is standardised. NaN is missing.

    Args:
        path: an .npy, .npz, .pt, .h5 or .mat file.
        key: the name of the array, in files that name their arrays; ``labels``, n whole numbers, may lie beside it.
        test_fraction: the fraction of examples to hold out for the test split, at random.
        test_seed: of that choice; separate from the run's seed, so that all runs are tested on the same examples.
        streaming: see :func:`infovae.data.tensor.tensor`.

    Raises:
        ArgumentError: the file can't be read, or holds no such array.
    """
    read = _read(path, key, streaming, partial(_shaped, dimensions=1, what="(n, length) or (n, channels, length)"))
    return hold_out(read, test_fraction, test_seed)._replace(values=Standardized())


def volumes(
    path: str, key: str = "volumes", test_fraction: float = 0.1, test_seed: int = 1, streaming: Streaming = "auto"
) -> DataSet:
    """Read volumes of numbers, (n, d, h, w) or (n, channels, d, h, w), standardised; arguments as for :func:`signals`.

    Raises:
        ArgumentError: the file can't be read, or holds no such array.
    """
    read = _read(path, key, streaming, partial(_shaped, dimensions=3, what="(n, d, h, w) or (n, channels, d, h, w)"))
    return hold_out(read, test_fraction, test_seed)._replace(values=Standardized())


def tokens(
    path: str,
    key: str = "tokens",
    vocabulary: int | None = None,
    test_fraction: float = 0.1,
    test_seed: int = 1,
    streaming: Streaming = "auto",
) -> DataSet:
    """Read sequences of tokens, (n, length), numbers from 0; other arguments as for :func:`signals`.

    Args:
        path, key, test_fraction, test_seed, streaming: see there.
        vocabulary: the number of different tokens; None: one more than the largest.

    Raises:
        ArgumentError: the file can't be read, holds no such array, or a token is out of range.
    """
    read = _read(path, key, streaming, _tokens)
    largest = max(int(read.x[part].max()) for part in torch.arange(len(read.x)).split(1000))
    if largest >= MOST_TOKENS:
        raise ArgumentError("path", path, f"tokens below {MOST_TOKENS:,}", f"it holds the token {largest:,}")
    if vocabulary is not None and not largest < vocabulary <= MOST_TOKENS:
        accepted = f"null, or whole numbers above {largest}, the largest token, up to {MOST_TOKENS:,}"
        raise ArgumentError("vocabulary", vocabulary, accepted)
    return hold_out(read, test_fraction, test_seed)._replace(values=TokenIds(vocabulary or max(2, largest + 1)))


def counts(
    path: str,
    key: str = "counts",
    test_fraction: float = 0.1,
    test_seed: int = 1,
    streaming: Streaming = "auto",
    label: str | None = None,
    conditions: Sequence[str] = (),
    library: bool = False,
) -> DataSet:
    """Read counts, (n, columns), such as those of genes in cells; arguments as for :func:`signals`.

    An .h5ad file (of anndata) holds them as the layer that ``key`` names, sparse or not; without a layer ``counts``,
    as ``X``. Sparse ones that memory can't hold otherwise stay sparse there.

    Args:
        path, key, test_fraction, test_seed, streaming: see there.
        label: in an .h5ad file, the column of ``obs`` that holds the classes.
        conditions: in an .h5ad file, columns of ``obs`` to give to encoder and decoder, with ``condition=columns``.
        library: whether the log of each row's total is a condition column, so that with ``condition=columns`` the code
            needn't hold how deeply a cell was measured (Lopez et al. 2018, scVI, condition on it too).

    Raises:
        ArgumentError: the file can't be read, holds no such array, or a number isn't a count.
    """
    if path.endswith(".h5ad"):
        from infovae.data.anndata_file import read_anndata  # an extra

        read = read_anndata(path, key, label, conditions, streaming)
    elif not Path(path).is_dir() and Path(path).suffix not in SUFFIXES:
        accepted = f"files named {', '.join(SUFFIXES)} or .h5ad, which pandas and anndata make of a .csv: docs/data.md"
        raise ArgumentError("path", path, accepted)
    elif label is not None:
        raise ArgumentError("label", label, "null; labels lie beside the array, named labels", "not an .h5ad file")
    elif conditions:
        accepted = "[]; conditions lie beside the array, named conditions"
        raise ArgumentError("conditions", list(conditions), accepted, "not an .h5ad file")
    else:
        read = _read(path, key, streaming, _counts)
    if library and read.conditions is not None:
        raise ArgumentError("library", True, "false, or data without conditions", "they have conditions")
    if library:
        totals = [read.x[part].double().sum(dim=1) for part in torch.arange(len(read.x)).split(1000)]
        read = read._replace(conditions=torch.cat(totals).clamp_min(1).log().float()[:, None])
    return hold_out(read, test_fraction, test_seed)._replace(values=Counts())


def _read(path: str, key: str, streaming: Streaming, shaping: Shaping) -> Examples:
    held = is_kept(path, streaming)
    arrays = read_arrays(Path(path), mapped=not held, key=key)
    try:
        stored = shaping(arrays[key])
        x = stored if held else MappedArray(partial(mapped_in, Path(path), key, shaping))
        labels = labels_in(arrays, len(x))
        told = _conditions(arrays["conditions"], len(x)) if "conditions" in arrays else None
    except ArgumentError as error:
        name = key if error.argument == "x" else error.argument
        raise ArgumentError("path", path, error.accepted, f"its {name} have {error.why}") from error
    return Examples(x, labels, conditions=told)


def _shaped(array: Tensor, dimensions: int, what: str) -> Tensor:
    """Return an array of numbers as (n, c, *s).

    Raises:
        ArgumentError: it has another shape or type, or an infinite number.
    """
    if array.ndim not in (dimensions + 1, dimensions + 2) or 0 in array.shape or array.is_complex():
        raise ArgumentError("x", ..., f"numbers of shape {what}", f"type {array.dtype} and shape {tuple(array.shape)}")
    _check_finite("x", array)
    if array.is_floating_point() and all(bool(part.isnan().all()) for part in array.split(1000)):
        raise ArgumentError("x", ..., "numbers, and NaN where one is missing", "no value")
    return array.unsqueeze(1) if array.ndim == dimensions + 1 else array


def _tokens(array: Tensor) -> Tensor:
    array = as_whole(array)
    if array.dtype in (torch.uint16, torch.uint32, torch.uint64):  # torch has next to nothing for these
        array = array.to(torch.int64)
    if array.ndim != 2 or 0 in array.shape or array.is_floating_point() or array.is_complex() or array.min() < 0:
        why = f"type {array.dtype}, shape {tuple(array.shape)}"
        raise ArgumentError("x", ..., "whole numbers from 0, of shape (n, length)", why)
    return array.unsqueeze(1)


def _counts(array: Tensor) -> Tensor:
    def are_counts(part: Tensor) -> bool:
        numbers = part.double()
        return bool(((numbers >= 0) & (numbers == numbers.round()) & (numbers <= LARGEST_COUNT)).all())

    wrong = array.ndim != 2 or 0 in array.shape or array.is_complex() or array.dtype == torch.bool
    if wrong or not all(map(are_counts, array.split(1000))):
        why = f"type {array.dtype}, shape {tuple(array.shape)}, or numbers that aren't whole, below 0 or above 2^53"
        raise ArgumentError("x", ..., "whole numbers from 0, of shape (n, columns)", why)
    return array


def _conditions(array: Tensor, n: int) -> Tensor:
    columns = array.unsqueeze(1) if array.ndim == 1 else array
    if columns.ndim != 2 or len(columns) != n or columns.is_complex():
        raise ArgumentError("conditions", ..., f"numbers of shape ({n},) or ({n}, k)", f"shape {tuple(array.shape)}")
    _check_finite("conditions", columns)
    return columns.double()


def _check_finite(name: str, array: Tensor) -> None:
    """Refuse infinite numbers, and those that are once they are in float32."""
    if any(bool(part.float().isinf().any()) for part in array.split(1000)):
        why = "infinite numbers, or numbers too large for 32 bits"
        raise ArgumentError(name, ..., "finite numbers, and NaN where one is missing", why)
