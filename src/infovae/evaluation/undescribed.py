"""Checkpoints of version 0.1, which don't record the shape of their images."""

from collections.abc import Mapping
from typing import Any

import torch
from omegaconf import DictConfig

from infovae.data.description import Description
from infovae.errors import UserError
from infovae.runs.checkpoints import first_difference
from infovae.training.assemble import build_bare_module

SIDES = (8, 16, 28, 32, 64, 96)
"""Sides of the images of common data sets."""


def fitting_description(cfg: DictConfig, weights: Mapping[str, Any]) -> Description | None:
    """Return the description of the only square images that a run's weights fit; None if they fit none, or several."""
    splits = ("validation",) if cfg.data.get("validation_size") else ()
    fitting = []
    with torch.random.fork_rng():
        for shape in [(channels, side, side) for channels in (1, 3) for side in SIDES]:
            described = Description(shape, splits)
            try:
                module = build_bare_module(cfg, described)
            except UserError:  # the network takes no such images
                continue
            if first_difference(_learned(weights), _learned(module.state_dict())) is None:
                fitting.append(described)
    return fitting[0] if len(fitting) == 1 else None


def _learned(weights: Mapping[str, Any]) -> dict[str, Any]:
    """Return the weights without the prior's, which may take some from the examples."""
    return {name: value for name, value in weights.items() if not name.startswith("prior.")}
