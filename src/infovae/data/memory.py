"""Whether a data set fits in memory."""

import psutil


def check_fits(key: str, images: int, bytes_per_image: int) -> None:
    """Refuse a set that is too large to be held, before it is read.

    Args:
        key: what to name in the refusal, as ``data.source.root=PATH``.
        images: how many.
        bytes_per_image: of each.

    Raises:
        OSError: says how much it takes and how much there is.
    """
    # Splitting a set by seed copies it.
    needed, free = 2 * images * bytes_per_image, psutil.virtual_memory().available
    if needed > free:
        raise OSError(
            f"{key}: {images} images take {needed / 2**30:.1f} GiB while they are split, and {free / 2**30:.1f} GiB of "
            "memory are free; accepted are sets that fit in memory (streaming from disk is not there yet)"
        )
