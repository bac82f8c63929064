"""Read the arrays of a file; nothing in it is executed."""

from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any
from zipfile import BadZipFile, ZipFile

import numpy as np
import scipy.io
import torch
from torch import Tensor

from infovae.data.memory import Streaming, check_fits, is_held
from infovae.errors import ArgumentError, reason_of
from infovae.terminal.install import install

ASIDE = ("labels", "conditions")
"""Arrays that may come with the examples."""

HDF5 = (".h5", ".hdf5")
SUFFIXES = (".npy", ".npz", ".pt", *HDF5, ".mat")
KINDS = f"an {', '.join(SUFFIXES[:-1])} or {SUFFIXES[-1]}"
STREAMED = (".npy", ".pt")
"""Files whose arrays can stay there."""

Shaping = Callable[[Tensor], Tensor]
"""Brings an array into the shape (n, c, *s), or refuses it."""


def is_kept(file: str, streaming: Streaming) -> bool:
    """Return whether to read a file into memory, rather than to leave its arrays there; see :func:`is_held`.

    Raises:
        ArgumentError: the file is missing, a folder, or of another kind; or it must be read, and doesn't fit.
    """
    path = Path(file)
    if path.is_dir():
        accepted = f"{KINDS} file, or, for images, data=image_folder data.root=FOLDER"
        raise ArgumentError("path", path, accepted, "is a folder")
    if path.suffix not in SUFFIXES:
        raise ArgumentError("path", path, f"files named {', '.join(SUFFIXES[:-1])} or {SUFFIXES[-1]}")
    if not path.is_file():
        raise ArgumentError("path", path, f"{KINDS} file", "no such file")
    size = path.stat().st_size
    if path.suffix in STREAMED:
        return is_held("path", file, size, streaming)
    if path.suffix == ".npz":
        with suppress(BadZipFile, OSError), ZipFile(path) as archive:  # reading it will say what is wrong
            size = sum(member.file_size for member in archive.infolist())
    check_fits("path", path, size, ", or an .npy or .pt file, which is streamed")
    return True


def read_arrays(path: Path, mapped: bool, key: str = "images") -> dict[str, Tensor]:
    """Return the examples of a file, as ``key``, and their ``labels`` and ``conditions`` if it has them.

    Args:
        path: the file.
        mapped: whether arrays stay in the file until they are indexed.
        key: the name of the array of examples, in files that name their arrays; in HDF5, a path as ``group/array``.

    Raises:
        ArgumentError: the file can't be read, or holds no such array.
    """
    try:
        content = _read(path, mapped, (key, *ASIDE))
        # An .npz file reads its arrays here.
        arrays = dict(content) if hasattr(content, "keys") else {key: content}
        tensors = {name: _dense(array, mapped) for name, array in arrays.items() if name in (key, *ASIDE)}
    except Exception as error:  # damaged or foreign bytes can make a reader raise anything
        reason = reason_of(error).split(". ")[0]
        why = f"can't be read as {path.suffix} ({reason})"
        raise ArgumentError("path", path, "plain arrays, with no pickled objects", why) from error
    if key not in tensors:
        why = f"it holds {', '.join(map(str, arrays)) or 'nothing'}"
        raise ArgumentError("path", path, f"an array named {key}", why)
    return tensors


def mapped_in(path: Path, key: str, shaping: Shaping) -> Tensor:
    """Return the array named ``key``, which stays in the file until it is indexed, in the shape (n, c, *s)."""
    return shaping(read_arrays(path, mapped=True, key=key)[key])


def _read(path: Path, mapped: bool, wanted: Sequence[str]) -> Any:
    """Return a file's array, or its arrays by name; of those that aren't wanted, the names alone will do."""
    if path.suffix == ".pt":
        return torch.load(path, map_location="cpu", weights_only=True, mmap=mapped)
    with path.open("rb") as file:
        is_hdf5 = path.suffix in HDF5 or (path.suffix == ".mat" and b"MATLAB 7.3" in file.read(64))
    if is_hdf5:
        return _read_hdf5(path, wanted)
    if path.suffix == ".mat":
        content = scipy.io.loadmat(path)
        # Labels come as a row or a column.
        arrays = {name: array for name, array in content.items() if not name.startswith("__")}
        return {name: array.squeeze() if name == "labels" else array for name, array in arrays.items()}
    # Copied on write, because torch has no read-only tensors.
    return np.load(path, mmap_mode="c" if mapped else None, allow_pickle=False)


def _read_hdf5(path: Path, wanted: Sequence[str]) -> dict[str, np.ndarray]:
    try:
        import h5py  # an extra
    except ImportError as error:
        raise ModuleNotFoundError(f"needs h5py: {install('hdf5')}") from error
    with h5py.File(path) as file:
        names: list[str] = []
        file.visititems(lambda name, found: names.append(name) if isinstance(found, h5py.Dataset) else None)
        arrays = {name: file[name][()] if name in wanted else np.empty(0) for name in names}
    if path.suffix == ".mat":  # column by column, so that axes come in reverse order
        return {name: array.T.squeeze() if name == "labels" else array.T for name, array in arrays.items()}
    return arrays


def _dense(array: Any, mapped: bool) -> Tensor:
    """Return an array as a tensor in this machine's byte order.

    Raises:
        ValueError: a tensor has no plain values, or an array would have to be read whole to be converted.
    """
    if isinstance(array, np.ndarray) and not array.dtype.isnative:
        if mapped:
            raise ValueError("bytes of each number in reverse order can't be streamed")
        array = array.astype(array.dtype.newbyteorder("="))
    values = torch.as_tensor(array)
    if values.layout is not torch.strided or values.is_meta or values.is_quantized or values.is_nested:
        kinds = {"on meta": values.is_meta, "quantized": values.is_quantized, "nested": values.is_nested}
        raise ValueError(f"a tensor is {next((kind for kind, is_it in kinds.items() if is_it), 'sparse')}, not dense")
    return values
