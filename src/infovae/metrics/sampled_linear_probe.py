"""How well a linear map of a sample z ~ q(z|x) predicts the class."""

from torch import Tensor

from infovae.metrics.linear_probe import LinearProbe
from infovae.model import Observed


class SampledLinearProbe(LinearProbe):
    """The linear probe of one z ~ q(z|x) for each example: ``sampled_linear_probe_information`` bounds I_q(class; z).

    E[z|x] may know more: where q(z|x) is far wider than the means are apart, z says nothing of them.
    """

    def codes_of(self, observed: Observed) -> Tensor:
        return observed.codes.z

    def compute(self) -> dict[str, Tensor]:
        return {f"sampled_{name}": value for name, value in super().compute().items()}
