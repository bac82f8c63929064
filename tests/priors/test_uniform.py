import math

import pytest
import torch

from infovae.priors.uniform import Uniform


def test_density_inside_and_outside_of_the_box() -> None:
    prior = Uniform(3, half_width=2.0)
    z = torch.tensor([[0.0, 1.9, -1.9], [0.0, 2.1, 0.0]])
    assert prior.log_prob(z).tolist() == pytest.approx([-3 * math.log(4), -math.inf])


def test_the_default_has_unit_variance() -> None:
    torch.testing.assert_close(Uniform(4).distribution().variance, torch.ones(4))


def test_draws_stay_in_the_box() -> None:
    torch.manual_seed(0)
    z = Uniform(2, half_width=0.5).sample(1000)
    assert z.abs().max() <= 0.5
    assert z.abs().max() > 0.49


@pytest.mark.parametrize("half_width", [0.0, -1.0, math.inf, math.nan])
def test_refusals(half_width: float) -> None:
    with pytest.raises(ValueError, match=f"half_width={half_width:g}: invalid; accepted: finite values above 0"):
        Uniform(2, half_width=half_width)
