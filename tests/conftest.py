"""Shared by all tests: composed configs, a few hundred real digits, runs of the real command."""

import copy
import gc
import json
import logging
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import torch
from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, open_dict
from PIL import Image

from infovae.terminal.command import VARIABLE

PROJECT = Path(__file__).parents[1]
CONF = PROJECT / "conf"
SMALL = [
    f"data.root={PROJECT / 'data'}",
    "data.validation_size=200",
    "data.train_size=400",
    "data.batch_size=100",
    "network.encoder.hidden=[64]",
    "network.decoder.hidden=[64]",
    "logger=none",
    "trainer.enable_progress_bar=false",
    "trainer.accelerator=cpu",
    "trainer.precision=32-true",
]
"""A run of seconds on real digits."""
TINY = [
    "data=digits",
    "data.train_size=200",
    "data.validation_size=100",
    "data.batch_size=100",
    "network.encoder.hidden=[16]",
    "network.decoder.hidden=[16]",
    "latent_dim=2",
    "metrics=log_det_covariance",
    "callbacks=checkpoint",
    "logger=none",
    "trainer.enable_progress_bar=false",
    "trainer.accelerator=cpu",
    "trainer.precision=32-true",
]
"""A run of a second: two steps an epoch."""

# Tiny tensors are faster on one thread, and far faster where other jobs share the machine.
os.environ["OMP_NUM_THREADS"] = "1"
torch.set_num_threads(1)

INFOVAE = [sys.executable, "-P", "-m", "infovae"]
"""The console command, of this clone's own source."""

Compose = Callable[..., DictConfig]
Use = Callable[..., None]
Command = Callable[..., subprocess.CompletedProcess[str]]


def pytest_collection_finish() -> None:
    """What is imported by now stays: each drawing collects garbage, and would search a million objects of modules."""
    gc.freeze()


@pytest.fixture(autouse=True)
def _seed() -> None:
    torch.manual_seed(0)


@contextmanager
def composing() -> Iterator[Compose]:
    """Compose the config as train.py does, but compute in float32, whatever the machine has."""
    with initialize_config_dir(str(CONF), version_base="1.3"):

        def make(*overrides: str, run_dir: Path | str = "unused") -> DictConfig:
            given = ["trainer.precision=32-true", *overrides, f"run_dir={run_dir}"]
            cfg = compose("config", overrides=given, return_hydra_config=True)
            HydraConfig.instance().set_config(copy.deepcopy(cfg))  # as Hydra does for a job
            with open_dict(cfg):
                del cfg["hydra"]
            return cfg

        yield make
    GlobalHydra.instance().clear()
    HydraConfig.instance().cfg = None  # no command is running any more


@pytest.fixture
def composed() -> Iterator[Compose]:
    with composing() as make:
        yield make


@pytest.fixture
def run(trained: Path, tmp_path: Path) -> Path:
    """A copy, to use up and to damage, of the run folder that a test's own module trains."""
    shutil.copytree(trained, tmp_path / "run")
    return tmp_path / "run"


def as_a_user(home: Path, **added: str) -> dict[str, str]:
    """The environment of a command: this clone's source, no W&B key, and nothing of what Hydra leaves."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("WANDB", "HYDRA"))}
    return kept | {"PYTHONPATH": str(PROJECT / "src"), "HOME": str(home), "COLUMNS": "200"} | added


@pytest.fixture(scope="session")
def squares(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Forty squares: red cats and blue dogs, which tell their number by their place."""
    root = tmp_path_factory.mktemp("pictures")
    for name, colour in (("cats", (250, 60, 30)), ("dogs", (30, 60, 250))):
        (root / name).mkdir()
        for number in range(20):
            pixels = np.zeros((20, 26, 3), np.uint8)
            row, column = divmod(number, 5)
            pixels[3 * row : 3 * row + 7, 3 * column + 3 : 3 * column + 10] = colour
            Image.fromarray(pixels).save(root / name / f"{number:02}.png")
    return root


@pytest.fixture(scope="session")
def squares_run(squares: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of two epochs on the squares."""
    from infovae.training.run import train

    folder = tmp_path_factory.mktemp("trained")
    settings = [
        f"data.root={squares}", "data.source.size=8", "data.batch_size=10", "latent_dim=3",
        "metrics=log_det_covariance", "network.encoder.hidden=[16]", "network.decoder.hidden=[16]",
        "trainer.max_epochs=2", "trainer.accelerator=cpu", "trainer.enable_progress_bar=false", "logger=none",
        "callbacks=checkpoint",
    ]  # fmt: skip
    with composing() as composed:
        train(composed("data=image_folder", *settings, run_dir=folder))
    return folder


@pytest.fixture
def use(tmp_path: Path, squares_run: Path, monkeypatch: pytest.MonkeyPatch) -> Use:
    """Run a subcommand on that run in this process, in an empty folder."""
    from infovae.app.command import run_task

    monkeypatch.chdir(tmp_path)

    def run(name: str, *overrides: str) -> None:
        with initialize_config_dir(str(CONF), version_base="1.3"):
            cfg = compose(name, overrides=[f"run={squares_run}", "device=cpu", *overrides])
        run_task(name, cfg)

    return run


@pytest.fixture
def process(tmp_path: Path) -> Command:
    """Run a subcommand of `infovae` as a user does, in an empty folder and with no W&B key."""

    def run(name: str, *arguments: str, timeout: int = 300, **environment: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*INFOVAE, name, *arguments],
            cwd=tmp_path,
            env=as_a_user(tmp_path, **environment),
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )

    return run


@pytest.fixture(scope="session")
def forks() -> Iterator[subprocess.Popen[str]]:
    with subprocess.Popen(
        [sys.executable, "-P", str(PROJECT / "tests" / "forks.py")],
        env=as_a_user(Path.home()),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as server:
        yield server
        server.stdin.close()


@pytest.fixture
def command(forks: subprocess.Popen[str], tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Command:
    """Do what `process` does in a fork of a process that has imported the program: 4 s less.

    Not for joblib, whose own processes wait for ever under a parent of this kind.
    """

    def run(name: str, *arguments: str, timeout: int = 300, **environment: str) -> subprocess.CompletedProcess[str]:
        printed = [tmp_path_factory.mktemp("printed") / stream for stream in ("stdout", "stderr")]
        request = {
            "arguments": [name, *arguments],
            "folder": str(tmp_path),
            "environment": as_a_user(tmp_path, **environment),
            "printed": list(map(str, printed)),
            "timeout": timeout,
        }
        print(json.dumps(request), file=forks.stdin, flush=True)
        status = int(forks.stdout.readline())
        return subprocess.CompletedProcess(request["arguments"], status, *(path.read_text() for path in printed))

    return run


@pytest.fixture(autouse=True)
def _no_trace_of_a_command() -> Iterator[None]:
    """Take back what a command leaves that ran in this process: its name, and loggers that Hydra disabled."""
    before, level = os.environ.get(VARIABLE), logging.root.level
    yield
    logging.root.setLevel(level)
    os.environ.pop(VARIABLE, None)
    if before is not None:
        os.environ[VARIABLE] = before
    logging.disable(logging.NOTSET)
    for logger in list(logging.root.manager.loggerDict.values()):
        if isinstance(logger, logging.Logger):
            logger.disabled = False


@pytest.fixture(autouse=True)
def _no_ended_wandb_process() -> Iterator[None]:
    """An environment put back as it was before a test may name wandb's process of then, which has ended since."""
    wandb = sys.modules.get("wandb")
    if wandb is None or wandb.run is None:
        os.environ.pop("WANDB_SERVICE", None)
    return
