"""The row of metrics.csv that belongs to the weights a run ended with."""

from collections.abc import Sequence


def final_position(epochs: Sequence[float | None], kept: float | None) -> int:
    """Return the index of the row of epoch ``kept``, where the final weights come from; -1, the last, if unknown."""
    return epochs.index(kept) if kept is not None and kept in epochs else -1
