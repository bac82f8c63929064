"""Lion, from pytorch-optimizer."""

from collections.abc import Iterable, Sequence
from typing import Any

import torch

from infovae.optimizers.extra import pytorch_optimizer


def lion(
    params: Iterable[Any], lr: float = 1e-4, betas: Sequence[float] = (0.9, 0.99), weight_decay: float = 0.0
) -> torch.optim.Optimizer:
    """Return Lion (Chen et al. 2023, arXiv 2302.06675), which steps by the sign of an averaged gradient.

    Args:
        params: the parameters, or groups of them.
        lr: the rate. The paper takes a third to a tenth of AdamW's, with a ``weight_decay`` as many times larger.
        betas: weights of the average that gives the step's sign, and of the one that is kept.
        weight_decay: decoupled from the gradient.

    Raises:
        UserError: pytorch-optimizer isn't installed.
    """
    return pytorch_optimizer("lion").Lion(params, lr=lr, betas=(betas[0], betas[1]), weight_decay=weight_decay)
