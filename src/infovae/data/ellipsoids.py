"""Generated volumes with known factors."""

import torch

from infovae.data.examples import DataSet, Examples
from infovae.data.values import Bytes
from infovae.errors import require_at_least


def ellipsoids(size: int = 4000, test_size: int = 1000, side: int = 16, levels: int = 5, seed: int = 1) -> DataSet:
    """Return white ellipsoids in black cubes, whose factors are their place (x, y, z) and their radius.

    Each factor takes one of ``levels`` values with equal probability, independently. The ellipsoid is half as high as
    it is wide. The label is the level of the radius.

    Args:
        size: number of examples in the train split.
        test_size: number in the test split.
        side: of the cube, in voxels.
        levels: number of values of each factor.
        seed: of the volumes; separate from the run's seed.

    Raises:
        ArgumentError: a number is out of range.
    """
    require_at_least(1, size=size, test_size=test_size)
    require_at_least(2, levels=levels)
    require_at_least(8, side=side)
    generator = torch.Generator().manual_seed(seed)
    train, test = (_sample(n, side, levels, generator) for n in (size, test_size))
    return DataSet(train, test, values=Bytes())


def _sample(n: int, side: int, levels: int, generator: torch.Generator) -> Examples:
    factors = torch.randint(levels, (n, 4), generator=generator)
    share = factors / (levels - 1)
    centre, radius = 0.3 + 0.4 * share[:, :3], 0.12 + 0.13 * share[:, 3]
    places = (torch.arange(side) + 0.5) / side
    x = torch.empty(n, 1, side, side, side, dtype=torch.uint8)
    for part in torch.arange(n).split(500):
        along = [(places - centre[part, axis, None]).square() for axis in range(3)]
        high, deep, wide = 4 * along[2][:, :, None, None], along[1][:, None, :, None], along[0][:, None, None, :]
        inside = high + deep + wide <= radius[part, None, None, None].square()
        x[part, 0] = inside.to(torch.uint8) * 255
    return Examples(x, factors[:, 3], factors)
