"""What a divergence needs against what a prior provides: each option of conf/ joins by itself."""

from typing import ClassVar

import pytest
import torch
from jaxtyping import Float
from torch import Tensor

from infovae.codes import Codes
from infovae.divergences.dip import DIP
from infovae.divergences.divergence import Divergence
from infovae.divergences.kl import KL
from infovae.divergences.mmd import MMD
from infovae.divergences.total_correlation import TotalCorrelation
from infovae.priors.gaussian_mixture import GaussianMixture
from infovae.priors.prior import Prior
from infovae.priors.standard_normal import StandardNormal
from infovae.priors.uniform import Uniform


class NeedsScore(Divergence):
    needs = frozenset({"sample", "score"})

    def forward(self, codes: Codes, prior: Prior) -> Float[Tensor, ""]:
        return codes.z.sum()


class SamplesAlone(StandardNormal):
    provides: ClassVar[frozenset[str]] = frozenset({"sample"})


@pytest.mark.parametrize("divergence", [MMD(), KL(), NeedsScore()])
@pytest.mark.parametrize("prior", [StandardNormal(2), GaussianMixture(2)])
def test_full_priors_serve_every_divergence(divergence: Divergence, prior: Prior) -> None:
    divergence.check_prior(prior)


@pytest.mark.parametrize("prior", [Uniform(2), SamplesAlone(2)])
def test_samples_suffice_for_mmd(prior: Prior) -> None:
    MMD().check_prior(prior)


@pytest.mark.parametrize(
    ("divergence", "prior", "told"),
    [
        (NeedsScore(), Uniform(2), "prior=Uniform: it has no score, which divergence NeedsScore needs"),
        (KL(), SamplesAlone(2), "prior=SamplesAlone: it has no log_prob, which divergence KL needs"),
        (KL(), Uniform(2), "prior=Uniform: its density is 0 in places, and divergence KL needs its logarithm"),
        (MMD(prior_terms="exact"), Uniform(2), "prior_terms=exact: the closed form is for N"),
    ],
)
def test_what_lacks_is_told_in_one_line(divergence: Divergence, prior: Prior, told: str) -> None:
    with pytest.raises(ValueError, match=told) as caught:
        divergence.check_prior(prior)
    assert "accepted" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_why_a_box_is_refused() -> None:
    z = torch.tensor([[5.0, 0.0], [0.0, 0.0]])
    assert Uniform(2).log_prob(z)[0] == -torch.inf


def test_what_a_divergence_needs_unless_it_says_otherwise() -> None:
    assert NeedsScore().minimum_batch == 1
    assert not NeedsScore().needs_posterior_density
    assert not NeedsScore().needs_gaussian_posterior
    assert KL().needs_posterior_density
    assert TotalCorrelation().needs_posterior_density
    assert TotalCorrelation().needs_gaussian_posterior


def test_the_weight_of_dips_variances_has_limits() -> None:
    for weight in (0.0, 0.5):
        assert DIP(diagonal_weight=weight).diagonal_weight == weight
    with pytest.raises(ValueError, match="diagonal_weight=inf: invalid; accepted: finite values of at least 0"):
        DIP(diagonal_weight=float("inf"))
