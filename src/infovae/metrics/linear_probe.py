"""How well a linear map of the code predicts the class (Alain & Bengio 2016)."""

import numpy as np
import torch
from jaxtyping import Float64, Int64
from sklearn.linear_model import LogisticRegression
from torch import Tensor

from infovae.data.module import DataModule
from infovae.errors import require_at_least
from infovae.metrics.training_codes import TrainingCodesMetric
from infovae.model import Observed


class LinearProbe(TrainingCodesMetric):
    """Fit a logistic regression on E[z|x] to the training split, and measure it on the other split.

    ``linear_probe_error`` is its error rate. ``linear_probe_information`` is H(class) - cross-entropy in nats: a lower
    bound on the mutual information of class and E[z|x], at most H(class), and below 0 where the probe is worse than the
    class frequencies. Both are nan for a single class or a code that isn't finite. Of data with several labels, those
    of each further one are called ``linear_probe_error_of_NAME``.

    Args:
        examples: how many training examples to use, at most.
        data: names the labels; None: there is one.
    """

    def __init__(self, examples: int = 10000, data: DataModule | None = None) -> None:
        super().__init__()
        require_at_least(2, examples=examples)
        self.examples = examples
        self.further = () if data is None else data.label_names[1:]

    def labels_of(self, observed: Observed) -> Tensor:
        return observed.labels if observed.factors is None or not self.further else observed.factors

    def compute(self) -> dict[str, Tensor]:
        codes, classes = self.training_split()
        held_out, truth = self.measured_split()
        codes, classes = codes[: self.examples], classes[: self.examples]
        measured: dict[str, Tensor] = {}
        for number, name in enumerate(["", *(f"_of_{name}" for name in self.further)]):
            learned, judged = (part.reshape(len(part), -1)[:, number] for part in (classes.numpy(), truth))
            error, information = probed(codes, learned, held_out, judged)
            if np.isnan(error):
                self.reason = "the codes aren't finite, or the two splits have fewer than two classes in common"
            measured[f"linear_probe_error{name}"] = torch.tensor(error, dtype=torch.float64)
            measured[f"linear_probe_information{name}"] = torch.tensor(information, dtype=torch.float64)
        return measured


def probed(
    codes: Float64[np.ndarray, "n d"],
    classes: Int64[np.ndarray, " n"],
    held_out: Float64[np.ndarray, "m d"],
    truth: Int64[np.ndarray, " m"],
) -> tuple[float, float]:
    """Return the error rate of a logistic regression and its information in nats; nan where none can be fitted."""
    known = np.isin(truth, classes)
    if len(np.unique(classes)) < 2 or not known.any() or not (np.isfinite(codes).all() and np.isfinite(held_out).all()):
        return np.nan, np.nan
    probe = LogisticRegression(max_iter=1000).fit(codes, classes)
    log_probability = probe.predict_log_proba(held_out[known])
    position = np.searchsorted(probe.classes_, truth[known])
    cross_entropy = -log_probability[np.arange(len(position)), position].mean()
    frequency = np.bincount(position) / len(position)
    entropy = -(frequency[frequency > 0] * np.log(frequency[frequency > 0])).sum()
    return float((probe.predict(held_out) != truth).mean()), float(entropy - cross_entropy)
