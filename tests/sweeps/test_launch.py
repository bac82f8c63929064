"""What becomes of jobs once an engine has them, whichever sweeper handed them over."""

import logging
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from unittest.mock import Mock

import pytest
from hydra._internal.core_plugins.basic_launcher import BasicLauncher
from hydra.plugins.launcher import Launcher
from hydra.plugins.sweeper import Sweeper
from omegaconf import OmegaConf

from hydra_plugins.infovae_sweepers import grid, optuna_study  # whose classes Hydra, looking for plugins, makes anew
from infovae.sweeps.jobs import Job
from infovae.sweeps.launch import launch
from infovae.sweeps.objectives import SearchObjective


class Ended(Launcher):
    """An engine whose first job is ended from outside."""

    def __init__(self, by: BaseException) -> None:
        self.by = by

    def setup(self, **given: object) -> None: ...

    def launch(self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int) -> Sequence[object]:  # type: ignore[override]
        raise self.by


def prepared(sweeper: Sweeper, by: BaseException, sweep_dir: Path) -> None:
    sweeper.config = OmegaConf.create({"hydra": {"sweep": {"dir": str(sweep_dir)}}, "sweep": {"resume": None}})
    sweeper.hydra_context = Mock()
    sweeper.launcher = Ended(by)


def run_grid(by: BaseException, sweep_dir: Path) -> None:
    sweeper = grid.Grid(max_batch_size=1)
    prepared(sweeper, by, sweep_dir)
    sweeper._run(sweep_dir, [["seed=1"], ["seed=2"]])


def run_study(by: BaseException, sweep_dir: Path) -> None:
    optuna = pytest.importorskip("optuna")
    sampler = OmegaConf.create({"_target_": "optuna.samplers.RandomSampler", "seed": 1})
    study = optuna_study.OptunaStudy(
        f"sqlite:///{sweep_dir}/study.db", "infovae", 2, 1, {}, [SearchObjective("validation/loss")], sampler
    )
    prepared(study, by, sweep_dir)
    study._search(sweep_dir, ["seed=1"], {"latent_dim": optuna.distributions.IntDistribution(1, 3)})


@pytest.mark.parametrize("run", [run_grid, run_study])
@pytest.mark.parametrize("by", [KeyboardInterrupt(), SystemExit(130)], ids=["the engine", "a job in this process"])
def test_an_interrupted_sweep_ends_and_says_how_it_goes_on(
    run: Callable[[BaseException, Path], None],
    by: BaseException,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(type(by)):
        run(by, tmp_path)
    assert capsys.readouterr().err == f"interrupted; infovae train -m sweep.resume={tmp_path} goes on\n"


def test_jobs_are_listed_by_the_numbers_of_their_folders(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    basic = "hydra._internal.core_plugins.basic_launcher"
    monkeypatch.setattr(f"{basic}.run_job", Mock())
    monkeypatch.setattr(f"{basic}.configure_log", Mock())  # pytest's own handlers stay
    engine = BasicLauncher()
    engine.setup(
        hydra_context=Mock(),
        task_function=Mock(),
        config=OmegaConf.create(
            {"hydra": {"sweep": {"dir": str(tmp_path)}, "hydra_logging": {}, "verbose": False, "job": {}}}
        ),
    )
    engine.hydra_context.config_loader.load_sweep_config.return_value = engine.config
    with caplog.at_level(logging.INFO, logger="hydra"):
        launch(engine, [Job(tmp_path / str(number), (f"seed={number}",)) for number in (1, 12, 3)])
        logging.getLogger("hydra").info("\t#0 : afterwards")
    assert re.findall(r"#(\d+) : (.*)", caplog.text) == [
        ("1", "seed=1"), ("12", "seed=12"), ("3", "seed=3"), ("0", "afterwards"),
    ]  # fmt: skip
