"""An average and its standard error."""

import math

import numpy as np
import pytest
import torch

from infovae.metrics.averages import mean_and_standard_error


@pytest.mark.parametrize("n", [2, 3, 50])
def test_it_is_numpys(n: int) -> None:
    values = torch.randn(n, dtype=torch.float64)
    mean, error = mean_and_standard_error(values)
    assert mean.item() == pytest.approx(values.numpy().mean())
    assert error.item() == pytest.approx(np.std(values.numpy(), ddof=1) / math.sqrt(n))


def test_one_value_has_no_error() -> None:
    mean, error = mean_and_standard_error(torch.tensor([3.0], dtype=torch.float64))
    assert mean.item() == 3
    assert error.isnan()
