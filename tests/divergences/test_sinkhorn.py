import math
import re
from pathlib import Path

import ot
import pytest
import torch
from geomloss import SamplesLoss
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

import infovae
from infovae.divergences import sinkhorn
from infovae.divergences.sinkhorn import Sinkhorn, sinkhorn_divergence


def samples(n: int, m: int, dimension: int) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    return (
        1.3 * torch.randn(n, dimension, generator=generator, dtype=torch.float64) + 0.5,
        torch.randn(m, dimension, generator=generator, dtype=torch.float64),
    )


def entropic_transport(x: Tensor, y: Tensor, epsilon: float, iterations: int = 1000) -> Tensor:
    """OT_eps by plain log-domain iterations to convergence."""
    cost = torch.cdist(x, y).square() / 2
    f, g = x.new_zeros(len(x)), x.new_zeros(len(y))
    for _ in range(iterations):
        f = -epsilon * torch.logsumexp((g - cost) / epsilon - math.log(len(y)), dim=1)
        g = -epsilon * torch.logsumexp((f[:, None] - cost) / epsilon - math.log(len(x)), dim=0)
    return f.mean() + g.mean()


def exact(x: Tensor, y: Tensor, blur: float) -> Tensor:
    epsilon = blur**2
    return (
        entropic_transport(x, y, epsilon) - (entropic_transport(x, x, epsilon) + entropic_transport(y, y, epsilon)) / 2
    )


@pytest.mark.parametrize("blur", [0.5, 1.0, 2.0])
def test_converges_to_the_fully_solved_problem(blur: float) -> None:
    x, y = samples(40, 30, 3)
    truth = exact(x, y, blur)
    errors = [abs(sinkhorn_divergence(x, y, blur, scaling) - truth) for scaling in (0.5, 0.9, 0.99)]
    assert errors[2] < 0.2 * errors[0]
    assert errors[2] < 2e-3 * truth  # of the solver's own making: it falls with 1 - scaling, as the line above shows
    assert errors[0] < 0.05 * truth


@pytest.mark.parametrize(("blur", "coarse", "fine"), [(0.1, 0.25, 0.06), (0.25, 0.17, 0.035), (1.0, 0.17, 0.01)])
def test_errors_of_the_schedule_are_those_documented(blur: float, coarse: float, fine: float) -> None:
    """At q = p in the plane, where docs/divergences.md finds them largest."""
    generator = torch.Generator().manual_seed(0)
    x, y = torch.randn(2, 96, 2, generator=generator, dtype=torch.float64)
    truth = sinkhorn_divergence(x, y, blur, scaling=0.995)
    errors = [abs(sinkhorn_divergence(x, y, blur, scaling) / truth - 1) for scaling in (0.5, 0.9)]
    assert 0.04 < errors[0] < coarse
    assert errors[1] < fine


def test_centring_moves_only_the_means_own_share() -> None:
    """S_eps(q, p) is that of the centred samples, plus half the squared distance of the means."""
    x, y = samples(30, 25, 3)
    shift = torch.tensor([3.0, -2.0, 0.5], dtype=torch.float64)
    means = x.mean(dim=0) - y.mean(dim=0)
    more = ((means + shift).square().sum() - means.square().sum()) / 2
    torch.testing.assert_close(exact(x + shift, y, 1.0) - exact(x, y, 1.0), more)
    torch.testing.assert_close(sinkhorn_divergence(x + shift, y) - sinkhorn_divergence(x, y), more)


def test_agrees_with_pots_debiased_solver() -> None:
    x, y = samples(25, 25, 2)
    blur = 1.0

    def transport(a: Tensor, b: Tensor) -> float:
        cost = (torch.cdist(a, b).square() / 2).numpy()
        plan = ot.sinkhorn(
            [1 / len(a)] * len(a),
            [1 / len(b)] * len(b),
            cost,
            blur**2,
            method="sinkhorn_log",
            stopThr=1e-13,
            numItermax=20000,
        )
        # OT_eps adds eps KL(plan || product) to the cost of the plan.
        relative_entropy = (plan * torch.log(torch.as_tensor(plan) * len(a) * len(b)).numpy()).sum()
        return (plan * cost).sum() + blur**2 * relative_entropy

    theirs = transport(x, y) - (transport(x, x) + transport(y, y)) / 2
    assert exact(x, y, blur).item() == pytest.approx(theirs, rel=1e-8)
    assert sinkhorn_divergence(x, y, blur, scaling=0.99).item() == pytest.approx(theirs, rel=2e-3)


def test_small_blur_is_half_of_pots_exact_squared_wasserstein() -> None:
    x, y = samples(20, 20, 2)
    transport = ot.emd2([], [], torch.cdist(x, y).square().numpy()) / 2
    errors = [abs(sinkhorn_divergence(x, y, blur, 0.97).item() - transport) for blur in (0.3, 0.1, 0.03)]
    assert errors[0] > errors[1] > errors[2]
    assert errors[2] < 0.01 * transport


def test_large_blur_is_half_the_squared_distance_of_the_means() -> None:
    x, y = samples(50, 40, 3)
    means = (x.mean(dim=0) - y.mean(dim=0)).square().sum().item() / 2
    assert sinkhorn_divergence(x, y, blur=300.0).item() == pytest.approx(means, rel=1e-3)


@pytest.mark.parametrize("blur", [0.5, 1.0])
def test_gradient_is_that_of_the_fully_solved_problem(blur: float) -> None:
    x, y = samples(20, 20, 2)
    theirs = x.clone().requires_grad_()
    exact(theirs, y, blur).backward()
    errors = []
    for scaling in (0.5, 0.99):
        ours = x.clone().requires_grad_()
        sinkhorn_divergence(ours, y, blur, scaling).backward()
        errors.append((ours.grad - theirs.grad).norm() / theirs.grad.norm())
    assert errors[1] < 0.2 * errors[0]
    assert errors[1] < 0.01


def test_gradient_gathers_a_translation() -> None:
    """S_eps(x + t, x) grows by ||t||^2 / 2 whatever eps: its gradients sum to t."""
    x, _ = samples(30, 30, 4)
    shift = torch.tensor([0.3, -0.2, 0.0, 1.0], dtype=torch.float64)
    moved = (x + shift).requires_grad_()
    value = sinkhorn_divergence(moved, x, 1.0, scaling=0.99)
    value.backward()
    assert value.item() == pytest.approx(shift.square().sum().item() / 2, rel=1e-2)
    torch.testing.assert_close(moved.grad.sum(dim=0), shift, rtol=1e-2, atol=1e-2)


def test_same_points_are_at_no_distance() -> None:
    x, _ = samples(30, 30, 4)
    assert sinkhorn_divergence(x, x.clone()).abs().item() < 1e-12


@settings(deadline=None, max_examples=40)
@given(
    n=st.integers(1, 12),
    dimension=st.integers(1, 5),
    scale=st.sampled_from([0.0, 1e-3, 1.0, 1e3]),
    offset=st.sampled_from([0.0, 1e3]),
)
def test_float32_is_float64_at_any_scale(n: int, dimension: int, scale: float, offset: float) -> None:
    x, y = (scale * part + offset for part in samples(n, n, dimension))
    x, y = x.float(), y.float()
    single, double = sinkhorn_divergence(x, y), sinkhorn_divergence(x.double(), y.double())
    # Potentials are of the order of the largest cost; each iteration rounds them once.
    largest = torch.cdist(x.double(), y.double()).square().max().item() / 2 + 1
    assert abs(single.item() - double.item()) < 50 * 2**-24 * largest


@pytest.mark.parametrize("enabled", [True, False])
def test_leaves_gradient_mode_as_it_was(enabled: bool) -> None:
    x, y = samples(5, 5, 2)
    with torch.set_grad_enabled(enabled):
        sinkhorn_divergence(x, y)
        assert torch.is_grad_enabled() == enabled


def test_geomloss_is_loaded_only_where_it_is_used() -> None:
    source = Path(infovae.__file__).parent
    mentions = [path.name for path in source.rglob("*.py") if re.search("geomloss|[.]sinkhorn", path.read_text())]
    assert mentions == ["sinkhorn.py"]


@pytest.mark.parametrize(("key", "value"), [("blur", 0.0), ("blur", math.inf), ("scaling", 0.0), ("scaling", 1.0)])
def test_refuses_what_it_cannot_do(key: str, value: float) -> None:
    with pytest.raises(ValueError, match=f"^{key}=.*accepted:"):
        Sinkhorn(**{key: value})


@pytest.mark.parametrize(("diameter", "dtype"), [(63.5, torch.float32), (64.5, torch.float64)])
def test_wide_samples_are_solved_in_float64(
    diameter: float, dtype: torch.dtype, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of a diameter above 64 blurs; the value has the precision of the codes."""
    seen = []

    class Recorded(SamplesLoss):
        def forward(self, x: Tensor, y: Tensor) -> Tensor:
            seen.extend([x.dtype, y.dtype])
            return super().forward(x, y)

    monkeypatch.setattr(sinkhorn, "SamplesLoss", Recorded)
    blur = 0.5
    z = torch.tensor([[-1.0], [1.0]]) * blur * diameter / 2
    assert sinkhorn_divergence(z, z.clone(), blur).dtype == torch.float32
    assert seen == [dtype, dtype]


def test_accepts_what_is_between_its_limits() -> None:
    assert (Sinkhorn(blur=0.5).blur, Sinkhorn(scaling=0.9).scaling) == (0.5, 0.9)
