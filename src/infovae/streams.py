"""Random streams that leave training's own stream alone."""

import contextlib
from collections.abc import Iterator

import torch
from torch import nn

EVALUATION_SEED = 0


@contextlib.contextmanager
def isolated_stream(device: torch.device, seed: int = EVALUATION_SEED) -> Iterator[None]:
    """Draw from a fresh stream of the given seed, and restore the caller's stream at the end.

    Evaluation then never perturbs training, and epochs are comparable.
    """
    with torch.random.fork_rng([device] if device.type == "cuda" else []):
        apple = torch.mps.get_rng_state() if device.type == "mps" else None
        torch.manual_seed(seed)
        try:
            yield
        finally:
            if apple is not None:
                torch.mps.set_rng_state(apple)


@contextlib.contextmanager
def evaluation_mode(*modules: nn.Module) -> Iterator[None]:
    """Put modules into evaluation mode, and restore the mode of each of their parts at the end."""
    training = [part for module in modules for part in module.modules() if part.training]
    for module in modules:
        module.eval()
    try:
        yield
    finally:
        for part in training:
            part.training = True
