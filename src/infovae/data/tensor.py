"""A user's own images, from a file of arrays."""

from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from jaxtyping import Int64, UInt8
from torch import Tensor

from infovae.data.held_out import hold_out
from infovae.data.images import ImageSets, LabelledImages
from infovae.data.memory import check_fits

Layout = Literal["auto", "nchw", "nhwc"]

CHANNELS = (1, 3)


def tensor(path: str, layout: Layout = "auto", test_fraction: float = 0.1, test_seed: int = 1) -> ImageSets:
    """Images from an ``.npy``, ``.npz`` or ``.pt`` file; nothing in the file is executed.

    A file holds one array of images, of shape (n, h, w), (n, h, w, c) or (n, c, h, w), with c 1 or 3: bytes, booleans,
    or floats in [0, 1], which are rounded to bytes. An ``.npz`` file, or a dict in a ``.pt`` file, has it under
    ``images`` and may have n whole numbers from 0 on under ``labels``. Without labels, all images are of class 0.

    Args:
        path: the file.
        layout: where the channels of a four-dimensional array are; ``auto`` tells by which axis has 1 or 3 entries.
        test_fraction: of the images, held out at random.
        test_seed: of that choice; not the run's, so that all runs are tested alike.

    Raises:
        OSError: the file can't be read, holds no such images, or more than memory does.
        ValueError: a test split without images.
    """
    try:
        arrays = _read(Path(path))
        images = to_bytes(channels_first(arrays["images"], layout))
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
        raise ValueError(f"its images have shape {shape}; accepted are (n, h, w), (n, h, w, c) and (n, c, h, w)")
    if images.ndim == 3:
        return images.unsqueeze(1)
    fitting = [name for name, axis in (("nchw", 1), ("nhwc", 3)) if shape[axis] in CHANNELS]
    chosen = fitting if layout == "auto" else [name for name in fitting if name == layout]
    if len(chosen) != 1:
        raise ValueError(
            f"its images have shape {shape}, in which data.source.layout={layout} finds "
            f"{'two axes that could be the channels' if chosen else 'no axis of 1 or 3 channels'}; "
            "accepted are data.source.layout=nchw or nhwc, with 1 or 3 channels there"
        )
    return images if chosen == ["nchw"] else images.permute(0, 3, 1, 2)


def to_bytes(images: Tensor) -> UInt8[Tensor, "n c h w"]:
    """Booleans and floats in [0, 1] to 0 to 255; bytes stay.

    Raises:
        ValueError: another type, or floats out of range.
    """
    if images.dtype == torch.uint8:
        return images.contiguous()
    if images.dtype == torch.bool:
        return images.to(torch.uint8).mul_(255).contiguous()
    if not images.is_floating_point():
        raise ValueError(f"its images are {images.dtype}; accepted are uint8, bool, or floats in [0, 1]")
    # Written so that a NaN is refused too.
    if not bool(((images >= 0) & (images <= 1)).all()):
        low, high = images.min().item(), images.max().item()
        raise ValueError(f"its images hold floats from {low:g} to {high:g}; accepted are uint8, or floats in [0, 1]")
    return (images.float() * 255).round_().to(torch.uint8).contiguous()


def to_labels(labels: Tensor, n: int) -> Int64[Tensor, " n"]:
    """Class numbers.

    Raises:
        ValueError: not n whole numbers from 0 on.
    """
    whole = not labels.is_floating_point() and not labels.is_complex() and labels.dtype != torch.bool
    if labels.shape != (n,) or not whole or bool((labels < 0).any()):
        raise ValueError(
            f"its labels are {labels.dtype} of shape {tuple(labels.shape)}; accepted are {n} whole numbers from 0 on"
        )
    return labels.to(torch.int64)


def _one_class(n: int) -> Int64[Tensor, " n"]:
    return torch.zeros(n, dtype=torch.int64)


def _read(path: Path) -> dict[str, Tensor]:
    """The arrays of a file, as tensors by name.

    Raises:
        OSError: more than memory holds.
        ValueError: any other reason why a file gives none.
    """
    if path.suffix not in (".npy", ".npz", ".pt"):
        raise ValueError("accepted are files named .npy, .npz or .pt")
    if not path.is_file():
        raise ValueError("no such file; accepted is an .npy, .npz or .pt file")
    check_fits(f"data.path={path}", path.stat().st_size)
    try:
        content: Any = (
            torch.load(path, map_location="cpu", weights_only=True)
            if path.suffix == ".pt"
            else np.load(path, allow_pickle=False)
        )
        # An .npz file is read array by array, here.
        arrays = dict(content) if hasattr(content, "keys") else {"images": content}
        tensors = {name: torch.as_tensor(array) for name, array in arrays.items() if name in ("images", "labels")}
    except Exception as error:  # damaged or foreign bytes can make a reader raise anything
        reason = (" ".join(str(error).split()) or type(error).__name__).split(". ")[0]
        raise ValueError(
            f"can't be read as {path.suffix} ({reason}); accepted are plain arrays, with no pickled objects"
        ) from error
    if "images" not in tensors:
        raise ValueError(f"it holds {', '.join(map(str, arrays)) or 'nothing'}; accepted is an array named images")
    return tensors
