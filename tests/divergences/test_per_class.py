"""A divergence of each class's codes: the closed form for Gaussian classes, and small classes."""

import math

import pytest
import torch

from infovae.codes import Basis, Codes
from infovae.divergences.adversarial import Adversarial
from infovae.divergences.kernels import Gaussian
from infovae.divergences.mmd import MMD
from infovae.divergences.per_class import PerClass
from infovae.errors import ArgumentError
from infovae.priors.standard_normal import StandardNormal


def coded(z: torch.Tensor, classes: torch.Tensor) -> Codes:
    return Codes(z, z, torch.zeros_like(z), len(z), conditions=classes[:, None].float())


def mmd_of_normal(mean: float, variance: float, bandwidth: float) -> float:
    """Return MMD^2 between N(mean, variance) and N(0, 1) in one dimension: E k of N(m, v) is a normal density of m."""

    def expected(shift: float, spread: float) -> float:
        return math.sqrt(bandwidth / (bandwidth + spread)) * math.exp(-(shift**2) / (2 * (bandwidth + spread)))

    return expected(0, 2 * variance) - 2 * expected(mean, variance + 1) + expected(0, 2)


def test_the_closed_form_of_two_gaussian_classes() -> None:
    """A third of the codes is from N(-2, 0.5), the rest from N(1, 1). The U-statistic has no bias."""
    torch.manual_seed(0)
    kernel = Gaussian(bandwidth=1.0)
    whole, each = MMD(kernel), PerClass(MMD(kernel), 2)
    n, prior = 300, StandardNormal(1)
    classes = (torch.arange(n) % 3 > 0).long()
    centre, deviation = torch.tensor([-2.0, 1.0])[classes, None], torch.tensor([0.5, 1.0]).sqrt()[classes, None]
    draws = [coded(centre + deviation * torch.randn(n, 1), classes) for _ in range(50)]
    found = torch.stack([each(codes, prior) for codes in draws])
    expected = mmd_of_normal(-2, 0.5, 1) / 3 + mmd_of_normal(1, 1, 1) * 2 / 3
    error = found.std().item() / math.sqrt(len(found))
    assert abs(found.mean().item() - expected) < 5 * error
    assert torch.stack([whole(codes, prior) for codes in draws]).mean().item() < expected - 20 * error


def test_classes_that_are_too_small_are_left_out() -> None:
    torch.manual_seed(0)
    each, prior = PerClass(MMD(), 3), StandardNormal(2)
    z = torch.randn(7, 2, requires_grad=True)
    classes = torch.tensor([2, 0, 2, 0, 1, 0, 2])
    value = each(coded(z, classes), prior)
    by_hand = sum(3 * MMD()(coded(z[classes == label], classes[classes == label]), prior) for label in (0, 2)) / 6
    torch.testing.assert_close(value, by_hand)
    (gradient,) = torch.autograd.grad(value, z)
    assert (gradient[classes == 1] == 0).all()
    assert (gradient[classes != 1] != 0).all()
    assert each.minimum_batch == 4
    with pytest.raises(ValueError, match="no class has the 2 examples"):
        each(coded(z[:3], torch.arange(3)), prior)


def test_the_rows_of_codes_keep_their_conditions() -> None:
    z = torch.randn(5, 2)
    basis = Basis(torch.rand(5, 2), torch.eye(2).repeat(5, 1, 1), torch.eye(2).repeat(5, 1, 1))
    codes = Codes(z, z, z.square(), 5, basis, torch.arange(5.0)[:, None])
    taken = codes.take(torch.tensor([3, 1]))
    assert taken.conditions is not None
    assert taken.conditions.flatten().tolist() == [3, 1]
    assert torch.equal(taken.covariance(), codes._replace(conditions=None).take(torch.tensor([3, 1])).covariance())


def test_a_critic_is_refused() -> None:
    with pytest.raises(ArgumentError, match=r"^per_class=True: Adversarial learns"):
        PerClass(Adversarial(2, torch.optim.Adam), 2)
