import pytest
import torch
from test_kernels import KERNELS, name
from test_mmd import codes, population_mmd_squared

from infovae.divergences.kernels import Gaussian, Kernel
from infovae.divergences.mmd import mmd_squared
from infovae.divergences.mmd_block import BlockMMD, block_mmd_squared
from infovae.priors.standard_normal import StandardNormal


@pytest.mark.parametrize("kernel", KERNELS, ids=name)
@pytest.mark.parametrize(("n", "block_size", "size"), [(12, 4, 4), (13, 4, 4), (15, 4, 5), (5, 9, 5), (7, 2, 2)])
def test_value_is_the_mean_of_the_blocks_u_statistics(kernel: Kernel, n: int, block_size: int, size: int) -> None:
    torch.manual_seed(0)
    z_q, z_p = torch.randn(n, 3, dtype=torch.float64, requires_grad=True), torch.randn(n, 3, dtype=torch.float64)
    blocks = [slice(start, start + size) for start in range(0, n - size + 1, size)]
    expected = torch.stack([mmd_squared(z_q[block], z_p[block], kernel, 2.0) for block in blocks]).mean()
    found = block_mmd_squared(z_q, z_p, kernel, 2.0, block_size)
    torch.testing.assert_close(found, expected)
    (gradient,), (expected_gradient,) = torch.autograd.grad(found, z_q), torch.autograd.grad(expected, z_q)
    torch.testing.assert_close(gradient, expected_gradient)


@pytest.mark.parametrize("block_size", [2, 8])
@pytest.mark.parametrize(("mean", "scale"), [(0.0, 1.0), (0.5, 1.0), (0.0, 2.0)])
def test_unbiased(block_size: int, mean: float, scale: float) -> None:
    torch.manual_seed(0)
    d, repetitions = 3, 100
    values = torch.stack(
        [
            block_mmd_squared(
                mean + scale * torch.randn(40, d, dtype=torch.float64),
                torch.randn(40, d, dtype=torch.float64),
                Gaussian(),
                float(d),
                block_size,
            )
            for _ in range(repetitions)
        ]
    )
    population = population_mmd_squared(d, mean, scale, float(d))
    assert abs(values.mean() - population) <= 5 * values.std() / repetitions**0.5


@pytest.mark.parametrize("kernel", KERNELS, ids=name)
def test_repeated_points_have_finite_gradients(kernel: Kernel) -> None:
    z = torch.ones(10, 2, requires_grad=True)
    BlockMMD(kernel, block_size=4)(codes(z), StandardNormal(2)).backward()
    assert z.grad is not None
    assert z.grad.isfinite().all()


def test_limits() -> None:
    with pytest.raises(ValueError, match="block_size=1"):
        BlockMMD(block_size=1)
    assert BlockMMD(block_size=2)(codes(torch.randn(2, 2)), StandardNormal(2)).isfinite()
    with pytest.raises(ValueError, match="n=1: a U-statistic compares two points"):
        BlockMMD()(codes(torch.randn(1, 2)), StandardNormal(2))
    assert BlockMMD().minimum_batch == 2
