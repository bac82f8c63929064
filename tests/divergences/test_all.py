"""What every divergence must do. The options of conf/divergence/ are found, not listed: a new one is tried as it is.

q(z) is an affine image of N(0, I), split into means of variance 1 - V and posteriors of variance V, so that
divergences of samples and of densities are tried on the same q.
"""

import copy
import functools
import itertools
import math
from pathlib import Path

import pytest
import torch
from hydra import compose, initialize_config_dir
from hypothesis import given, settings
from hypothesis import strategies as st
from omegaconf import DictConfig
from torch import Tensor

from infovae.codes import Codes
from infovae.config.build import build
from infovae.divergences.divergence import Divergence
from infovae.priors.standard_normal import StandardNormal

CONF = Path(__file__).parents[2] / "conf"
KERNELS = sorted(path.stem for path in (CONF / "divergence" / "kernel").glob("*.yaml"))
CASES = {
    path.stem: (f"divergence={path.stem}",)
    for path in sorted((CONF / "divergence").glob("*.yaml"))
    if path.stem != "none"
} | {f"mmd-{kernel}": ("divergence=mmd", f"divergence/kernel={kernel}") for kernel in KERNELS}

UNBIASED = {"energy", "mmd", "mmd_block", "mmd_fourier", "mmd_imq", "stein", *(f"mmd-{kernel}" for kernel in KERNELS)}
"""Whose expectation at q = p is 0; of all others only that they come near it as n grows."""

NOT_STRICT = {"dip", "dip_i", "total_correlation", "total_correlation_density_ratio"}
"""Which are 0 for some q besides p. Their own tests say where."""

V = 0.1

every_case = pytest.mark.parametrize("case", CASES)
every_strict_case = pytest.mark.parametrize("case", [case for case in CASES if case not in NOT_STRICT])


@functools.cache
def config(case: str) -> DictConfig:
    with initialize_config_dir(version_base="1.3", config_dir=str(CONF)):
        return compose("config", overrides=list(CASES[case]))


def divergence_of(case: str, dimension: int = 2) -> Divergence:
    cfg = config(case)
    cfg.latent_dim = dimension
    torch.manual_seed(0)  # a critic's first weights
    divergence: Divergence = build(cfg.divergence, "divergence")
    return divergence


def learns(divergence: Divergence) -> bool:
    return type(divergence).adapt is not Divergence.adapt


def codes(
    n: int,
    dimension: int = 2,
    shift: float = 0.0,
    scale: float = 1.0,
    separation: float = 0.0,
    dtype: torch.dtype = torch.float64,
) -> Codes:
    """n codes of q = shift + scale N(0, I), or of two such blobs at +-separation, in the first axis."""
    between, within = torch.randn(2, n, dimension, dtype=torch.float64)
    mean = scale * math.sqrt(1 - V) * between
    mean[:, 0] += shift + separation * (2 * torch.randint(2, (n,)) - 1)
    variance = torch.full_like(mean, V * scale**2)
    z = mean + variance.sqrt() * within
    return Codes(z.to(dtype), mean.to(dtype), variance.to(dtype), n)


@functools.cache
def learned(case: str, dtype: torch.dtype = torch.float64, **place: float) -> Divergence:
    """The divergence at home in a dtype, and a critic at home with q; to be looked at, not to learn on."""
    divergence = divergence_of(case).to(dtype)
    if learns(divergence):
        for _ in range(120):
            divergence.adapt(codes(128, dtype=dtype, **place), StandardNormal(2).to(dtype))
    return divergence


def values(case: str, n: int, repeats: int, **place: float) -> Tensor:
    """Independent estimates of D, by a critic that has seen none of the codes."""
    divergence, prior = learned(case, **place), StandardNormal(2).double()
    torch.manual_seed(1)
    return torch.stack([divergence(codes(n, **place), prior).detach() for _ in range(repeats)])


@functools.cache
def mean_and_error(case: str, **place: float) -> tuple[float, float]:
    """D at a place and its standard error."""
    estimates = values(case, n=128, repeats=30, **place)
    return estimates.mean().item(), estimates.std().item() / math.sqrt(len(estimates))


def gradient(divergence: Divergence, batch: Codes) -> tuple[Tensor, Tensor]:
    """The divergence and its gradient in the position of each code."""
    step = torch.zeros_like(batch.z, requires_grad=True)
    moved = batch._replace(z=batch.z + step, mean=batch.mean + step)
    value = divergence(moved, StandardNormal(batch.z.shape[1]).to(batch.z.dtype))
    (slope,) = torch.autograd.grad(value, step)
    return value, slope


@every_strict_case
def test_is_0_for_the_prior_itself(case: str) -> None:
    if case in UNBIASED:
        estimates = values(case, n=64, repeats=200)
        assert estimates.mean().abs() < 5 * estimates.std() / math.sqrt(200)
    elif learns(divergence_of(case)):
        # A critic's error is its learning's, not only sampling's: it must come to little beside a shift it can see.
        here, here_error = mean_and_error(case)
        there, there_error = mean_and_error(case, shift=1.5)
        assert abs(here) < 0.05 * there + 5 * (here_error + there_error)
    else:
        few, many = values(case, n=32, repeats=50), values(case, n=512, repeats=10)
        error = 5 * math.sqrt(few.var() / len(few) + many.var() / len(many))
        assert many.mean().abs() < few.mean().abs() / 2 + error


@every_strict_case
@pytest.mark.parametrize(
    "places",
    [
        [{"shift": 0.75}, {"shift": 1.5}],
        [{"scale": 1.5}, {"scale": 2.25}],
        [{"scale": 0.6}, {"scale": 0.35}],
        [{"separation": 1.0}, {"separation": 2.0}],
    ],
    ids=["mean", "wider", "narrower", "mixture"],
)
def test_grows_as_q_moves_away(case: str, places: list[dict[str, float]]) -> None:
    steps = [mean_and_error(case, **place) for place in [{}, *places]]
    for (nearer, nearer_error), (farther, farther_error) in itertools.pairwise(steps):
        assert farther - nearer > 5 * math.hypot(nearer_error, farther_error)


@every_strict_case
@pytest.mark.parametrize(
    ("place", "outwards"),
    [({"shift": 1.0}, 1), ({"scale": 1.8}, 1), ({"scale": 0.4}, -1)],
    ids=["mean", "wider", "narrower"],
)
def test_descent_leads_back_to_the_prior(case: str, place: dict[str, float], outwards: int) -> None:
    """The slope along the move that made q is that of a value which grows with it, over repeated batches."""
    divergence = learned(case, **place)
    torch.manual_seed(2)
    slopes = []
    for _ in range(10):
        batch = codes(128, **place)
        value, slope = gradient(divergence, batch)
        assert value.dtype == slope.dtype == torch.float64
        direction = torch.tensor([1.0, 0.0], dtype=torch.float64) if "shift" in place else batch.z
        slopes.append((slope * direction).sum())
    slopes = torch.stack(slopes) * outwards
    assert slopes.mean() > 5 * slopes.std() / math.sqrt(len(slopes))


@every_case
@settings(deadline=None, max_examples=25)
@given(
    n=st.integers(1, 12),
    dimension=st.integers(1, 4),
    scale=st.sampled_from([1e-3, 1.0, 1e3]),
    repeated=st.booleans(),
    dtype=st.sampled_from([torch.float32, torch.float64]),
)
def test_value_and_gradient_are_finite(
    case: str, n: int, dimension: int, scale: float, repeated: bool, dtype: torch.dtype
) -> None:
    divergence = divergence_of(case, dimension).to(dtype)
    n = max(n, divergence.minimum_batch)
    batch = codes(n, dimension, scale=scale, dtype=dtype)
    if repeated:
        batch = Codes(*(part[:1].expand(n, dimension) for part in batch[:3]), n)
    divergence.adapt(batch, StandardNormal(dimension).to(dtype))
    value, slope = gradient(divergence, batch)
    assert value.shape == ()
    assert value.dtype == dtype
    assert value.isfinite()
    assert slope.isfinite().all()


@every_case
@pytest.mark.parametrize(
    "place",
    [
        {},
        {"scale": 1e-3},
        {"scale": 1e3},
        {"shift": 1e3},
        {"shift": 1e4},
        {"separation": 1e2},
        {"separation": 1e4},
        {"shift": 1e4, "separation": 1e4},
    ],
    ids=str,
)
def test_float32_is_float64_but_for_rounding(
    case: str, place: dict[str, float], monkeypatch: pytest.MonkeyPatch
) -> None:
    """On the same codes, prior draws and random numbers, which torch would draw otherwise for each type."""
    trained = learned(case, torch.float32)
    double = torch.randn

    def same_for_each_type(*size: int | tuple[int, ...], dtype: torch.dtype | None = None, **options: object) -> Tensor:
        return double(*size, dtype=torch.float64, **options).to(dtype or torch.float32)

    draws = double(32, 2, dtype=torch.float64)
    monkeypatch.setattr(StandardNormal, "sample", lambda prior, n: draws[:n].to(prior.mean.dtype))
    single_batch = codes(32, dtype=torch.float32, **place)
    monkeypatch.setattr(torch, "randn", same_for_each_type)
    results = []
    for dtype in (torch.float32, torch.float64):
        torch.manual_seed(2)
        batch = Codes(*(part.to(dtype) for part in single_batch[:3]), 32)
        results.append(gradient(copy.deepcopy(trained).to(dtype), batch))
    (value, slope), (exact, exact_slope) = results
    # Kernels are of height 1, log densities of some nats: that is the unit in which float32 rounds, n log n times.
    tolerance = 1000 * torch.finfo(torch.float32).eps
    assert abs(value.item() - exact.item()) <= tolerance * max(1.0, abs(exact.item()))
    # Of a gradient that is all but 0 at every code (32 of them carry 1/32 each), float32 keeps the size alone.
    assert (slope.double() - exact_slope).norm() <= 10 * tolerance * max(1e-4, exact_slope.norm())


@every_case
@pytest.mark.parametrize("n", [1, 2])
def test_the_smallest_batches_are_refused_or_finite(case: str, n: int) -> None:
    """Never nan: an estimate that compares different codes refuses a single one, and says what to do."""
    divergence, prior = divergence_of(case).double(), StandardNormal(2).double()
    batch = codes(n)
    divergence.adapt(batch, prior)
    if n < divergence.minimum_batch:
        with pytest.raises(ValueError, match=r"^n=1: .* compares .*; accepted: at least 2 points"):
            divergence(batch, prior)
    else:
        value, slope = gradient(divergence, batch)
        assert value.isfinite()
        assert slope.isfinite().all()


@every_case
def test_fixed_sequences_of_operations_compile_with_the_networks(case: str) -> None:
    divergence = divergence_of(case)
    assert divergence.compiles == (not learns(divergence) and case not in {"mmd_block", "sinkhorn"})


def test_there_are_cases() -> None:
    assert {"kl", "mmd", "sinkhorn", "sliced_wasserstein", "mmd-gaussian"} <= set(CASES)
