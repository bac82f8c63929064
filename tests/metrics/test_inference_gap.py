"""log p(x) and KL(q(z|x) || p(z|x)) by quadrature, against their closed forms."""

import pytest
import torch
from metrics.linear_gaussian import LinearGaussian, LinearGaussianModel
from torch import Tensor
from torch.distributions import Normal, kl_divergence

from infovae.metrics.inference_gap import InferenceGap, line_weights


def test_weights_are_those_of_the_trapezoid_rule() -> None:
    nodes = torch.tensor([-1.0, 0.5, 0.75, 3.0]).double()
    values = torch.randn(4).double()
    torch.testing.assert_close(line_weights(nodes) @ values, torch.trapezoid(values, nodes))


@pytest.mark.parametrize("factor", [0.01, 0.3, 1.0, 2.0])
@pytest.mark.parametrize("repeats", [1, 3])
def test_a_linear_gaussian_model_has_its_closed_forms(factor: float, repeats: int) -> None:
    """Images that repeat count as often as they do."""
    model = LinearGaussianModel(LinearGaussian.random(1, 5), factor)
    images = model.simulate(4)
    metric = InferenceGap(model, nodes=2000)
    metric.update(images)
    metric.update(images[:1].expand(repeats, -1, -1, -1))
    found = {name: value.item() for name, value in metric.compute().items()}
    share = torch.ones(4).double()
    share[0] += repeats
    share /= share.sum()
    exact = model.known.posterior(images.flatten(1))
    posterior = Normal(exact.mean.squeeze(1), exact.variance.squeeze(1).sqrt())
    gap = kl_divergence(Normal(posterior.mean, factor * posterior.stddev), posterior)
    assert found["log_evidence"] == pytest.approx(
        float(share @ model.known.log_likelihood(images.flatten(1))), abs=1e-4
    )
    assert found["inference_gap"] == pytest.approx(float(share @ gap), abs=1e-4)


def test_what_is_impossible_outside_of_the_posterior_does_not_count() -> None:
    """A likelihood of 0 beyond nine of its standard deviations changes nothing, and is no 0 * inf."""
    model = LinearGaussianModel(LinearGaussian.random(1, 5))
    image = model.simulate(1)
    whole, cut = InferenceGap(model, nodes=2000), InferenceGap(model, nodes=2000)
    q, decode = model.encode(image), model.decode

    class Cut:
        def __init__(self, z: Tensor) -> None:
            self.inside, self.base = ((z - q.mean).abs() < 9 * q.stddev).squeeze(1), decode(z)

        def log_prob(self, image: Tensor) -> Tensor:
            return self.base.log_prob(image).where(self.inside, -torch.inf)

    whole.update(image)
    cut.update(image)
    expected = whole.compute()
    model.decode = Cut  # type: ignore[method-assign, assignment]
    torch.testing.assert_close(cut.compute(), expected, rtol=0, atol=1e-6)
