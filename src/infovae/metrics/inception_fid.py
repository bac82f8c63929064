"""The FID that papers on photographs report, by torchmetrics, where Inception's weights are installed."""

import importlib.util
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor
from torchmetrics.image.fid import FrechetInceptionDistance

from infovae.data.module import DataModule
from infovae.errors import ArgumentError, UserError, require_at_least
from infovae.metrics.generated_images import PixelKind, are_drawn, generated_images
from infovae.metrics.metric import Metric
from infovae.model import Model, Observed

FEATURES = 2048
WEIGHTS = "weights-inception-2015-12-05-6726825d.pth"
"""The file name under which torch-fidelity publishes the weights and torch.hub caches them."""


def weights_file(given: str | None) -> Path:
    """Return the path of Inception's weights. Nothing is downloaded.

    Raises:
        UserError: torch-fidelity or the weights aren't installed; one line says which.
    """
    path = Path(given) if given else Path(torch.hub.get_dir()) / "checkpoints" / WEIGHTS
    package = importlib.util.find_spec("torch_fidelity") is not None
    missing = [name for name, there in (("torch-fidelity", package), (str(path), path.is_file())) if not there]
    if missing:
        raise UserError(
            f"metrics.inception_fid: missing {' and '.join(missing)}; accepted: pip install torch-fidelity, and its "
            f"weights {WEIGHTS} (release v0.2.0 of torch-fidelity) there or at metrics.inception_fid.weights=FILE. "
            "metrics=[sample_quality] measures the same in a classifier's features"
        )
    return path


def as_colour(images: Float[Tensor, "n c h w"]) -> Float[Tensor, "n 3 h w"]:
    """Return images of three channels; grey ones are repeated.

    Raises:
        ValueError: the images have neither one channel nor three.
    """
    if images.shape[1] not in (1, 3):
        raise ArgumentError("images", tuple(images.shape), "1 or 3 channels", "Inception needs colours")
    return images.expand(-1, 3, -1, -1)


class InceptionFID(Metric):
    """FID in Inception's 2,048 features, between generated images and the first real ones of the split.

    For digits these features mean little, since they were learned from photographs of 299 x 299. A single real image
    gives nan.

    Args:
        model: the model that generates.
        samples: how many images to generate, and how many real ones to compare with, at most.
        pixels: ``mean`` of p(x|z), ``drawn`` from it, or ``auto``: drawn where the run's data is binarised.
        weights: the file; null takes the one in torch.hub's cache.

    Raises:
        ValueError: ``samples`` is below 2, or images have neither one channel nor three.
        UserError: torch-fidelity or the weights aren't installed.
    """

    of_any_split = False
    effort = 60

    def __init__(
        self,
        model: Model,
        data: DataModule,
        samples: int = 10000,
        pixels: PixelKind = "auto",
        weights: str | None = None,
    ) -> None:
        super().__init__()
        require_at_least(2, samples=samples)
        path = weights_file(weights)
        self.fid = FrechetInceptionDistance(FEATURES, normalize=True, feature_extractor_weights_path=str(path))
        self.model = model
        self.data = data
        self.samples = samples
        self.drawn = are_drawn(pixels, data.binarization)

    def observe(self, observed: Observed) -> None:
        self.update(observed.x)

    def update(self, images: Float[Tensor, "n c h w"]) -> None:
        """Take in real images."""
        missing = self.samples - int(self.fid.real_features_num_samples)
        if missing > 0:
            self.fid.update(as_colour(images[:missing]), real=True)

    def compute(self) -> dict[str, Tensor]:
        if self.fid.real_features_num_samples < 2:
            self.reason = "FID needs at least two real images"
            return {"inception_fid": torch.tensor(torch.nan)}
        for images in generated_images(self.model, self.samples, self.drawn, self.data.splits["train"]):
            self.fid.update(as_colour(images), real=False)
        return {"inception_fid": self.fid.compute()}

    def reset(self) -> None:
        super().reset()
        self.fid.reset()
