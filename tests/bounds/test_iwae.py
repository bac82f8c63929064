"""The importance-weighted bound on a model whose log p(x) is known: p(z) = N(0, 1), p(x|z) = N(z, S^2)."""

import itertools
import math
from pathlib import Path
from typing import Any

import pytest
import torch
from conftest import Command, Compose
from torch import Tensor
from torch.distributions import Independent, Normal

from infovae.bounds.bound import detached
from infovae.bounds.iwae import IWAE, dreg_factor
from infovae.errors import ArgumentError, UserError
from infovae.evaluation.load import load
from infovae.training.assemble import build_data, build_module
from infovae.training.run import train

S, X = 0.5, 1.3
EVIDENCE = Normal(0.0, math.sqrt(1 + S**2)).log_prob(torch.tensor(X)).item()
ELBO_RUN = ["data=digits", "data.train_size=200", "trainer.max_epochs=1", "logger=csv", "pictures=[]"]


def negative_bound(bound: IWAE, mean: Tensor, log_scale: Tensor, n: int, rate_weight: float = 1.0) -> Tensor:
    """Of n independent repetitions, with gradient in the posterior's mean and scale."""
    posterior = Independent(Normal(mean.expand(n, 1), log_scale.exp().expand(n, 1)), 1)
    z = posterior.rsample((bound.samples,))
    prepared = bound.prepare(z)
    density = detached(posterior) if bound.detaches_posterior else posterior
    prior = Independent(Normal(torch.zeros(1), torch.ones(1)), 1)
    log_likelihood = Normal(prepared.squeeze(-1), S).log_prob(torch.tensor(X))
    return bound(log_likelihood, density.log_prob(prepared) - prior.log_prob(prepared), rate_weight)


def posterior_parameters() -> tuple[Tensor, Tensor]:
    return torch.tensor(0.6, requires_grad=True), torch.tensor(-0.2, requires_grad=True)


def test_one_code_is_the_elbo_with_a_sampled_rate() -> None:
    log_likelihood, log_ratio = torch.randn(2, 1, 7)
    for weight in (0.0, 0.3, 1.0):
        expected = -(log_likelihood - weight * log_ratio).squeeze(0)
        torch.testing.assert_close(IWAE(1)(log_likelihood, log_ratio, weight), expected)


@pytest.mark.parametrize("gradient", ["standard", "dreg"])
def test_an_infinite_rate_without_weight_is_left_out(gradient: Any) -> None:
    log_likelihood = torch.randn(3, 7)
    found = IWAE(3, gradient)(log_likelihood, torch.full((3, 7), math.inf), 0.0)
    torch.testing.assert_close(found, math.log(3) - log_likelihood.logsumexp(dim=0))


def test_a_rate_without_a_closed_form_is_the_mean_over_all_codes(composed: Compose) -> None:
    """So it nears the rate that many samples of the flow give, and is no dearer than the bound."""
    cfg = composed(*ELBO_RUN, "model=vae", "bound=iwae", "bound.samples=4", "posterior=iaf")
    data = build_data(cfg)
    module = build_module(cfg, data)
    batch = data.first_batch("train", torch.device("cpu"))
    torch.manual_seed(0)
    _, terms = module._infer(batch, 400)
    torch.manual_seed(0)
    posterior = module.encode_training(batch)
    z = torch.stack([module.draw(posterior, batch.global_size) for _ in range(4)])
    ratio = torch.stack([posterior.log_prob(own) - module.prior.distribution().log_prob(own) for own in z])
    torch.testing.assert_close(terms.rate, ratio.mean(), rtol=1e-4, atol=1e-5)


def test_more_codes_bring_it_up_to_log_p() -> None:
    torch.manual_seed(0)
    n = 4000
    found = [-negative_bound(IWAE(k), *posterior_parameters(), n).detach() for k in (1, 4, 16, 256)]
    errors = [5 * float(values.std()) / math.sqrt(n) for values in found]
    means = [float(values.mean()) for values in found]
    mean, scale = 0.6, math.exp(-0.2)
    elbo = Normal(mean, S).log_prob(torch.tensor(X)) - scale**2 / (2 * S**2)
    elbo = float(elbo) - 0.5 * (mean**2 + scale**2 - 1 - math.log(scale**2))
    assert abs(means[0] - elbo) < errors[0]
    for k, (lower, higher) in enumerate(itertools.pairwise(means)):
        assert lower < higher + errors[k + 1]
        assert higher < EVIDENCE + errors[k + 1]
    # The bias is about Var[w] / (2 k E[w]^2), with Var[w] / E[w]^2 below 4 here.
    assert abs(means[-1] - EVIDENCE) < 4 / (2 * 256) + errors[-1]


@pytest.mark.parametrize("rate_weight", [0.0, 0.4, 1.0])
@pytest.mark.parametrize("k", [1, 3])
def test_both_gradients_have_one_expectation(k: int, rate_weight: float) -> None:
    torch.manual_seed(0)
    n, repeats = 2000, 40
    found = {}
    for gradient in ("standard", "dreg"):
        slopes = []
        for _ in range(repeats):
            parameters = posterior_parameters()
            loss = negative_bound(IWAE(k, gradient), *parameters, n, rate_weight).mean()
            slopes.append(torch.stack(torch.autograd.grad(loss, parameters)))
        found[gradient] = torch.stack(slopes)
    standard, dreg = found["standard"], found["dreg"]
    error = (standard.var(dim=0) + dreg.var(dim=0)).div(repeats).sqrt()
    assert ((standard.mean(dim=0) - dreg.mean(dim=0)).abs() < 5 * error).all()


def test_dreg_has_less_noise_for_many_codes() -> None:
    torch.manual_seed(0)
    ratios = {}
    for gradient in ("standard", "dreg"):
        slopes = []
        for _ in range(300):
            mean, log_scale = posterior_parameters()
            loss = negative_bound(IWAE(64, gradient), mean, log_scale, 1).sum()
            slopes.append(torch.autograd.grad(loss, mean)[0])
        values = torch.stack(slopes)
        ratios[gradient] = float(values.mean().abs() / values.std())
    assert ratios["dreg"] > 2 * ratios["standard"]


def test_the_factor_is_the_paper_s_for_alpha_0() -> None:
    log_weight = torch.randn(5, 3)
    torch.testing.assert_close(dreg_factor(log_weight, 1.0), torch.softmax(log_weight, dim=0))
    torch.testing.assert_close(dreg_factor(log_weight, 0.0), torch.ones(5, 3))


def test_a_detached_distribution_has_the_density_without_the_parameters() -> None:
    scale = torch.tensor([0.5], requires_grad=True)
    constant = detached(Independent(Normal(torch.zeros(1), scale), 1))
    z = torch.tensor([0.3], requires_grad=True)
    value = constant.log_prob(z)
    assert value.item() == pytest.approx(Normal(0, 0.5).log_prob(torch.tensor(0.3)).item())
    value.backward()
    assert z.grad is not None
    assert scale.grad is None


@pytest.mark.parametrize("gradient", ["standard", "dreg"])
def test_a_run_trains_with_it_and_loads(composed: Compose, tmp_path: Path, gradient: str) -> None:
    overrides = [*ELBO_RUN, "model=infovae", "bound=iwae", "bound.samples=3", f"bound.gradient={gradient}"]
    found = train(composed(*overrides, run_dir=tmp_path))
    terms = {name: found[f"test/{name}"] for name in ("loss", "reconstruction", "rate", "divergence")}
    elbo_loss = terms["reconstruction"] + terms["rate"] + 99 * terms["divergence"]
    assert terms["loss"] < elbo_loss  # three codes are a tighter bound than one
    bound = load(tmp_path).module.bound
    assert isinstance(bound, IWAE)
    assert bound.samples == 3


@pytest.mark.parametrize(
    ("overrides", "told"),
    [
        (["model=aae"], "bound=IWAE: Deterministic has none to weigh by"),
        (["posterior=normalized_gaussian", "bound.gradient=dreg"], "bound.gradient=dreg: the density of normalised"),
        (["model.free_bits=1"], "model.free_bits=1: under IWAE no rate stands apart"),
        (["bound.samples=0"], "bound.samples=0"),
    ],
)
def test_what_does_not_go_with_it_is_refused(
    composed: Compose, tmp_path: Path, overrides: list[str], told: str
) -> None:
    with pytest.raises(UserError, match=told):
        train(composed(*ELBO_RUN, "bound=iwae", *overrides, run_dir=tmp_path / "run"))
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


@pytest.mark.parametrize("target", ["torch.nn.Module", "builtins.dict"])
def test_a_module_that_is_no_infovae_is_refused(composed: Compose, tmp_path: Path, target: str) -> None:
    refused = rf"^module._target_={target}: it isn't an InfoVAE; accepted: a subclass of infovae.module.InfoVAE$"
    with pytest.raises(UserError, match=refused):
        train(composed(*ELBO_RUN, f"+module._target_={target}", run_dir=tmp_path))
    assert not any(tmp_path.iterdir())


def test_it_needs_a_code() -> None:
    with pytest.raises(ArgumentError, match="samples=0"):
        IWAE(0)


@pytest.mark.slow
@pytest.mark.parametrize("gradient", ["standard", "dreg"])
def test_compiled_steps_follow_plain_ones(composed: Compose, tmp_path: Path, gradient: str) -> None:
    overrides = [*ELBO_RUN, "bound=iwae", f"bound.gradient={gradient}"]
    found = [train(composed(*overrides, f"compile={way}", run_dir=tmp_path / way)) for way in ("false", "true")]
    assert found[0]["test/loss"] == pytest.approx(found[1]["test/loss"], rel=1e-4)


METHOD = '''"""A method of my own."""

from infovae.module import InfoVAE


class Halved(InfoVAE):
    """Half the loss."""

    def step(self, batch, dataset_size):
        return super().step(batch, dataset_size) / 2
'''


def test_a_method_of_ones_own_subclasses_the_module(command: Command, tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(METHOD)
    (tmp_path / "conf" / "module").mkdir(parents=True)
    (tmp_path / "conf" / "module" / "halved.yaml").write_text("_target_: mine.Halved\n")
    answer = command("train", "--config-dir", "conf", "module=halved", "hydra.run.dir=run", *ELBO_RUN)
    assert answer.returncode == 0, answer.stderr
    refused = command("evaluate", "run=run", "metrics=[log_det_covariance]", "pictures=[]")
    assert "module._target_=mine.Halved would run code that is not InfoVAE Lab's" in refused.stderr
    trusted = command("evaluate", "run=run", "metrics=[log_det_covariance]", "pictures=[]", "trust=true")
    assert trusted.returncode == 0, trusted.stderr
