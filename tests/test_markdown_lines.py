"""The check on the width of Markdown lines, which `make lint` runs."""

import runpy
from pathlib import Path

import pytest
from conftest import PROJECT

main = runpy.run_path(str(PROJECT / ".ci" / "markdown_lines"))["main"]
LONG = "word " * 21
EXEMPT = [
    f"| {LONG} |",
    f"```bash\n{LONG}\n```",
    f"~~~\n```\n{LONG}\n~~~",
    f"<!-- results -->\n{LONG}\n<!-- /results -->",
    f"- [a page](https://example.org/{'a' * 100}).",
    f"[![ci](https://example.org/{'a' * 90}.svg)](https://example.org)",
]


@pytest.mark.parametrize("text", ["a" * 100, *EXEMPT])
def test_short_lines_and_what_cannot_wrap_pass(text: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    page = tmp_path / "page.md"
    page.write_text(text)
    assert main([str(page)]) == 0
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("before", ["", *(text + "\n" for text in EXEMPT)])
def test_a_long_line_of_prose_is_told_by_its_number(
    before: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    page = tmp_path / "page.md"
    page.write_text(f"{before}{'a' * 101}\n{LONG} [a page](https://example.org)\n")
    assert main([str(page)]) == 1
    number = before.count("\n") + 1
    first, second = capsys.readouterr().out.splitlines()
    assert first == f"{page}:{number}: 101 columns, at most 100"
    assert second.startswith(f"{page}:{number + 1}: ")
