"""A model of a table answers in that table's columns, units and categories."""

import io
import re
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from conftest import Use, composing
from PIL import Image
from sklearn.datasets import load_diabetes

from infovae.data.condition_columns import ConditionColumns
from infovae.errors import UserError
from infovae.evaluation.export import entry_names
from infovae.evaluation.load import load
from infovae.pictures.column_map import column_map
from infovae.training.run import train
from infovae.use.explored import Explored
from infovae.use.generate import generated


@pytest.fixture(scope="module")
def patients(tmp_path_factory: pytest.TempPathFactory) -> pd.DataFrame:
    """442 patients; some lack a blood pressure or a word for it."""
    table = load_diabetes(as_frame=True, scaled=False).frame[["age", "sex", "bmi", "bp"]]
    table["sex"] = table["sex"].map({1.0: "female", 2.0: "male"})
    table["class"] = np.where(table["bp"] > 95, "high", "low")
    table.loc[::7, "bp"] = np.nan
    table["class_"] = 7.0 * table["age"]  # a name that a column of the answer would take
    table.loc[::5, "class"] = None
    return table


@pytest.fixture(scope="module")
def run(patients: pd.DataFrame, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run on these patients, given age and sex."""
    folder = tmp_path_factory.mktemp("patients")
    patients.to_csv(folder / "patients.csv", index=False)
    settings = [
        "data=table", f"data.path={folder / 'patients.csv'}", "data.source.conditions=[age,sex]", "condition=columns",
        "latent_dim=2", "network.encoder.hidden=[8]", "network.decoder.hidden=[8]", "trainer.max_epochs=2",
        "trainer.enable_progress_bar=false", "trainer.accelerator=cpu", "logger=none", "callbacks=checkpoint",
        "pictures=[]",
    ]  # fmt: skip
    with composing() as composed:
        train(composed(*settings, run_dir=folder / "run"))
    return folder / "run"


def test_generated_rows_have_the_columns_of_the_table(
    use: Use, run: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    use("generate", f"run={run}", "n=103", "condition={value:[900,female]}")
    read = pd.read_csv(tmp_path / "generated.csv")
    assert list(read) == ["bmi", "bp", "class", "class_", "age", "sex"]
    assert set(read["class"]) <= {"high", "low"}
    assert (set(read["age"]), set(read["sex"])) == ({900}, {"female"})
    saved = load(run)
    columns = saved.description.conditions
    assert columns is not None
    told = columns.to_model(torch.tensor([[900.0, 1, 0]])).expand(103, -1)
    torch.manual_seed(0)
    x = torch.cat(list(generated(saved, 103, conditions=told)))
    np.testing.assert_allclose(read[["bmi", "bp"]], x[:, :2], rtol=1e-6)  # seven digits
    assert read["class"].tolist() == [("high", "low")[likeliest] for likeliest in x[:, 2:4].argmax(dim=1)]
    warned = "condition=[900, 'female']: age=900 is outside the range of training, 19 to 79; the model can only guess"
    assert [entry.getMessage()[: len(warned)] for entry in caplog.records if entry.levelname == "WARNING"] == [warned]
    unlike = "doesn't fit the model's condition columns; accepted: age (a number), sex (female or male), as [VALUE,...]"
    for typed, why in (
        ("[45]", unlike),
        ("[45,woman]", unlike),
        ("[{a:1},male]", unlike),
        ("[null,male]", "missing, and the model was never trained without (condition.dropout=0)"),
    ):
        with pytest.raises(UserError, match=rf"^condition=\[.*\]: {re.escape(why)}"):
            use("generate", f"run={run}", "output=refused.csv", f"condition={{value:{typed}}}")
    assert not (tmp_path / "refused.csv").exists()


def test_found_rows_are_those_of_the_table(use: Use, run: Path, tmp_path: Path, patients: pd.DataFrame) -> None:
    use("outliers", f"run={run}", "samples=2", "k=1", "split=all")
    scores = pd.read_csv(tmp_path / "outliers/scores.csv").set_index("example").sort_index()
    own = ["bmi", "bp", "age", "sex"]
    pd.testing.assert_frame_equal(scores[own], patients[own], check_names=False, check_dtype=False, rtol=1e-7)
    assert scores["class_"].equals(
        patients["class"].astype(scores["class_"].dtype)
    )  # not that of the class, which is 0
    np.testing.assert_allclose(scores["class__"], patients["class_"], rtol=1e-6)
    one, other = (int(row) for row in load(run).data.splits["test"].names[:2])
    use("neighbours", f"run={run}", f"image=test:{one}", "k=3", "split=all")
    found = pd.read_csv(tmp_path / "neighbours.csv")
    assert found["example"].tolist()[:3] == [f"test:{one}", "reconstruction", str(one)]
    for row, number in ((0, one), *((row, int(found["example"][row])) for row in (2, 3, 4))):
        pd.testing.assert_series_equal(
            found.loc[row, own], patients.loc[number, own], check_names=False, check_dtype=False
        )
    use("interpolate", f"run={run}", f"from=test:{one}", f"to=test:{other}", "steps=3", "output=path")
    assert sorted(path.name for path in (tmp_path / "path").iterdir()) == ["interpolation.csv", "interpolation.png"]
    path = pd.read_csv(tmp_path / "path/interpolation.csv")
    assert path["time"].tolist() == [0, 0, 0.5, 1, 1] * 2
    np.testing.assert_allclose(path["bmi"][[0, 4]], patients["bmi"][[one, other]])
    for row, number in ((0, one), (4, other)):  # what is given has its own condition
        pd.testing.assert_series_equal(
            path.loc[row, own], patients.loc[number, own], check_names=False, check_dtype=False
        )
    assert (path.loc[1:3, ["age", "sex"]] == path.loc[0, ["age", "sex"]]).all(axis=None)  # of the first end
    reconstruction = found.loc[1, ["bmi", "bp"]].astype(float)
    np.testing.assert_allclose(path.loc[1, ["bmi", "bp"]].astype(float), reconstruction, rtol=1e-5)


def test_new_rows_are_read_as_in_training_all_of_them(
    use: Use, run: Path, tmp_path: Path, patients: pd.DataFrame
) -> None:
    """In the file's order, whatever other columns it has, down to a single row with gaps."""
    use("encode", f"run={run}", "split=all", "output=own.csv")
    own = pd.read_csv(tmp_path / "own.csv").set_index("example").sort_index()
    means = ["mean_1", "mean_2"]
    chosen = patients.iloc[[7, 3, 5]]
    shuffled = chosen[list(reversed(chosen.columns))].assign(other=["x", "y", "z"])
    shuffled.to_csv(tmp_path / "new.csv", index=False)
    for options in ([], ["split=all"], ["data.source.drop=[other]"]):
        use("encode", f"run={run}", "data=table", "data.path=new.csv", *options, "output=new_codes.csv")
        codes = pd.read_csv(tmp_path / "new_codes.csv")
        assert codes["example"].tolist() == [0, 1, 2]
        assert set(codes["split"]) == {"new.csv"}
        assert codes[["label", "class"]].isna().all(axis=None)
        np.testing.assert_allclose(codes[means], own.loc[[7, 3, 5], means], rtol=1e-5, atol=1e-6)
    chosen.iloc[[0]].to_csv(tmp_path / "one.csv", index=False)  # no bp, and perhaps no class
    use("outliers", f"run={run}", "data=table", "data.path=one.csv", "samples=2", "output=odd")
    assert len(pd.read_csv(tmp_path / "odd/scores.csv")) == 1
    for change, why in (
        (lambda table: table.drop(columns="bmi"), "it has no column bmi; accepted: the columns of training"),
        (lambda table: table.assign(bmi="thin"), "its column bmi holds string"),
        (lambda table: table.assign(bmi=1e300), "row 0 of its column bmi is infinite, or too large for 32 bits"),
        (lambda table: table.assign(sex="robot"), "its column sex holds robot, which wasn't there in training"),
        (lambda table: table.iloc[:0], "it has none"),
    ):
        change(patients).to_csv(tmp_path / "bad.csv", index=False)
        with pytest.raises(UserError, match=rf"^data\.path[^;]*: {re.escape(why)}"):
            use("encode", f"run={run}", "data=table", "data.path=bad.csv", "output=none.csv")
    with pytest.raises(UserError, match=r"^split=train: your own files have no splits"):
        use("encode", f"run={run}", "data=table", "data.path=new.csv", "split=train")


def test_a_row_far_off_is_an_outlier_and_leaves_the_others_their_scores(
    use: Use, run: Path, tmp_path: Path, patients: pd.DataFrame, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its q(z|x) is a point, or its code overflows."""
    chosen = patients.iloc[:6].copy()
    for value in (1e12, 1e38):
        chosen.loc[chosen.index[4], "bmi"] = value
        chosen.to_csv(tmp_path / "new.csv", index=False)
        output = f"at_{value:g}"
        use("outliers", f"run={run}", "data=table", "data.path=new.csv", "samples=3", "k=2", f"output={output}")
        scores = pd.read_csv(tmp_path / output / "scores.csv")
        assert scores["log_likelihood"].idxmin() == 4
        assert scores["squared_error"].idxmax() == 4
        assert np.isfinite(scores.drop(index=4)[["log_likelihood", "squared_error"]]).all(axis=None)
        assert capsys.readouterr().out.count("│ 4 ") == 2


def test_files_of_another_kind_are_read_by_their_data_set(use: Use, run: Path, tmp_path: Path) -> None:
    np.save(tmp_path / "new.npy", np.zeros((2, 3)))
    with pytest.raises(UserError, match=r"^images=new.npy: the model is of columns of a table, not of images; .*data="):
        use("encode", f"run={run}", "images=new.npy")


def test_an_export_says_what_each_entry_is(run: Path) -> None:
    assert entry_names(load(run)) == {
        "x": ["bmi", "bp", "class=high", "class=low", "class_"],
        "conditions": ["age", "sex=female", "sex=male"],
    }


def test_a_class_is_listed_where_each_new_row_has_one(
    patients: pd.DataFrame, tmp_path: Path, use: Use, caplog: pytest.LogCaptureFixture
) -> None:
    known = patients.drop(columns="class").assign(kind=["a", "b"] * 221, name=[f"P{row}" for row in range(442)])
    known.to_csv(tmp_path / "known.csv", index=False)
    small = ["network.encoder.hidden=[8]", "network.decoder.hidden=[8]", "trainer.max_epochs=1", "latent_dim=2"]
    quiet = ["trainer.enable_progress_bar=false", "trainer.accelerator=cpu", "logger=none", "callbacks=checkpoint"]
    with composing() as composed:
        roles = ["data.source.label=kind", "data.source.drop=[name]"]
        cfg = composed("data=table", f"data.path={tmp_path / 'known.csv'}", *roles, *small, *quiet, "pictures=[]",
                       run_dir=tmp_path / "run")  # fmt: skip
        train(cfg)
    for change, classes in (
        (lambda table: table, ["a", "b", "a"]),
        (lambda table: table.drop(columns=["kind", "name"]), [None] * 3),
        (lambda table: table.assign(kind=["a", None, "b"]), [None] * 3),
    ):
        change(known[:3]).to_csv(tmp_path / "new.csv", index=False)
        use("encode", f"run={tmp_path / 'run'}", "data=table", "data.path=new.csv", "output=codes.csv")
        codes = pd.read_csv(tmp_path / "codes.csv")
        assert codes["class"].fillna("").tolist() == [word or "" for word in classes]
        assert codes["label"].isna().tolist() == [word is None for word in classes]
    assert "kind: some rows have no class, so none is listed" in caplog.messages


def test_the_page_of_codes_shows_rows_with_the_names_of_columns(run: Path, patients: pd.DataFrame) -> None:
    saved = load(run)
    page = Explored(saved, saved.data, ["test"], points=3, seed=0)
    seen = page.example(0)
    assert seen is not None
    row = patients.loc[[int(page.batches[0].names[0])], ["bmi", "bp", "class", "class_"]].fillna({"class": ""})
    expected = column_map({name: row[name].to_numpy() for name in row}, [""])
    assert (np.asarray(Image.open(io.BytesIO(seen))) == expected).all()


def test_older_checkpoints_know_no_limits() -> None:
    columns = ConditionColumns(mean=[50.0, 0.5, 0.5], scale=[10.0, 0.5, 0.5], names=["age", "sex=f", "sex=m"])
    assert columns.entries(["45", "m"]) == columns.entries([45, 0, 1]) == [45, 0, 1]
    assert columns.unseen([900, 0, 1]) == ""


def test_a_picture_of_rows_has_the_names_of_columns() -> None:
    """A name changes the picture beside the cells, a category in a cell, and a dollar sign is no formula."""
    rows = {"a$b$": np.array([1.0, np.nan]), "kind": np.array(["x", "y"])}
    picture = column_map(rows, ["1", "2"])
    renamed = column_map({"kind" if name == "a$b$" else "a$b$": column for name, column in rows.items()}, ["1", "2"])
    different = (picture != renamed).any(axis=(0, 2))
    assert different.any()
    assert not different[picture.shape[1] // 2 :].any()
    assert (picture != column_map(rows | {"kind": np.array(["x", "z"])}, ["1", "2"])).any()


def test_a_name_in_letters_that_the_font_lacks_is_drawn_without_a_warning() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        column_map({"年\t": np.array([1.0])}, ["1"])
