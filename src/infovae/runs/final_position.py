"""The row of metrics.csv that belongs to the weights a run ended with."""

from collections.abc import Sequence


def final_position(epochs: Sequence[float | None], kept: float | None) -> int:
    """Return the index of the row of epoch ``kept``, or -1, the last row, if there is none.

    Args:
        epochs: the epoch of each row.
        kept: the epoch that the final weights come from, if it is known.
    """
    return epochs.index(kept) if kept is not None and kept in epochs else -1
