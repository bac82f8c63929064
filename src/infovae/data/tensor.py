"""A user's own images, from a file of arrays."""

import logging
from functools import partial
from pathlib import Path
from typing import Literal

import torch
from jaxtyping import Int64, Shaped
from torch import Tensor

from infovae.data.array_file import is_kept, mapped_in, read_arrays
from infovae.data.examples import DataSet, Examples
from infovae.data.image_array import ImageArray, brightest, to_bytes
from infovae.data.memory import Streaming
from infovae.data.splits import hold_out
from infovae.errors import ArgumentError

log = logging.getLogger(__name__)

Layout = Literal["auto", "nchw", "nhwc"]


def tensor(
    path: str,
    layout: Layout = "auto",
    white: float | None = None,
    test_fraction: float = 0.1,
    test_seed: int = 1,
    streaming: Streaming = "auto",
) -> DataSet:
    """Read images from an ``.npy``, ``.npz`` or ``.pt`` file; nothing in the file is executed.

    The file holds an array of images, of shape (n, h, w), (n, h, w, c) or (n, c, h, w) with c = 1 or 3. Its values are
    bytes, booleans, or floats in [0, 1], which are rounded to bytes; with ``white``, they are any numbers from 0 to
    ``white``. A warning says when they use less than half of that range. An ``.npz`` file, or a dict in a ``.pt`` file,
    names the array ``images``, and may name n whole numbers ``labels``. Without labels, all images are of class 0.

    Args:
        path: the file.
        layout: where the channels of a four-dimensional array are; ``auto`` finds the axis with 1 or 3 entries.
        white: the value that becomes white; None: 1 for floats, 255 for bytes.
        test_fraction: the fraction of images to hold out for the test split, at random.
        test_seed: of that choice; separate from the run's seed, so that all runs are tested on the same images.
        streaming: ``auto`` holds the images if the file fits in memory, and else reads them from it each time;
            ``always`` reads them each time; ``never`` holds them, and refuses if they don't fit. An ``.npz`` file is
            always held.

    Raises:
        ArgumentError: the file can't be read, holds no such images or doesn't fit in memory, ``white`` is out of range,
            or a split would have no images.
    """
    return hold_out(all_arrays(path, layout, white, streaming), test_fraction, test_seed)


def all_arrays(
    path: str, layout: Layout = "auto", white: float | None = None, streaming: Streaming = "auto"
) -> Examples:
    """Return all images of a file, in its order; arguments and errors as for :func:`tensor`."""
    if white is not None and not 0 < white < float("inf"):
        raise ArgumentError("white", white, "numbers above 0")
    try:
        held = is_kept(path, streaming)
        arrays = read_arrays(Path(path), mapped=not held)
        shaping = partial(channels_first, layout=layout)
        stored = shaping(arrays["images"])
        images: Tensor | ImageArray
        if held:
            images = to_bytes(stored, white)
        else:
            images = ImageArray(partial(mapped_in, Path(path), "images", shaping), white=white)
            log.info("%s: checking %d images", path, len(images))
        highest = brightest(stored, white)
        labels = labels_in(arrays, len(images))
    except ArgumentError as error:
        if error.argument not in ("images", "labels"):
            raise
        raise ArgumentError("path", path, error.accepted, f"its {error.argument} have {error.why}") from error
    if white is None:
        _warn_if_dark(path, stored, highest)
    return Examples(images, labels)


def channels_first(images: Tensor, layout: Layout) -> Tensor:
    """Return the images in shape (n, c, h, w).

    Raises:
        ArgumentError: the shape has another number of axes, a zero, or channels that can't be told from other axes.
    """
    shape = tuple(images.shape)
    if images.ndim not in (3, 4) or 0 in shape:
        raise ArgumentError("images", ..., "(n, h, w), (n, h, w, c) and (n, c, h, w)", f"shape {shape}")
    if images.ndim == 3:
        return images.unsqueeze(1)
    fitting: list[str] = [name for name, axis in (("nchw", 1), ("nhwc", 3)) if shape[axis] in (1, 3)]
    chosen = fitting if layout == "auto" else [layout]
    if len(chosen) != 1:
        found = "two axes that could be the channels" if chosen else "no axis of 1 or 3 channels"
        why = f"shape {shape}, in which layout={layout} finds {found}"
        raise ArgumentError("images", ..., "layout=nchw or nhwc, which says where the channels are", why)
    return images if chosen == ["nchw"] else images.permute(0, 3, 1, 2)


def as_whole(array: Shaped[Tensor, "*shape"]) -> Shaped[Tensor, "*shape"]:
    """Return whole numbers that are stored as floats, as MATLAB does unless told otherwise, in int64; others as is."""
    if not array.is_floating_point():
        return array
    whole = all(bool(((part == part.round()) & (part.abs() <= 2**53)).all()) for part in array.split(1000))
    return array.to(torch.int64) if whole else array


def labels_in(arrays: dict[str, Tensor], n: int) -> Int64[Tensor, " n"]:
    """Return the labels among a file's arrays; 0 for all n examples if there are none.

    Raises:
        ArgumentError: they aren't n whole numbers from 0 to 2^63 - 1.
    """
    labels = as_whole(arrays.get("labels", torch.zeros(n, dtype=torch.int64)))
    whole = not labels.is_floating_point() and not labels.is_complex() and labels.dtype != torch.bool
    # An unsigned number that is too large for int64 turns negative there.
    if labels.shape != (n,) or not whole or bool((labels.to(torch.int64) < 0).any()):
        why = f"type {labels.dtype} and shape {tuple(labels.shape)}"
        raise ArgumentError("labels", ..., f"{n} whole numbers from 0 to 2^63 - 1", why)
    return labels.to(torch.int64)


def _warn_if_dark(path: str, stored: Tensor, highest: float) -> None:
    """Warn of images that use less than half of their range, as floats in [0, 0.004] do: bytes flatten them."""
    top = 255 if stored.dtype == torch.uint8 else 1
    if 0 < highest <= top / 2:
        # Rounded, but never below the highest.
        enough = f"{highest:g}" if float(f"{highest:g}") >= highest else f"{1.001 * highest:.4g}"
        log.warning(
            "%s: the brightest of %d images is %g of %g, which leaves %d of 256 grey levels; data.source.white=%s "
            "scales to all of them",
            path, len(stored), highest, top, round(255 * highest / top) + 1, enough,
        )  # fmt: skip
