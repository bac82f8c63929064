"""The ``infovae train`` commands in the pages, composed and checked as typed."""

import re
import shlex

import pytest
from conftest import PROJECT, Compose
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import IntervalSweep

from infovae.config.check import check

PAGES = [PROJECT / "README.md", *sorted((PROJECT / "docs").rglob("*.md"))]
OF_OWN_PARTS = ("docs/howto/own_parts.md", "docs/howto/other_projects.md")
"""They name parts that a reader writes; tests of their own run their commands."""

PRINTED = [
    (str(page.relative_to(PROJECT)), line.replace("\\\n", " "))
    for page in PAGES
    for block in re.findall(r"```bash\n(.*?)\n *```", page.read_text(), re.S)
    for line in re.findall(r"^ *(?:infovae train|python train\.py)((?: .*\\\n)* .*)$", block, re.M)
    if str(page.relative_to(PROJECT)) not in OF_OWN_PARTS
]


def _one_job(arguments: list[str]) -> list[str]:
    """Return the overrides of a command, each sweep replaced by its first value."""
    typed = [argument for argument in arguments if not argument.startswith("-")]
    job = []
    for override in OverridesParser.create().parse_overrides(typed):
        text = override.input_line
        if override.is_sweep_override():
            swept = override.value()
            first = swept.start if isinstance(swept, IntervalSweep) else next(override.sweep_string_iterator())
            text = f"{override.get_key_element()}={first}"
        if not text.startswith(("sweep.resume=", "hydra.", "hydra/", "hparams_search=", "run_dir=")):
            job.append(text)
    return job


def test_the_pages_print_commands() -> None:
    assert len(PRINTED) > 50


@pytest.mark.parametrize(("page", "typed"), PRINTED)
def test_a_printed_command_is_accepted(composed: Compose, page: str, typed: str) -> None:
    check(composed(*_one_job(shlex.split(typed, comments=True))))
