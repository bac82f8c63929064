"""Data sets of the Hugging Face Hub, or saved by its `datasets` library: images, or columns of a table."""

import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import pyarrow as pa
import torch
from jaxtyping import UInt8
from torch import Tensor

from infovae.data.examples import DataSet, Examples
from infovae.data.fitting import Fit, read_image
from infovae.data.memory import check_fits
from infovae.data.splits import hold_out
from infovae.data.table import roles, table_examples
from infovae.data.values import Bytes, Values
from infovae.errors import ArgumentError, UserError, reason_of
from infovae.terminal.install import install


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
    label: str | None = None,
    conditions: Sequence[str] = (),
    train: str = "train",
    test: str = "test",
    test_fraction: float = 0.1,
    test_seed: int = 1,
) -> DataSet:
    """Read a data set; a set with a column of images is one of images, any other a table.

    The library keeps what it downloads, and reads it again without a network; ``HF_HUB_OFFLINE=1`` forbids one.

    Args:
        path: its name on the Hub, or a folder that ``save_to_disk`` wrote.
        config: which of its configurations; None: the only one.
        image: the column of images; None: the first, if there is one.
        size: of images; see :func:`infovae.data.image_folder.image_folder`.
        channels: see there.
        fit: see there.
        columns: of a table; see :func:`infovae.data.table.table`.
        drop: see there.
        categorical: see there.
        label: the column of classes; None: the one called ``label``, if there is one.
        conditions: columns to give to encoder and decoder, with ``condition=columns``.
        train: the name of the split to train on.
        test: that of the test split; if the set has none, it is held out of the other.
        test_fraction: the fraction to hold out then, at random.
        test_seed: of that choice; separate from the run's seed.

    Raises:
        ArgumentError: the set can't be read, or has no such split or column.
        UserError: the library isn't installed.
    """
    splits = _loaded(path, config)
    if train not in splits:
        raise ArgumentError("train", train, ", ".join(splits), "no such split")
    parts = [splits[name] for name in (train, test) if name in splits]
    n, features = len(parts[0]), parts[0].features
    label = "label" if label is None and "label" in features else label
    of_images = [name for name, feature in features.items() if type(feature).__name__ == "Image"]
    rest = pa.concat_tables(part.remove_columns(of_images).with_format("arrow")[:] for part in parts)
    values: Values = Bytes()
    if image is None and not of_images:
        examples, values = table_examples(rest, path, columns, drop, categorical, label, conditions)
    else:
        image = of_images[0] if image is None else image
        if image not in of_images:
            raise ArgumentError("image", image, ", ".join(of_images) or "null", "no such column of images")
        height, width = (size, size) if isinstance(size, int) else size
        x = _pixels(parts, image, path, (channels, height, width), fit)
        nothing = torch.zeros(len(x), dtype=torch.int64), None, None
        labels, classes, told = roles(rest, label, conditions, categorical) if label or conditions else nothing
        examples = Examples(x, labels, None, None, classes, told)
    names = getattr(features.get(label), "names", None)  # of numbered classes
    if names and examples.classes:
        examples = examples._replace(classes=tuple(names[int(number)] for number in examples.classes))
    if len(parts) == 1:
        return hold_out(examples, test_fraction, test_seed)._replace(values=values)
    cut = (torch.arange(n), torch.arange(n, len(examples.x)))
    named = examples.named()
    return DataSet(named.take(cut[0]), named.take(cut[1]), values=values)


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


def _pixels(
    parts: Sequence[Any], image: str, path: str, shape: tuple[int, int, int], fit: Fit
) -> UInt8[Tensor, "n c h w"]:
    """Return the images of all parts, fitted to one size.

    Raises:
        ArgumentError: they don't fit in memory, or one can't be read.
    """
    from datasets import Image

    channels, height, width = shape
    n = sum(map(len, parts))
    check_fits("path", path, n * channels * height * width, ", or fewer pixels (size)")
    x = torch.empty(n, *shape, dtype=torch.uint8)
    number = 0
    for part in parts:
        for row in part.select_columns([image]).cast_column(image, Image(decode=False)):
            content = row[image] or {}
            try:
                place = io.BytesIO(content["bytes"]) if content.get("bytes") else Path(content.get("path") or "")
                x[number] = read_image(place, height, width, channels, fit)
            except Exception as error:  # damaged bytes can make a decoder raise anything
                why = f"its image {number} can't be read ({reason_of(error)})"
                raise ArgumentError("path", path, "whole images", why) from error
            number += 1
    return x
