"""No divergence, for objectives that give it no weight."""

from jaxtyping import Float
from torch import Tensor

from infovae.codes import Codes
from infovae.divergences.divergence import Divergence
from infovae.errors import ArgumentError
from infovae.priors.prior import Prior


class NoDivergence(Divergence):
    """Return 0, and refuse any weight but 0, with which nothing would hold q(z) to the prior."""

    needs = frozenset()

    def check_weight(self, weight: float) -> None:
        if weight != 0:
            accepted = "another divergence, or an objective of weight 0 such as model=vae"
            raise ArgumentError("divergence", "none", accepted, f"its weight alpha + lambda_ - 1 is {weight:g}")

    def forward(self, codes: Codes, prior: Prior) -> Float[Tensor, ""]:
        return codes.z.new_zeros(())
