"""Which row of metrics.csv is about the weights that a run ended with."""

from collections.abc import Sequence


def final_position(epochs: Sequence[float | None], kept: float | None) -> int:
    """Where it is among the rows, as an index: the last where no epoch is told, or none of theirs.

    Args:
        epochs: of the rows.
        kept: after which the weights were as they are at the end.
    """
    return epochs.index(kept) if kept is not None and kept in epochs else -1
