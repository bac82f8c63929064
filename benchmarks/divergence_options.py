"""Every divergence that conf/divergence/ offers, ready to be measured."""

import torch
from hydra import compose, initialize_config_dir
from torch import Tensor

from infovae.codes import Codes
from infovae.config.build import build
from infovae.config.options import CONF, options
from infovae.divergences.divergence import Divergence


def all_divergences() -> dict[str, list[str]]:
    """Overrides by name: each divergence, and MMD with each kernel that isn't a divergence's default elsewhere."""
    return {name: [f"divergence={name}"] for name in options("divergence") if name != "none"} | {
        f"mmd-{kernel}": ["divergence=mmd", f"divergence/kernel={kernel}"]
        for kernel in options("divergence/kernel")
        if kernel not in ("gaussian", "energy", "inverse_multiquadratic")
    }


def make(overrides: list[str], latent_dim: int) -> Divergence:
    """The divergence as a run would have it."""
    with initialize_config_dir(version_base="1.3", config_dir=str(CONF)):
        cfg = compose("config", overrides=[*overrides, f"latent_dim={latent_dim}"])
    divergence: Divergence = build(cfg.divergence, "divergence")
    return divergence


def codes_at(points: Tensor, divergence: Divergence, posterior_variance: float, dataset_size: int) -> Codes:
    """Codes whose means are the points: the points themselves, unless log q(z|x) is asked for."""
    if not divergence.needs_posterior_density:
        return Codes(points, points, torch.zeros_like(points), dataset_size)
    variance = torch.full_like(points, posterior_variance)
    return Codes(points + variance.sqrt() * torch.randn_like(points), points, variance, dataset_size)
