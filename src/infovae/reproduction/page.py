"""A figure's page: the command writes between two markers, and people write around them."""

from pathlib import Path

from infovae.errors import UserError
from infovae.runs.files import write_whole

START, END = "<!-- results -->", "<!-- /results -->"


def write_page(path: Path, title: str, results: str) -> None:
    """Put the results between the page's markers; make the page if there is none.

    Raises:
        UserError: the page has lost its markers.
    """
    content = path.read_text(encoding="utf-8") if path.is_file() else f"# {title}\n\n{START}\n{END}\n"
    if START not in content or END not in content:
        raise UserError(f"{path}: it has no {START} and {END}; accepted: a page with both, or none")
    before, after = content.split(START)[0], content.split(END, 1)[1]
    write_whole(path, f"{before}{START}\n\n{results.strip()}\n\n{END}{after}")
