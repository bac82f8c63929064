"""MMD of a Gaussian kernel by random Fourier features (Rahimi & Recht 2007): linear in n.

exp(-||x - y||^2 / (2 sigma^2)) = E cos(<w, x - y>) over w ~ N(0, I / sigma^2), so that MMD^2 is the expected squared
distance between the characteristic functions of q and p at w, here averaged over D draws of w. With fresh features the
estimate is unbiased, over features and samples both. For q = p, 512 of them add at most 5 % to the U-statistic's own
standard deviation in 2 or 10 dimensions and 18 % in 64; 64 of them 20 % and 90 % (``benchmarks/mmd_estimators.py``,
its table in ``docs/figures/mmd_estimators.csv``). They pay for large batches: 512 features cost as much as
divergence=mmd at about n = 1,000 and a quarter of it at 4,096, but more at n = 128.

Fixed features are deterministic given the batch, but see q only at D frequencies: codes can differ from the prior and
score 0, which training will find. Fresh ones don't have that blind spot.
"""

import torch
from jaxtyping import Float
from torch import Tensor

from infovae.codes import Codes
from infovae.divergences.bandwidths import Bandwidth, squared_bandwidth, squared_number
from infovae.divergences.divergence import Divergence
from infovae.divergences.mmd import Estimator
from infovae.priors.prior import Prior


def fourier_mmd_squared(
    z_q: Float[Tensor, "n d"],
    z_p: Float[Tensor, "m d"],
    frequencies: Float[Tensor, "features d"],
    estimator: Estimator = "u",
) -> Float[Tensor, ""]:
    """The mean over frequencies of |E exp(i <w, z>) - E exp(i <w, y>)|^2.

    Args:
        z_q: codes.
        z_p: draws from the prior.
        frequencies: w, one a row.
        estimator: ``u`` takes out what each point adds by being paired with itself (unbiased), ``v`` doesn't.

    Raises:
        ValueError: the U-statistic of fewer than two points on either side.
    """
    shift = z_p.detach().mean(dim=0)  # changes nothing but the rounding of large angles
    q, p = _characteristic_function(z_q - shift, frequencies), _characteristic_function(z_p - shift, frequencies)
    if estimator == "v":
        return (q - p).square().sum(dim=0).mean()
    return _within(q, len(z_q)) - 2 * (q * p).sum(dim=0).mean() + _within(p, len(z_p))


def _characteristic_function(
    points: Float[Tensor, "n d"], frequencies: Float[Tensor, "features d"]
) -> Float[Tensor, "2 features"]:
    """Real and imaginary part of the sample's mean of exp(i <w, x>)."""
    angles = points @ frequencies.T
    return torch.stack([angles.cos().mean(dim=0), angles.sin().mean(dim=0)])


def _within(mean_features: Float[Tensor, "2 features"], n: int) -> Float[Tensor, ""]:
    """E k(x, x') without the pairs of a point with itself, each of which is 1 in every frequency."""
    if n < 2:
        raise ValueError(f"a U-statistic needs at least 2 points, not {n}; estimator=v has no such limit")
    return (n * mean_features.square().sum(dim=0).mean() - 1) / (n - 1)


class FourierMMD(Divergence):
    """MMD^2 of a Gaussian kernel between a batch of codes and as many prior draws, by random Fourier features.

    Args:
        bandwidth: sigma, or the rule for it.
        features: D, how many frequencies.
        feature_seed: None draws fresh frequencies each time; a seed gives the same ones throughout.
        estimator: ``u`` or ``v``.
    """

    compiles = True

    def __init__(
        self,
        bandwidth: Bandwidth = "2d",
        features: int = 512,
        feature_seed: int | None = None,
        estimator: Estimator = "u",
    ) -> None:
        super().__init__()
        if not isinstance(bandwidth, str):
            squared_number(bandwidth)
        if features < 1:
            raise ValueError(f"features={features}: invalid; accepted: whole numbers of at least 1")
        if feature_seed is not None and feature_seed < 0:
            raise ValueError(f"feature_seed={feature_seed}: invalid; accepted: null or whole numbers of at least 0")
        self.bandwidth = bandwidth
        self.features = features
        self.feature_seed = feature_seed
        self.estimator = estimator

    @property
    def minimum_batch(self) -> int:
        return 2 if self.estimator == "u" else 1

    def forward(self, codes: Codes, prior: Prior) -> Float[Tensor, ""]:
        z_p = prior.sample(len(codes.z))
        sigma = squared_bandwidth(self.bandwidth, torch.cat([codes.z, z_p])) ** 0.5
        return fourier_mmd_squared(codes.z, z_p, self._directions(codes.z) / sigma, self.estimator)

    def _directions(self, z: Float[Tensor, "n d"]) -> Float[Tensor, "features d"]:
        """Standard normal; a frequency is one over sigma."""
        shape = (self.features, z.shape[1])
        if self.feature_seed is None:
            return torch.randn(shape, dtype=z.dtype, device=z.device)
        # On the CPU, so that a seed means the same features on every device.
        generator = torch.Generator().manual_seed(self.feature_seed)
        return torch.randn(shape, dtype=z.dtype, generator=generator).to(z.device)
