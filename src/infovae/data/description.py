"""What a model is built from: all that it needs to know of its data."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from infovae.data.condition_columns import ConditionColumns
from infovae.data.values import Bytes, Values, restored


class Description(NamedTuple):
    """A description of a data set, which each checkpoint holds: the model can then be loaded without the data.

    Attributes:
        shape: (c, *s) of an example.
        evaluation_splits: the splits that validation goes through, in order.
        values: what entries mean, with what was learned of the training split.
        classes: number of classes.
        conditions: mean, scale and limits of the columns that a model can be conditioned on; None: there are none.
        class_names: what the data call each class.
    """

    shape: tuple[int, ...]
    evaluation_splits: tuple[str, ...]
    values: Values = Bytes()
    classes: int = 0
    conditions: ConditionColumns | None = None
    class_names: tuple[str, ...] = ()

    def state(self) -> dict[str, Any]:
        """Return the description as plain values."""
        return {
            "shape": list(self.shape),
            "evaluation_splits": list(self.evaluation_splits),
            "values": self.values.state(),
            "classes": self.classes,
            "conditions": None if self.conditions is None else self.conditions.state(),
            "class_names": list(self.class_names),
        }


def description_in(checkpoint: Mapping[str, Any]) -> Description | None:
    """Return the description in a checkpoint; None if it has none, or one that makes no sense."""
    state = checkpoint.get("DataModule", checkpoint.get("ImageData"))  # the name of version 0.1
    if not isinstance(state, dict):
        return None
    shape, splits = state.get("shape", state.get("image_shape")), state.get("evaluation_splits")
    classes, told = state.get("classes", 0), state.get("conditions")
    if not isinstance(shape, list) or not isinstance(splits, list):
        return None
    if not all(type(number) is int and number > 0 for number in shape) or type(classes) is not int:
        return None
    if not shape or not all(split in ("validation", "test") for split in splits):
        return None
    try:
        values = restored(state.get("values") or {})
        conditions = None if told is None else ConditionColumns(**{name: told[name] for name in told if name != "kind"})
    except (ValueError, TypeError, AttributeError):
        return None
    names = tuple(map(str, state.get("class_names") or range(classes)))
    return Description(tuple(shape), tuple(splits), values, classes, conditions, names)
