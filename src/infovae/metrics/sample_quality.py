"""What a classifier of the data set makes of generated images, beside what it makes of real ones."""

import functools
import logging
from collections.abc import Iterable, Iterator

import torch
from jaxtyping import Float
from torch import Tensor

from infovae.classifier.command import training_command
from infovae.classifier.store import Judge, data_hash, load
from infovae.data.module import ImageData
from infovae.metrics.class_mismatch import class_histogram, class_mismatch
from infovae.metrics.frechet_distance import frechet_distance
from infovae.metrics.generated_images import Pixels, are_drawn, generated_images
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
"""Of generated images, and of real ones in their place."""
NAMES = ("classifier_accuracy", *(name for entry in MEASURED for name in (entry, f"real_{entry}")))


class SampleQuality(Metric):
    """Class mismatch, and Frechet distance, kernel distance, precision, recall, density and coverage in features.

    Generated images stand against the first ``samples`` real ones of the split. A second time, with names that begin
    with ``real_``, real images take the place of generated ones: what a perfect model would get, give or take. For
    class mismatch these are the split's own, for all else as many of the training split's, which the classifier knows
    from its own training.

    The classifier is the data set's (classifier.py). Without it, or without classes, one line says so before anything
    is measured, and all numbers are nan.

    Args:
        model: what generates.
        data: the images.
        samples: how many images are generated, and at most how many real ones they meet.
        pixels: ``mean`` of p(x|z), ``drawn`` from it, or ``auto``: drawn where the run's data is binarised.
        k: which neighbour the balls of precision, recall, density and coverage reach to.
        subset_size: examples of each kind in a subset of the kernel distance.
        classifiers: the folder where classifier.py keeps them.

    Raises:
        ValueError: numbers that can't be.
        UserError: the classifier's file is damaged.
    """

    of_any_split = False
    features: list[Tensor]

    def __init__(
        self,
        model: Model,
        data: ImageData,
        samples: int = 10000,
        pixels: Pixels = "auto",
        k: int = 5,
        subset_size: int = 1000,
        classifiers: str = "data/classifiers",
    ) -> None:
        super().__init__()
        if k < 1:
            raise ValueError(f"k={k}: invalid; accepted: whole numbers of at least 1")
        if samples <= k:
            raise ValueError(f"samples={samples}: invalid; accepted: whole numbers above k={k}")
        if subset_size < 2:
            raise ValueError(f"subset_size={subset_size}: invalid; accepted: whole numbers of at least 2")
        self.add_state("features", [], dist_reduce_fx="cat")
        self.model = model
        self.data = data
        self.samples = samples
        self.drawn = are_drawn(pixels, data.binarization)
        self.k = k
        self.subset_size = subset_size
        self.judge, self.reason = _find(data, classifiers)
        # An attribute of its own, so that it moves with the metric.
        self.classifier = None if self.judge is None else self.judge.classifier

    def observe(self, observed: Observed) -> None:
        self.update(observed.images)

    def update(self, images: Float[Tensor, "n c h w"]) -> None:
        """Take in real images."""
        missing = self.samples - sum(len(features) for features in self.features)
        if missing > 0 and self.classifier is not None:
            self.features.append(self.classifier.embed(images[:missing]))

    def compute(self) -> dict[str, Tensor]:
        if self.judge is None or not self.features:
            return dict.fromkeys(NAMES, torch.tensor(torch.nan))
        real = torch.cat(list(self.features))
        generated = self._embed(generated_images(self.model, self.samples, self.drawn))
        training = self._embed(self._training_images())
        measured = {"classifier_accuracy": torch.tensor(self.judge.accuracy)}
        measured |= self._mismatch(generated) | self._distances(generated, real)
        as_if_generated = self._mismatch(real) | self._distances(training, real)
        measured |= {f"real_{name}": value for name, value in as_if_generated.items()}
        return {name: measured[name] for name in NAMES} | {"class_histogram": self._histogram(generated)}

    def _mismatch(self, features: Tensor) -> dict[str, Tensor]:
        wanted = class_histogram(self.data.splits["train"].labels, self._classes).to(features.device)
        squared, absolute = class_mismatch(self._histogram(features), wanted)
        return {"class_mismatch": squared, "class_mismatch_l1": absolute}

    def _histogram(self, features: Tensor) -> Tensor:
        """Of the classes that images are put into; nan where any has none."""
        assert self.classifier is not None
        logits = self.classifier.classify(features)
        if not logits.isfinite().all():
            return features.new_full((self._classes,), torch.nan, dtype=torch.float64)
        return class_histogram(logits.argmax(dim=1), self._classes)

    def _distances(self, features: Tensor, real: Tensor) -> dict[str, Tensor]:
        value, standard_error = kernel_distance(features, real, self.subset_size)
        return {
            "frechet_distance": frechet_distance(features, real),
            "kernel_distance": value,
            "kernel_distance_standard_error": standard_error,
        } | self._overlap(features, real)._asdict()

    def _overlap(self, features: Tensor, real: Tensor) -> Overlap:
        try:
            return precision_recall_density_coverage(real, features, self.k)
        except ValueError as refusal:
            log.warning("precision, recall, density and coverage are nan: %s", refusal)
            return Overlap(*[real.new_tensor(torch.nan)] * 4)

    def _training_images(self) -> Iterator[Tensor]:
        missing = self.samples
        for batch in self.data.evaluation_loader("train", shared=False):
            yield batch.images[:missing]
            missing -= len(batch.images)
            if missing <= 0:
                return

    def _embed(self, blocks: Iterable[Tensor]) -> Tensor:
        assert self.classifier is not None
        return torch.cat([self.classifier.embed(images.to(self.device)) for images in blocks])

    @property
    def _classes(self) -> int:
        assert self.classifier is not None
        return self.classifier.classes


def _find(data: ImageData, folder: str) -> tuple[Judge | None, str | None]:
    """The data set's classifier; where there is none, why, and what to do."""
    if len(data.splits["test"].labels.unique()) < 2:
        return None, _warned("the images of this data set all have one label")
    judge = load(folder, data_hash(data.splits["test"]))
    if judge is None:
        command = training_command(data.source, folder)
        return None, _warned(f"no classifier of this data set in {folder}; to train it once: {command}")
    _tell_once(logging.INFO, f"sample_quality: {judge.path} is right on {judge.accuracy:.2%} of the test images")
    return judge, None


def _warned(reason: str) -> str:
    """The reason, told before anything is measured."""
    _tell_once(logging.WARNING, f"sample_quality is nan: {reason}")
    return reason


@functools.cache
def _tell_once(level: int, line: str) -> None:
    """A metric is made anew for each split and run; its user reads a line once."""
    log.log(level, line)
