"""Other data are given to a model as its own were: columns in their order, by its statistics, with its classes."""

import math
import re
from pathlib import Path

import pytest
import torch
from torch import Tensor

from infovae.conditions.columns import Columns
from infovae.conditions.labels import Labels
from infovae.data.columns import Column, columns_of, values_of
from infovae.data.examples import DataSet, Examples
from infovae.data.module import DataModule
from infovae.data.table import table
from infovae.data.values import Standardized, TableValues, TokenIds, Values
from infovae.errors import ArgumentError
from infovae.evaluation.matching import has_conditions, match_conditions, match_examples

NAN = math.nan
TABLE = TableValues(["a", "kind=x", "kind=y", "kind=z"], [(1, 4)])
ROWS = [[0.0, 1, 0, 0], [2.0, 0, 1, 0], [4.0, 0, 0, 1], [6.0, NAN, NAN, NAN]]


def module(
    x: list[list[float]],
    values: Values,
    classes: tuple[str, ...] | None = None,
    told: tuple[list[list[float]], tuple[str, ...]] | None = None,
) -> DataModule:
    labels = torch.arange(len(x)) % len(classes or "1")
    conditions = (None, ()) if told is None else (torch.tensor(told[0]), told[1])
    whole = Examples(torch.tensor(x), labels, classes=classes, conditions=conditions[0], condition_names=conditions[1])
    return DataModule(lambda: DataSet(whole, whole, values=values), validation_size=0)


def seen(data: DataModule) -> Tensor:
    (batch,) = data.evaluation_loader("test", stored_order=True)
    return batch.x


def test_a_table_without_a_category_and_in_another_order() -> None:
    trained = module(ROWS, TABLE).description
    other = TableValues(["kind=z", "kind=x", "a"], [(0, 2)])
    data = module([[0, 1, 10.0], [1, 0, 2.0], [NAN, NAN, 0.0]], other)
    match_examples(data, trained, "data")
    # By the mean 3 and the deviation sqrt(5) of the rows above.
    expected = torch.tensor([[7 / 5**0.5, 1, 0, 0], [-1 / 5**0.5, 0, 0, 1], [-3 / 5**0.5, NAN, NAN, NAN]])
    torch.testing.assert_close(seen(data), expected, equal_nan=True)
    assert data.description.state() == trained.state() | {"classes": 1, "class_names": ["0"]}


@pytest.mark.parametrize(
    ("x", "values", "told"),
    [
        (
            [[0.0, 1, 0]] * 2, TableValues(["a", "kind=x", "kind=w"], [(1, 3)]),
            "data: its column kind holds w, which wasn't there in training; accepted: the categories x, y, z",
        ),
        ([[0.0, 1]] * 2, TableValues(["a", "kind"]), "data: its column kind holds numbers, and held categories in"),
        ([[1.0, 1]] * 2, TableValues(["a=1", "kind=x"], [(0, 1), (1, 2)]), "column a holds categories, and held numb"),
        ([[1.0]] * 2, TableValues(["kind=x"], [(0, 1)]), "data: it has no column a; accepted: the columns of training"),
        ([[0.0, 1, 0]] * 2, TableValues(["a", "kind=x", "id"], [(1, 2)]), "data.source.drop=[id] leaves it out"),
        ([[0.0] * 4] * 2, Standardized(), "data: its examples are of 4 of standardised numbers; accepted: those of 4"),
    ],
)  # fmt: skip
def test_columns_that_the_model_does_not_know(x: list[list[float]], values: Values, told: str) -> None:
    with pytest.raises(ArgumentError, match=re.escape(told)):
        match_examples(module(x, values), module(ROWS, TABLE).description, "data")


def test_a_name_with_an_equals_sign_is_no_category() -> None:
    """Nor does a missing column count as a category that isn't there."""
    known = values_of([Column("p=1", None), Column("p=2", None), Column("a\\", ("b", "c"))])
    trained = module([[0.0, 1, 1, 0], [2.0, 3, 0, 1]], known).description
    data = module([[3.0, 1, 1]] * 2, values_of([Column("p=2", None), Column("p=1", None), Column("a\\", ("b",))]))
    match_examples(data, trained, "data")
    torch.testing.assert_close(seen(data), torch.tensor([[0.0, 1, 1, 0]] * 2))
    for columns, told in (
        ([Column("p=1", None), Column("a\\", ("b",))], "data: it has no column p=2; accepted: the columns of training"),
        ([*columns_of(known.names), Column("p=3", None)], "data: its column p=3 wasn't there in training"),
        (
            [*columns_of(known.names)[:2], Column("a\\", ("w",))],
            "its column a\\ holds w, which wasn't there in training",
        ),
    ):
        values = values_of(columns)
        with pytest.raises(ArgumentError, match=re.escape(told)):
            match_examples(module([[1.0] * len(values.names)] * 2, values), trained, "data")


def test_tokens_and_missing_entries_that_the_model_does_not_know() -> None:
    with pytest.raises(ArgumentError, match=r"^data: it has tokens above 4, the largest"):
        match_examples(module([[0.0]] * 2, TokenIds(9)), module([[0.0]] * 2, TokenIds(5)).description, "data")
    whole, missing = module([[0.0], [1.0]], Standardized()), module([[0.0], [NAN]], Standardized())
    with pytest.raises(
        ArgumentError, match=r"^data: entries are missing in 1 of 2 examples, the first of them 1; accepted"
    ):
        match_examples(missing, whole.description, "data")


def test_classes_have_the_numbers_of_training() -> None:
    x = [[0.0], [1.0], [2.0]]
    trained = module(x, Standardized(), ("ant", "bee", "cow")).description
    data = module(x, Standardized(), ("cow", "ant"))
    match_conditions(data, trained, Labels(3), "data")
    assert data.splits["test"].labels.tolist() == [2, 0, 2]
    assert has_conditions(data, trained, Labels(3))
    for classes, told in ((("ant", "dog"), "trained without the class dog; accepted: the classes ant, bee, cow"),
                          (None, "its examples have no classes")):  # fmt: skip
        other = module(x, Standardized(), classes)
        with pytest.raises(ArgumentError, match=told):
            match_conditions(other, trained, Labels(3), "data")
        assert not has_conditions(other, trained, Labels(3))


def test_condition_columns_are_those_of_training() -> None:
    x, names = [[0.0], [1.0]], ("age", "sex=f", "sex=m")
    trained = module(x, Standardized(), None, ([[10.0, 1, 0], [30.0, 0, 1]], names)).description
    data = module(x, Standardized(), None, ([[1.0, 50.0], [1.0, 10.0]], ("sex=m", "age")))
    match_conditions(data, trained, Columns(3), "data")
    assert has_conditions(data, trained, Columns(3))
    told = data.splits["test"].conditions
    assert told is not None
    torch.testing.assert_close(told, torch.tensor([[3.0, -1, 1], [-1, -1, 1]]))
    for given, told_ in (
        (([[1.0, 0.0], [1.0, 0.0]], ("age", "sex=d")), "its column sex holds d, which wasn't there in training"),
        (None, "its examples have none; accepted: 3 condition columns: age, sex=f, sex=m"),
    ):
        with pytest.raises(ArgumentError, match=told_):
            match_conditions(module(x, Standardized(), None, given), trained, Columns(3), "data")


@pytest.mark.parametrize("last", ["1700000003", "1e30"])
def test_numbers_are_rounded_by_the_statistics_of_training_alone(last: str, tmp_path: Path) -> None:
    """Times that vary in seconds, in a table whose own times are all the same, or have an outlier."""

    def read(name: str, times: list[str]) -> DataModule:
        (tmp_path / name).write_text("\n".join(["t,u", *(f"{time},{time}" for time in times)]))
        return DataModule(lambda: table(str(tmp_path / name), conditions=["u"]), validation_size=0)

    trained = read("a.csv", [str(1_700_000_000 + second) for second in range(20)]).description
    data = read("b.csv", ["1700000003"] * 19 + [last])
    match_examples(data, trained, "data")
    match_conditions(data, trained, Columns(1), "data")
    (batch,) = data.evaluation_loader("train", stored_order=True)
    expected = trained.values.to_model(torch.tensor([[1_700_000_003.0]], dtype=torch.float64))
    for given in (batch.x, batch.conditions):
        assert given is not None
        assert (given == expected).sum() >= 17
