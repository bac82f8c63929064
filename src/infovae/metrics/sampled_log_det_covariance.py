"""log det Cov[q(z)] from samples, as in the authors' released code."""

import torch
from torch import Tensor

from infovae.codes import Codes
from infovae.metrics.log_det_covariance import LogDetCovariance


class SampledLogDetCovariance(LogDetCovariance):
    """log det of the sample covariance of z ~ q(z|x), one z for each example.

    On average it lies below the exact value by about d (d + 1) / (2 N). It needs more than d examples, else -inf; a
    single example gives nan.
    """

    def update(self, codes: Codes) -> None:
        super().update(codes._replace(mean=codes.z, variance=torch.zeros_like(codes.z), conditional=None))

    def compute(self) -> dict[str, Tensor]:
        return {f"sampled_{name}": value for name, value in super().compute().items()}
