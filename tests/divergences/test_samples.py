"""What the pure functions refuse, in one line each, before they compute."""

import re
from collections.abc import Callable

import pytest
import torch
from jaxtyping import config
from torch import Tensor

from infovae.divergences.kernels import Gaussian
from infovae.divergences.mmd import mmd_squared, mmd_squared_to_standard_normal
from infovae.divergences.mmd_block import block_mmd_squared
from infovae.divergences.mmd_fourier import fourier_mmd_squared
from infovae.divergences.mmd_standardized import null_deviation
from infovae.divergences.sinkhorn import sinkhorn_divergence
from infovae.divergences.sliced_wasserstein import sliced_wasserstein
from infovae.divergences.stein import ksd_squared, stein_direction
from infovae.errors import ArgumentError

K = Gaussian()
Z, FLAT = torch.ones(4, 3), torch.ones(4, 2)


@pytest.mark.parametrize("number", [-10.0, 0.0, float("nan"), float("inf")])
@pytest.mark.parametrize(
    "function",
    [
        lambda number: mmd_squared(Z, Z, K, number),
        lambda number: mmd_squared_to_standard_normal(Z, K, number),
        lambda number: block_mmd_squared(Z, Z, K, number, 2),
        lambda number: null_deviation(4, 3, number),
        lambda number: ksd_squared(Z, Z, K, number),
        lambda number: stein_direction(Z, Z, K, number),
    ],
)
def test_a_bandwidth_that_is_none(function: Callable[[float], Tensor | float], number: float) -> None:
    with pytest.raises(ArgumentError, match=rf"^squared_bandwidth={number:g}: invalid; accepted: finite numbers"):
        function(number)


@pytest.mark.parametrize(
    ("function", "told"),
    [
        (lambda: mmd_squared(Z, FLAT, K, 1.0), "z_p: shape (4, 2); accepted: shape (any, 3)"),
        (lambda: block_mmd_squared(Z, Z[:3], K, 1.0, 2), "z_p: shape (3, 3); accepted: shape (4, 3)"),
        (lambda: fourier_mmd_squared(Z, Z, FLAT), "frequencies: shape (4, 2); accepted: shape (any, 3)"),
        (lambda: sinkhorn_divergence(Z, FLAT), "z_p: shape (4, 2); accepted: shape (any, 3)"),
        (lambda: sliced_wasserstein(Z, Z[:1], Z.T), "z_p: shape (1, 3); accepted: shape (4, 3)"),
        (lambda: sliced_wasserstein(Z, Z, FLAT), "directions: shape (4, 2); accepted: shape (3, any)"),
        (lambda: ksd_squared(Z, Z[:1], K, 1.0), "score: shape (1, 3); accepted: shape (4, 3)"),
        (lambda: stein_direction(Z, FLAT, K, 1.0), "score: shape (4, 2); accepted: shape (4, 3)"),
        (lambda: sliced_wasserstein(Z, Z, Z.T, power=0.5), "power=0.5: invalid"),
        (lambda: sinkhorn_divergence(Z, Z, blur=-1.0), "blur=-1: invalid"),
        (lambda: block_mmd_squared(Z, Z, K, 1.0, 0), "block_size=0: too small"),
        (lambda: mmd_squared(Z, Z, K, 1.0, "V"), "estimator=V: unknown; accepted: u, v"),  # type: ignore[arg-type]
        (lambda: fourier_mmd_squared(Z, Z, Z, "V"), "estimator=V: unknown; accepted: u, v"),  # type: ignore[arg-type]
    ],
)
def test_arguments_that_do_not_go_together(
    function: Callable[[], Tensor], told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(config, "jaxtyping_disable", True)  # as for a user, whose shapes nobody else checks
    with pytest.raises(ArgumentError, match="^" + re.escape(told)):
        function()
