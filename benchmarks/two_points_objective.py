"""The exact objective of two points: Gaussian encoders, and the best of all Gaussian decoders.

x is -1 or 1 with equal probability, z is a number, q(z|x) = N(mean, scale²), and p(x|z) = N(centre(z), width(z)²) for
any functions centre and width. The best decoder for given codes is known: its centre is E_q[x|z], and its width² is
Var_q[x|z], or the floor² where that is larger. So the objective is a function of the two means and scales alone.

Pairs of means and scales are the last dimension of each argument: first of x = -1, then of x = 1.
"""

import math

import torch
from jaxtyping import Float
from torch import Tensor

Pairs = Float[Tensor, "*models 2"]
Values = Float[Tensor, "*models"]

NODES = torch.linspace(-8.0, 8.0, 401, dtype=torch.float64)
"""Nodes of the trapezoid rule over N(0, 1)."""

WEIGHTS = (-0.5 * NODES.square()).softmax(dim=0)


def pair_rate(mean: Pairs, scale: Pairs) -> Values:
    """Return E KL(q(z|x) || N(0, 1)) in nats."""
    return 0.5 * (mean.square() + scale.square() - 1 - 2 * scale.log()).mean(dim=-1)


def mmd(mean: Pairs, scale: Pairs) -> Values:
    """Return MMD²(q(z), N(0, 1)) with kernel exp(-(z - z')²/2), at most 2."""
    zero, one = torch.zeros_like(mean[..., :1]), torch.ones_like(mean[..., :1])
    means, scales = torch.cat([mean, zero], dim=-1), torch.cat([scale, one], dim=-1)
    variance = 1 + scales[..., :, None].square() + scales[..., None, :].square()
    gap = means[..., :, None] - means[..., None, :]
    return _quadratic(variance.rsqrt() * torch.exp(-0.5 * gap.square() / variance))


def energy_distance(mean: Pairs, scale: Pairs) -> Values:
    """Return 2 E|z - y| - E|z - z'| - E|y - y'| for z, z' ~ q(z) and y, y' ~ N(0, 1)."""
    zero, one = torch.zeros_like(mean[..., :1]), torch.ones_like(mean[..., :1])
    means, scales = torch.cat([mean, zero], dim=-1), torch.cat([scale, one], dim=-1)
    deviation = (scales[..., :, None].square() + scales[..., None, :].square()).sqrt()
    gap = means[..., :, None] - means[..., None, :]
    ratio = gap / deviation
    expected = deviation * math.sqrt(2 / math.pi) * torch.exp(-0.5 * ratio.square()) + gap * torch.erf(
        ratio / math.sqrt(2)
    )
    return -_quadratic(expected)


def aggregate_kl(mean: Pairs, scale: Pairs) -> Values:
    """Return KL(q(z) || N(0, 1)) in nats, by quadrature."""
    z = _nodes(mean, scale)
    log_ratio = _log_densities(z, mean, scale).logsumexp(dim=-1) - math.log(2) + 0.5 * z.square()
    return _expectation(log_ratio + 0.5 * math.log(2 * math.pi), mean)


def reconstruction(mean: Pairs, scale: Pairs, floor: float = 0.0) -> Values:
    """Return -E log p(x|z) of the best decoder in nats, by quadrature.

    Args:
        mean: of q(z|x).
        scale: of q(z|x).
        floor: the smallest standard deviation of p(x|z), in units of x.
    """
    log_variance = _log_variance(_nodes(mean, scale), mean, scale)
    log_width = _log_width(log_variance, floor)
    return _expectation(log_width + 0.5 * math.log(2 * math.pi) + 0.5 * (log_variance - 2 * log_width).exp(), mean)


def inference_gap(mean: Pairs, scale: Pairs, floor: float = 0.0) -> Values:
    """Return E KL(q(z|x) || p(z|x)) under the best decoder in nats, by quadrature: log p(x) less the ELBO."""
    z = torch.linspace(-8.0, 8.0, 8001, dtype=torch.float64).expand(*mean.shape[:-1], 8001)
    log_odds = _log_odds(z, mean, scale)
    log_width = _log_width(_log_variance(z, mean, scale), floor)
    # The decoder's error for x = -1 and x = 1, |x - tanh(log_odds / 2)|, without cancellation or underflow.
    log_error = math.log(2) + torch.nn.functional.logsigmoid(torch.stack([log_odds, -log_odds], dim=-1))
    log_likelihood = -0.5 * (2 * (log_error - log_width[..., None])).exp() - log_width[..., None]
    log_joint = log_likelihood - 0.5 * z[..., None].square() - math.log(2 * math.pi)
    log_evidence = (log_joint.logsumexp(dim=-2) + math.log(16 / 8000)).mean(dim=-1)
    return log_evidence + reconstruction(mean, scale, floor) + pair_rate(mean, scale)


def _quadratic(expected: Float[Tensor, "*models 3 3"]) -> Values:
    """Return E k(z, z') - 2 E k(z, y) + E k(y, y') from the expectations between x = -1, x = 1 and the prior."""
    weights = torch.tensor([0.5, 0.5, -1.0], dtype=expected.dtype, device=expected.device)
    return (expected * weights[:, None] * weights).sum(dim=(-2, -1))


def _nodes(mean: Pairs, scale: Pairs) -> Float[Tensor, "*models k"]:
    nodes = NODES.to(mean)
    return (mean[..., None] + scale[..., None] * nodes).flatten(-2)


def _expectation(values: Float[Tensor, "*models k"], like: Tensor) -> Values:
    return values.unflatten(-1, (2, -1)).mean(dim=-2) @ WEIGHTS.to(like)


def _log_densities(z: Float[Tensor, "*models k"], mean: Pairs, scale: Pairs) -> Float[Tensor, "*models k 2"]:
    standard = (z[..., None] - mean[..., None, :]) / scale[..., None, :]
    return -0.5 * standard.square() - scale.log()[..., None, :] - 0.5 * math.log(2 * math.pi)


def _log_odds(z: Float[Tensor, "*models k"], mean: Pairs, scale: Pairs) -> Float[Tensor, "*models k"]:
    """Return log q(x = 1|z) - log q(x = -1|z)."""
    return _log_densities(z, mean, scale).diff(dim=-1).squeeze(-1)


def _log_variance(z: Float[Tensor, "*models k"], mean: Pairs, scale: Pairs) -> Float[Tensor, "*models k"]:
    """Return log Var_q[x|z]."""
    log_odds = _log_odds(z, mean, scale)
    sigmoid = torch.nn.functional.logsigmoid
    return math.log(4) + sigmoid(log_odds) + sigmoid(-log_odds)


def _log_width(log_variance: Tensor, floor: float) -> Tensor:
    """Return the logarithm of the best standard deviation of p(x|z)."""
    return (0.5 * log_variance).clamp_min(math.log(floor) if floor else -math.inf)
