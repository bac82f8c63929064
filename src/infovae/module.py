"""The one LightningModule: encoder, decoder and the objective that trains them."""

import inspect
import logging
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from typing import Any, ClassVar, cast

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.distributions import Distribution
from torch.nn.parameter import is_lazy

from infovae.autoencoder.autoencoder import Autoencoder
from infovae.autoencoder.compatibility import check_parts
from infovae.autoencoder.own_steps import OwnSteps, replaces
from infovae.bounds.bound import Bound
from infovae.codes import Codes, joined
from infovae.conditions.condition import Condition
from infovae.data.loader import Batch
from infovae.data.module import DataModule
from infovae.data.values import Values
from infovae.divergences.divergence import Divergence, noise_level
from infovae.errors import ArgumentError
from infovae.likelihoods.likelihood import Likelihood
from infovae.metrics.objective_terms import SplitTerms, StepTerms
from infovae.model import codes_of
from infovae.networks.decoder import Decoder
from infovae.objective import Number, Objective, add_weighted, weighted_loss
from infovae.objective import rate as rate_of
from infovae.optimizers.groups import parameter_groups_of
from infovae.parallel import gather_rows, rank_and_world_size, share_of_mean, sum_over_processes
from infovae.posteriors.posterior import Posterior
from infovae.priors.prior import Prior, TrainingInputs
from infovae.streams import evaluation_mode
from infovae.terms import Terms

log = logging.getLogger(__name__)

# Lightning's own use of a torch type, for every loader. Here, since anybody may call Lightning's Trainer.
warnings.filterwarnings(
    "ignore",
    r"`isinstance\(treespec, LeafSpec\)` is deprecated",
    FutureWarning,
    r"pytorch_lightning\.utilities\._pytree",
)


Inference = Callable[[Batch, int], tuple[Codes, Terms]]
"""Takes a batch and the size of its data set; returns codes, and the terms of the loss but the divergence."""


PARTS_OF_THE_LOSS = ("training_step", "step_loss", "step", "_loss", "_infer")
"""Methods with which a subclass may train by another loss than evaluation measures."""


class InfoVAE(OwnSteps, Autoencoder):
    """A variational autoencoder at a point of the InfoVAE family.

    All logged terms but the divergence are in nats per example.

    Under data-parallel training a batch is this process's rows of a global one. The divergence is a property of the
    global batch and is estimated from all its codes on every process; see parallel.py.

    Args:
        encoder: (n, c, *s) to the posterior's parameters, (n, k).
        decoder: makes p(x|z) from codes, (n, d), and the likelihood.
        posterior: the family of q(z|x).
        likelihood: the family of p(x|z).
        prior: p(z).
        divergence: D(q(z) || p(z)).
        objective: the point (alpha, lambda_), or a path through such points.
        bound: takes the place of the ELBO; None: the ELBO.
        optimizer: makes the optimiser from the parameters; may add a schedule in one of Lightning's forms.
        splits: names of the validation data loaders, in order.
        parameter_groups: the optimiser's settings for some parameters; see optimizers/groups.py.
        condition: what encoder and decoder are given beside x and z; None: nothing.
        values: what the entries of x mean; None: numbers that the encoder sees as they are.
        shape: (c, *s) of an example, to which x is held outside of training, and by which the constructor tries
            encoder and decoder; None: any, and the first batch tells whether they go with the rest.

    Raises:
        ArgumentError: parts don't go together.
    """

    logs: ClassVar[tuple[str, ...]] = ()
    """The columns of ``metrics.csv`` that a subclass adds."""

    def __init__(
        self,
        encoder: nn.Module,
        decoder: Decoder,
        posterior: Posterior,
        likelihood: Likelihood,
        prior: Prior,
        divergence: Divergence,
        objective: Objective,
        optimizer: Callable[[Iterable[nn.Parameter]], Any],
        splits: tuple[str, ...] = ("validation",),
        bound: Bound | None = None,
        parameter_groups: Mapping[str, Mapping[str, Any]] | None = None,
        condition: Condition | None = None,
        values: Values | None = None,
        shape: tuple[int, ...] | None = None,
    ) -> None:
        super().__init__()
        self.divergence_exists = check_parts(posterior, prior, divergence, objective, bound, condition)
        self.encoder = encoder
        self.decoder = decoder
        self.posterior = posterior
        self.likelihood = likelihood
        self.prior = prior
        self.divergence = divergence
        self.objective = objective
        self.bound = bound
        self.optimizer = optimizer
        self.splits = splits
        self.parameter_groups = parameter_groups or {}
        self.condition = condition
        self.values = values
        self.shape = shape
        self._frozen: tuple[str, ...] = ()
        self.training_terms = SplitTerms()
        self.step_terms: StepTerms | None = None
        self._since_step: list[Tensor] = []  # what controllers hear of the batches that one step accumulates
        self._used: dict[str, Tensor] = {}  # the controlled weights of the latest step
        self._steps_before: int | None = None
        self._compiled_loss: Callable[[Batch, int], tuple[Tensor, Terms]] | None = None
        self.evaluation_terms = nn.ModuleDict({name: SplitTerms() for name in {*splits, "test"}})
        self.evaluation_terms["train_split"] = self.training_terms  # a module has attributes train and training
        if shape is not None and not any(map(is_lazy, self.parameters())):
            self._try_networks(Batch(torch.zeros(1, *shape), torch.zeros(1, dtype=torch.int64), 1))

    @torch.no_grad()
    def _try_networks(self, batch: Batch) -> None:
        """Refuse networks that don't go with posterior, prior, likelihood and shape, by a batch of zeros.

        What fails otherwise, as a network that needs real examples, or a subclass that isn't complete yet, is left to
        the first use. In evaluation mode, so that no layer remembers the batch, and apart from training's stream.

        Raises:
            ArgumentError: names the network.
        """
        code = torch.zeros(1, self.prior.latent_dim)
        for use in (partial(self.encode, batch.x), partial(self._log_likelihood, batch, code)):
            try:
                with evaluation_mode(self.encoder, self.decoder), torch.random.fork_rng(devices=[]):
                    use()
            except ArgumentError:
                raise
            except Exception:
                log.debug("the first batch will tell whether the networks go with the rest", exc_info=True)

    @property
    def has_own_loss(self) -> bool:
        """Whether a subclass trains by another loss than evaluation measures."""
        return replaces(type(self), InfoVAE, PARTS_OF_THE_LOSS)

    def check_run(self, data: DataModule, processes: int) -> None:
        """Refuse data, or a number of processes, that a subclass can't train with; called before anything is written.

        Raises:
            ArgumentError: names the argument of the subclass.
        """

    def attach_prior(self, inputs: TrainingInputs) -> None:
        """Let the prior use the encoder and the training examples; to be called before the optimiser is made.

        A prior learns through log p(z). It stays as it is if neither the rate nor the divergence brings that into the
        loss.
        """
        self.prior.attach(self.encode if self.condition is None else self._encode_alone, inputs)
        learns = self.objective.weighs_rate or (
            self.objective.weighs_divergence and "log_prob" in self.divergence.needs
        )
        self.prior.requires_grad_(learns)

    def _encode_alone(self, x: Float[Tensor, "k c *s"]) -> Distribution:
        """Return q(z|x) of a prior's own inputs, which have no condition."""
        return self.posterior(self._encoded(x, None))

    def freeze_parts(self, parts: Iterable[str]) -> None:
        """Keep parts of the model as they are in training: their weights, and what their layers remember of batches.

        Args:
            parts: ``encoder`` or ``decoder``.
        """
        self._frozen = tuple(parts)
        for name in self._frozen:
            self.get_submodule(name).requires_grad_(False)
        self.train(self.training)

    def train(self, mode: bool = True) -> "InfoVAE":
        super().train(mode)
        for name in self._frozen:
            self.get_submodule(name).eval()
        return self

    def codes(
        self,
        posterior: Distribution,
        dataset_size: int,
        global_size: int,
        conditions: Float[Tensor, "n k"] | None = None,
    ) -> Codes:
        """Return one latent sample of each of this process's examples, with its posterior's moments."""
        codes = codes_of(posterior, self.draw(posterior, global_size), dataset_size)
        return codes._replace(conditions=conditions) if self.divergence.needs_classes else codes

    def gather(self, codes: Codes, global_size: int) -> Codes:
        """Return the codes of the global batch from those of each process, with gradient."""
        rows = codes.rows()
        packed = gather_rows(torch.cat([row.flatten(1) for row in rows], dim=1), global_size)
        parts = packed.split([row.shape[1:].numel() for row in rows], dim=1)
        return codes.with_rows([part.unflatten(1, row.shape[1:]) for part, row in zip(parts, rows, strict=True)])

    def parts(self, batch: Batch, dataset_size: int) -> Iterator[tuple[Batch, Distribution, Codes]]:
        """Yield each batch that is part of one, with its posterior and codes; all are encoded at once.

        Each draws its codes when its turn comes, so that what is drawn between the turns doesn't depend on how many
        batches are encoded together.
        """
        batch = batch._replace(conditions=self.conditions_of(batch))
        encoded, start = self._encoded(batch.x, batch.conditions), 0
        for size, own in batch.parts:
            rows = slice(start, start + own)
            posterior = self.posterior(encoded[rows])
            part = batch.rows(rows)._replace(global_size=size, sizes=())
            yield part, posterior, self.codes(posterior, dataset_size, size, part.conditions)
            start += own

    def can_estimate_divergence(self, codes: Codes) -> bool:
        """Return whether a global batch has enough examples for an estimate of the divergence."""
        return len(codes.z) >= self.divergence.minimum_batch

    def estimate_divergence(self, codes: Codes) -> Float[Tensor, ""]:
        """Estimate D(q(z) || p(z)) from a global batch; nan if it doesn't exist here, or the batch is too small.

        In full precision: bfloat16 loses the differences of codes.
        """
        if not self.divergence_exists or not self.can_estimate_divergence(codes):
            return codes.z.new_tensor(torch.nan)
        with torch.autocast(self.device.type, enabled=False):
            divergence: Tensor = self.divergence(codes, self.prior)
        return divergence

    def compile_training(self) -> None:
        """Compile the training step: encoder, decoder and densities, and the divergence if it can be compiled.

        A compiled step draws the same noise. Evaluation isn't compiled, since its batches differ in size.
        """
        if self.bound is not None and not self.bound.compiles:
            log.info("steps aren't compiled: %s can't be, as it is set here", type(self.bound).__name__)
            return
        torch.compiler.reset()  # one process may train many models; torch would keep the code of the first few
        with torch.no_grad():  # torch.distributions remembers the KL that it finds; the search can't be compiled
            posterior = self.posterior.example(self.prior.latent_dim, self.device)
            rate_of(posterior, self.prior.distribution(), posterior.mean)
        options: dict[str, Any] = {"fallback_random": True}
        if self.divergence.compiles:
            self._compiled_loss = torch.compile(self._loss, dynamic=False, options=options)
        else:
            infer: Inference = torch.compile(self._infer, dynamic=False, options=options)
            self._compiled_loss = partial(self._loss, infer=infer)

    def step_loss(self, batch: Batch) -> Float[Tensor, ""]:
        loader: Any = self.trainer.train_dataloader
        loss = self.step(batch, len(loader.dataset))
        if self.step_terms is None:  # a subclass's own step
            unknown = torch.full_like(loss.detach(), torch.nan)
            self.step_terms = StepTerms(loss, unknown, unknown, unknown, _examples(batch), is_known=False)
        self.step_terms = self.step_terms._replace(loss=loss.detach())
        return loss

    def step(self, batch: Batch, dataset_size: int) -> Float[Tensor, ""]:
        """Return the loss of a training batch, with gradient; keep its terms in ``step_terms``.

        A subclass may return another loss, which is logged as it is. Terms that it doesn't keep are nan in the log.
        """
        loss, terms = (self._compiled_loss or self._loss)(batch, dataset_size)
        reconstruction, rate, divergence = terms.reconstruction.detach(), terms.rate.detach(), terms.divergence.detach()
        self.step_terms = StepTerms(loss.detach(), reconstruction, rate, divergence, _examples(batch))
        return loss

    def on_train_batch_start(self, batch: Batch, batch_idx: int) -> None:
        if self._steps_before is None:
            for controller in self.objective.controllers.values():
                controller.prepare(lambda: noise_level(self.divergence, self.prior, batch.global_size, self.device))
        self._steps_before = self.trainer.global_step
        self.step_terms = None
        self.objective.move(self._steps_before)

    def on_train_batch_end(self, outputs: Any, batch: Batch, batch_idx: int) -> None:
        if self.step_terms is None:  # on_nan=skip left the step out, or a subclass's training_step doesn't say them
            return
        self.training_terms.add(self.step_terms)
        if self.objective.controllers:
            self._inform_controllers(self.step_terms)

    def _inform_controllers(self, terms: StepTerms) -> None:
        """Let controllers set the next step's weights by the mean of the batches of this one, if it has been taken."""
        self._since_step.append(torch.stack([terms.reconstruction, terms.rate, terms.divergence]))
        if self.trainer.global_step != self._steps_before:
            own = torch.stack(self._since_step).mean(dim=0)
            self._since_step.clear()
            point = self.objective.point()
            self._used = {name: torch.as_tensor(point[name]).clone() for name in self.objective.controllers}
            self.objective.after_step(Terms(*sum_over_processes(own) / rank_and_world_size()[1]))

    def validation_step(self, batch: Batch, batch_idx: int, dataloader_idx: int = 0) -> dict[str, Codes]:
        loaders = self.trainer.val_dataloaders
        loader = loaders[dataloader_idx] if isinstance(loaders, list) else loaders
        return self._evaluate(batch, loader, self.splits[dataloader_idx])

    def test_step(self, batch: Batch, batch_idx: int) -> dict[str, Codes]:
        loaders = self.trainer.test_dataloaders
        return self._evaluate(batch, loaders[0] if isinstance(loaders, list) else loaders, "test")

    def measure_training(self, batch: Batch, loader: Any) -> Codes:
        """Add a batch of the training split, as evaluation sees it, to the epoch's terms; return the global codes."""
        return self._evaluate(batch, loader, "train_split")["codes"]

    def on_train_epoch_end(self) -> None:
        self.training_terms.sum_steps()
        terms = self.training_terms.compute()
        self.training_terms.reset()
        if not self.objective.weighs_divergence:
            del terms["divergence"]  # no part of the step; callbacks/aggregate_posterior.py measures it after the epoch
        self._log_terms("train", terms)
        point = self.objective.point() | self._used
        self._log_terms("train", {name: torch.as_tensor(point[name]).clone() for name in self.objective.moving})

    def on_validation_epoch_end(self) -> None:
        for split in self.splits:
            self._log_evaluation(split)

    def on_test_epoch_end(self) -> None:
        self._log_evaluation("test")

    def configure_optimizers(self) -> Any:
        return self.optimizer(parameter_groups_of(self, self.parameter_groups))

    def make_optimizer(self, parameters: Iterable[nn.Parameter] | None = None) -> torch.optim.Optimizer:
        """Return a new optimiser, also from a factory that makes a schedule with it in one of Lightning's forms.

        Args:
            parameters: what to optimise; None: the model's own.
        """
        made = self.configure_optimizers() if parameters is None else self.optimizer(parameters)
        while not isinstance(made, torch.optim.Optimizer):
            made = made["optimizer"] if isinstance(made, dict) else made[0]
        return made

    @classmethod
    def load_from_checkpoint(cls, checkpoint_path: Any, *arguments: Any, **parts: Any) -> "InfoVAE":
        """Return Lightning's result if the model's parts are given; a checkpoint alone doesn't hold them.

        Raises:
            TypeError: a part is missing.
        """
        required = [name for name, entry in inspect.signature(cls).parameters.items() if entry.default is entry.empty]
        if missing := [name for name in required if name not in parts]:
            raise TypeError(
                f"a checkpoint holds weights, but no {', '.join(missing)}; accepted: these as keyword arguments, or "
                "infovae.load(RUN), which builds them from the run's config"
            )
        return super().load_from_checkpoint(checkpoint_path, *arguments, **parts)

    def _loss(self, batch: Batch, dataset_size: int, infer: Inference | None = None) -> tuple[Tensor, Terms]:
        """Return the loss of a training batch, and its terms; the divergence is nan if it has no weight."""
        own, terms = (infer or self._infer)(batch, dataset_size)
        if self.objective.weighs_divergence:
            codes = self.gather(own, batch.global_size)
            self.divergence.adapt(codes.detach(), self.prior)
            terms = terms._replace(divergence=self.estimate_divergence(codes))
        return weighted_loss(terms, self.objective.weights()), terms

    def _infer(self, batch: Batch, dataset_size: int) -> tuple[Codes, Terms]:
        """Return this process's codes, and its share of the terms but the divergence, which is nan."""
        known = conditions = self.conditions_of(batch)
        if self.condition is not None and conditions is not None:
            conditions = self.condition.dropped(conditions, batch.global_size)
        batch, n = batch._replace(conditions=conditions), batch.global_size
        posterior = self.encode_training(batch)
        codes = self.codes(posterior, dataset_size, n, known)
        prior, rate_weight = self.prior.distribution(), self.objective.weights().rate
        rows = self._fit(batch, posterior, prior, codes.z, rate_weight)
        reconstruction, rate, *bound = [share_of_mean(row, n) for row in rows]
        if self.objective.free_bits is not None:
            charged = self.objective.charged_rate(posterior, prior, rows[1], n)
            bound = [add_weighted(reconstruction, rate_weight, charged)]
        return codes, Terms(reconstruction, rate, torch.full_like(rate, torch.nan), *bound)

    def _fit(
        self, batch: Batch, posterior: Distribution, prior: Distribution, z: Float[Tensor, "n d"], rate_weight: Number
    ) -> tuple[Float[Tensor, " n"], ...]:
        """Return each example's reconstruction and rate, and the negative bound that stands for both if one is set."""
        if self.bound is None:
            return -self._log_likelihood(batch, z), rate_of(posterior, prior, z)
        draw = partial(self.draw, posterior, batch.global_size)
        return self.bound.terms(posterior, prior, z, draw, partial(self._log_likelihood, batch), rate_weight)

    def _log_likelihood(self, batch: Batch, z: Float[Tensor, "*k n d"]) -> Float[Tensor, "*k n"]:
        """Return log p(x|z) of a code of each example, or of k."""
        x, given = batch.x, [] if batch.conditions is None else [batch.conditions]
        if z.ndim == 3:
            x = x.expand(len(z), *x.shape).flatten(0, 1)
            given = [conditions.repeat(len(z), 1) for conditions in given]
        likelihood = self.decode(z.flatten(0, -2), *given)
        if likelihood.event_shape != x.shape[1:]:  # else shapes are broadcast, and entries count more than once
            made = f"p(x|z) is of shape {tuple(likelihood.event_shape)}"
            raise ArgumentError("decoder", type(self.decoder).__name__, f"shape {tuple(x.shape[1:])}, as x", made)
        log_likelihood: Tensor = likelihood.log_prob(x)
        return log_likelihood.unflatten(0, z.shape[:-1])

    def _evaluate(self, batch: Batch, loader: Any, split: str) -> dict[str, Codes]:
        """Add each part of a batch to a split's terms; return the codes of all."""
        weights, prior = self.objective.evaluation_weights(), self.prior.distribution()
        terms = cast(SplitTerms, self.evaluation_terms[split])
        parts, fits, gathered, divergences = [], [], [], []
        for part, posterior, own in self.parts(batch, len(loader.dataset)):
            parts.append(part)
            fits.append(
                (own.z, rate_of(posterior, prior, own.z)) if self.bound is None
                else self._fit(part, posterior, prior, own.z, weights.rate)
            )  # fmt: skip
            gathered.append(codes := self.gather(own, part.global_size))
            divergences.append(self.estimate_divergence(codes) if self.can_estimate_divergence(codes) else None)
        if self.bound is None:  # the examples of all parts are decoded at once
            z, rates = zip(*fits, strict=True)
            rows = -self._log_likelihood(batch._replace(conditions=self.conditions_of(batch)), torch.cat(z))
            fits = list(zip(rows.split([len(own) for own in z]), rates, strict=True))
        for part, fit, divergence in zip(parts, fits, divergences, strict=True):
            reconstruction, rate, *bound = [share_of_mean(row, part.global_size) for row in fit]
            found = torch.zeros_like(rate) if divergence is None else divergence
            loss = weighted_loss(Terms(reconstruction, rate, found, *bound), weights)
            terms.update(loss, reconstruction, rate, divergence, _examples(part), float(weights.divergence))
        return {"codes": joined(gathered)}

    def _log_evaluation(self, split: str) -> None:
        terms = cast(SplitTerms, self.evaluation_terms[split])
        self._log_terms(split, terms.compute())
        terms.reset()

    def _log_terms(self, split: str, terms: dict[str, Tensor]) -> None:
        for name, value in terms.items():
            self.log(f"{split}/{name}", value, prog_bar=name == "loss" and split != "test")


def _examples(batch: Batch) -> float:
    """Return how many examples this process's share of the terms stands for."""
    return batch.global_size / rank_and_world_size()[1]
