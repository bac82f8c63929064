"""The command that trains what is missing."""

import shlex
from functools import partial

from infovae.classifier.command import training_command


def speckles(root: str, size: int = 8, seed: int | None = 0, download: bool = True) -> None:
    """Stands for a data set."""


def test_it_names_what_was_set_and_leaves_out_what_was_not() -> None:
    assert training_command(speckles) == "infovae classifier data=speckles"
    source = partial(speckles, root="my data", size=8, seed=None, download=False)
    assert shlex.split(training_command(source, "elsewhere")) == [
        "infovae",
        "classifier",
        "data=speckles",
        "data.root=my data",
        "data.source.seed=null",
        "data.source.download=false",
        "folder=elsewhere",
    ]
