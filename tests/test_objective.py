"""Equation (6): identities of the family, and what is refused."""

import pytest
import torch
from conftest import CONF, SMALL, Compose
from hydra.utils import instantiate
from hypothesis import given
from hypothesis import strategies as st
from torch.distributions import Independent, Normal

from infovae.data.loader import Batch
from infovae.module import InfoVAE
from infovae.objective import Objective, infovae_loss
from infovae.training.assemble import build_data, build_module

DIVERGENCES = sorted(path.stem for path in (CONF / "divergence").glob("*.yaml"))
numbers = st.floats(-1e3, 1e3)


@given(numbers, numbers, numbers, st.floats(-3, 1), st.floats(0, 1e4))
def test_loss_is_equation_6(
    reconstruction: float, rate: float, divergence: float, alpha: float, lambda_: float
) -> None:
    terms = [torch.tensor(value, dtype=torch.float64) for value in (reconstruction, rate, divergence)]
    expected = reconstruction + (1 - alpha) * rate + (alpha + lambda_ - 1) * divergence
    assert infovae_loss(*terms, alpha, lambda_).item() == pytest.approx(expected, rel=1e-9, abs=1e-6)


@given(numbers, numbers, numbers, st.floats(0, 100))
def test_beta_vae_is_its_textbook_form(reconstruction: float, rate: float, divergence: float, beta: float) -> None:
    terms = [torch.tensor(value, dtype=torch.float64) for value in (reconstruction, rate, divergence)]
    objective = Objective.beta_vae(beta)
    assert objective.divergence_weight == 0
    assert objective(*terms).item() == pytest.approx(reconstruction + beta * rate, rel=1e-9, abs=1e-9)


def test_vae_ignores_a_divergence_that_is_not_even_a_number() -> None:
    reconstruction, rate = torch.tensor(3.0), torch.tensor(2.0)
    assert infovae_loss(reconstruction, rate, torch.tensor(torch.nan), 0, 1) == 5
    assert infovae_loss(reconstruction, rate, None, 0, 1) == 5


def test_alpha_1_ignores_an_infinite_rate_in_loss_and_gradient() -> None:
    rate = torch.tensor(torch.inf, requires_grad=True)
    reconstruction = torch.tensor(3.0, requires_grad=True)
    loss = infovae_loss(reconstruction, rate, torch.tensor(0.5), 1, 10)
    loss.backward()
    assert loss.item() == 8
    assert reconstruction.grad == 1
    assert rate.grad is None


def test_missing_divergence_is_refused() -> None:
    with pytest.raises(ValueError, match="weight 9"):
        infovae_loss(torch.tensor(1.0), torch.tensor(1.0), None, 0, 10)


@pytest.mark.parametrize(
    ("alpha", "lambda_", "message"),
    [
        (1.5, 1, "alpha=1.5: invalid; accepted"),
        (float("nan"), 1, "alpha=nan"),
        (0, -1, "lambda_=-1: invalid; accepted"),
        (0, float("inf"), "lambda_=inf"),
        # The default of existing implementations that maximises the divergence.
        (0, 1e-3, r"rewarded \(alpha \+ lambda_ - 1 = -0.999\); accepted: lambda_ >= 1"),
    ],
)
def test_points_outside_the_family_are_refused(alpha: float, lambda_: float, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Objective(alpha, lambda_)


@pytest.mark.parametrize("beta", [-1, float("nan"), float("inf")])
def test_beta_outside_is_refused(beta: float) -> None:
    with pytest.raises(ValueError, match="beta="):
        Objective.beta_vae(beta)


@pytest.mark.parametrize(("alpha", "lambda_"), [(0, 1), (1, 0), (-3, 4), (0.5, 0.5), (1, 1000), (-100, 101)])
def test_points_inside_the_family_are_taken(alpha: float, lambda_: float) -> None:
    objective = Objective(alpha, lambda_)
    assert objective.rate_weight == 1 - alpha
    assert objective.divergence_weight == alpha + lambda_ - 1


def step(module: InfoVAE, batch: Batch) -> tuple[torch.Tensor, list[torch.Tensor]]:
    """Loss and gradients of one training step, as the module itself takes it."""
    torch.manual_seed(3)

    class Loader:
        dataset = range(400)

    module._trainer = type("Trainer", (), {"train_dataloader": Loader})()  # type: ignore[assignment]
    loss = module.training_step(batch, 0)
    module.zero_grad()
    loss.backward()
    return loss, [parameter.grad for parameter in module.parameters() if parameter.grad is not None]


@pytest.mark.parametrize("divergence", DIVERGENCES)
def test_alpha_0_lambda_1_is_the_elbo_in_loss_and_gradient(composed: Compose, divergence: str) -> None:
    cfg = composed(*SMALL, "model=infovae", "model.lambda_=1", f"divergence={divergence}")
    data = build_data(cfg)
    torch.manual_seed(0)
    module = build_module(cfg, data)
    batch = next(iter(data.train_dataloader()))
    images = batch.images
    loss, gradients = step(module, batch)

    # The ELBO by hand, from the same noise.
    torch.manual_seed(3)
    posterior = module.encode(images)
    z = posterior.mean + posterior.stddev * torch.randn_like(posterior.mean)
    mean, variance = posterior.mean, posterior.variance
    rate = 0.5 * (mean**2 + variance - 1 - variance.log()).sum(dim=1).mean()
    logits = module.decoder(z)
    reconstruction = (
        torch.nn.functional.binary_cross_entropy_with_logits(logits, images, reduction="none").sum((1, 2, 3)).mean()
    )
    elbo = -(reconstruction + rate)
    module.zero_grad()
    (-elbo).backward()
    expected = [parameter.grad for parameter in module.parameters() if parameter.grad is not None]
    torch.testing.assert_close(loss, -elbo)
    assert len(gradients) == len(expected) > 0
    for gradient, other in zip(gradients, expected, strict=True):
        torch.testing.assert_close(gradient, other)


def test_terms_are_summed_over_pixels_and_dimensions_whatever_the_image_size(composed: Compose) -> None:
    """The trap of a pixel mean against a latent sum: four times the pixels cost four times the nats."""
    likelihood = instantiate(composed(*SMALL, "likelihood=gaussian").likelihood)
    small = likelihood(torch.zeros(2, 1, 4, 4)).log_prob(torch.ones(2, 1, 4, 4))
    large = likelihood(torch.zeros(2, 1, 8, 8)).log_prob(torch.ones(2, 1, 8, 8))
    torch.testing.assert_close(large, 4 * small)
    expected = Independent(Normal(torch.zeros(1, 4, 4), 0.1), 3).log_prob(torch.ones(1, 4, 4))
    torch.testing.assert_close(small, expected.expand(2))
