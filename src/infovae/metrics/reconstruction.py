"""The ELBO with its two terms, and the squared error of reconstructions."""

import torch
from jaxtyping import Float, Float64
from torch import Tensor

from infovae.exact import exact
from infovae.likelihoods.likelihood import mean_given
from infovae.metrics.averages import averaged
from infovae.metrics.log_weights import bits_per_dimension
from infovae.metrics.metric import Metric
from infovae.model import Model, Observed, given
from infovae.objective import rate as rate_of


class Reconstruction(Metric):
    """The ELBO and its terms in nats per example, and the squared error of E[x|z].

    ``elbo`` = -``reconstruction`` - ``rate``, with one z ~ q(z|x) for each example, all three with standard errors over
    examples, and ``elbo_bits_per_dimension``. ``squared_error``, summed over the entries of x, is that of the example
    decoded from z; ``squared_error_of_mean_code`` is that of the one decoded from E[z|x]. Where the likelihood is given
    the total of x, so is the mean. A deterministic posterior has an infinite rate.
    """

    reconstruction: list[Tensor]
    rate: list[Tensor]
    squared_error: list[Tensor]
    squared_error_of_mean_code: list[Tensor]

    def __init__(self, model: Model) -> None:
        super().__init__()
        for name in ("reconstruction", "rate", "squared_error", "squared_error_of_mean_code"):
            self.add_state(name, [], dist_reduce_fx="cat")
        self.model = model
        self.dimensions = 0

    def update(self, observed: Observed) -> None:
        """Take in a batch."""
        x, codes, model = observed.x, observed.codes, given(self.model, observed.conditions)
        likelihood = model.decode(codes.z)
        from_mean = mean_given(model.decode(codes.mean), x)
        self.dimensions = x[0].numel()
        self.reconstruction.append(-exact(likelihood.log_prob(x)))
        self.rate.append(exact(rate_of(model.encode(x), model.prior.distribution(), codes.z)))
        self.squared_error.append(_squared_error(mean_given(likelihood, x), x))
        self.squared_error_of_mean_code.append(_squared_error(from_mean, x))

    def compute(self) -> dict[str, Tensor]:
        terms = {name: torch.cat(list(parts)) for name, parts in self.metric_state.items()}
        terms["elbo"] = -terms["reconstruction"] - terms["rate"]
        measured = averaged(terms)
        measured["elbo_bits_per_dimension"] = bits_per_dimension(measured["elbo"], self.dimensions)
        return measured


def _squared_error(mean: Float[Tensor, "n c *s"], x: Float[Tensor, "n c *s"]) -> Float64[Tensor, " n"]:
    """Return the squared error of each example; a missing entry, NaN, has none."""
    return exact(torch.where(x.isnan(), 0.0, mean - x).square().flatten(1).sum(dim=1))
