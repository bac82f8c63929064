"""What metrics and pictures see of a batch: the examples, and the codes inferred for them."""

from typing import NamedTuple

from jaxtyping import Float, Int64
from torch import Tensor

from infovae.codes import Codes


class Observed(NamedTuple):
    """n examples and what the model makes of them.

    Attributes:
        images: pixels in [0, 1], as the encoder got them.
        labels: classes.
        codes: of the same examples.
        factors: which value each known factor of variation has; None where the data set knows none.
    """

    images: Float[Tensor, "n c h w"]
    labels: Int64[Tensor, " n"]
    codes: Codes
    factors: Int64[Tensor, "n k"] | None = None
