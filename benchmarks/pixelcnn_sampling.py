"""Sampling from a PixelCNN: cached activations against the whole network once for each channel of each pixel.

python benchmarks/pixelcnn_sampling.py      prints a table; a minute on one core

Times are CPU times of one thread, of network=pixelcnn's defaults with likelihood=categorical (256 levels). A pass of
the whole network costs the same whichever pixel it is for, so the naive time is that of a few passes times their
number. That both samplers draw the same images is a test (tests/test_pixelcnn.py).
"""

import statistics
from time import process_time

import torch

from infovae.likelihoods.categorical import Categorical
from infovae.networks.pixelcnn import PixelCNNDecoder

CASES = [((1, 28, 28), 1), ((1, 28, 28), 16), ((1, 28, 28), 64), ((3, 32, 32), 1), ((3, 32, 32), 16)]
"""Image shape and number of images."""

PASSES = 5


@torch.no_grad()
def seconds(shape: tuple[int, int, int], n: int, latent_dim: int = 10) -> tuple[float, float]:
    """Of the naive and of the cached sampler."""
    torch.manual_seed(0)
    likelihood = Categorical()
    decoder = PixelCNNDecoder(latent_dim, shape, likelihood.parameters_per_channel)
    z = torch.randn(n, latent_dim)
    images = decoder.distribution(z, likelihood).sample()

    passes = []
    for _ in range(PASSES):
        start = process_time()
        likelihood(decoder(images, z)[:, :, :1, :1]).sample()
        passes.append(process_time() - start)

    start = process_time()
    decoder.distribution(z, likelihood).sample()
    return statistics.median(passes) * images[0].numel(), process_time() - start


def main() -> None:
    """Print the table."""
    torch.set_num_threads(1)
    print("|image|images|naive, s|cached, s|ratio|\n|---|---|---|---|---|")
    for shape, n in CASES:
        naive, cached = seconds(shape, n)
        name = " x ".join(map(str, shape))
        print(f"|{name}|{n}|{naive:.1f}|{cached:.2f}|{naive / cached:.0f}|", flush=True)


if __name__ == "__main__":
    main()
