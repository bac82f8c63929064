"""What becomes of jobs once an engine has them, whichever sweeper handed them over."""

from collections.abc import Callable, Sequence
from pathlib import Path
from unittest.mock import Mock

import pytest
from hydra.plugins.launcher import Launcher
from hydra.plugins.sweeper import Sweeper
from omegaconf import OmegaConf

from hydra_plugins.infovae_sweepers.grid import Grid
from hydra_plugins.infovae_sweepers.optuna_study import OptunaStudy


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
    grid = Grid(max_batch_size=1)
    prepared(grid, by, sweep_dir)
    grid._run(sweep_dir, [["seed=1"], ["seed=2"]])


def run_study(by: BaseException, sweep_dir: Path) -> None:
    optuna = pytest.importorskip("optuna")
    sampler = OmegaConf.create({"_target_": "optuna.samplers.RandomSampler", "seed": 1})
    study = OptunaStudy(
        f"sqlite:///{sweep_dir}/study.db", "infovae", 2, 1, {}, [{"metric": "validation/loss"}], sampler
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
    monkeypatch.setattr("sys.argv", ["train.py", "-m"])
    with pytest.raises(type(by)):
        run(by, tmp_path)
    assert capsys.readouterr().err == f"interrupted; python train.py -m sweep.resume={tmp_path} goes on\n"
