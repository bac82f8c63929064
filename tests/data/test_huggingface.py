"""Sets that the `datasets` library saved: images and tables."""

import io
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from datasets import ClassLabel, Dataset, DatasetDict, Features, Value
from datasets import Image as ImageFeature
from PIL import Image

from infovae.data.columns import TableRows
from infovae.data.huggingface import DatasetImages, huggingface
from infovae.errors import ArgumentError


def flat(value: int) -> dict[str, Any]:
    content = io.BytesIO()
    Image.fromarray(np.full((6, 9), value, np.uint8)).save(content, "PNG")
    return {"bytes": content.getvalue(), "path": None}


def test_images_with_classes_and_columns(tmp_path: Path) -> None:
    features = Features({"picture": ImageFeature(), "label": ClassLabel(names=["cat", "dog"]), "age": Value("float32")})

    def part(numbers: range) -> Dataset:
        columns = {"picture": [flat(20 * n) for n in numbers], "label": [n % 2 for n in numbers], "age": list(numbers)}
        return Dataset.from_dict(columns, features)

    DatasetDict(train=part(range(8)), test=part(range(8, 11))).save_to_disk(tmp_path / "set")
    sets = huggingface(str(tmp_path / "set"), size=4, channels=1, conditions=["age"])
    assert (sets.train.x.shape, sets.test.x.shape) == ((8, 1, 4, 4), (3, 1, 4, 4))
    for part_, numbers in ((sets.train, torch.arange(8)), (sets.test, torch.arange(8, 11))):
        assert torch.equal(part_.x[torch.arange(len(numbers))][:, 0, 0, 0], (20 * numbers).byte())
        assert torch.equal(part_.labels, numbers % 2)
        assert part_.conditions is not None
        assert torch.equal(part_.conditions[:, 0], numbers.float())
    assert sets.train.classes == ("cat", "dog")
    streamed = huggingface(str(tmp_path / "set"), size=4, channels=1, streaming="always").test.x
    assert isinstance(streamed, DatasetImages)
    assert torch.equal(pickle.loads(pickle.dumps(streamed))[torch.arange(3)], sets.test.x)
    held_out = huggingface(str(tmp_path / "set"), size=4, test="validation", test_fraction=0.25)
    assert (held_out.train.x.shape, len(held_out.test.x)) == ((6, 3, 4, 4), 2)
    for arguments, told in (
        ({"train": "all"}, "^train=all: no such split; accepted: train, test"),
        ({"image": "age"}, "^image=age: no such column of images; accepted: picture"),
        ({"label": "age2"}, "^label=age2: no such column; accepted: label, age"),
    ):
        with pytest.raises(ArgumentError, match=told):
            huggingface(str(tmp_path / "set"), **arguments)  # type: ignore[arg-type]


def test_a_table_without_images(tmp_path: Path) -> None:
    Dataset.from_dict({"a": [1.0, 2.0, None, 4.0], "kind": ["x", "y", "x", "x"]}).save_to_disk(tmp_path / "set")
    sets = huggingface(str(tmp_path / "set"), test_fraction=0.25)
    assert sets.values.state()["names"] == ["a", "kind=x", "kind=y"]
    rows = torch.cat([part.x[torch.arange(len(part.x))] for part in (sets.train, sets.test)])
    expected = torch.tensor([[1.0, 1, 0], [2, 0, 1], [torch.nan, 1, 0], [4, 1, 0]])
    torch.testing.assert_close(rows[rows[:, 0].argsort()].float(), expected[[0, 1, 3, 2]], equal_nan=True)
    streamed = huggingface(str(tmp_path / "set"), test_fraction=0.25, streaming="always")
    assert isinstance(streamed.train.x, TableRows)
    for held, part in zip(sets.splits().values(), streamed.splits().values(), strict=True):
        assert torch.equal(part.x[torch.arange(len(part.x))].float().nan_to_num(-1), held.x.float().nan_to_num(-1))  # type: ignore[union-attr]


def test_a_column_that_two_splits_type_differently(tmp_path: Path) -> None:
    """pandas makes whole numbers floats where one is missing."""
    train, test = Dataset.from_dict({"a": [1, 2, 3]}), Dataset.from_dict({"a": [1.5, None]})
    DatasetDict(train=train, test=test).save_to_disk(tmp_path / "set")
    sets = huggingface(str(tmp_path / "set"))
    assert sets.train.x[torch.arange(3)].flatten().tolist() == [1, 2, 3]
    assert sets.test.x[torch.arange(2)].flatten().nan_to_num(-1).tolist() == [1.5, -1]
    DatasetDict(train=train, test=Dataset.from_dict({"a": ["x"]})).save_to_disk(tmp_path / "other")
    with pytest.raises(ArgumentError, match=r"its splits differ in the column a: int64 and string; accepted: splits"):
        huggingface(str(tmp_path / "other"))


def test_labels_are_named_and_minus_one_is_none(tmp_path: Path) -> None:
    features = Features({"a": Value("int64"), **{name: ClassLabel(names=["neg", "pos"]) for name in ("label", "tag")}})
    columns = {"a": list(range(6)), "label": [0, 1] * 3, "tag": [1, 0] * 3}
    Dataset.from_dict(columns, features).save_to_disk(tmp_path / "set")
    for chosen in (None, "label", ["label"], ["label", "tag"]):
        assert huggingface(str(tmp_path / "set"), label=chosen).train.classes == ("neg", "pos")
    Dataset.from_dict(columns | {"tag": [1, -1] * 3}, features).save_to_disk(tmp_path / "some")
    with pytest.raises(ArgumentError, match=r"^label=tag: 3 rows have none; accepted: a column with a class in each"):
        huggingface(str(tmp_path / "some"), label=["label", "tag"])


def test_a_set_that_is_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("datasets.config.HF_HUB_OFFLINE", True)
    with pytest.raises(ArgumentError, match=r"^path=.*; accepted: the name of a data set on the Hugging Face Hub, or"):
        huggingface(str(tmp_path / "nothing"))
