"""Data sets of the Hugging Face Hub, or saved by its `datasets` library: images, or columns of a table."""

import io
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import torch
from jaxtyping import Int64, UInt8
from torch import Tensor

from infovae.data.columns import TableRows, entries, values_of
from infovae.data.examples import DataSet, Examples
from infovae.data.fitting import Fit, read_image
from infovae.data.memory import Streaming, is_held
from infovae.data.splits import hold_out
from infovae.data.stored import StoredExamples
from infovae.data.table import ChosenColumns, modelled, roles
from infovae.data.values import Bytes, TableValues, Values
from infovae.errors import ArgumentError, UserError, reason_of
from infovae.terminal.install import install

AT_A_TIME = 100

Reader = Callable[[Path | io.BytesIO], UInt8[Tensor, "c h w"]]


def huggingface(
    path: str,
    config: str | None = None,
    image: str | None = None,
    size: int | tuple[int, int] = 64,
    channels: Literal[1, 3] = 3,
    fit: Fit = "crop",
    columns: Sequence[str] | None = None,
    drop: Sequence[str] = (),
    categorical: Sequence[str] = (),
    label: str | Sequence[str] | None = None,
    conditions: Sequence[str] = (),
    train: str = "train",
    test: str = "test",
    test_fraction: float = 0.1,
    test_seed: int = 1,
    streaming: Streaming = "auto",
) -> DataSet:
    """Read a data set; a set with a column of images is one of images, any other a table.

    The library keeps what it downloads, and reads it again without a network; ``HF_HUB_OFFLINE=1`` forbids one.

    Args:
        path: its name on the Hub, or a folder that ``save_to_disk`` wrote.
        config: which of its configurations; None: the only one.
        image: the column of images; None: the first, if there is one.
        size, channels, fit: of images; see :func:`infovae.data.image_folder.image_folder`.
        columns, drop, categorical: of a table; see :func:`infovae.data.table.table`.
        label: the column of classes, or several, as for a table; None: the one called ``label``, if there is one.
        conditions: columns to give to encoder and decoder, with ``condition=columns``.
        train: the name of the split to train on.
        test: that of the test split; if the set has none, it is held out of the other.
        test_fraction: the fraction to hold out then, at random.
        test_seed: of that choice; separate from the run's seed.
        streaming: ``auto`` holds the examples if they fit in memory, and else reads them from the library's files each
            time; ``always`` reads them each time; ``never`` holds them, and refuses if they don't fit.

    Raises:
        ArgumentError: the set can't be read, has no such split or column, or doesn't fit in memory.
        UserError: the library isn't installed.
    """
    splits = _loaded(path, config)
    if train not in splits:
        raise ArgumentError("train", train, ", ".join(splits), "no such split")
    parts = [splits[name] for name in (train, test) if name in splits]
    whole = _together(parts, path)
    features = whole.features
    label = "label" if label is None and "label" in features else label
    of_images = [name for name, feature in features.items() if type(feature).__name__ == "Image"]
    rest = whole.remove_columns(of_images).with_format("arrow")  # stays in the library's files
    values: Values = Bytes()
    if image is None and not of_images:
        chosen = ChosenColumns(columns, drop, categorical, label, conditions)
        examples, values = _table(rest, features, path, chosen, streaming)
    else:
        image = of_images[0] if image is None else image
        if image not in of_images:
            raise ArgumentError("image", image, ", ".join(of_images) or "null", "no such column of images")
        height, width = (size, size) if isinstance(size, int) else size
        aside = rest[:] if label or conditions else pa.table({"": np.zeros(len(whole), np.int8)})
        examples = _roles(aside, features, label, conditions, categorical)
        examples = examples._replace(x=_images(whole, image, path, (channels, height, width), fit, streaming))
    if len(parts) == 1:
        return hold_out(examples, test_fraction, test_seed)._replace(values=values)
    cut = torch.arange(len(whole)).split([len(part) for part in parts])
    train_part, test_part = map(examples.named().take, cut)
    return DataSet(train_part, test_part, values=values)


def _together(parts: Sequence[Any], path: str) -> Any:
    """Return the rows of several splits; a column that is whole numbers in one and others in another is the latter.

    Raises:
        ArgumentError: their columns differ.
    """
    from datasets import Value, concatenate_datasets

    def kinds(name: str) -> set[str]:
        return {str(getattr(part.features.get(name), "dtype", None)) for part in parts}

    for name in parts[0].features:
        found = kinds(name)
        if len(found) > 1 and all(kind.startswith(("int", "uint", "float")) for kind in found):
            parts = [part.cast_column(name, Value("float64")) for part in parts]
    accepted = "splits with the same columns, each of one kind"
    differing = sorted(name for name in {name for part in parts for name in part.features} if len(kinds(name)) > 1)
    if differing:
        why = f"its splits differ in the column {differing[0]}: {' and '.join(sorted(kinds(differing[0])))}"
        raise ArgumentError("path", path, accepted, why)
    try:
        return concatenate_datasets(parts)
    except ValueError as error:  # kinds of the library's own, such as classes with other names
        raise ArgumentError("path", path, accepted, f"its splits differ ({reason_of(error)})") from error


class DatasetImages(StoredExamples):
    """Images that stay in the files of the `datasets` library until they are indexed.

    Args:
        rows: the data set, of one column of images that aren't decoded yet.
        read: returns an image of the given shape; picklable, because worker processes call it.
        shape: (channels, height, width).
    """

    def __init__(self, rows: Any, read: Reader, shape: tuple[int, ...]) -> None:
        super().__init__(len(rows), shape)
        self.rows, self.read = rows, read

    def read_at(self, positions: Int64[Tensor, " m"]) -> UInt8[Tensor, "m c h w"]:
        images = torch.empty(len(positions), *self.example_shape, dtype=torch.uint8)
        for image, number in zip(images, positions.tolist(), strict=True):
            content = next(iter(self.rows[number].values())) or {}
            try:
                bytes_ = content.get("bytes")
                image[:] = self.read(io.BytesIO(bytes_) if bytes_ else Path(content.get("path") or ""))
            except Exception as error:  # damaged bytes can make a decoder raise anything
                raise OSError(f"image {number} can't be read ({reason_of(error)})") from error
        return images


def _loaded(path: str, config: str | None) -> dict[str, Any]:
    try:
        import datasets  # an extra
    except ImportError as error:
        raise UserError("needs datasets", key="data.path", value=path, accepted=install("datasets")) from error
    folder = Path(path)
    saved = any((folder / name).is_file() for name in ("dataset_info.json", "dataset_dict.json"))
    try:
        read = datasets.load_from_disk(path) if saved else datasets.load_dataset(path, config)
    except Exception as error:  # the network, or damaged bytes, can make it raise anything
        accepted = "the name of a data set on the Hugging Face Hub, or a folder that save_to_disk wrote"
        raise ArgumentError("path", path, accepted, reason_of(error)) from error
    return dict(read) if isinstance(read, dict) else {"train": read}


def _roles(
    read: pa.Table,
    features: Mapping[str, Any],
    label: str | Sequence[str] | None,
    conditions: Sequence[str],
    categorical: Sequence[str],
) -> Examples:
    """Return what :func:`infovae.data.table.roles` does, with the names of numbered classes; -1 is none, as on the Hub.

    Raises:
        ArgumentError: see there.
    """
    labels = [label] if isinstance(label, str) else list(label or ())
    named = {name: features[name].names for name in labels if hasattr(features.get(name), "names")}
    for name in named:
        column = read.column(name)
        known = pc.if_else(pc.greater_equal(column, 0), column, None)
        read = read.set_column(read.column_names.index(name), name, known)
    examples = roles(read, label, conditions, categorical)
    if labels and labels[0] in named and examples.classes:
        examples = examples._replace(classes=tuple(named[labels[0]][int(number)] for number in examples.classes))
    return examples


def _table(
    rows: Any, features: Mapping[str, Any], path: str, chosen: ChosenColumns, streaming: Streaming
) -> tuple[Examples, TableValues]:
    """Return the rows of a data set, in memory or in its files, and what their entries are.

    Raises:
        ArgumentError: see :func:`infovae.data.table.modelled`; or they must be held, and don't fit in memory.
    """
    read = rows[:]
    found = modelled(read, path, chosen)
    values = values_of(found)
    if is_held("path", path, 8 * len(rows) * len(values.names), streaming):
        x: Tensor | TableRows = entries(read, found)
    else:
        x = TableRows(rows.__getitem__, len(rows), found)
    return _roles(read, features, chosen.label, chosen.conditions, chosen.categorical)._replace(x=x), values


def _images(
    whole: Any, image: str, path: str, shape: tuple[int, int, int], fit: Fit, streaming: Streaming
) -> UInt8[Tensor, "n c h w"] | DatasetImages:
    """Return the images of a data set, fitted to one size, in memory or in its files.

    Raises:
        ArgumentError: one can't be read; or they must be held, and don't fit in memory.
    """
    from datasets import Image

    channels, height, width = shape
    rows = whole.select_columns([image]).cast_column(image, Image(decode=False))
    read = partial(read_image, height=height, width=width, channels=channels, fit=fit)
    images = DatasetImages(rows, read, shape)
    held = is_held("path", path, images.nbytes, streaming)
    pixels = torch.empty(images.shape, dtype=torch.uint8) if held else None
    try:
        # Streamed images are checked too: a bad one would otherwise stop the run when its turn comes, hours later.
        for block in torch.arange(len(images)).split(AT_A_TIME):
            found = images[block]
            if pixels is not None:
                pixels[block] = found
    except OSError as error:
        raise ArgumentError("path", path, "whole images", f"its {error}") from error
    return images if pixels is None else pixels
