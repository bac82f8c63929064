"""How well a linear map of the code predicts the class (Alain & Bengio 2016)."""

import numpy as np
import torch
from sklearn.linear_model import LogisticRegression
from torch import Tensor

from infovae.errors import require_at_least
from infovae.metrics.training_codes import TrainingCodesMetric


class LinearProbe(TrainingCodesMetric):
    """Fit a logistic regression on E[z|x] to the training split, and measure it on the other split.

    ``linear_probe_error`` is its error rate. ``linear_probe_information`` is H(class) - cross-entropy in nats: a lower
    bound on the mutual information of class and code, at most H(class), and below 0 where the probe is worse than the
    class frequencies. Both are nan for a single class or a code that isn't finite.

    Args:
        examples: how many training examples to use, at most.
    """

    def __init__(self, examples: int = 10000) -> None:
        super().__init__()
        require_at_least(2, examples=examples)
        self.examples = examples

    def compute(self) -> dict[str, Tensor]:
        codes, classes = self.training_split()
        codes, classes = codes[: self.examples], classes[: self.examples]
        held_out, truth = self.measured_split()
        known = np.isin(truth, classes.numpy())
        if (
            len(classes.unique()) < 2
            or not known.any()
            or not (np.isfinite(codes).all() and np.isfinite(held_out).all())
        ):
            self.reason = "the codes aren't finite, or the two splits have fewer than two classes in common"
            missing = torch.tensor(torch.nan, dtype=torch.float64)
            return {"linear_probe_error": missing, "linear_probe_information": missing}
        probe = LogisticRegression(max_iter=1000).fit(codes, classes.numpy())
        log_probability = probe.predict_log_proba(held_out[known])
        position = np.searchsorted(probe.classes_, truth[known])
        cross_entropy = -log_probability[np.arange(len(position)), position].mean()
        frequency = np.bincount(position) / len(position)
        entropy = -(frequency[frequency > 0] * np.log(frequency[frequency > 0])).sum()
        return {
            "linear_probe_error": torch.tensor((probe.predict(held_out) != truth).mean(), dtype=torch.float64),
            "linear_probe_information": torch.tensor(entropy - cross_entropy, dtype=torch.float64),
        }
