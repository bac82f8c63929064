"""A user's own images, prepared as the model saw its training images."""

import re
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from infovae.data.binarization import binarize
from infovae.data.examples import DataSet, Examples
from infovae.data.fitting import read_image
from infovae.data.image_files import ImageFiles
from infovae.data.image_folder import all_images
from infovae.data.module import DataModule
from infovae.data.tensor import all_arrays
from infovae.data.values import Bytes
from infovae.errors import ArgumentError
from infovae.evaluation.load import SavedRun
from infovae.evaluation.matching import match_examples
from infovae.model import conditions_of
from infovae.use.pixels import shows_pictures

ARRAYS = (".npy", ".npz", ".pt")


def prepared(saved: SavedRun, paths: Sequence[str | Path]) -> Float[Tensor, "n c h w"]:
    """Return image files as the model saw its training images, with values in [0, 1], on the model's device.

    They are fitted to the model's size and colours, by the run's own ``data.source.fit`` and ``white`` where it has
    these, and binarised if the run's images were.

    Raises:
        ArgumentError: a file can't be read as an image, or the model isn't of images in grey or colour.
    """
    files = _files(saved, [Path(path) for path in paths])
    try:
        pixels = files[torch.arange(len(files))].to(saved.module.device) / 255
    except OSError as error:
        raise ArgumentError("image", ..., "image files that can be read", str(error)) from error
    return binarize(pixels, _binarization(saved), torch.Generator(pixels.device).manual_seed(0))


def given_example(saved: SavedRun, text: str) -> tuple[Float[Tensor, "1 c *s"], Float[Tensor, "1 k"] | None]:
    """Return an example as the model sees it: an image file's, or, as ``test:NAME``, one of the run's own data.

    Beside it comes what a conditional model is given with it; None for a file.

    Args:
        saved: the run, of examples of any kind.
        text: a path, or a split and the example's name there: the path of its file, or its index, as ``encode`` lists.

    Raises:
        ArgumentError: there is no such example or image.
    """
    named = re.fullmatch(r"(train|validation|test):(.+)", text)
    if named is None or Path(text).exists():
        return prepared(saved, [text]), None
    split = saved.data.splits[named[1]]
    names = np.arange(len(split.x)) if split.names is None else split.names
    (found,) = np.nonzero(names.astype(str) == named[2])
    if not len(found):
        accepted = f"{named[1]}:NAME with one of its {len(names)} examples, such as {named[1]}:{names[0]}"
        raise ArgumentError("image", ..., accepted, "no such example")
    part = split.take(torch.from_numpy(found[:1]))
    device = saved.module.device
    if (binarization := _binarization(saved)) == "stochastic":  # the coins that evaluation tosses for it
        x = _evaluated(saved.data, named[1], int(found[0])).to(device)
    else:
        x = saved.data.values.to_model(part.x[torch.arange(1)]).to(device)
        x = binarize(x, binarization, torch.Generator(device))
    own = conditions_of(saved.module, part.labels, part.conditions)
    return x, None if own is None else own.to(device)


def _evaluated(data: DataModule, split: str, position: int) -> Float[Tensor, "1 c *s"]:
    """Return an example of a split as evaluation serves it."""
    for batch in data.evaluation_loader(split, shared=False, stored_order=True):
        if position < len(batch.x):
            return batch.x[position : position + 1]
        position -= len(batch.x)
    raise IndexError(position)


def own_data(saved: SavedRun, path: str | Path) -> DataModule:
    """Return images of one's own, prepared as in :func:`prepared`, as the split ``test`` of a data module.

    Args:
        saved: the run.
        path: of an image, of a folder of them (whose subfolders are classes), or of an array as ``data=tensor`` reads.

    Raises:
        ArgumentError: nothing can be read there, it has another shape than the run's images, or the run has none.
    """
    path = Path(path)
    source, values = saved.cfg.data.get("source") or {}, saved.description.values
    if not isinstance(values, Bytes):
        accepted = f"data=NAME data.path={path}, a data set of the model's kind, as data=table or data=signals"
        raise ArgumentError("images", path, accepted, f"the model is of {values.name}, not of images")
    options = {name: source[name] for name in ("fit", "white", "unreadable") if name in source}
    try:
        if path.is_dir():
            channels, height, width = _image_shape(saved)
            images = all_images(str(path), (height, width), channels, **options)
        elif path.suffix in ARRAYS:
            own = {name: source[name] for name in ("layout", "white") if name in source}
            images = all_arrays(str(path), **own)
        else:
            files = _files(saved, [path])
            images = Examples(files[torch.arange(1)], torch.zeros(1, dtype=torch.int64), names=files.names)
    except (ArgumentError, OSError) as error:
        why, accepted = (error.why, error.accepted) if isinstance(error, ArgumentError) else (str(error), "")
        accepted = accepted or "an image, a folder of images, or an .npy, .npz or .pt file"
        raise ArgumentError("images", path, accepted, why) from error
    sets = DataSet(images.take(torch.arange(1)), images)
    data = DataModule(lambda: sets, validation_size=0, binarization=_binarization(saved))
    match_examples(data, saved.description, "images", path)
    data.origin = path.name
    return data


def _files(saved: SavedRun, paths: Sequence[Path]) -> ImageFiles:
    channels, height, width = _image_shape(saved)
    source = saved.cfg.data.get("source") or {}
    fit, white = source.get("fit", "crop"), source.get("white")
    read = partial(read_image, height=height, width=width, channels=channels, fit=fit, white=white)
    return ImageFiles(Path(), list(map(str, paths)), read, (channels, height, width))


def _image_shape(saved: SavedRun) -> tuple[Any, int, int]:
    if not shows_pictures(saved):
        kind = f"{saved.description.values.name}, of shape {'x'.join(map(str, saved.shape))}"
        accepted = "test:NAME, an example of the run's own data, or data=NAME, data of its kind"
        raise ArgumentError("image", ..., accepted, f"the model is of {kind}, not of images in grey or colour")
    channels, height, width = saved.shape
    return channels, height, width


def _binarization(saved: SavedRun) -> Any:
    return saved.cfg.data.get("binarization", "none")
