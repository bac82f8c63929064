"""Other metrics, on the examples of each class alone."""

from collections.abc import Callable, Mapping

import torch
from torch import Tensor

from infovae.data.module import DataModule
from infovae.errors import ArgumentError
from infovae.metrics.metric import Metric, make_metric
from infovae.model import Model, Observed


class ByClass(Metric):
    """Return each number of other metrics as a vector ``NAME_by_class``; nan for a class without examples.

    Of data with several labels, each further one makes vectors ``NAME_by_LABEL``.

    With ``condition=labels``, q(z) of a class is q(z|y): whether it is p(z) for each y is more than q(z) = p(z).

    Args:
        of: the metrics, by name.
        data: names the classes.

    Raises:
        ArgumentError: a metric compares with the training split.
    """

    of_any_split = False

    def __init__(self, of: Mapping[str, Callable[..., Metric]], model: Model, data: DataModule) -> None:
        super().__init__()
        self.model, self.data, self.of = model, data, of
        self.parts: dict[tuple[int, int], list[Metric]] = {}
        self.names = ("class", *data.label_names[1:])
        for name, metric in zip(of, self._made(), strict=True):
            if metric.compares_with_training:
                raise ArgumentError("of", name, "other metrics", "it compares with the training split")

    def _made(self) -> list[Metric]:
        prior = self.model.prior
        return [make_metric(name, self.of[name], prior=prior, model=self.model, data=self.data) for name in self.of]

    def reset(self) -> None:
        super().reset()
        self.parts = {}

    def update(self, observed: Observed) -> None:
        """Take in a batch."""
        for number in range(len(self.names)):
            labels = observed.labels if number == 0 or observed.factors is None else observed.factors[:, number]
            for label in labels.unique().tolist():
                if (number, label) not in self.parts:
                    self.parts[number, label] = [metric.to(observed.x.device) for metric in self._made()]
                for metric in self.parts[number, label]:
                    metric.observe(observed.take(labels == label))

    def compute(self) -> dict[str, Tensor]:
        vectors: dict[str, Tensor] = {}
        for (number, label), metrics in self.parts.items():
            for metric in metrics:
                for name, value in metric.compute().items():
                    if value.ndim == 0 and not name.startswith("prior_"):  # which no example changes
                        missing = value.new_full((self._values(number),), torch.nan, dtype=torch.float64)
                        vectors.setdefault(f"{name}_by_{self.names[number]}", missing)[label] = value
        return vectors

    def _values(self, number: int) -> int:
        """Return how many values a label has."""
        if number == 0:
            return len(self.data.class_names)
        there = [part.factors[:, number] for part in self.data.splits.values() if part.factors is not None]
        return 1 + int(torch.cat(there).max())
