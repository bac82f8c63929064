"""p(x|z) as a product over pixels, each given those before it: p(x|z) = prod_i p(x_i | x_1, ..., x_(i-1), z)."""

from abc import abstractmethod
from collections.abc import Callable
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor
from torch.distributions import Distribution
from torch.distributions.constraints import Constraint

from infovae.networks.decoder import Decoder, FromParameters

MEAN_SEED = 0


class AutoregressiveDecoder(Decoder):
    """A decoder that sees the pixels before the one it speaks of.

    The order is row by row, and within a pixel channel by channel.
    """

    image_shape: tuple[int, int, int]

    @abstractmethod
    def forward(self, images: Float[Tensor, "n c h w"], z: Float[Tensor, "n d"]) -> Float[Tensor, "n k h w"]:
        """The likelihood's parameters of all pixels at once; those of a pixel depend on the pixels before it alone."""

    @abstractmethod
    def generate(self, z: Float[Tensor, "n d"], draw: Callable[[Tensor], Tensor]) -> Float[Tensor, "n c h w"]:
        """An image for each z, pixel by pixel.

        Args:
            z: the codes.
            draw: values, (n, c, 1, 1), from the parameters of one pixel, (n, k, 1, 1). Called once for each channel of
                each pixel, which takes its own channel's value and leaves the others.
        """

    def distribution(self, z: Float[Tensor, "n d"], likelihood: FromParameters) -> Distribution:
        return Autoregressive(self, z, likelihood)


class Autoregressive(Distribution):
    """p(x|z) with any likelihood of single pixels.

    ``log_prob`` runs the network once, on the image itself, and is exact; ``sample`` draws one pixel after another.

    Args:
        decoder: gives the parameters.
        z: the codes.
        likelihood: parameters to a distribution in which pixels and channels are independent.
    """

    arg_constraints: ClassVar[dict[str, Constraint]] = {}

    def __init__(self, decoder: AutoregressiveDecoder, z: Float[Tensor, "n d"], likelihood: FromParameters) -> None:
        self.decoder = decoder
        self.z = z
        self.likelihood = likelihood
        super().__init__(torch.Size(z.shape[:1]), torch.Size(decoder.image_shape), validate_args=False)

    @property
    def mean(self) -> Tensor:
        """One draw for each z: E[x|z] has no closed form, of which this is an unbiased estimate, as noisy as a sample.

        From a stream of its own that starts anew each time, so that pictures compare.
        """
        with torch.random.fork_rng([self.z.device] if self.z.device.type == "cuda" else []):
            torch.manual_seed(MEAN_SEED)
            return self.sample()

    def log_prob(self, value: Tensor) -> Tensor:
        """In nats per example; ``value``, (..., n, c, h, w) or what broadcasts to it."""
        value = value.expand(torch.broadcast_shapes(value.shape, self.batch_shape + self.event_shape))
        shape = value.shape[:-3]
        images, z = value.flatten(0, -4), self.z.expand(*shape, -1).flatten(0, -2)
        return self.likelihood(self.decoder(images.to(z.dtype), z)).log_prob(images).reshape(shape)

    @torch.no_grad()
    def sample(self, sample_shape: torch.Size | list[int] | tuple[int, ...] = ()) -> Tensor:
        shape = self._extended_shape(torch.Size(sample_shape))
        z = self.z.expand(*shape[:-3], -1).flatten(0, -2)
        return self.decoder.generate(z, self._draw).reshape(shape)

    def _draw(self, parameters: Tensor) -> Tensor:
        return self.likelihood(parameters).sample()
