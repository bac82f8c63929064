"""SOAP, from pytorch-optimizer."""

from collections.abc import Iterable, Sequence
from typing import Any

import torch

from infovae.optimizers.extra import pytorch_optimizer

THEIRS = {"largest": "max_precondition_dim", "every": "precondition_frequency"}
"""The library's names, for settings of groups of parameters."""


def soap(
    params: Iterable[Any],
    lr: float = 3e-3,
    betas: Sequence[float] = (0.95, 0.95),
    weight_decay: float = 0.0,
    largest: int = 512,
    every: int = 20,
) -> torch.optim.Optimizer:
    """Return SOAP (Vyas et al. 2024, arXiv 2409.11321): Adam, in axes in which a matrix's gradients are uncorrelated.

    A step takes several times as long as Adam's, whatever the batch, so that large batches suit it. Fewer steps are
    needed.

    Args:
        params: the parameters, or groups of them.
        lr: the rate; the paper's is 3e-3.
        betas: weights of the averages of gradients and of their squares, as Adam's.
        weight_decay: decoupled from the gradient.
        largest: sides of a matrix that are longer keep their axes, and a matrix with two such sides takes Adam's steps.
            New axes cost the cube of a side.
        every: steps between new axes.

    Raises:
        UserError: pytorch-optimizer isn't installed.
    """
    own = [{THEIRS.get(k, k): v for k, v in entry.items()} if isinstance(entry, dict) else entry for entry in params]
    return pytorch_optimizer("soap").SOAP(
        own,
        lr=lr,
        betas=(betas[0], betas[1]),
        weight_decay=weight_decay,
        max_precondition_dim=largest,
        precondition_frequency=every,
    )
