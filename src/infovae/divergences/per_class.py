"""A divergence of each class's codes from the prior."""

import torch
from jaxtyping import Float
from torch import Tensor

from infovae.codes import Codes
from infovae.divergences.divergence import Divergence
from infovae.errors import ArgumentError
from infovae.priors.prior import Prior


class PerClass(Divergence):
    """Mean of D(q(z|y) || p(z)) over the classes y of a batch, each weighted by its share.

    A strict D makes it 0 only if q(z|y) = p(z) for every y, so that z doesn't tell the class. Of D = KL it is
    KL(q(z) || p(z)) + I_q(z;y). Classes with fewer examples in the batch than D needs are left out.

    Args:
        of: D.
        classes: how many there are.

    Raises:
        ArgumentError: D learns, and would learn all classes as one; or D doesn't compare q(z) with the prior.
    """

    needs_classes = True

    def __init__(self, of: Divergence, classes: int) -> None:
        super().__init__()
        if type(of).adapt is not Divergence.adapt:
            why = f"{type(of).__name__} learns, and would learn all classes as one"
            raise ArgumentError("per_class", True, "false, or a divergence without a critic", why)
        if not of.is_strict:
            why = f"{type(of).__name__} doesn't compare codes with the prior, so z could still tell the class"
            raise ArgumentError("per_class", True, "false, or another divergence", why)
        self.of = of
        self.classes = classes
        self.needs = of.needs  # type: ignore[misc]
        self.needs_posterior_density = of.needs_posterior_density  # type: ignore[misc]
        self.needs_gaussian_posterior = of.needs_gaussian_posterior  # type: ignore[misc]

    @property
    def minimum_batch(self) -> int:
        """Return the smallest batch in which at least one class is sure to have enough examples."""
        return self.classes * (self.of.minimum_batch - 1) + 1

    def check_prior(self, prior: Prior) -> None:
        self.of.check_prior(prior)

    def check_weight(self, weight: float) -> None:
        self.of.check_weight(weight)

    def forward(self, codes: Codes, prior: Prior) -> Float[Tensor, ""]:
        assert codes.conditions is not None
        classes, n = codes.conditions[:, 0], len(codes.z)
        terms: list[Tensor] = []
        counted = 0
        for label in classes.unique():
            own = codes.take(classes == label)
            size = len(own.z)
            if size >= self.of.minimum_batch:
                of_class = own._replace(dataset_size=max(size, round(codes.dataset_size * size / n)))
                terms.append(size * self.of(of_class, prior))
                counted += size
        if not terms:
            raise ValueError(f"no class has the {self.of.minimum_batch} examples that the divergence needs")
        return torch.stack(terms).sum() / counted
