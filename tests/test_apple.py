"""On a GPU without float64, a model trains with every divergence and is measured by every metric."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from apple import GPU, Gpu, OnGpu
from conftest import CONF, TINY, Compose
from hydra.utils import instantiate
from torch import Tensor

from infovae.codes import Codes
from infovae.evaluation.measure import measure
from infovae.exact import exact, rounded
from infovae.training.assemble import build_data, build_module

DIVERGENCES = sorted({path.stem for path in (CONF / "divergence").glob("*.yaml")} - {"none"})
# Those of factors, of lines and of a classifier need other data and models.
METRICS = ["active_units", "aggregate_information", "class_covariance", "covariance_spectrum", "log_det_covariance"]
METRICS += ["mmd", "mmd_permutation", "reconstruction", "annealed_importance", "importance_weighted"]
FEW = {"images": 2, "samples": 50, "prior_samples": 60, "examples": 50, "temperatures": 3, "chains": 2}


@pytest.fixture(autouse=True)
def _gpu(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(torch.mps, "get_rng_state", torch.get_rng_state)
    monkeypatch.setattr(torch.mps, "set_rng_state", torch.set_rng_state)
    with Gpu():
        yield


def test_exact_numbers_are_on_the_cpu_and_their_gradient_comes_back() -> None:
    x = torch.full((2,), 1e4, device=GPU).requires_grad_()
    with pytest.raises(TypeError, match="float64"):
        x.double()
    square = exact(x + 1e-3).square().sum()
    assert square.dtype == torch.float64
    rounded(square, x).backward()
    assert isinstance(x.grad, OnGpu)
    assert x.grad.tolist() == pytest.approx([2e4, 2e4], rel=1e-6)  # float32 rounds to 6e-8 of it


@pytest.mark.parametrize("name", DIVERGENCES)
def test_a_step_and_codes_far_from_the_prior(name: str, composed: Compose) -> None:
    cfg = composed(*TINY, f"divergence={name}", "model=infovae")
    data = build_data(cfg)
    module = build_module(cfg, data).train().to(GPU)
    batch = data.first_batch("train", torch.device("cpu"))
    batch = type(batch)(*(part.to(GPU) if isinstance(part, Tensor) else part for part in batch))
    module.step(batch, 200).backward()
    assert all(isinstance(weight.grad, OnGpu) for weight in module.encoder.parameters())
    z = 300 * torch.randn(32, 2, device=GPU)  # beyond what float32 can take differences of
    assert isinstance(module.divergence(Codes(z, z, torch.ones_like(z), 32), module.prior), OnGpu)


def test_measurements_agree_with_those_on_the_cpu(composed: Compose, tmp_path: Path) -> None:
    cfg = composed(*TINY, f"metrics=[{','.join(METRICS)}]", run_dir=tmp_path)
    for node in cfg.metrics.values():
        node.update({key: few for key, few in FEW.items() if key in node})
    data = build_data(cfg)
    module = build_module(cfg, data).eval()
    metrics = {key: instantiate(node) for key, node in cfg.metrics.items()}
    here = measure(module, data, metrics).values
    there = measure(module.to(GPU), data, metrics, device=GPU).values
    assert here.keys() == there.keys()
    assert there["test/log_det_covariance"] == pytest.approx(here["test/log_det_covariance"], abs=1e-5)
    assert there["test/mmd"] == pytest.approx(here["test/mmd"], abs=1e-6)
    assert there["test/reconstruction"] == pytest.approx(here["test/reconstruction"], rel=1e-6)
