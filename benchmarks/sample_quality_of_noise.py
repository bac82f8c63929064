"""What the sample metrics make of noise in the place of MNIST samples.

infovae classifier data=mnist
python benchmarks/sample_quality_of_noise.py
"""

from functools import partial

import torch
from torch import Tensor
from torch.distributions import Distribution, Independent, Normal, Uniform

from infovae.data.mnist import mnist
from infovae.data.module import DataModule
from infovae.evaluation.measure import measure
from infovae.metrics.sample_quality import SampleQuality
from infovae.priors.prior import Prior
from infovae.priors.standard_normal import StandardNormal

SHAPE = (1, 28, 28)


class Noise:
    """A model that decodes every code to noise, and encodes nothing."""

    prior: Prior = StandardNormal(1)

    def __init__(self, pixel: Distribution) -> None:
        self.pixel = pixel

    def encode(self, images: Tensor) -> Distribution:
        """q(z|x) = p(z)."""
        return Independent(Normal(torch.zeros(len(images), 1), 1), 1)

    def decode(self, z: Tensor) -> Distribution:
        """The same for every z."""
        return Independent(self.pixel.expand(torch.Size((len(z), *SHAPE))), 3)


def main() -> None:
    """Measure both kinds of noise, drawn pixel by pixel."""
    data = DataModule(partial(mnist, root="data"), batch_size=500)
    for name, pixel in (("uniform", Uniform(0.0, 1.0)), ("Gaussian, cut to [0, 1]", Normal(0.0, 1.0))):
        values = measure(Noise(pixel), data, {"sample_quality": partial(SampleQuality, pixels="drawn")}).values
        print(name)
        for key, value in values.items():
            if isinstance(value, float):
                print(f"  {key}: {value:.5g}")


if __name__ == "__main__":
    main()
