"""Find run folders below a folder."""

import os
from collections.abc import Iterator
from pathlib import Path

MARKS = frozenset({"config.yaml", "metrics.csv", "summary.json"})
"""A folder that holds one of these is a run."""

FITTED = "fitted_prior"
"""The folder in a run that holds the same model with other priors, each a run folder itself."""


def runs_below(root: Path, deepest: int | None = None) -> Iterator[Path]:
    """Yield the runs at and below a folder, in order of name; nothing in a hidden folder.

    Of the folders inside a run, only that of its fitted priors can hold runs. Links aren't followed: they could lead
    anywhere, and in circles. ``deepest`` is how many levels below the folder to look, all by default.
    """
    for folder, below, files in os.walk(root):
        levels = len(Path(folder).parts) - len(root.parts)
        if MARKS.intersection(files):
            below[:] = [name for name in below if name == FITTED]
            yield Path(folder)
        elif levels == deepest:
            below.clear()
        else:
            below[:] = sorted(name for name in below if not name.startswith("."))
