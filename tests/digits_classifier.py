"""A classifier of scikit-learn's digits, trained by the real command's function in a few seconds."""

import copy
from pathlib import Path

from conftest import CONF
from hydra import compose, initialize_config_dir
from hydra.core.hydra_config import HydraConfig
from omegaconf import open_dict

from infovae.training.classifier import train_classifier


def train(folder: Path, *overrides: str) -> None:
    """What ``infovae classifier data=digits folder=FOLDER ...`` does."""
    with initialize_config_dir(str(CONF), version_base="1.3"):
        small = ["data=digits", "steps=150", "classifier.channels=[8,16]", "classifier.features=32", "device=cpu"]
        cfg = compose("classifier", overrides=[*small, f"folder={folder}", *overrides], return_hydra_config=True)
    before = HydraConfig.instance().cfg
    HydraConfig.instance().set_config(copy.deepcopy(cfg))  # as Hydra does for a job
    with open_dict(cfg):
        del cfg["hydra"]
    try:
        train_classifier(cfg)
    finally:
        HydraConfig.instance().cfg = before
