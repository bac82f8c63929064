"""What functions of samples refuse: other dimensions, other sizes, a bandwidth that is none."""

import math

from torch import Tensor

from infovae.errors import ArgumentError


def check_shapes(**samples: tuple[Tensor, int | None, int | None]) -> None:
    """Refuse samples that don't go together.

    Args:
        samples: by the name of the argument, each with the two sizes that it must have; None: any.

    Raises:
        ArgumentError: names the first of another shape.
    """
    for name, (sample, *sizes) in samples.items():
        fits = sample.ndim == 2 and all(size in (None, own) for own, size in zip(sample.shape, sizes, strict=True))
        if not fits:
            accepted = ", ".join("any" if size is None else str(size) for size in sizes)
            raise ArgumentError(name, ..., f"shape ({accepted})", f"shape {tuple(sample.shape)}")


def check_bandwidth(squared_bandwidth: float | Tensor) -> None:
    """Refuse a number that is no sigma^2. A tensor isn't looked at: it may lie on another device.

    Raises:
        ArgumentError: it isn't a positive, finite number.
    """
    if not isinstance(squared_bandwidth, Tensor) and not 0 < squared_bandwidth < math.inf:
        raise ArgumentError("squared_bandwidth", f"{squared_bandwidth:g}", "finite numbers above 0")
