"""Tables in a file, and in a narrow terminal."""

import pytest
from rich.table import Table

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
    table = Table("metric", "test")
    table.add_row("mmd", "0.1")
    print_table(name, table)
    assert capsys.readouterr().out.splitlines()[0] == name
