"""Data that aren't images: tables, signals, volumes, tokens and counts, from every kind of file."""

import io
import math
import re
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import anndata
import h5py
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import scipy.io
import scipy.sparse
import torch
from conftest import PROJECT
from pyarrow import feather
from torch import Tensor

from infovae.data.anndata_file import SparseRows
from infovae.data.augmentation import Augmentation
from infovae.data.columns import Column, by_column, columns_of, entries, scanned, values_of
from infovae.data.description import description_in
from infovae.data.ellipsoids import ellipsoids
from infovae.data.examples import DataSet, Examples
from infovae.data.module import DataModule
from infovae.data.numbers import MappedArray, counts, signals, tokens, volumes
from infovae.data.sines import sines
from infovae.data.sklearn_tables import breast_cancer, diabetes, wine
from infovae.data.table import table
from infovae.data.table_file import read_table
from infovae.data.values import Counts, Standardized, TableValues, TokenIds, restored
from infovae.errors import ArgumentError

NAN = math.nan
ROWS = [[1.5, NAN, 1, 0, 0, 1], [2.5, 40, 0, 1, 1, 0], [-1, 0, NAN, NAN, 0, 1]]
TEXT = """weight,"size, cm",kind,ill
1.5,,9,true
2.5,40,"10",false
-1,0,,true
"""


def all_of(sets: DataSet) -> Tensor:
    """Both splits, in the order of the file, which the first entry tells."""
    x = torch.cat([part.x[torch.arange(len(part.x))] for part in (sets.train, sets.test)])
    return x[x.flatten(1)[:, 0].argsort()]


def written(path: Path) -> Path:
    """The same table in the kind of file that the name says."""
    columns = {"weight": [1.5, 2.5, -1.0], "size, cm": [None, 40, 0], "kind": ["9", "10", None]}
    content = pa.table(columns | {"ill": [True, False, True]})
    if path.suffix == ".parquet":
        pq.write_table(content, path)
    elif path.suffix in (".arrow", ".feather"):
        coded = content.set_column(2, "kind", content.column("kind").dictionary_encode())
        feather.write_feather(coded, str(path))
    else:
        delimiter = {"semicolons.csv": ";", "a.tsv": "\t"}.get(path.name, ",")
        text = TEXT.replace(",", delimiter).replace(f'"size{delimiter} cm"', '"size, cm"')
        if delimiter == ";":
            text = text.replace("1.5", "1,5").replace("2.5", "2,5")
        path.write_text(text, encoding="utf-8-sig" if "bom" in path.name else "utf-8")
    return path


@pytest.mark.parametrize("name", ["a.csv", "bom.csv", "semicolons.csv", "a.tsv", "a.parquet", "a.arrow"])
def test_a_table_is_the_same_from_every_kind_of_file(name: str, tmp_path: Path) -> None:
    read = read_table(str(written(tmp_path / name)))
    columns = scanned(read, ["weight", "size, cm", "kind", "ill"], ["kind"], "columns")
    x, values = entries(read, columns), values_of(columns)
    assert values.names == ["weight", "size, cm", "kind=9", "kind=10", "ill=false", "ill=true"]
    assert values.groups == [(2, 4), (4, 6)]
    torch.testing.assert_close(x.float(), torch.tensor(ROWS), equal_nan=True)


def test_names_of_entries_say_what_the_columns_are() -> None:
    columns = [
        Column("age", None),
        Column("pay>=50", None),
        Column("dose=low", ("no", "yes")),
        Column("dose=high", ("no", "yes")),
        Column("rule", ("a=1", "a=2", "=")),
        Column("C:\\", ("a", "\\=b")),
        Column(r"\=\\=", ("a",)),
        Column(r"a\b\\", None),
        Column("\\\n", ("\n=",)),
    ]
    assert columns_of(values_of(columns).names) == columns


def test_roles_of_columns(tmp_path: Path) -> None:
    rows = np.arange(80.0).reshape(20, 4)
    rows[:, 3] = np.arange(20) % 2 + 3
    np.save(tmp_path / "a.npy", rows)
    sets = table(str(tmp_path / "a.npy"), drop=["1"], label="3", conditions=["2"])
    assert isinstance(sets.values, TableValues)
    assert sets.values.names == ["0"]
    assert sets.train.classes == ("3.0", "4.0") or sets.train.classes == ("3", "4")
    for part, n in ((sets.train, 18), (sets.test, 2)):
        assert len(part.x) == n
        row = part.x[:, 0] / 4
        assert part.conditions is not None
        torch.testing.assert_close(part.conditions[:, 0], 4 * row + 2)
        assert torch.equal(part.labels, (row % 2).long())


WRONG_TABLES: dict[str, tuple[str, dict[str, Any], str]] = {
    "a column that isn't there": ("a,b\n1,2\n", {"drop": ["c"]}, "drop=c: no such column; accepted: a, b"),
    "a column twice": ("a,a\n1,2\n", {}, "two columns are called 'a'"),
    "no rows": ("a,b\n", {}, "it has 0 rows, and 2 columns to model"),
    "no columns": ("a,b\n1,2\n", {"drop": ["a", "b"]}, "it has 1 rows, and 0 columns to model"),
    "a column named twice": ("a,b\n1,2\n", {"columns": ["a", "a"]}, "columns=a: named 2 times; accepted: each column"),
    "a class as a condition": ("a,b\n1,2\n", {"label": "b", "conditions": ["b"]}, "conditions=b: is the label too"),
    "a condition of dates": ("a,b\n1,2020-01-01\n", {"conditions": ["b"]}, "conditions=b: it holds date32"),
    "one column of text": ("a:b\n1:2\n", {}, "it is one column of text, 'a:b'; accepted: a table with several columns"),
    "another delimiter": ("a,b\n1,2\n", {"delimiter": "|"}, "delimiter=|: the first line has none, and 1 of ','"),
    "a long delimiter": ("a,b\n1,2\n", {"delimiter": "::"}, "delimiter=::: invalid; accepted: null, one character"),
    "no UTF-8": ("a,b\n1,th\udce9\n", {}, "its text isn't utf-8; accepted: utf-8, as iconv -f latin-1"),
    "no such encoding": ("a,b\n1,2\n", {"encoding": "latin1000"}, "encoding=latin1000: invalid; accepted: names"),
    "a number of 64 bits": ("a\n1\n1e39\n", {}, "columns=a: row 1 is infinite, or too large for 32 bits"),
    "two roles": ("a,b\n1,2\n", {"columns": ["a"], "label": "a"}, "columns=a: is both"),
    "nothing in a column": ("a,b\n1,\n2,\n", {}, "columns=b: no row has a value; accepted"),
    "dates": ("a,b\n1,2020-01-01\n", {}, "columns=b: it holds date32"),
    "infinity": ("a\n1\ninf\n", {}, "columns=a: row 1 is infinite"),
    "too many categories": ("a,b\n" + "".join(f"{n},x{n}\n" for n in range(1001)), {}, "1,001 categories"),
    "a row without a class": ("a,b\n1,x\n2,\n", {"label": "b"}, "label=b: 1 rows have none"),
    "both decimal signs": ("a;b\n1,5;2.5\n", {}, "the column a has commas, and b points; accepted: numbers with one"),
    "thousands": ("a;b\n1.234,5;x\n2,5;y\n", {}, "the column a has both; accepted: numbers with one decimal sign"),
    "ragged rows": ("a,b\n1,2\n3\n", {}, "can't be read as .csv"),
}


@pytest.mark.parametrize("name", WRONG_TABLES)
def test_a_table_that_is_refused(name: str, tmp_path: Path) -> None:
    text, arguments, told = WRONG_TABLES[name]
    (tmp_path / "a.csv").write_text(text, errors="surrogateescape")
    with warnings.catch_warnings(action="error"), pytest.raises(ArgumentError, match=re.escape(told)):
        table(str(tmp_path / "a.csv"), **arguments)


def test_an_array_is_the_same_from_every_kind_of_file(tmp_path: Path) -> None:
    array = np.random.default_rng(0).normal(size=(10, 3, 7))
    array[:, 0, 0] = np.arange(10)
    labels = np.arange(10)
    np.save(tmp_path / "a.npy", array)
    np.savez(tmp_path / "a.npz", signals=array, labels=labels)
    torch.save({"signals": torch.tensor(array), "labels": torch.tensor(labels)}, tmp_path / "a.pt")
    scipy.io.savemat(tmp_path / "a.mat", {"signals": array, "labels": labels.astype(float)})  # MATLAB's own type
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["signals"], file["labels"] = array, labels
    # MATLAB writes version 7.3 as HDF5 behind a header of 512 bytes, and its axes in reverse order.
    with h5py.File(tmp_path / "b.mat", "w", userblock_size=512) as file:
        file["signals"], file["labels"] = array.T, labels[:, None].astype(float)
    with (tmp_path / "b.mat").open("r+b") as raw:
        raw.write(b"MATLAB 7.3 MAT-file")
    for name in ("a.npy", "a.npz", "a.pt", "a.mat", "a.h5", "b.mat"):
        sets = signals(str(tmp_path / name))
        np.testing.assert_allclose(all_of(sets).numpy(), array, err_msg=name)
        assert (len(sets.train.x), len(sets.test.x)) == (9, 1)
        if name != "a.npy":
            assert torch.equal(sets.train.labels, sets.train.x[:, 0, 0].long()), name


@pytest.mark.parametrize(
    ("read", "shape", "expected"),
    [
        (signals, (10, 7), (1, 7)),
        (signals, (10, 3, 7), (3, 7)),
        (volumes, (10, 3, 4, 5), (1, 3, 4, 5)),
        (volumes, (10, 2, 3, 4, 5), (2, 3, 4, 5)),
        (tokens, (10, 7), (1, 7)),
        (counts, (10, 7), (7,)),
    ],
)
def test_shapes(
    read: Callable[..., DataSet], shape: tuple[int, ...], expected: tuple[int, ...], tmp_path: Path
) -> None:
    array = np.random.default_rng(0).integers(0, 5, shape)
    np.save(tmp_path / "a.npy", array)
    sets = read(str(tmp_path / "a.npy"))
    assert sets.train.x.shape[1:] == expected
    for wrong in (array.astype(complex), array.reshape(-1), array[:0]):
        np.save(tmp_path / "a.npy", wrong)
        with pytest.raises(ArgumentError, match=r"^path=.*; accepted: .* of shape \(n, "):
            read(str(tmp_path / "a.npy"))


@pytest.mark.parametrize(
    ("read", "entry", "told"),
    [
        (signals, math.inf, "32 bits; accepted: finite numbers, and NaN where one is missing"),
        (signals, 1e39, "32 bits; accepted: finite numbers, and NaN where one is missing"),
        (tokens, -1, "accepted: whole numbers from 0, of shape (n, length)"),
        (tokens, 0.5, "accepted: whole numbers from 0, of shape (n, length)"),
        (tokens, 2**20, "it holds the token 1,048,576; accepted: tokens below 1,048,576"),
        (counts, -1, "numbers that aren't whole, below 0 or above 2^53"),
        (counts, 0.5, "numbers that aren't whole, below 0 or above 2^53"),
        (counts, math.nan, "numbers that aren't whole, below 0 or above 2^53"),
        (counts, 1e39, "numbers that aren't whole, below 0 or above 2^53"),
    ],
)
def test_entries_that_are_refused(read: Callable[..., DataSet], entry: float, told: str, tmp_path: Path) -> None:
    array = np.ones((10, 7), dtype=type(entry))
    array[9, 6] = entry
    np.save(tmp_path / "a.npy", array)
    with pytest.raises(ArgumentError, match=re.escape(told)):
        read(str(tmp_path / "a.npy"))


@pytest.mark.parametrize("dtype", [int, float])
def test_the_vocabulary_of_tokens(dtype: type, tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.arange(20).reshape(10, 2).astype(dtype))
    path = str(tmp_path / "a.npy")
    assert (tokens(path).values.state()["vocabulary"], tokens(path, vocabulary=30).values.state()["vocabulary"]) == (
        20,
        30,
    )
    with pytest.raises(ArgumentError, match=r"^vocabulary=19: .*above 19"):
        tokens(path, vocabulary=19)


def test_cells_stay_sparse_unless_memory_holds_them(tmp_path: Path) -> None:
    matrix = np.random.default_rng(0).poisson(0.2, (20, 30)).astype(np.float32)
    matrix[:, 0] = np.arange(20)
    obs = pd.DataFrame({"type": ["T", "B"] * 10}, index=[f"cell{n}" for n in range(20)])
    cells = anndata.AnnData(scipy.sparse.csr_matrix(matrix), obs)
    cells.layers["halves"] = matrix / 2
    cells.write_h5ad(tmp_path / "a.h5ad")
    path = str(tmp_path / "a.h5ad")
    held, sets = counts(path), counts(path, label="type", streaming="always")
    assert isinstance(held.train.x, torch.Tensor)
    np.testing.assert_array_equal(all_of(held).numpy(), matrix)
    assert isinstance(sets.train.x, SparseRows)
    np.testing.assert_array_equal(all_of(sets).numpy(), matrix)
    numbers = sets.train.x[torch.arange(18)][:, 0].long()
    assert (sets.train.classes, torch.equal(sets.train.labels, 1 - numbers % 2)) == (("B", "T"), True)
    assert sets.train.names is not None
    assert sets.train.names.tolist() == [f"cell{n}" for n in numbers]
    deep = counts(path, library=True).train
    assert deep.conditions is not None
    totals = torch.as_tensor(matrix[[int(name[4:]) for name in deep.names]].sum(1))  # type: ignore[union-attr]
    torch.testing.assert_close(deep.conditions[:, 0].exp(), totals.clamp_min(1))
    data = DataModule(lambda: sets, batch_size=5, validation_size=2, workers=0)
    x = torch.cat([batch.x for batch in data.evaluation_loader("test")])
    np.testing.assert_array_equal(x, matrix[x[:, 0].long()])
    for arguments, told in (
        ({"conditions": ["age"]}, "conditions=age: no such column; accepted: type"),
        ({"label": "age"}, "label=age: obs has no such column; accepted: type"),
        ({"key": "raw"}, "key=raw: no such layer; accepted: halves"),
        ({"key": "halves"}, "it holds numbers that aren't whole, below 0 or above 2^53"),
    ):
        with pytest.raises(ArgumentError, match=re.escape(told)):
            counts(path, **arguments)  # type: ignore[arg-type]
    cells.layers["counts"], cells.X = cells.X.copy(), np.log1p(matrix)  # as single cells are usually kept
    cells.write_h5ad(tmp_path / "usual.h5ad")
    np.testing.assert_array_equal(all_of(counts(str(tmp_path / "usual.h5ad"))).numpy(), matrix)
    anndata.AnnData(obs=obs, layers={"halves": matrix / 2}).write_h5ad(tmp_path / "layers.h5ad")
    with pytest.raises(ArgumentError, match=r"^key=counts: no such layer, nor X; accepted: halves"):
        counts(str(tmp_path / "layers.h5ad"))
    (tmp_path / "a.h5ad").write_bytes(b"torn")
    with pytest.raises(ArgumentError, match=r"can't be read as \.h5ad"):
        counts(path)


def test_the_documented_way_from_a_csv_of_counts_keeps_classes_and_conditions(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    rows = [f"c{n},{'TB'[n % 2]},{('Lot 1', 'Lot é2')[n % 3 // 2]},{n},{n * n}" for n in range(20)]
    (tmp_path / "cells.csv").write_text("\n".join(["barcode,cell type,batch,TNF-α,IL-1β", *rows]))
    (code,) = re.findall(r"```python\n(cells = .*?)```", (PROJECT / "docs/data.md").read_text(), re.S)
    exec(code, {"anndata": anndata, "pd": pd})
    part = counts("cells.h5ad", label="cell type", conditions=["batch"]).train
    n = part.x[torch.arange(len(part.x))][:, 0].long()
    assert (part.classes, part.condition_names) == (("B", "T"), ("batch=Lot 1", "batch=Lot é2"))
    assert part.conditions is not None
    assert part.conditions.argmax(dim=1).tolist() == (n % 3 // 2).tolist()
    with pytest.raises(ArgumentError, match=r"cells.csv: invalid; accepted: files .* \.mat or \.h5ad, which"):
        counts("cells.csv")
    np.save("a.npy", np.ones((3, 2)))
    with pytest.raises(ArgumentError, match=r"^conditions=\['batch'\]: not an .h5ad file; accepted: \[\];"):
        counts("a.npy", conditions=["batch"])


def test_a_mapped_array_streams_with_the_same_batches(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.random.default_rng(0).normal(3, 2, (50, 2, 8)).astype(np.float32))
    batches = []
    for streaming, workers in (("never", 0), ("always", 2)):
        data = DataModule(
            lambda mode=streaming: signals(str(tmp_path / "a.npy"), streaming=mode),  # type: ignore[misc]
            batch_size=8, validation_size=5, streaming=streaming, workers=workers,
        )  # fmt: skip
        assert isinstance(data.splits["train"].x, MappedArray) == (streaming == "always")
        batches.append([batch.x for batch in data.train_dataloader()])
    for held, streamed in zip(*batches, strict=True):
        assert torch.equal(held, streamed)


def test_text_in_another_encoding_and_with_another_delimiter(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("n ä\n" + "".join(f"{n} ö\n" for n in range(10)), encoding="utf-16")
    sets = table(str(tmp_path / "a.csv"), delimiter="space", encoding="utf-16")
    assert sets.values.state()["names"] == ["n", "ä=ö"]


def test_decimal_commas_beside_dates_and_words(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("day;price;n;word\n01.02.2026;1,234;1;a,b\n02.02.2026;-2;2;3,4\n")
    read = read_table(str(tmp_path / "a.csv"))
    assert read.column("price").to_pylist() == [1.234, -2]
    assert list(map(str, read.schema.types)) == ["string", "double", "int64", "string"]
    (tmp_path / "a.tsv").write_text("price\tn\n1,5\t1\n-2,25\t2\n")
    assert read_table(str(tmp_path / "a.tsv")).column("price").to_pylist() == [1.5, -2.25]
    (tmp_path / "a.tsv").write_text("price\tn\n1,500\t1\n12\t2\n")
    with pytest.raises(ArgumentError, match=r"the commas of column price may stand between thousands; accepted"):
        read_table(str(tmp_path / "a.tsv"))


def test_nan_is_missing_where_files_have_no_other_sign(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """As in an .npy table, in Parquet that pandas wrote, and in sets of the Hub: of numbers, categories and labels."""
    rows = np.stack([np.arange(20.0), np.arange(20) % 3], axis=1)
    rows[::5] = np.nan
    np.save(tmp_path / "a.npy", rows)
    sets = table(str(tmp_path / "a.npy"), categorical=["1"])
    assert isinstance(sets.values, TableValues)
    assert sets.values.names == ["0", "1=0", "1=1", "1=2"]
    missing = all_of(sets).isnan()
    assert missing.sum() == 4 * 4
    assert torch.equal(missing.any(dim=1), missing.all(dim=1))
    with pytest.raises(ArgumentError, match=r"^label=1: 4 rows have none"):
        table(str(tmp_path / "a.npy"), label="1")
    assert not caplog.messages


def test_a_column_of_names_is_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "a.csv").write_text("id,a,kind\n" + "".join(f"P{n},{n},{'xy'[n % 2]}\n" for n in range(30)))
    sets = table(str(tmp_path / "a.csv"))
    (told,) = caplog.messages
    assert told.startswith("most rows have a category of their own in id")
    assert told.endswith("data.source.drop=[id] leaves it out")
    DataModule(lambda: sets, validation_size=10)
    assert "id=P" in caplog.messages[-1]
    assert caplog.messages[-1].count("id=P") <= 20


def test_several_labels(tmp_path: Path) -> None:
    rows = [f"{n},{'xyz'[n % 3]},{n % 2}" for n in range(20)]
    (tmp_path / "a.csv").write_text("\n".join(["n,kind,tag", *rows]))
    part = table(str(tmp_path / "a.csv"), label=["tag", "kind"]).train
    n = part.x[torch.arange(18)][:, 0].long()
    assert (part.factor_names, part.classes) == (("tag", "kind"), ("0", "1"))
    assert part.factors is not None
    assert torch.equal(part.factors, torch.stack([n % 2, n % 3], dim=1))
    assert torch.equal(part.labels, n % 2)


def test_times_keep_their_differences(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Seconds since 1970, in steps of one: float32 knows them to 128. A column that doesn't vary is still told."""
    time = 1_700_000_000 + np.random.default_rng(0).permutation(40)
    text = "".join(f"{t},{t % 7 / 10},{t},0.1\n" for t in time)
    (tmp_path / "a.csv").write_text("time,phase,given,still\n" + text)
    np.save(tmp_path / "a.npy", np.stack([time[:, None], time[:, None] % 7], 1))
    tabled = DataModule(lambda: table(str(tmp_path / "a.csv"), conditions=["given"]), validation_size=4)
    (told,) = caplog.messages
    assert re.fullmatch(r"columns that never vary in .*, or too little beside their mean for float64: still", told)
    for data in (tabled, DataModule(lambda: signals(str(tmp_path / "a.npy")), validation_size=4)):
        (served,) = data.evaluation_loader("test")
        seen, x = (data.inputs(name)[torch.arange(n)].flatten(1)[:, 0] for name, n in (("test", 4), ("train", 32)))
        assert torch.equal(served.x.flatten(1)[:, 0].sort().values, seen.sort().values)
        # float32 rounds what has a deviation of 1 to 2^-24 or so.
        assert (x.double().mean().abs(), (x.double().std(correction=0) - 1).abs()) < (1e-6, 1e-6)
        steps = (x.double().sort().values.diff() * data.values.scale[0]).round()  # type: ignore[attr-defined]
        assert steps.min() == 1
        units = data.values.from_model(data.inputs("train")[torch.arange(32)])
        assert set(units.flatten(1)[:, 0].round().tolist()) <= set(time.tolist())
        described = description_in({"DataModule": data.state_dict()})
        assert described is not None
        assert torch.equal(described.values.to_model(data.splits["train"].x[torch.arange(32)]).flatten(1)[:, 0], x)
    given = tabled.splits["train"].conditions
    assert given is not None
    assert torch.equal(given[:, 0], tabled.inputs("train")[torch.arange(32)][:, 0])


def test_what_never_varies_in_training_comes_back_as_it_was() -> None:
    still = torch.tensor([[3.0, 1e-9, 7.0]]).expand(6, 3)
    train = torch.cat([torch.arange(6.0)[:, None], still], dim=1)
    values = TableValues(["a", "b", "c", "d=x"], [(3, 4)]).fitted(train)
    assert values.scale[1:].tolist() == [0, 0, 1]
    drawn = values.from_model(torch.randn(50, 4))
    assert torch.equal(drawn[:, 1:3], still[:1, :2].expand(50, 2))
    columns = by_column(drawn, columns_of(values.names), values.scale)
    assert (set(columns["b"]), set(columns["c"])) == ({3}, {np.float32(1e-9)})
    # Another value is a deviation in its own units.
    assert values.to_model(torch.tensor([[0.0, 5, 0, 7]]))[0, 1] == 2


def test_entries_that_are_missing_only_outside_the_training_split() -> None:
    whole = Examples(torch.tensor([[0.0], [1.0], [2.0], [NAN]]), torch.zeros(4, dtype=torch.int64))
    sets = DataSet(whole.take(torch.arange(3)), whole.take(torch.tensor([3])), values=Standardized())
    assert DataModule(lambda: sets, validation_size=0).values.has_missing


def test_standardising_is_exact_and_undone() -> None:
    torch.manual_seed(0)
    x = torch.randn(2500, 3, 4) * torch.tensor([1e-3, 1.0, 1e3])[:, None] + torch.tensor([5.0, 0.0, -1e4])[:, None]
    x[0, 1, 0], x[7, 1] = NAN, NAN
    values = Standardized().fitted(x)
    flat = x.double().transpose(0, 1).flatten(1).numpy()
    # float32 holds the results: a rounding of 2^-24 each.
    np.testing.assert_allclose(values.mean, np.nanmean(flat, axis=1), rtol=1e-6, atol=1e-7)
    np.testing.assert_allclose(values.scale, np.nanstd(flat, axis=1), rtol=1e-6)
    seen = values.to_model(x)
    # -1e4 in steps of 1e-3 of float32, over a scale of 1e3.
    torch.testing.assert_close(values.from_model(seen), x, equal_nan=True, rtol=1e-6, atol=1e-6)
    assert values.has_missing
    assert torch.equal(values.encoder_input(seen).isnan(), torch.zeros(2500, 3, 4, dtype=torch.bool))
    assert torch.equal(values.encoder_input(seen)[7, 1], torch.zeros(4))
    never = Standardized().fitted(torch.full((5, 1), 3.0))
    assert (never.scale.item(), never.to_model(torch.tensor([[3.0]])).item()) == (0.0, 0.0)


def test_only_the_training_split_is_learned_from_and_categories_stay() -> None:
    x = torch.cat([torch.tensor([[0.0, 1, 0], [2.0, 0, 1]]).repeat(10, 1), torch.tensor([[50.0, 1, 0]])])
    labels = torch.zeros(21, dtype=torch.int64)
    whole = Examples(x, labels, conditions=x[:, :1])
    values = TableValues(["a", "b=x", "b=y"], [(1, 3)])
    sets = DataSet(whole.take(torch.arange(20)), whole.take(torch.tensor([20])), values=values)
    data = DataModule(lambda: sets, validation_size=0)
    assert isinstance(data.values, TableValues)
    assert (data.values.mean.tolist(), data.values.scale.tolist()) == ([1, 0, 0], [1, 1, 1])
    (batch,) = data.evaluation_loader("test")
    assert batch.x.tolist() == [[49, 1, 0]]
    assert batch.conditions is not None
    assert batch.conditions.tolist() == [[49]]
    restored_description = description_in({"DataModule": data.state_dict()})
    assert restored_description is not None
    assert restored_description.state() == data.description.state()
    assert torch.equal(restored_description.values.to_model(x), data.values.to_model(x))


@pytest.mark.parametrize("values", [Counts(2.0, 0.5), TokenIds(7), Standardized([1.0], [2.0], True)])
def test_values_are_restored_from_their_state(values: Counts | TokenIds | Standardized) -> None:
    again = restored(values.state())
    assert (type(again), again.state()) == (type(values), values.state())
    x = torch.tensor([[0.0], [3.0]])
    assert torch.equal(again.encoder_input(again.to_model(x)), values.encoder_input(values.to_model(x)))
    with pytest.raises(ValueError, match="unknown kind"):
        restored({"kind": "Nothing"})


def test_binarization_and_augmentation_are_of_images() -> None:
    sets = sines(50, 10, levels=3)
    with pytest.raises(ArgumentError, match=r"^binarization=threshold: these data are standardised numbers.* 1x64"):
        DataModule(lambda: sets, validation_size=5, binarization="threshold")
    with pytest.raises(ArgumentError, match=r"^augmentation="):
        DataModule(lambda: sets, validation_size=5, augmentation=Augmentation())


@pytest.mark.parametrize(
    ("make", "shape", "sizes"), [(breast_cancer, 30, (455, 114)), (wine, 13, (142, 36)), (diabetes, 10, (354, 88))]
)
def test_tables_of_scikit_learn(make: Callable[[], DataSet], shape: int, sizes: tuple[int, int]) -> None:
    """Their descriptions are plain values, as a checkpoint that is read without pickle needs them."""
    sets = make()
    assert [tuple(part.x.shape) for part in sets[:2]] == [(size, shape) for size in sizes]
    data = DataModule(lambda: sets, validation_size=0.1)
    content = io.BytesIO()
    torch.save(data.state_dict(), content)
    content.seek(0)
    described = description_in({"DataModule": torch.load(content, weights_only=True)})
    assert described is not None
    assert described.state() == data.description.state()
    assert (make is diabetes) == (described.conditions is not None)


def test_sines_and_ellipsoids_are_what_their_factors_say() -> None:
    part = sines(40, 10, noise=0.0, levels=4).train
    assert part.factors is not None
    assert isinstance(part.x, Tensor)
    time = np.arange(64) / 64
    for x, (frequency, phase, amplitude) in zip(part.x[:, 0].numpy(), part.factors.tolist(), strict=True):
        clean = (0.5 + amplitude / 3) * np.sin(2 * np.pi * ((1 + frequency) * time + phase / 8))
        np.testing.assert_allclose(x, clean, atol=1e-5)
    part = ellipsoids(40, 10, side=20, levels=3).train
    assert part.factors is not None
    assert isinstance(part.x, Tensor)
    for volume, (*place, radius) in zip(part.x[:, 0] > 0, part.factors.tolist(), strict=True):
        where = volume.nonzero().flip(1).double().mean(0)  # x, y, z
        # The centre of mass of voxels is off by less than half a voxel.
        assert ((where + 0.5) / 20 - (0.3 + 0.2 * torch.tensor(place))).abs().max() < 0.5 / 20
        r = 0.12 + 0.065 * radius
        # The volume of an ellipsoid half as high as wide; its surface cuts voxels.
        assert volume.sum().item() == pytest.approx(4 / 3 * math.pi * r**3 / 2 * 20**3, rel=0.25)
