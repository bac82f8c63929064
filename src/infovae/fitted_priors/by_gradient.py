"""Fit a density by gradient descent, with early stopping."""

import copy
import logging
import math
from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor, nn

from infovae.errors import ArgumentError, require_at_least
from infovae.fitted_priors.fitted_prior import Row
from infovae.streams import isolated_stream
from infovae.terminal.progress import progress

log = logging.getLogger(__name__)


class Descent:
    """How a density is fitted by Adam (Kingma & Ba 2015), whose rate falls to 0 as a cosine (Loshchilov & Hutter 2017).

    Args:
        epochs: the most passes through the codes.
        patience: how many epochs may go by without a lower validation loss.
        batch_size: codes in a step.
        learning_rate: at the start.
    """

    def __init__(self, epochs: int, patience: int, batch_size: int, learning_rate: float) -> None:
        require_at_least(1, epochs=epochs, patience=patience, batch_size=batch_size)
        if not 0 < learning_rate < math.inf:
            raise ArgumentError("learning_rate", f"{learning_rate:g}", "finite values above 0")
        self.epochs, self.patience, self.batch_size, self.learning_rate = epochs, patience, batch_size, learning_rate

    def __call__(
        self,
        module: nn.Module,
        loss: Callable[[Float[Tensor, "_ d"]], Float[Tensor, " _"]],
        codes: Float[Tensor, "n d"],
        validation: Float[Tensor, "m d"],
    ) -> list[Row]:
        """Minimise a loss, leave the module with the weights of the best validation loss, and return a row an epoch.

        ``loss`` returns the loss of each code; what it draws at random is the same in each validation.
        """
        steps = math.ceil(len(codes) / self.batch_size)
        optimizer = torch.optim.Adam(module.parameters(), self.learning_rate)
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, self.epochs * steps)
        best, kept, rows, since = math.inf, copy.deepcopy(module.state_dict()), list[Row](), 0
        for epoch in progress(range(1, self.epochs + 1), "fitting the prior"):
            total = 0.0
            for batch in codes[torch.randperm(len(codes), device=codes.device)].split(self.batch_size):
                losses = loss(batch)
                optimizer.zero_grad()
                losses.mean().backward()
                nn.utils.clip_grad_norm_(module.parameters(), 5.0)
                optimizer.step()
                schedule.step()
                total += float(losses.detach().sum())
            with torch.no_grad(), isolated_stream(codes.device):
                held_out = float(torch.cat([loss(part) for part in validation.split(1000)]).mean())
            rows.append({"epoch": epoch, "train_loss": total / len(codes), "validation_loss": held_out})
            log.info("epoch %d: validation loss %.4g", epoch, held_out)
            since += 1
            if held_out < best:
                best, kept, since = held_out, copy.deepcopy(module.state_dict()), 0
            if since == self.patience:
                break
        module.load_state_dict(kept)
        return rows
