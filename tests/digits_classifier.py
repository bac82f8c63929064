"""A classifier of scikit-learn's digits, trained by the real command's function in a few seconds."""

from pathlib import Path

from conftest import CONF
from hydra import compose, initialize_config_dir

from infovae.training.classifier import train_classifier


def train(folder: Path, *overrides: str) -> None:
    """What ``infovae classifier data=digits folder=FOLDER ...`` does."""
    with initialize_config_dir(str(CONF), version_base="1.3"):
        small = ["data=digits", "steps=150", "classifier.channels=[8,16]", "classifier.features=32", "device=cpu"]
        cfg = compose("classifier", overrides=[*small, f"folder={folder}", *overrides])
    train_classifier(cfg)
