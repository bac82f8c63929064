"""What a model is built from: all that it needs to know of its data."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from infovae.data.values import Bytes, Values, restored


class Description(NamedTuple):
    """A description of a data set, which each checkpoint holds: the model can then be loaded without the data.

    Attributes:
        shape: (c, *s) of an example.
        evaluation_splits: the splits that validation goes through, in order.
        values: what entries mean, with what was learned of the training split.
        classes: number of classes.
        condition_columns: number of columns that a model can be conditioned on.
    """

    shape: tuple[int, ...]
    evaluation_splits: tuple[str, ...]
    values: Values = Bytes()
    classes: int = 0
    condition_columns: int = 0

    def state(self) -> dict[str, Any]:
        """Return the description as plain values and tensors."""
        return {
            "shape": list(self.shape),
            "evaluation_splits": list(self.evaluation_splits),
            "values": self.values.state(),
            "classes": self.classes,
            "condition_columns": self.condition_columns,
        }


def description_in(checkpoint: Mapping[str, Any]) -> Description | None:
    """Return the description in a checkpoint; None if it has none, or one that makes no sense."""
    state = checkpoint.get("DataModule", checkpoint.get("ImageData"))  # the name of version 0.1
    if not isinstance(state, dict):
        return None
    shape, splits = state.get("shape", state.get("image_shape")), state.get("evaluation_splits")
    sizes = [state.get(name, 0) for name in ("classes", "condition_columns")]
    if not isinstance(shape, list) or not isinstance(splits, list):
        return None
    if not all(type(number) is int and number > 0 for number in shape) or not all(type(size) is int for size in sizes):
        return None
    if not shape or not all(split in ("validation", "test") for split in splits):
        return None
    try:
        values = restored(state.get("values") or {})
    except (ValueError, TypeError, AttributeError):
        return None
    return Description(tuple(shape), tuple(splits), values, *sizes)
