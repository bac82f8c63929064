"""Compare generated images with real ones, by a classifier of the data set."""

import functools
import logging
from collections.abc import Iterator

import torch
from jaxtyping import Float
from torch import Tensor

from infovae.classifier.command import training_command
from infovae.classifier.network import Classifier
from infovae.classifier.store import Judge, data_hash, load_classifier
from infovae.data.module import DataModule
from infovae.errors import ArgumentError, require_at_least
from infovae.exact import exact, exact_device
from infovae.metrics.class_mismatch import class_histogram, class_mismatch
from infovae.metrics.frechet_distance import frechet_distance
from infovae.metrics.generated_images import PixelKind, are_drawn, generated_images
from infovae.metrics.kernel_distance import kernel_distance
from infovae.metrics.metric import Metric
from infovae.metrics.precision_recall_density_coverage import Overlap, precision_recall_density_coverage
from infovae.model import Model, Observed

log = logging.getLogger(__name__)

MEASURED = (
    "class_mismatch",
    "class_mismatch_l1",
    "frechet_distance",
    "kernel_distance",
    "kernel_distance_standard_error",
    "precision",
    "recall",
    "density",
    "coverage",
)
"""Measured for generated images, and again for real ones in their place."""

REPORTED = ("classifier_accuracy", *(name for entry in MEASURED for name in (entry, f"real_{entry}")))


class SampleQuality(Metric):
    """Class mismatch, and Frechet distance, kernel distance, precision, recall, density and coverage in features.

    Generated images are compared with the first ``samples`` real images of the split. Names that begin with ``real_``
    repeat each number with real images in place of generated ones: roughly what a perfect model would get. For class
    mismatch these are the split's own images. For all else they are as many training images, which the classifier knows
    from its own training.

    The classifier belongs to the data set; ``infovae classifier`` trains it. Without one, or without classes, a warning
    says so before anything is measured, and all numbers are nan.

    Args:
        model: the model that generates.
        samples: how many images to generate, and how many real ones to compare with, at most.
        pixels: ``mean`` of p(x|z), ``drawn`` from it, or ``auto``: drawn where the run's data is binarised.
        k: the neighbour that the balls of precision, recall, density and coverage reach to.
        subset_size: examples of each kind in a subset of the kernel distance.
        classifiers: the folder that holds trained classifiers.

    Raises:
        ValueError: a number is out of range.
        UserError: the classifier's file is damaged.
    """

    of_any_split = False
    effort = 10
    features: list[Tensor]

    def __init__(
        self,
        model: Model,
        data: DataModule,
        samples: int = 10000,
        pixels: PixelKind = "auto",
        k: int = 5,
        subset_size: int = 1000,
        classifiers: str = "data/classifiers",
    ) -> None:
        super().__init__()
        require_at_least(1, k=k)
        require_at_least(2, subset_size=subset_size)
        if samples <= k:
            raise ArgumentError("samples", samples, f"whole numbers above k={k}", "too few for k neighbours")
        self.add_state("features", [], dist_reduce_fx="cat")
        self.model = model
        self.data = data
        self.samples = samples
        self.drawn = are_drawn(pixels, data.binarization)
        self.k = k
        self.subset_size = subset_size
        self.judge, self.reason = _find(data, classifiers)
        # A direct attribute, so that it moves to the device with the metric.
        self.classifier = None if self.judge is None else self.judge.classifier

    def observe(self, observed: Observed) -> None:
        self.update(observed.x)

    def update(self, images: Float[Tensor, "n c *s"]) -> None:
        """Take in real images."""
        missing = self.samples - sum(len(features) for features in self.features)
        if missing > 0 and self.classifier is not None:
            self.features.append(self.classifier.embed(images[:missing]))

    def compute(self) -> dict[str, Tensor]:
        classifier = self.classifier
        if self.judge is None or classifier is None:
            return dict.fromkeys(REPORTED, torch.tensor(torch.nan))
        train = self.data.splits["train"]
        images = generated_images(self.model, self.samples, self.drawn, train)
        real = torch.cat(list(self.features))
        generated = torch.cat([classifier.embed(block.to(self.device)) for block in images])
        training = torch.cat([classifier.embed(block.to(self.device)) for block in self._training_images()])
        wanted = class_histogram(train.labels, classifier.classes).to(exact_device(real.device))
        histograms = [_histogram(classifier, features) for features in (generated, real)]
        measured = {"classifier_accuracy": torch.tensor(self.judge.accuracy)}
        measured |= self._compared(histograms[0], wanted, generated, real)
        as_if_generated = self._compared(histograms[1], wanted, training, real)
        measured |= {f"real_{name}": value for name, value in as_if_generated.items()}
        return {name: measured[name] for name in REPORTED} | {"class_histogram": histograms[0]}

    def _compared(self, found: Tensor, wanted: Tensor, features: Tensor, real: Tensor) -> dict[str, Tensor]:
        """Return what :data:`MEASURED` lists, of class histograms and of features."""
        try:
            overlap = precision_recall_density_coverage(real, features, self.k)
        except ValueError as refusal:
            log.warning("precision, recall, density and coverage are nan: %s", refusal)
            self.reason = f"too few images for precision, recall, density and coverage: {refusal}"
            overlap = Overlap(*[real.new_tensor(torch.nan)] * 4)
        distances = (frechet_distance(features, real), *kernel_distance(features, real, self.subset_size))
        return dict(zip(MEASURED, (*class_mismatch(found, wanted), *distances, *overlap), strict=True))

    def _training_images(self) -> Iterator[Tensor]:
        missing = self.samples
        for batch in self.data.evaluation_loader("train", shared=False):
            yield batch.x[:missing]
            missing -= len(batch.x)
            if missing <= 0:
                return


def _histogram(classifier: Classifier, features: Tensor) -> Tensor:
    """Return the histogram of predicted classes; nan where a prediction isn't finite."""
    logits = classifier.classify(features)
    if not logits.isfinite().all():
        return exact(features.new_full((classifier.classes,), torch.nan))
    return class_histogram(logits.argmax(dim=1), classifier.classes)


def _find(data: DataModule, folder: str) -> tuple[Judge | None, str | None]:
    """Return the data set's classifier, or None and the reason, with the command that trains one."""
    if data.values.range != "unit" or len(data.shape) != 3:
        return None, _warned("its classifier judges images")
    if len(data.splits["test"].labels.unique()) < 2:
        return None, _warned("the images of this data set all have one label")
    judge = load_classifier(folder, data_hash(data.splits["test"]))
    if judge is None:
        command = training_command(data.source, folder)
        return None, _warned(f"no classifier of this data set in {folder}; to train it once: {command}")
    _log_once(logging.INFO, f"sample_quality: {judge.path} is right on {judge.accuracy:.2%} of the test images")
    return judge, None


def _warned(reason: str) -> str:
    """Warn of a reason, before anything is measured, and return it."""
    _log_once(logging.WARNING, f"sample_quality is nan: {reason}")
    return reason


@functools.cache
def _log_once(level: int, line: str) -> None:
    """Log a line once, although each split and run makes the metric anew."""
    log.log(level, line)
