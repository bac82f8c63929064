"""The base of metrics that learn on the training split's codes and are judged on another split's."""

from typing import ClassVar

import numpy as np
import torch
from jaxtyping import Float64, Int64
from torch import Tensor

from infovae.exact import exact
from infovae.metrics.metric import Metric
from infovae.model import Observed

Points = Float64[np.ndarray, "n d"]
Classes = Int64[np.ndarray, " n"]


class TrainingCodesMetric(Metric):
    """Hold E[z|x] and the classes of both splits.

    Codes are centred and scaled by one number, so a classifier's regularisation means the same in every latent space.
    Dimensions keep their relative sizes: if each were scaled by itself, an unused dimension would weigh as much as one
    that carries everything.
    """

    of_any_split: ClassVar[bool] = False
    compares_with_training: ClassVar[bool] = True
    effort = 5

    training_mean: list[Tensor]
    training_labels: list[Tensor]
    mean: list[Tensor]
    labels: list[Tensor]

    def __init__(self) -> None:
        super().__init__()
        for name in ("training_mean", "training_labels", "mean", "labels"):
            self.add_state(name, [], dist_reduce_fx="cat")

    def observe_training(self, observed: Observed) -> None:
        self.training_mean.append(self.codes_of(observed))
        self.training_labels.append(self.labels_of(observed))

    def observe(self, observed: Observed) -> None:
        self.update(self.codes_of(observed), self.labels_of(observed))

    def codes_of(self, observed: Observed) -> Tensor:
        """Return what is learned from, (n, d)."""
        return observed.codes.mean

    def labels_of(self, observed: Observed) -> Tensor:
        """Return what is learned: the classes, (n,)."""
        return observed.labels

    def update(self, mean: Tensor, labels: Tensor) -> None:
        """Take in a batch of the measured split: mean codes, (n, d), and :meth:`labels_of` it."""
        self.mean.append(mean)
        self.labels.append(labels)

    def training_split(self) -> tuple[Points, Tensor]:
        """Return scaled codes, (N, d), and classes, (N,)."""
        return self._scaled(torch.cat(list(self.training_mean))), torch.cat(list(self.training_labels)).cpu()

    def measured_split(self) -> tuple[Points, Int64[np.ndarray, "n *labels"]]:
        """Return scaled codes, (n, d), and :meth:`labels_of` them."""
        return self._scaled(torch.cat(list(self.mean))), torch.cat(list(self.labels)).cpu().numpy()

    def _scaled(self, codes: Tensor) -> Points:
        training = exact(torch.cat(list(self.training_mean)))
        centre = training.mean(dim=0)
        deviation = (training - centre).square().mean().sqrt()
        return ((exact(codes) - centre) / torch.where(deviation > 0, deviation, 1)).cpu().numpy()
