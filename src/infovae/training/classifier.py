"""Train, test, keep and record the classifier of a data set."""

import hashlib
import logging
from pathlib import Path
from time import perf_counter
from typing import Annotated, Any, get_args

import torch
from omegaconf import DictConfig, OmegaConf
from pydantic import Field

from infovae.classifier.fit import accuracy, fit_classifier
from infovae.classifier.network import Classifier
from infovae.classifier.store import data_hash, load_classifier, save_classifier, weights_path
from infovae.config.build import build
from infovae.config.check import check, without_choices
from infovae.config.ranges import Seed
from infovae.data.binarization import Binarization
from infovae.data.module import DataModule
from infovae.errors import UserError
from infovae.runs.folder import check_writable, write_record
from infovae.training.assemble import build_data
from infovae.training.devices import chosen_device

log = logging.getLogger(__name__)

TOP_LEVEL: dict[str, Any] = {
    "folder": str,
    "force": bool,
    "steps": Annotated[int, Field(ge=10)],
    "learning_rate": Annotated[float, Field(gt=0, allow_inf_nan=False)],
    "seed": Seed,
    "device": str,
}
"""Top-level keys of ``infovae classifier``, with their types."""


def train_classifier(cfg: DictConfig) -> None:
    """Train the classifier of a data set on its whole training part, unless there is one already."""
    without_choices(cfg, "likelihood", "network", "pictures")
    check(cfg, TOP_LEVEL)
    for key, needed in (("train_size", None), ("validation_size", 0), ("binarization", "none")):
        if cfg.data[key] != needed:
            why = "a classifier belongs to a data set, not to a run"
            accepted = "null" if needed is None else str(needed)
            raise UserError(why, key=f"data.{key}", value=cfg.data[key], accepted=accepted)
    check_writable(Path(cfg.folder), "folder")
    device = chosen_device(cfg.device)
    try:
        data = build_data(cfg)
        not_images = f"these data are {data.values.name}" if len(data.shape) != 3 else ""
    except UserError as error:
        if error.key != "data.augmentation":
            raise
        not_images = error.why
    if not_images:
        raise UserError(f"a classifier judges images, and {not_images}", key="data", accepted="sets of images")
    key = data_hash(data.splits["test"])
    path = weights_path(cfg.folder, key)
    there = None if cfg.force else load_classifier(cfg.folder, key)
    if there is not None:
        print(f"classifier: {path} exists, with test accuracy {there.accuracy:.2%}; force=true trains it again")
        return
    torch.manual_seed(cfg.seed)
    classifier: Classifier = build(
        cfg.classifier, "classifier", image_shape=data.image_shape, classes=_classes(cfg, data)
    ).to(device)
    start = perf_counter()
    log.info("training on %d images for %d steps", len(data.splits["train"].x), cfg.steps)
    fit_classifier(classifier, data, cfg.steps, cfg.learning_rate)
    seconds = perf_counter() - start
    right: dict[Binarization, float] = {}
    for how in get_args(Binarization):
        data.binarization = how
        right[how] = accuracy(classifier, data.test_dataloader())
    save_classifier(classifier, right["none"], key, path)
    record = {
        "data": OmegaConf.to_container(cfg.data.source, resolve=True),
        "data_sha256": key,
        "weights_sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
        "test_accuracy": right["none"],
        "test_accuracy_binarized": {how: right[how] for how in right if how != "none"},
        "training_images": len(data.splits["train"].x),
        "classes": classifier.classes,
        "image_shape": list(data.image_shape),
        "seconds": seconds,
        "config": OmegaConf.to_container(cfg, resolve=True),
    }
    write_record(path.with_suffix(".json"), record)
    accuracies = ", ".join(f"{share:.2%} with binarization={how}" for how, share in right.items())
    print(f"classifier: {path}, test accuracy {accuracies}; after {seconds:.0f} s")


def _classes(cfg: DictConfig, data: DataModule) -> int:
    train, test = data.splits["train"].labels, data.splits["test"].labels
    if len(train.unique()) < 2:
        why = f"training images of {cfg.data.source._target_} all have one label"
        raise UserError(why, key="data", accepted="sets with classes")
    if data.batch_size < 2:
        raise UserError(f"data.batch_size={data.batch_size}: invalid; accepted: whole numbers of at least 2")
    return 1 + int(torch.cat([train, test]).max())
