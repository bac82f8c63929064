"""Any model with encode and decode, so that it and ours meet the same ruler."""

from collections.abc import Sequence
from typing import Literal, Protocol, runtime_checkable

from jaxtyping import Float
from torch import Tensor, nn
from torch.distributions import Bernoulli, Distribution, Independent, Normal

from infovae.priors.standard_normal import StandardNormal


@runtime_checkable
class EncoderDecoder(Protocol):
    """What is adapted. Images are (n, c, h, w) with pixels in [0, 1]."""

    def encode(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and log-variance of q(z|x), (n, d) each; a log-variance of -inf is a deterministic code."""

    def decode(self, z: Tensor) -> Tensor:
        """E[x|z], in the images' shape or any other of as many numbers."""


class EncodeDecode(nn.Module):
    """A model of prior N(0, I), Gaussian q(z|x) and pixels that are independent given z.

    Args:
        model: what is adapted; put into evaluation mode where it is a torch module.
        image_shape: (c, h, w).
        latent_dim: d.
        likelihood: what the decoded pixels are the means of.
        scale: standard deviation of a Gaussian pixel, in units of pixels in [0, 1].
    """

    def __init__(
        self,
        model: EncoderDecoder,
        image_shape: Sequence[int],
        latent_dim: int,
        likelihood: Literal["bernoulli", "gaussian"] = "bernoulli",
        scale: float = 0.1,
    ) -> None:
        super().__init__()
        if not scale > 0:
            raise ValueError(f"scale={scale:g}: invalid; accepted: values above 0")
        for method in ("encode", "decode"):
            if not callable(getattr(model, method, None)):
                raise ValueError(f"model={type(model).__name__}: no method {method}; accepted has encode and decode")
        self.model = model
        self.prior = StandardNormal(latent_dim)
        self.likelihood = likelihood
        self.scale = scale
        self.image_shape = tuple(image_shape)
        self.eval()

    def encode(self, images: Float[Tensor, "n c h w"]) -> Distribution:
        """q(z|x), as the model tells it.

        Raises:
            ValueError: codes of another dimension than ``latent_dim``.
        """
        mean, log_variance = self.model.encode(images)
        if mean.shape != (len(images), self.prior.latent_dim) or log_variance.shape != mean.shape:
            raise ValueError(
                f"latent_dim={self.prior.latent_dim}: the model's codes are {tuple(mean.shape)} and "
                f"{tuple(log_variance.shape)} for {len(images)} images"
            )
        return Independent(Normal(mean, (0.5 * log_variance).exp(), validate_args=False), 1, validate_args=False)

    def decode(self, z: Float[Tensor, "n d"]) -> Distribution:
        """p(x|z) around the pixels that the model decodes."""
        pixels = self.model.decode(z).reshape(len(z), *self.image_shape)
        if self.likelihood == "bernoulli":
            pixel: Distribution = Bernoulli(probs=pixels.clamp(0, 1), validate_args=False)
        else:
            pixel = Normal(pixels, self.scale, validate_args=False)
        return Independent(pixel, 3, validate_args=False)
