from functools import partial

import pytest
import torch

from infovae.codes import Codes
from infovae.divergences.none import NoDivergence
from infovae.likelihoods.bernoulli import Bernoulli
from infovae.module import InfoVAE
from infovae.networks.mlp import MLPDecoder
from infovae.objective import Objective
from infovae.posteriors.diagonal_gaussian import DiagonalGaussian
from infovae.priors.standard_normal import StandardNormal


def model(objective: Objective) -> InfoVAE:
    return InfoVAE(
        torch.nn.Flatten(),
        MLPDecoder(2, (1, 1, 2), 1, []),
        DiagonalGaussian(),
        Bernoulli(),
        StandardNormal(2),
        NoDivergence(),
        objective,
        partial(torch.optim.SGD, lr=0.1),
    )


def test_is_nought() -> None:
    z = torch.randn(4, 2)
    value = NoDivergence()(Codes(z, z, z.square(), 4), StandardNormal(2))
    assert value.shape == ()
    assert value == 0


@pytest.mark.parametrize("objective", [Objective(), Objective(-3.0, 4.0), Objective(1.0, 0.0)])
def test_serves_objectives_that_give_it_no_weight(objective: Objective) -> None:
    assert model(objective).divergence(Codes(*torch.ones(3, 4, 2), 4), StandardNormal(2)) == 0


@pytest.mark.parametrize("objective", [Objective(0.0, 2.0), Objective(1.0, 1000.0)])
def test_refuses_a_weight(objective: Objective) -> None:
    with pytest.raises(ValueError, match=r"divergence=none: its weight .* accepted:"):
        model(objective)
