"""Measure any model that has encode and decode as if it had been trained here."""

from collections.abc import Sequence
from typing import Literal, Protocol, runtime_checkable

from jaxtyping import Float
from torch import Tensor, nn
from torch.distributions import Bernoulli, Distribution, Independent, Normal

from infovae.errors import ArgumentError
from infovae.priors.standard_normal import StandardNormal


@runtime_checkable
class EncoderDecoder(Protocol):
    """The model to adapt. Images are (n, c, h, w) with pixels in [0, 1]."""

    def encode(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Return mean and log-variance of q(z|x), (n, d) each; a log-variance of -inf is a deterministic code."""

    def decode(self, z: Tensor) -> Tensor:
        """Return E[x|z], in the shape of the images or any shape of equal size."""


class EncodeDecode(nn.Module):
    """A model with prior N(0, I), Gaussian q(z|x), and pixels that are independent given z.

    Args:
        model: the model to adapt; a torch module is put into evaluation mode.
        shape: (c, h, w).
        latent_dim: d.
        likelihood: the family of p(x|z), whose mean is the decoded image.
        scale: the standard deviation of a Gaussian pixel; pixels are in [0, 1].
    """

    def __init__(
        self,
        model: EncoderDecoder,
        shape: Sequence[int],
        latent_dim: int,
        likelihood: Literal["bernoulli", "gaussian"] = "bernoulli",
        scale: float = 0.1,
    ) -> None:
        super().__init__()
        if not scale > 0:
            raise ArgumentError("scale", f"{scale:g}", "values above 0")
        for method in ("encode", "decode"):
            if not callable(getattr(model, method, None)):
                raise ArgumentError(
                    "model", type(model).__name__, "a model with encode and decode", f"no method {method}"
                )
        self.model = model
        self.prior = StandardNormal(latent_dim)
        self.likelihood = likelihood
        self.scale = scale
        self.shape = tuple(shape)
        self.eval()

    def encode(self, images: Float[Tensor, "n c h w"]) -> Distribution:
        """Return q(z|x) from the model's mean and log-variance.

        Raises:
            ValueError: the codes' dimension is not ``latent_dim``.
        """
        mean, log_variance = self.model.encode(images)
        if mean.shape != (len(images), self.prior.latent_dim) or log_variance.shape != mean.shape:
            n, shapes = len(images), f"{tuple(mean.shape)} and {tuple(log_variance.shape)}"
            why = f"for {n} images the model returned mean and log-variance of shapes {shapes}"
            raise ArgumentError("latent_dim", self.prior.latent_dim, f"twice ({n}, {self.prior.latent_dim})", why)
        return Independent(Normal(mean, (0.5 * log_variance).exp(), validate_args=False), 1, validate_args=False)

    def decode(self, z: Float[Tensor, "n d"]) -> Distribution:
        """Return p(x|z), whose mean is the image that the model decodes."""
        pixels = self.model.decode(z).reshape(len(z), *self.shape)
        if self.likelihood == "bernoulli":
            pixel: Distribution = Bernoulli(probs=pixels.clamp(0, 1), validate_args=False)
        else:
            pixel = Normal(pixels, self.scale, validate_args=False)
        return Independent(pixel, 3, validate_args=False)
