"""A user's own images, from a file of arrays."""

import logging
from functools import partial
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from jaxtyping import Int64
from torch import Tensor

from infovae.data.held_out import hold_out
from infovae.data.image_array import ImageArray, to_bytes
from infovae.data.images import ImageSets, LabelledImages
from infovae.data.memory import Streaming, check_fits, is_held

log = logging.getLogger(__name__)

Layout = Literal["auto", "nchw", "nhwc"]

CHANNELS = (1, 3)


def tensor(
    path: str,
    layout: Layout = "auto",
    test_fraction: float = 0.1,
    test_seed: int = 1,
    streaming: Streaming = "auto",
) -> ImageSets:
    """Images from an ``.npy``, ``.npz`` or ``.pt`` file; nothing in the file is executed.

    A file holds one array of images, of shape (n, h, w), (n, h, w, c) or (n, c, h, w), with c 1 or 3: bytes, booleans,
    or floats in [0, 1], which are rounded to bytes. An ``.npz`` file, or a dict in a ``.pt`` file, has it under
    ``images`` and may have n whole numbers from 0 on under ``labels``. Without labels, all images are of class 0.

    Args:
        path: the file.
        layout: where the channels of a four-dimensional array are; ``auto`` tells by which axis has 1 or 3 entries.
        test_fraction: of the images, held out at random.
        test_seed: of that choice; not the run's, so that all runs are tested alike.
        streaming: ``auto`` holds the images where the file fits in memory, and otherwise leaves them in it; ``always``
            leaves them there, ``never`` refuses more than memory holds. An ``.npz`` file is always held.

    Raises:
        OSError: the file can't be read, holds no such images, or more than memory does and isn't to be streamed.
        ValueError: a test split without images.
    """
    try:
        size = _size(Path(path))
        if path.endswith(".npz"):
            check_fits(f"data.path={path}", size, ", or an .npy or .pt file, which is streamed")
            held = True
        else:
            held = is_held(f"data.path={path}", size, streaming)
        arrays = _read(Path(path), mapped=not held)
        images: Tensor | ImageArray
        if held:
            images = to_bytes(channels_first(arrays["images"], layout))
        else:
            images = ImageArray(partial(_mapped_images, Path(path), layout))
            log.info("data.path=%s: looking through %d images", path, len(images))
            images.check()
        labels = to_labels(arrays["labels"], len(images)) if "labels" in arrays else _one_class(len(images))
    except ValueError as error:
        raise OSError(f"data.path={path}: {error}") from error
    return hold_out(LabelledImages(images, labels), test_fraction, test_seed)


def channels_first(images: Tensor, layout: Layout) -> Tensor:
    """To (n, c, h, w).

    Raises:
        ValueError: another number of axes, no image or no pixel, or channels that can't be told from the other axes.
    """
    shape = tuple(images.shape)
    if images.ndim not in (3, 4) or 0 in shape:
        raise ValueError(f"its images have shape {shape}; accepted: (n, h, w), (n, h, w, c) and (n, c, h, w)")
    if images.ndim == 3:
        return images.unsqueeze(1)
    fitting = [name for name, axis in (("nchw", 1), ("nhwc", 3)) if shape[axis] in CHANNELS]
    chosen = fitting if layout == "auto" else [name for name in fitting if name == layout]
    if len(chosen) != 1:
        raise ValueError(
            f"its images have shape {shape}, in which data.source.layout={layout} finds "
            f"{'two axes that could be the channels' if chosen else 'no axis of 1 or 3 channels'}; "
            "accepted: data.source.layout=nchw or nhwc, with 1 or 3 channels there"
        )
    return images if chosen == ["nchw"] else images.permute(0, 3, 1, 2)


def to_labels(labels: Tensor, n: int) -> Int64[Tensor, " n"]:
    """Class numbers.

    Raises:
        ValueError: not n whole numbers from 0 on.
    """
    whole = not labels.is_floating_point() and not labels.is_complex() and labels.dtype != torch.bool
    if labels.shape != (n,) or not whole or bool((labels < 0).any()):
        raise ValueError(
            f"its labels are {labels.dtype} of shape {tuple(labels.shape)}; accepted: {n} whole numbers from 0 on"
        )
    return labels.to(torch.int64)


def _one_class(n: int) -> Int64[Tensor, " n"]:
    return torch.zeros(n, dtype=torch.int64)


def _mapped_images(path: Path, layout: Layout) -> Tensor:
    return channels_first(_read(path, mapped=True)["images"], layout)


def _size(path: Path) -> int:
    """Of a file that may hold arrays, in bytes.

    Raises:
        ValueError: no such file, a folder, or a file of another kind.
    """
    if path.is_dir():
        raise ValueError(
            "is a folder; accepted: an .npy, .npz or .pt file, or, for images, data=image_folder data.root=FOLDER"
        )
    if path.suffix not in (".npy", ".npz", ".pt"):
        raise ValueError("invalid; accepted: files named .npy, .npz or .pt")
    if not path.is_file():
        raise ValueError("no such file; accepted: an .npy, .npz or .pt file")
    return path.stat().st_size


def _read(path: Path, mapped: bool) -> dict[str, Tensor]:
    """The arrays of a file, as tensors by name.

    Raises:
        ValueError: any reason why a file gives none.
    """
    try:
        content: Any = (
            torch.load(path, map_location="cpu", weights_only=True, mmap=mapped)
            if path.suffix == ".pt"
            # Copied on write: torch has no tensors that can't be written to.
            else np.load(path, mmap_mode="c" if mapped else None, allow_pickle=False)
        )
        # An .npz file is read array by array, here.
        arrays = dict(content) if hasattr(content, "keys") else {"images": content}
        tensors = {name: torch.as_tensor(array) for name, array in arrays.items() if name in ("images", "labels")}
    except Exception as error:  # damaged or foreign bytes can make a reader raise anything
        reason = (" ".join(str(error).split()) or type(error).__name__).split(". ")[0]
        raise ValueError(
            f"can't be read as {path.suffix} ({reason}); accepted: plain arrays, with no pickled objects"
        ) from error
    if "images" not in tensors:
        raise ValueError(f"it holds {', '.join(map(str, arrays)) or 'nothing'}; accepted: an array named images")
    return tensors
