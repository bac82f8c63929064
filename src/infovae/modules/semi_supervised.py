"""M2: a conditional model that finds the class of most examples itself (Kingma et al. 2014, arXiv 1406.5298)."""

import copy
import logging
import math
from collections.abc import Sequence
from typing import Any

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn

from infovae.codes import Codes
from infovae.conditions.labels import Labels
from infovae.data.loader import Batch
from infovae.data.module import DataModule, data_module_of
from infovae.data.splits import balanced_subset
from infovae.errors import ArgumentError, require_at_least
from infovae.module import InfoVAE
from infovae.objective import add_weighted
from infovae.objective import rate as rate_of
from infovae.parallel import own_rows, rank_and_world_size, share_of_mean
from infovae.terms import Terms

log = logging.getLogger(__name__)

SEED = 1
"""It decides which examples are labelled, whatever the run's seed."""


class SemiSupervised(InfoVAE):
    """Learn p(x|z, y), q(z|x, y) and a classifier q(y|x), where few examples have a label.

        L(x, y) = -log p(x|z, y) + (1 - alpha) * KL(q(z|x, y) || p(z)) - log p(y)
        U(x)    = sum over y of q(y|x) * (L(x, y) + log q(y|x))
        loss    = mean U(x) + n/N * mean L(x, y) + classification * mean -log q(y|x) + (alpha + lambda_ - 1) * D

    in nats per example: equations (6) to (9), with the weights and the divergence of the InfoVAE family. U is of the
    batch, whose labels aren't used. L and the cross-entropy are of labelled examples, n of N, without binarisation or
    augmentation. p(y) is uniform. D is of codes whose class is drawn from q(y|x). q(y|x) is a network like the encoder,
    with the null condition.

    Validation and test measure the conditional model under the true class, and q(y|x) as ``classifier_error``.

    Args:
        labelled: how many training examples keep their label: of each class as many, give or take one, as far as the
            class has them.
        labelled_batch: how many of these a step takes, at random; all of them if there are fewer.
        classification: weight of the cross-entropy; the paper's is 0.1.
        parts: see :class:`infovae.module.InfoVAE`.

    Raises:
        ArgumentError: the model has no condition=labels, or a bound or free bits of its own, or an argument is out of
            range.
    """

    logs = ("validation/classifier_error", "test/classifier_error")

    def __init__(
        self, labelled: int = 100, labelled_batch: int = 100, classification: float = 10.0, **parts: Any
    ) -> None:
        require_at_least(1, labelled=labelled, labelled_batch=labelled_batch)
        if not 0 <= classification < math.inf:
            raise ArgumentError("classification", f"{classification:g}", "finite values of at least 0")
        super().__init__(**parts)
        if not isinstance(self.condition, Labels):
            why = "the class is what it learns"
            raise ArgumentError("condition", "none", "condition=labels", why)
        if self.bound is not None or self.objective.free_bits is not None:
            raise ArgumentError("module", type(self).__name__, "bound=elbo model.free_bits=null beside it")
        self.labelled = labelled
        self.labelled_batch = labelled_batch
        self.classification = classification
        outputs = self.posterior.parameters_per_dimension * self.prior.latent_dim
        self.classifier = nn.Sequential(copy.deepcopy(self.encoder), nn.Linear(outputs, self.condition.classes))
        self._known: tuple[Tensor, Tensor] | None = None

    def setup(self, stage: str) -> None:
        """Choose the labelled examples."""
        if stage == "fit":
            data = data_module_of(self.trainer)
            self.check_run(data, self.trainer.world_size)
            if self.labelled_batch > self.labelled:
                log.info("a step takes all %d labelled examples", self.labelled)
            labels = data.splits["train"].labels
            chosen = balanced_subset(labels, self.labelled, torch.Generator().manual_seed(SEED))
            self._known = data.inputs("train")[chosen], labels[chosen]

    def check_run(self, data: DataModule, processes: int) -> None:
        assert isinstance(self.condition, Labels)
        n, classes = len(data.splits["train"].labels), self.condition.classes
        if self.labelled < classes:
            why = "too few for one of each class"
            raise ArgumentError("labelled", self.labelled, f"whole numbers of at least {classes}", why)
        if self.labelled > n:
            why = "more than there are training examples"
            raise ArgumentError("labelled", self.labelled, f"whole numbers of at most {n}", why)
        for name, rows in (("labelled", self.labelled), ("labelled_batch", self.labelled_batch)):
            if rows < processes:
                why = f"{processes} processes share them"
                raise ArgumentError(name, rows, f"whole numbers of at least {processes}", why)

    def compile_training(self) -> None:
        """Leave the step as it is: it takes one pass for each class."""
        log.info("steps aren't compiled: %s takes a pass for each class", type(self).__name__)

    def classify(self, x: Float[Tensor, "n c *s"]) -> Float[Tensor, "n k"]:
        """Return log q(y|x) of each class."""
        return self._encoded(x, None, self.classifier).log_softmax(dim=1)

    def _infer(self, batch: Batch, dataset_size: int) -> tuple[Codes, Terms]:
        if not self.training:
            return super()._infer(batch, dataset_size)
        assert self._known is not None
        n, rate_weight = batch.global_size, self.objective.weights().rate
        log_q = self.classify(batch.x)
        q, k = log_q.exp(), log_q.shape[1]
        each = [self._of_class(batch._replace(labels=torch.full_like(batch.labels, y)), dataset_size) for y in range(k)]
        every, *found = zip(*each, strict=True)
        reconstruction, rate = (share_of_mean((q * torch.stack(part, dim=1)).sum(dim=1), n) for part in found)
        fit = add_weighted(reconstruction, rate_weight, rate)
        fit = fit + share_of_mean((q * (log_q + math.log(k))).sum(dim=1), n)
        codes = _drawn(every, q.detach(), own_rows(torch.rand(n, 1, device=q.device)))
        known = self._labelled_rows(batch.x.device)
        _, *terms = self._of_class(known, dataset_size)
        told, told_rate = (share_of_mean(part, known.global_size) for part in terms)
        bound = add_weighted(told, rate_weight, told_rate) + math.log(k)
        wrong = -self.classify(known.x).gather(1, known.labels[:, None])[:, 0]
        fit = fit + len(self._known[1]) / dataset_size * bound
        fit = fit + self.classification * share_of_mean(wrong, known.global_size)
        return codes, Terms(reconstruction, rate, torch.full_like(rate, torch.nan), fit)

    def _of_class(self, batch: Batch, dataset_size: int) -> tuple[Codes, Float[Tensor, " m"], Float[Tensor, " m"]]:
        """Return codes, reconstruction and rate of each example under the class that it is given."""
        assert self.condition is not None
        conditions = self.condition.of(batch.labels, None)
        posterior = self.encode_training(batch._replace(conditions=conditions))
        codes = self.codes(posterior, dataset_size, batch.global_size, conditions)
        reconstruction = -self.decode(codes.z, conditions).log_prob(batch.x)
        return codes, reconstruction, rate_of(posterior, self.prior.distribution(), codes.z)

    def _labelled_rows(self, device: torch.device) -> Batch:
        """Return this process's rows of a batch of labelled examples."""
        assert self._known is not None
        x, labels = self._known
        size = min(self.labelled_batch, len(x))
        rank, processes = rank_and_world_size()
        chosen = torch.randperm(len(x))[:size][rank::processes]
        return Batch(x[chosen].to(device), labels[chosen].to(device), size)

    def _evaluate(self, batch: Batch, loader: Any, split: str) -> dict[str, Codes]:
        if split in (*self.splits, "test"):
            name, size = f"{split}/classifier_error", batch.global_size
            wrong = share_of_mean((self.classify(batch.x).argmax(dim=1) != batch.labels).float(), size)
            self.log(name, wrong, on_epoch=True, add_dataloader_idx=False, batch_size=size, sync_dist=True)
        return super()._evaluate(batch, loader, split)


def _drawn(each: Sequence[Codes], q: Float[Tensor, "n k"], chance: Float[Tensor, "n 1"]) -> Codes:
    """Return codes of a class drawn from q(y|x), out of the codes of every class."""
    y: Int64[Tensor, " n"] = (q.cumsum(dim=1) < chance).sum(dim=1).clamp_max(len(each) - 1)
    rows = zip(*(codes.rows() for codes in each), strict=True)
    return each[0].with_rows([torch.stack(parts)[y, torch.arange(len(y), device=y.device)] for parts in rows])
