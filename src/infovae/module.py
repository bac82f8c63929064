"""The one LightningModule: encoder, decoder and the objective that trains them."""

import warnings
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import pytorch_lightning as pl
import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.distributions import Distribution

from infovae.codes import Codes
from infovae.data.loader import Batch
from infovae.divergences.divergence import Divergence
from infovae.likelihoods.likelihood import Likelihood
from infovae.metrics.objective_terms import ObjectiveTerms
from infovae.networks.decoder import Decoder
from infovae.objective import Objective, rate
from infovae.parallel import gather_rows, own_rows, rank_and_world_size, share_of_mean
from infovae.posteriors.posterior import Posterior
from infovae.priors.prior import Images, Prior

# Lightning's own use of a torch type, for every loader. Said here, since anybody may call Lightning's Trainer.
warnings.filterwarnings(
    "ignore",
    r"`isinstance\(treespec, LeafSpec\)` is deprecated",
    FutureWarning,
    r"pytorch_lightning\.utilities\._pytree",
)


class StepTerms(NamedTuple):
    """What a training step found, without gradient; on the device. The divergence is nan where it has no weight."""

    loss: Float[Tensor, ""]
    reconstruction: Float[Tensor, ""]
    rate: Float[Tensor, ""]
    divergence: Float[Tensor, ""]
    weight: float


Inference = Callable[[Batch, int], tuple[Codes, Tensor, Tensor]]
"""A batch and the size of its data set, to codes, reconstruction and rate."""

Loss = Callable[[Batch, int], tuple[Tensor, Tensor, Tensor, Tensor]]
"""A batch and the size of its data set, to loss, reconstruction, rate and divergence."""


class InfoVAE(pl.LightningModule):
    """A variational autoencoder at a point of the InfoVAE family.

    All logged terms but the divergence are in nats per example.

    Under data-parallel training a batch is this process's rows of a global one. The divergence is a property of the
    global batch and is estimated from all its codes on every process; see shards.py.

    Args:
        encoder: (n, c, h, w) to the posterior's parameters, (n, k).
        decoder: makes p(x|z) of codes, (n, d), and the likelihood.
        posterior: family of q(z|x).
        likelihood: family of p(x|z).
        prior: p(z).
        divergence: D(q(z) || p(z)).
        objective: the point (alpha, lambda_).
        optimizer: makes the optimiser from the parameters.
        splits: names of the validation data loaders, in order.

    Raises:
        ValueError: parts that don't go together.
    """

    def __init__(
        self,
        encoder: nn.Module,
        decoder: Decoder,
        posterior: Posterior,
        likelihood: Likelihood,
        prior: Prior,
        divergence: Divergence,
        objective: Objective,
        optimizer: Callable[[Iterable[nn.Parameter]], torch.optim.Optimizer],
        splits: tuple[str, ...] = ("validation",),
    ) -> None:
        super().__init__()
        if not posterior.has_density and objective.rate_weight != 0:
            raise ValueError(
                f"model.alpha={objective.alpha:g}: a {type(posterior).__name__} posterior has an infinite rate, which "
                "can't be optimised; accepted: alpha=1"
            )
        if not prior.has_full_support and objective.rate_weight != 0:
            raise ValueError(
                f"model.alpha={objective.alpha:g}: with a {type(prior).__name__} prior, which is 0 in places, the rate "
                "is infinite and can't be optimised; accepted: alpha=1"
            )
        if prior.needs_posterior_density and not posterior.has_density:
            raise ValueError(
                f"prior {type(prior).__name__} is made of log q(z|x), which a {type(posterior).__name__} posterior "
                "doesn't have; accepted: posterior=diagonal_gaussian or another prior"
            )
        divergence.check_weight(objective.divergence_weight)
        try:
            _check_divergence(divergence, posterior, prior)
            self.divergence_exists = True
        except ValueError:
            if objective.divergence_weight != 0:
                raise
            self.divergence_exists = False
        self.encoder = encoder
        self.decoder = decoder
        self.posterior = posterior
        self.likelihood = likelihood
        self.prior = prior
        self.divergence = divergence
        self.objective = objective
        self.optimizer = optimizer
        self.splits = splits
        self.training_terms = ObjectiveTerms()
        self.step_terms: StepTerms | None = None
        self._compiled_inference: Inference | None = None
        self._compiled_loss: Loss | None = None
        self.evaluation_terms = nn.ModuleDict({name: ObjectiveTerms() for name in {*splits, "test"}})

    def attach_prior(self, images: Images) -> None:
        """Let the prior use the encoder and the training images; before the optimiser is made.

        A prior learns through log p(z). Where neither the rate nor the divergence brings that into the loss, it stays
        as it is.
        """
        self.prior.attach(self.encode, images)
        learns = self.objective.rate_weight != 0 or (
            self.objective.divergence_weight != 0 and "log_prob" in self.divergence.needs
        )
        self.prior.requires_grad_(learns)

    def encode(self, images: Float[Tensor, "n c h w"]) -> Distribution:
        """q(z|x)."""
        posterior: Distribution = self.posterior(_full_precision(self.encoder(images.to(self.dtype))))
        return posterior

    def decode(self, z: Float[Tensor, "n d"]) -> Distribution:
        """p(x|z)."""
        return self.decoder.distribution(
            z.to(self.dtype), lambda parameters: self.likelihood(_full_precision(parameters))
        )

    def reparameterize(self, posterior: Distribution, noise: Float[Tensor, "n d"]) -> Float[Tensor, "n d"]:
        """Return one z ~ q(z|x) for each example from draws of N(0, I): the only way in which codes are drawn."""
        z: Tensor = self.posterior.reparameterize(posterior, noise)
        return z

    def codes(self, posterior: Distribution, dataset_size: int, global_size: int) -> Codes:
        """One latent sample of each of this process's examples, with its posterior's moments."""
        mean = posterior.mean
        noise = torch.randn(global_size, mean.shape[1], dtype=mean.dtype, device=mean.device)
        z = self.reparameterize(posterior, own_rows(noise))
        return Codes(z, mean, posterior.variance, dataset_size)

    def gather(self, codes: Codes, global_size: int) -> Codes:
        """The codes of the global batch from those of each process, with gradient."""
        together = gather_rows(torch.stack([codes.z, codes.mean, codes.variance], dim=1), global_size)
        z, mean, variance = together.unbind(dim=1)
        return Codes(z, mean, variance, codes.dataset_size)

    def estimate_divergence(self, codes: Codes) -> Float[Tensor, ""]:
        """D(q(z) || p(z)) from a global batch; nan where this prior or posterior has none, or the batch is too small.

        In full precision: differences of codes drown in bfloat16.
        """
        if not self.divergence_exists or len(codes.z) < self.divergence.minimum_batch:
            return codes.z.new_tensor(torch.nan)
        with torch.autocast(self.device.type, enabled=False):
            divergence: Tensor = self.divergence(codes, self.prior)
        return divergence

    def compile_training(self) -> None:
        """Let training steps run as one compiled function: encoder, decoder, densities, and the divergence if it can.

        It draws the noise that it would draw anyway. Evaluation stays as it is: its batches differ in size.
        """
        torch.compiler.reset()  # one process may train many models, of which torch would keep the code of the first few
        self._remember_rate()
        options: dict[str, Any] = {"fallback_random": True}
        if self.divergence.compiles:
            self._compiled_loss = torch.compile(self._loss, dynamic=False, options=options)
        else:
            self._compiled_inference = torch.compile(self._infer, dynamic=False, options=options)

    def training_step(self, batch: Batch, batch_idx: int) -> Float[Tensor, ""]:
        return self.step(batch, self._dataset_size(self.trainer.train_dataloader))

    def step(self, batch: Batch, dataset_size: int) -> Float[Tensor, ""]:
        """The loss of a training batch, with gradient; its terms are kept in ``step_terms``."""
        terms = (self._compiled_loss or self._loss)(batch, dataset_size)
        loss, reconstruction, rate, divergence = (term.detach() for term in terms)
        self.step_terms = StepTerms(loss, reconstruction, rate, divergence, _weight(batch))
        return terms[0]

    def on_train_batch_end(self, outputs: Any, batch: Batch, batch_idx: int) -> None:
        if self.step_terms is not None:  # as where the step was left out
            self.training_terms.update(*self.step_terms)

    def validation_step(self, batch: Batch, batch_idx: int, dataloader_idx: int = 0) -> dict[str, Codes]:
        loaders = self.trainer.val_dataloaders
        loader = loaders[dataloader_idx] if isinstance(loaders, list) else loaders
        return self._evaluate(batch, loader, self.splits[dataloader_idx])

    def test_step(self, batch: Batch, batch_idx: int) -> dict[str, Codes]:
        loaders = self.trainer.test_dataloaders
        return self._evaluate(batch, loaders[0] if isinstance(loaders, list) else loaders, "test")

    def on_train_epoch_end(self) -> None:
        terms = self.training_terms.compute()
        self.training_terms.reset()
        if not self.objective.divergence_weight:
            del terms["divergence"]  # not part of the step; measured after it, see callbacks/aggregate_posterior.py
        self._log_terms("train", terms)

    def on_validation_epoch_end(self) -> None:
        for split in self.splits:
            self._log_evaluation(split)

    def on_test_epoch_end(self) -> None:
        self._log_evaluation("test")

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return self.optimizer(parameter for parameter in self.parameters() if parameter.requires_grad)

    def _loss(self, batch: Batch, dataset_size: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """The loss of a training batch, and its terms; the divergence is nan where it has no weight."""
        own, reconstruction, rate = (self._compiled_inference or self._infer)(batch, dataset_size)
        divergence = None
        if self.objective.divergence_weight:
            codes = self.gather(own, batch.global_size)
            self.divergence.adapt(codes.detach(), self.prior)
            divergence = self.estimate_divergence(codes)
        loss = self.objective(reconstruction, rate, divergence)
        return loss, reconstruction, rate, loss.new_tensor(torch.nan) if divergence is None else divergence

    def _infer(self, batch: Batch, dataset_size: int) -> tuple[Codes, Float[Tensor, ""], Float[Tensor, ""]]:
        """This process's codes, and its share of reconstruction and rate."""
        posterior = self.encode(batch.images)
        codes = self.codes(posterior, dataset_size, batch.global_size)
        log_likelihood = self.decode(codes.z).log_prob(batch.images)
        rates = rate(posterior, self.prior.distribution(), codes.z)
        return codes, -share_of_mean(log_likelihood, batch.global_size), share_of_mean(rates, batch.global_size)

    def _remember_rate(self) -> None:
        """Let torch.distributions find the KL of this posterior and prior: the search, done once, can't be compiled."""
        parameters = torch.zeros(1, self.posterior.parameters_per_dimension * self.prior.latent_dim, device=self.device)
        with torch.no_grad():
            posterior: Distribution = self.posterior(parameters)
            rate(posterior, self.prior.distribution(), posterior.mean)

    def _evaluate(self, batch: Batch, loader: Any, split: str) -> dict[str, Codes]:
        """Take in a batch; gives the codes of the global batch."""
        own, reconstruction, rate = self._infer(batch, self._dataset_size(loader))
        codes = self.gather(own, batch.global_size)
        divergence = self.estimate_divergence(codes)
        loss = self.objective(reconstruction, rate, divergence)
        terms = self.evaluation_terms[split]
        assert isinstance(terms, ObjectiveTerms)
        terms.update(loss, reconstruction, rate, divergence, _weight(batch))
        return {"codes": codes}

    def _log_evaluation(self, split: str) -> None:
        terms = self.evaluation_terms[split]
        assert isinstance(terms, ObjectiveTerms)
        self._log_terms(split, terms.compute())
        terms.reset()

    def _log_terms(self, split: str, terms: dict[str, Tensor]) -> None:
        for name, value in terms.items():
            self.log(f"{split}/{name}", value, prog_bar=name == "loss" and split != "test")

    @staticmethod
    def _dataset_size(loader: Any) -> int:
        return len(loader.dataset)


def _check_divergence(divergence: Divergence, posterior: Posterior, prior: Prior) -> None:
    if divergence.needs_posterior_density and not posterior.has_density:
        raise ValueError(
            f"divergence {type(divergence).__name__} needs log q(z|x), which a {type(posterior).__name__} "
            "posterior doesn't have; accepted: posterior=diagonal_gaussian or another divergence"
        )
    divergence.check_prior(prior)


def _weight(batch: Batch) -> float:
    """Of this process's terms among those of all, in examples."""
    return batch.global_size / rank_and_world_size()[1]


def _full_precision(parameters: Tensor) -> Tensor:
    """Densities and sums over pixels need more than the 8 bits of a bfloat16 mantissa."""
    return parameters.float() if parameters.dtype in (torch.bfloat16, torch.float16) else parameters
