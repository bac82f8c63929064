"""A figure's page: what the command knows is written between markers, what people conclude stays around them."""

from pathlib import Path

START, END = "<!-- results -->", "<!-- /results -->"


def write_page(path: Path, title: str, results: str) -> None:
    """Put the results between the page's markers; a page that isn't there is made of them alone.

    Raises:
        ValueError: the page has lost its markers.
    """
    content = path.read_text() if path.is_file() else f"# {title}\n\n{START}\n{END}\n"
    if START not in content or END not in content:
        raise ValueError(f"{path}: has no {START} ... {END}; accepted: a page with both, or none")
    before, after = content.split(START)[0], content.split(END, 1)[1]
    path.write_text(f"{before}{START}\n\n{results.strip()}\n\n{END}{after}")
