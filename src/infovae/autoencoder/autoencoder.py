"""The model without its training: networks and densities, from examples to codes and back."""

from collections.abc import Iterable
from typing import Any

import torch
from jaxtyping import Float, Shaped
from torch import Tensor, nn
from torch.distributions import Distribution

from infovae.conditions.condition import Condition, beside
from infovae.data.loader import Batch
from infovae.data.values import Values
from infovae.errors import ArgumentError
from infovae.likelihoods.likelihood import Likelihood
from infovae.model import conditions_of
from infovae.networks.decoder import Decoder
from infovae.parallel import gather_rows, own_rows
from infovae.posteriors.posterior import Posterior
from infovae.priors.prior import Prior


class Autoencoder(nn.Module):
    """p(z), p(x|z) and q(z|x) by an encoder and a decoder.

    The constructor of a subclass sets the attributes, which :class:`infovae.module.InfoVAE` describes.
    """

    encoder: nn.Module
    decoder: Decoder
    posterior: Posterior
    likelihood: Likelihood
    prior: Prior
    condition: Condition | None
    values: Values | None
    shape: tuple[int, ...] | None
    dtype: Any

    def encode(self, x: Shaped[Tensor, "n c *s"], conditions: Float[Tensor, "n k"] | None = None) -> Distribution:
        """Return q(z|x), or q(z|x, conditions).

        Args:
            x: examples as the model sees them; see data/values.py. Where those are pixels, bytes are scaled to them.
            conditions: of a conditional model. None, or NaN in a row: the null condition, which outside of training
                is for models trained with ``condition.dropout``; a condition column may miss a number.

        Raises:
            ArgumentError: x or conditions are of another shape, x of whole numbers where the model is of numbers, or
                the encoder doesn't go with the posterior.
        """
        if not self.training:
            self._check_rows("x", x, self.shape, conditions)
        return self.posterior(self._encoded(x, conditions))

    def _encoded(
        self, x: Shaped[Tensor, "n c *s"], conditions: Float[Tensor, "n k"] | None, network: nn.Module | None = None
    ) -> Float[Tensor, "n p"]:
        """Return the posterior's parameters, or the output of a network in the place of the encoder."""
        seen = self._inputs(x)
        seen = (seen if self.values is None else self.values.encoder_input(seen)).to(self.dtype)
        if self.condition is not None:
            seen = beside(seen, self.condition(conditions, len(x)), getattr(self.encoder, "flattens", False))
        parameters = _full_precision((self.encoder if network is None else network)(seen))
        if network is None:
            self._check_encoded(parameters)
        return parameters

    def _check_rows(self, name: str, rows: Any, shape: tuple[int, ...] | None, conditions: Tensor | None) -> None:
        if not isinstance(rows, Tensor):
            raise ArgumentError(name, ..., "a torch tensor", f"a {type(rows).__name__}")
        if shape is not None and rows.shape[1:] != shape:
            raise ArgumentError(name, ..., f"shape (n, {', '.join(map(str, shape))})", f"shape {tuple(rows.shape)}")
        if conditions is not None and self.condition is None:
            raise ArgumentError("conditions", ..., "None", "the model isn't conditional")
        if self.condition is not None:
            self.condition.check(conditions, len(rows))

    def _inputs(self, x: Tensor) -> Tensor:
        if self.likelihood.of not in ("numbers", "pixels") or x.is_floating_point() or x.dtype == torch.bool:
            return x.to(self.dtype)
        if x.dtype != torch.uint8:
            raise ArgumentError("x", ..., "floats, or bytes (torch.uint8) of pixels", f"type {x.dtype}")
        return x.to(self.dtype) / 255

    def encode_training(self, batch: Batch) -> Distribution:
        """Return q(z|x) of this process's rows, as training sees it: normalised by the global batch's moments, say."""
        return self.posterior.forward_training(self._encoded(batch.x, batch.conditions), batch.global_size)

    @torch.no_grad()
    def calibrate(self, batches: Iterable[Batch]) -> None:
        """Let the posterior take what it needs to know of the training set; in evaluation mode."""
        self.posterior.calibrate(
            gather_rows(self._encoded(batch.x, self.conditions_of(batch)), batch.global_size) for batch in batches
        )

    def decode(self, z: Float[Tensor, "n d"], conditions: Float[Tensor, "n k"] | None = None) -> Distribution:
        """Return p(x|z), or p(x|z, conditions); conditions as for :meth:`encode`.

        Raises:
            ArgumentError: z or conditions are of another shape, or the decoder doesn't go with the likelihood.
        """
        if not self.training:
            self._check_rows("z", z, (self.prior.latent_dim,), conditions)
        z = z.to(self.dtype)
        if self.condition is not None:
            z = beside(z, self.condition(conditions, len(z)), flat=True)
        return self.decoder.distribution(z, self._likelihood_of)

    def _likelihood_of(self, parameters: Float[Tensor, "n k *s"]) -> Distribution:
        shape, each = self.shape or getattr(self.decoder, "shape", None), self.likelihood.parameters_per_channel
        if shape is not None and parameters.shape[1] != each * shape[0]:
            why = f"it outputs {parameters.shape[1]} channels for {shape[0]} of x"
            accepted = f"{each * shape[0]}, by parameters_per_channel={each} of {type(self.likelihood).__name__}"
            raise ArgumentError("decoder", type(self.decoder).__name__, accepted, why)
        return self.likelihood(_full_precision(parameters))

    def _check_encoded(self, parameters: Tensor) -> None:
        """Refuse parameters that aren't the posterior's: as many for each dimension as that says."""
        each, d = self.posterior.parameters_per_dimension, self.prior.latent_dim
        if parameters.shape[1:] != (each * d,):
            why = f"it outputs shape (n, {', '.join(map(str, parameters.shape[1:]))})"
            accepted = f"shape (n, {each * d}), by parameters_per_dimension={each} of {self.posterior.family}"
            raise ArgumentError("encoder", type(self.encoder).__name__, accepted, why)

    def conditions_of(self, batch: Batch) -> Float[Tensor, "n k"] | None:
        """Return what this model is conditioned on; None if on nothing."""
        return conditions_of(self, batch.labels, batch.conditions)

    def reparameterize(self, posterior: Distribution, noise: Float[Tensor, "n d"]) -> Float[Tensor, "n d"]:
        """Return one z ~ q(z|x) for each example from draws of N(0, I): the only way in which codes are drawn."""
        return self.posterior.reparameterize(posterior, noise)

    def draw(self, posterior: Distribution, global_size: int) -> Float[Tensor, "n d"]:
        """Return one latent sample of each of this process's examples."""
        mean = posterior.mean
        noise = torch.randn(global_size, mean.shape[1], dtype=mean.dtype, device=mean.device)
        return self.reparameterize(posterior, own_rows(noise))


def _full_precision(parameters: Tensor) -> Tensor:
    """Return float32 for half precision: densities and sums over pixels need more than bfloat16's 8 bits."""
    return parameters.float() if parameters.dtype in (torch.bfloat16, torch.float16) else parameters
