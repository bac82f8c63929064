"""Decoders whose pixels depend on earlier pixels: p(x|z) = prod_i p(x_i | x_1, ..., x_(i-1), z)."""

from abc import abstractmethod
from collections.abc import Callable
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor
from torch.distributions import Distribution
from torch.distributions.constraints import Constraint

from infovae.networks.decoder import Decoder, FromParameters
from infovae.streams import isolated_stream


class AutoregressiveDecoder(Decoder):
    """A decoder that predicts each pixel from those before it: row by row, and within a pixel channel by channel."""

    shape: tuple[int, int, int]

    @abstractmethod
    def forward(self, images: Float[Tensor, "n c h w"], z: Float[Tensor, "n d"]) -> Float[Tensor, "n k h w"]:
        """Return the parameters of all pixels at once; those of a pixel depend only on the pixels before it."""

    @abstractmethod
    def generate(self, z: Float[Tensor, "n d"], draw: Callable[[Tensor], Tensor]) -> Float[Tensor, "n c h w"]:
        """Draw an image for each z, pixel by pixel.

        Args:
            z: the codes.
            draw: returns values, (n, c, 1, 1), from the parameters of one pixel, (n, k, 1, 1). It is called once for
                each channel of each pixel, and only that channel's value is used.
        """

    def distribution(self, z: Float[Tensor, "n d"], likelihood: FromParameters) -> Distribution:
        return Autoregressive(self, z, likelihood)


class Autoregressive(Distribution):
    """p(x|z) of an autoregressive decoder, with any likelihood of single pixels.

    ``log_prob`` is exact and runs the network once, on the image itself. ``sample`` draws one pixel after another.

    Args:
        decoder: computes the parameters.
        z: the codes.
        likelihood: maps parameters to a distribution in which pixels and channels are independent.
    """

    arg_constraints: ClassVar[dict[str, Constraint]] = {}

    def __init__(self, decoder: AutoregressiveDecoder, z: Float[Tensor, "n d"], likelihood: FromParameters) -> None:
        self.decoder = decoder
        self.z = z
        self.likelihood = likelihood
        super().__init__(torch.Size(z.shape[:1]), torch.Size(decoder.shape), validate_args=False)

    @property
    def mean(self) -> Tensor:
        """Return one draw for each z, an unbiased but noisy estimate of E[x|z], which has no closed form.

        The draw uses the same random stream each time, so pictures are comparable.
        """
        with isolated_stream(self.z.device):
            return self.sample()

    def log_prob(self, value: Tensor) -> Tensor:
        """Return log p(x|z) in nats per example; ``value`` broadcasts to (..., n, c, h, w)."""
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
