"""Read the arrays of an ``.npy``, ``.npz`` or ``.pt`` file; nothing in it is executed."""

from pathlib import Path
from typing import Any
from zipfile import BadZipFile, ZipFile

import numpy as np
import torch
from torch import Tensor

from infovae.errors import ArgumentError, reason_of


def size_of(path: Path) -> int:
    """Return how many bytes the arrays of a file take in memory.

    Raises:
        ArgumentError: the file is missing, a folder, or of another kind.
    """
    if path.is_dir():
        accepted = "an .npy, .npz or .pt file, or, for images, data=image_folder data.root=FOLDER"
        raise ArgumentError("path", path, accepted, "is a folder")
    if path.suffix not in (".npy", ".npz", ".pt"):
        raise ArgumentError("path", path, "files named .npy, .npz or .pt")
    if not path.is_file():
        raise ArgumentError("path", path, "an .npy, .npz or .pt file", "no such file")
    if path.suffix == ".npz":
        try:
            with ZipFile(path) as archive:
                return sum(member.file_size for member in archive.infolist())
        except (BadZipFile, OSError):
            pass  # reading it will say what is wrong
    return path.stat().st_size


def read_arrays(path: Path, mapped: bool) -> dict[str, Tensor]:
    """Return the arrays of a file, as tensors by name.

    Raises:
        ArgumentError: the file can't be read, or holds no images.
    """
    try:
        content: Any = (
            torch.load(path, map_location="cpu", weights_only=True, mmap=mapped)
            if path.suffix == ".pt"
            # Copied on write, because torch has no read-only tensors.
            else np.load(path, mmap_mode="c" if mapped else None, allow_pickle=False)
        )
        # An .npz file reads its arrays here.
        arrays = dict(content) if hasattr(content, "keys") else {"images": content}
        tensors = {name: _dense(array, mapped) for name, array in arrays.items() if name in ("images", "labels")}
    except Exception as error:  # damaged or foreign bytes can make a reader raise anything
        reason = reason_of(error).split(". ")[0]
        why = f"can't be read as {path.suffix} ({reason})"
        raise ArgumentError("path", path, "plain arrays, with no pickled objects", why) from error
    if "images" not in tensors:
        why = f"it holds {', '.join(map(str, arrays)) or 'nothing'}"
        raise ArgumentError("path", path, "an array named images", why)
    return tensors


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
