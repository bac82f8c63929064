"""Tables in a file, and in a narrow terminal."""

import pytest
from rich.table import Table

from infovae.metrics.meanings import MEANINGS, meaning
from infovae.metrics.objective_terms import TERM_NAMES
from infovae.metrics.sample_quality import REPORTED
from infovae.metrics.table import print_measured
from infovae.terminal.tables import print_table


def test_a_table_in_a_file_is_whole(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("COLUMNS", raising=False)
    name = "importance_weighted_log_likelihood" * 5
    table = Table("metric", "test", "train")
    table.add_row(name, "-98.7654 ± 0.1234", "-97.1234 ± 0.4321")
    print_table("run", table)
    (row,) = [line for line in capsys.readouterr().out.splitlines() if name[:20] in line]
    assert row.split() == ["│", name, "│", "-98.7654", "±", "0.1234", "│", "-97.1234", "±", "0.4321", "│"]


@pytest.mark.parametrize("columns", ["20", "200"])
def test_a_run_s_name_is_whole(
    columns: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Names are paths, and overrides with brackets that rich could take for its own markup or for an emoji's name."""
    monkeypatch.setenv("COLUMNS", columns)
    name = "outputs/2026-11-24/12-33-44.123456-infovae-mmd,metrics=[mmd],network.decoder.hidden=[8],tags=[red],:smile:"
    table = Table("metric", "[red]test")
    table.add_row("E[z|x] of :smile:", "0.1")
    print_table(name, table)
    out = capsys.readouterr().out
    assert out.splitlines()[0] == name
    if columns == "200":
        assert "E[z|x] of :smile:" in out
        assert "[red]test" in out


def test_a_measured_number_has_its_error_its_ideal_and_a_direction(capsys: pytest.CaptureFixture[str]) -> None:
    values = {"test/mmd": 0.5, "test/mmd_standard_error": 0.01, "test/own": float("nan"), "test/vector": [1.0]}
    values |= {"test/single": 3.0, "test/single_standard_error": float("nan")}
    print_measured("run", values | {"test/divergence": 0.25, "train/mmd": 2.0})
    lines = capsys.readouterr().out.splitlines()
    rows = {cells[0]: cells[1:] for line in lines if (cells := [cell.strip() for cell in line.strip("│").split("│")])}
    assert rows["mmd"][:4] == ["0.5 ± 0.01", "2", "0", "lower"]
    assert "alike in every run" in rows["mmd"][4]
    assert "of the loss" in rows["divergence"][4]
    assert rows["single"][0] == "3"
    assert rows["own"] == ["nan", "", "", "", ""]
    assert not {"vector", "mmd_standard_error"} & set(rows)


def test_the_ideal_of_a_covariance_is_that_of_the_prior(capsys: pytest.CaptureFixture[str]) -> None:
    names = ("log_det_covariance", "sampled_log_det_covariance", "covariance_largest_eigenvalue", "mmd")
    values = {f"test/{name}": 2.5 for name in names}
    for own, ideals in ({}, ["0", "0", "1", "0"]), ({"test/prior_log_det_covariance": 3.08}, ["3.08", "3.08", "", "0"]):
        print_measured("run", values | own)
        rows = [[cell.strip() for cell in line.split("│")] for line in capsys.readouterr().out.splitlines()]
        assert [row[3] for row in rows if len(row) > 3 and row[1] in names] == ideals


def test_what_a_run_reports_by_default_can_be_read() -> None:
    assert set(TERM_NAMES) | {"log_det_covariance", "mmd", "mmd_standardized"} <= set(MEANINGS)
    assert meaning("evaluation/test/log_det_covariance") == MEANINGS["log_det_covariance"]
    assert meaning("test/error_linear_svm_with_100_labels").better == "lower"
    reported = {*REPORTED, "mmd_p_value", "between_class_variance", "mutual_information_bound"}
    assert not [name for name in reported if not name.endswith("_standard_error") and not meaning(name).about]
    assert all((one.better == "nearer") <= (one.ideal is not None) for one in MEANINGS.values())
