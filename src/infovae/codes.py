"""A batch of codes: all that divergences and most metrics see of a model."""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor


class Codes(NamedTuple):
    """The posteriors of n examples, and one latent sample of each.

    Attributes:
        z: samples z_i ~ q(z|x_i), together a sample of the aggregate posterior q(z).
        mean: E[z|x_i].
        variance: Var[z|x_i], diagonal; zero for a deterministic posterior.
        dataset_size: N, the number of examples that q(z) averages over.
    """

    z: Float[Tensor, "n d"]
    mean: Float[Tensor, "n d"]
    variance: Float[Tensor, "n d"]
    dataset_size: int

    def detach(self) -> "Codes":
        """Return the same codes without gradient."""
        return Codes(self.z.detach(), self.mean.detach(), self.variance.detach(), self.dataset_size)

    def take(self, chosen: Tensor | slice) -> "Codes":
        """Return the codes of some examples, chosen by position or by mask."""
        return Codes(self.z[chosen], self.mean[chosen], self.variance[chosen], self.dataset_size)


def joined(batches: Sequence[Codes]) -> Codes:
    """Return batches of one data set, at least one, as a single batch."""
    z, mean, variance, sizes = zip(*batches, strict=True)
    return Codes(torch.cat(z), torch.cat(mean), torch.cat(variance), sizes[0])
