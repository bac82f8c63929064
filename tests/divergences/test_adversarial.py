import math
from functools import cache, partial
from itertools import pairwise

import pytest
import torch
from normals import (
    ADAM,
    PRIOR,
    codes_from,
    expectation,
    grid_logits,
    jensen_shannon,
    jensen_shannon_terms,
    learn,
    log_ratio,
    normal,
    set_linear,
)
from scipy.integrate import quad
from scipy.stats import norm

from infovae.codes import Codes
from infovae.divergences import adversarial
from infovae.divergences.adversarial import Adversarial
from infovae.priors.standard_normal import StandardNormal

BATCH = 1024
FAST_ADAM = partial(ADAM, lr=1e-2)


@cache
def converged(mean: float, scale: float) -> tuple[Adversarial, StandardNormal]:
    torch.manual_seed(0)
    divergence = Adversarial(1, FAST_ADAM, hidden=[16]).double()
    return divergence, learn(divergence, normal(mean, scale), BATCH, steps=200)


def shortfall_allowed(divergence: Adversarial) -> float:
    """How far below JS a critic of k weights may stay that fits n codes and n draws by maximum likelihood.

    Twice the lost log-likelihood of all 2 n is chi-squared with k degrees (Wilks 1938); 5 standard deviations of it.
    Steps of a critic average over more than one batch, and so lose less.
    """
    weights = sum(parameter.numel() for parameter in divergence.critic.parameters())
    return (weights + 5 * math.sqrt(2 * weights)) / (4 * BATCH)


def test_integration_agrees_with_scipy() -> None:
    q = normal(1.5, 0.7)

    def integrand(z: float) -> float:
        log_p, log_q = norm.logpdf(z), norm.logpdf(z, 1.5, 0.7)
        log_mixture = math.log(0.5) + torch.logaddexp(torch.tensor(log_p), torch.tensor(log_q)).item()
        return 0.5 * math.exp(log_p) * (log_p - log_mixture) + 0.5 * math.exp(log_q) * (log_q - log_mixture)

    exact, error = quad(integrand, -12, 12, limit=200)
    assert jensen_shannon(q, log_ratio(q))[0] == pytest.approx(exact, abs=error + 1e-9)


@pytest.mark.parametrize(
    ("mean", "scale"), [(0.0, 1.0), (0.5, 1.0), (1.0, 1.0), (2.0, 1.0), (4.0, 1.0), (0.0, 2.0), (0.0, 0.3)]
)
def test_a_converged_critic_finds_the_divergence_of_two_gaussians(mean: float, scale: float) -> None:
    q = normal(mean, scale)
    divergence, prior = converged(mean, scale)
    exact, _ = jensen_shannon(q, log_ratio(q))
    found, standard_error = jensen_shannon(q, grid_logits(divergence))
    n = 100_000
    assert abs(divergence(codes_from(q, n), prior).item() - found) <= 5 * standard_error(n) + 1e-12
    assert -1e-9 <= exact - found <= shortfall_allowed(divergence)


@pytest.mark.parametrize(
    "points", [[(0.0, 1.0), (0.5, 1.0), (1.0, 1.0), (2.0, 1.0), (4.0, 1.0)], [(0.0, 1.0), (0.0, 2.0), (0.0, 4.0)]]
)
def test_what_the_critic_finds_grows_as_q_moves_away(points: list[tuple[float, float]]) -> None:
    found = [jensen_shannon(normal(*point), grid_logits(converged(*point)[0]))[0] for point in points]
    assert all(later > earlier for earlier, later in pairwise(found))


def test_in_two_dimensions_only_the_length_of_the_shift_counts() -> None:
    torch.manual_seed(0)
    shift = torch.tensor([0.9, 1.2], dtype=torch.float64)
    divergence, prior = Adversarial(2, FAST_ADAM, hidden=[16]).double(), StandardNormal(2).double()

    def codes(n: int) -> Codes:
        z = torch.randn(n, 2, dtype=torch.float64) + shift
        return Codes(z, z, torch.zeros_like(z), n)

    for _ in range(200):
        divergence.adapt(codes(BATCH), prior)
    q = normal(1.5, 1.0)  # the length of the shift
    exact, standard_error = jensen_shannon(q, log_ratio(q))
    n = 200_000
    shortfall = exact - divergence(codes(n), prior).item()
    assert -5 * standard_error(n) <= shortfall <= shortfall_allowed(divergence) + 5 * standard_error(n)


def test_jensen_shannon_of_a_blind_and_of_a_perfect_critic() -> None:
    zeros, certain = torch.zeros(4), torch.full((4,), 100.0)
    assert adversarial.jensen_shannon(zeros, zeros).item() == pytest.approx(0, abs=1e-7)
    assert adversarial.jensen_shannon(-certain, certain).item() == pytest.approx(math.log(2))
    assert adversarial.jensen_shannon(certain, -certain) < 0
    assert (
        torch.tensor([1e4, 1e30])
        .apply_(lambda x: adversarial.jensen_shannon(-torch.tensor([x]), zeros))
        .isfinite()
        .all()
    )


@pytest.mark.parametrize("form", ["saturating", "non_saturating"])
def test_gradient_is_the_forms_own(form: str) -> None:
    """Against D = sigmoid(logit) as the papers write it."""
    torch.manual_seed(0)
    divergence, prior = Adversarial(2, ADAM, form=form, hidden=[8]).double(), StandardNormal(2).double()
    z = torch.randn(6, 2, dtype=torch.float64, requires_grad=True)
    divergence(Codes(z, z, torch.zeros_like(z), 6), prior).backward()
    probability = torch.sigmoid(divergence.critic(z))
    loss = 0.5 * torch.log(1 - probability).mean() if form == "saturating" else -0.5 * torch.log(probability).mean()
    torch.testing.assert_close(z.grad, torch.autograd.grad(loss, z)[0])


def test_saturating_gradient_moves_jensen_shannon_itself() -> None:
    """With the best critic, the gradient in the mean of q is the derivative of JS."""
    torch.manual_seed(0)
    mean, step, n = 1.2, 1e-4, 400_000
    divergence = Adversarial(1, ADAM, form="saturating", hidden=[]).double()
    set_linear(divergence, -mean, mean**2 / 2)
    codes = codes_from(normal(mean, 1.0), n)
    codes.z.requires_grad_()
    divergence(codes, StandardNormal(1).double()).backward()
    assert codes.z.grad is not None
    pulls = codes.z.grad * n
    up, down = (jensen_shannon(normal(m, 1.0), log_ratio(normal(m, 1.0)))[0] for m in (mean + step, mean - step))
    assert abs(pulls.mean().item() - (up - down) / (2 * step)) < 5 * pulls.std().item() / math.sqrt(n) + step**2


def test_forms_agree_where_the_critic_is_undecided() -> None:
    gradients = []
    for form in ("saturating", "non_saturating"):
        torch.manual_seed(0)
        divergence, prior = Adversarial(1, ADAM, form=form, hidden=[]).double(), StandardNormal(1).double()
        set_linear(divergence, 1.0, 0.0)
        z = torch.zeros(3, 1, dtype=torch.float64, requires_grad=True)
        divergence(Codes(z, z, torch.zeros_like(z), 3), prior).backward()
        gradients.append(z.grad)
    torch.testing.assert_close(*gradients)


def test_only_the_saturating_form_lets_far_codes_go() -> None:
    pulls = {}
    for form in ("saturating", "non_saturating", "wgan_gp"):
        divergence, prior = Adversarial(1, ADAM, form=form, hidden=[]).double(), StandardNormal(1).double()
        set_linear(divergence, -1.0, 0.0)
        z = torch.tensor([[50.0]], dtype=torch.float64, requires_grad=True)
        divergence(Codes(z, z, torch.zeros_like(z), 1), prior).backward()
        assert z.grad is not None
        pulls[form] = z.grad.item()
    assert 0 < pulls["saturating"] < 1e-20
    assert pulls["non_saturating"] == pytest.approx(0.5)
    assert pulls["wgan_gp"] == 1.0


def test_wgan_gp_finds_the_penalised_distance_of_shifted_gaussians() -> None:
    """W1 of a shift is its length. A linear critic of slope s earns s * shift - weight * (s - 1)^2, so that the penalty
    lets s stand at 1 + shift / (2 weight)."""
    torch.manual_seed(0)
    shift, weight = 2.0, 10.0
    divergence = Adversarial(1, FAST_ADAM, form="wgan_gp", hidden=[], gradient_penalty_weight=weight).double()
    q = normal(shift, 1.0)
    prior = learn(divergence, q, BATCH, steps=300)
    slope = 1 + shift / (2 * weight)
    # A batch moves the best slope by its own error in the shift; Adam averages over more than one batch.
    slope_error = math.sqrt(2 / BATCH) / (2 * weight)
    n = 100_000
    value_error = math.hypot(slope * math.sqrt(2 / n), shift * slope_error)
    assert abs(divergence(codes_from(q, n), prior).item() - slope * shift) < 5 * value_error


def test_wgan_gp_loss_of_a_linear_critic() -> None:
    """slope * (mean q - mean p) + weight * (slope - 1)^2."""
    divergence = Adversarial(1, ADAM, form="wgan_gp", hidden=[], gradient_penalty_weight=3.0).double()
    set_linear(divergence, 1.5, 0.7)
    z_q, z_p = torch.randn(5, 1, dtype=torch.float64), torch.randn(5, 1, dtype=torch.float64)
    expected = 1.5 * (z_q.mean() - z_p.mean()) + 3 * 0.5**2
    torch.testing.assert_close(divergence.critic_loss(z_q, z_p), expected)


def test_gradient_penalty_of_a_linear_critic_and_of_a_flat_one() -> None:
    z_q, z_p = torch.randn(5, 3, dtype=torch.float64), torch.randn(5, 3, dtype=torch.float64)
    direction = torch.tensor([2.0, -1.0, 2.0], dtype=torch.float64, requires_grad=True)
    assert adversarial.gradient_penalty(lambda z: z @ direction, z_q, z_p).item() == pytest.approx((3 - 1) ** 2)
    flat = adversarial.gradient_penalty(lambda z: z @ (0 * direction), z_q, z_p)
    flat.backward()
    assert flat == 1
    assert direction.grad is not None
    assert direction.grad.isfinite().all()


def test_spectral_norm_bounds_the_critics_slope() -> None:
    """Every layer's largest singular value is 1, so no critic is steeper than 1, however separate q and p are."""
    torch.manual_seed(0)
    divergence = Adversarial(1, FAST_ADAM, hidden=[16, 16], spectral_norm=True).double()
    learn(divergence, normal(8.0, 0.1), 256, steps=200)
    divergence.eval()
    z = torch.linspace(-10, 10, 500, dtype=torch.float64)[:, None].requires_grad_()
    (slope,) = torch.autograd.grad(divergence.logits(z).sum(), z)
    # One power iteration a step follows the weights closely, not exactly.
    largest = [
        torch.linalg.matrix_norm(layer.weight, 2).item() for layer in divergence.critic if hasattr(layer, "weight")
    ]
    assert slope.abs().max().item() <= math.prod(largest) + 1e-12
    assert math.prod(largest) < 1.05


def test_the_value_weighs_codes_and_draws_as_the_formula_does() -> None:
    """A critic that is wrong on purpose, so that no term hides behind another."""
    torch.manual_seed(0)
    q, n = normal(1.0, 0.5), 200_000
    divergence = Adversarial(1, ADAM, hidden=[]).double()
    set_linear(divergence, 0.7, -0.3)
    found, standard_error = jensen_shannon(q, grid_logits(divergence))
    over_p, over_q = jensen_shannon_terms(grid_logits(divergence))
    assert found == pytest.approx(expectation(PRIOR, over_p) + expectation(q, over_q))
    assert abs(divergence(codes_from(q, n), StandardNormal(1).double()).item() - found) < 5 * standard_error(n)
