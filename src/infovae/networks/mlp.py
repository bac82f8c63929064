"""Fully connected encoder and decoder."""

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn

from infovae.errors import ArgumentError
from infovae.networks.decoder import Decoder, parameter_shape

Activation = Literal["relu", "tanh"]
ACTIVATIONS: dict[Activation, type[nn.Module]] = {"relu": nn.ReLU, "tanh": nn.Tanh}


def perceptron(sizes: Sequence[int], activation: Activation = "relu") -> nn.Sequential:
    """Return linear layers of the given sizes with an activation between them."""
    if min(sizes) < 1:
        raise ArgumentError("hidden", list(sizes[1:-1]), "lists of whole numbers of at least 1")
    layers: list[nn.Module] = []
    for inputs, outputs in pairwise(sizes):
        layers += [nn.Linear(inputs, outputs), ACTIVATIONS[activation]()]
    return nn.Sequential(*layers[:-1])


class MLPEncoder(nn.Module):
    """Flatten an example of any shape, and map [0, 1], the range of pixels, to [-1, 1], which trains faster."""

    flattens = True

    def __init__(
        self, shape: Sequence[int], outputs: int, hidden: Sequence[int], activation: Activation = "relu"
    ) -> None:
        super().__init__()
        self.layers = perceptron([math.prod(shape), *hidden, outputs], activation)

    def forward(self, images: Float[Tensor, "n *s"]) -> Float[Tensor, "n k"]:
        return self.layers(2 * images.flatten(1) - 1)


class MLPDecoder(Decoder):
    """Mirror the encoder.

    Args:
        latent_dim: d.
        shape: (c, *s) of an example.
        parameters_per_channel: of the likelihood.
        hidden: widths of the hidden layers.
        activation: of their units.
        start: ``data`` sets the last biases so that the decoder begins with the mean example (Burda et al. 2016). Adam
            moves a bias by about its rate in a step, so a black pixel takes thousands of steps to learn otherwise.
    """

    def __init__(
        self,
        latent_dim: int,
        shape: Sequence[int],
        parameters_per_channel: int,
        hidden: Sequence[int],
        activation: Activation = "relu",
        start: Literal["random", "data"] = "random",
    ) -> None:
        super().__init__()
        self.starts_at_mean = start == "data"
        self.output_shape = parameter_shape(shape, parameters_per_channel)
        self.layers = perceptron([latent_dim, *hidden, math.prod(self.output_shape)], activation)

    def forward(self, z: Float[Tensor, "n d"]) -> Float[Tensor, "n *s"]:
        parameters: Tensor = self.layers(z)
        return parameters.unflatten(1, self.output_shape)

    @torch.no_grad()
    def start_at(self, parameters: Float[Tensor, "k *s"]) -> None:
        bias = self.layers[-1].bias
        assert isinstance(bias, Tensor)
        bias.copy_(parameters.flatten())
