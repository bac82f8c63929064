"""Tables in a file."""

import pytest
from rich.table import Table

from infovae.tables import print_table


def test_a_table_in_a_file_is_whole(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("COLUMNS", raising=False)
    name = "importance_weighted_log_likelihood" * 5
    table = Table("metric", "test", "train")
    table.add_row(name, "-98.7654 ± 0.1234", "-97.1234 ± 0.4321")
    print_table(table)
    (row,) = [line for line in capsys.readouterr().out.splitlines() if name[:20] in line]
    assert row.split() == ["│", name, "│", "-98.7654", "±", "0.1234", "│", "-97.1234", "±", "0.4321", "│"]
