"""MNIST with fewer pixels: the same digits, each pixel the mean of a square of the original's."""

from torch import Tensor
from torch.nn.functional import avg_pool2d

from infovae.data.examples import DataSet, Examples
from infovae.data.mnist import mnist
from infovae.errors import ArgumentError


def mnist_pooled(root: str, factor: int = 2, download: bool = True) -> DataSet:
    """Return MNIST at 28 / factor by 28 / factor pixels, rounded to bytes.

    Args:
        root: the folder of data sets; see :func:`infovae.data.mnist.mnist`.
        factor: side of the square that is averaged.
        download: whether to fetch missing files.

    Raises:
        ArgumentError: 28 is not a multiple of the factor; or see :func:`infovae.data.mnist.mnist`.
    """
    if factor < 1 or 28 % factor:
        raise ArgumentError("factor", factor, "1, 2, 4, 7, 14 and 28")
    digits = mnist(root, download)
    return DataSet(_pooled(digits.train, factor), _pooled(digits.test, factor))


def _pooled(part: Examples, factor: int) -> Examples:
    assert isinstance(part.x, Tensor)
    return part._replace(x=avg_pool2d(part.x.float(), factor).round().byte())
