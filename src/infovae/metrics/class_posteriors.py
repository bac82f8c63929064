"""Where q(z|x) lies, class by class."""

import torch
from torch import Tensor

from infovae.errors import ArgumentError
from infovae.exact import exact, exact_device
from infovae.metrics.metric import Metric
from infovae.model import Observed
from infovae.priors.prior import Prior


class ClassPosteriors(Metric):
    """The location and width of q(z|x) in each class, for one latent dimension.

    ``posterior_mean_<class>`` is the average E[z|x], ``posterior_scale_<class>`` the root of the average Var[z|x].

    Raises:
        ValueError: there is more than one latent dimension.
    """

    mean: list[Tensor]
    variance: list[Tensor]
    label: list[Tensor]

    def __init__(self, prior: Prior) -> None:
        super().__init__()
        if prior.latent_dim != 1:
            raise ArgumentError("latent_dim", prior.latent_dim, "latent_dim=1", "measured on a line only")
        for name in ("mean", "variance", "label"):
            self.add_state(name, [], dist_reduce_fx="cat")

    def update(self, observed: Observed) -> None:
        """Take in a batch."""
        self.mean.append(exact(observed.codes.mean.squeeze(1)))
        self.variance.append(exact(observed.codes.variance.squeeze(1)))
        self.label.append(observed.labels.to(exact_device(observed.labels.device)))

    def compute(self) -> dict[str, Tensor]:
        mean, variance, label = (torch.cat(list(part)) for part in (self.mean, self.variance, self.label))
        measured: dict[str, Tensor] = {}
        for value in label.unique().tolist():
            chosen = label == value
            measured[f"posterior_mean_{value}"] = mean[chosen].mean()
            measured[f"posterior_scale_{value}"] = variance[chosen].mean().sqrt()
        return measured
