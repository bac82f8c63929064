"""The Optuna search: its space, its aims, what it stops, and a study for real."""

import json
import shlex
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest
import pytorch_lightning as pl
import torch
from conftest import SMALL, Command
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.plugins.launcher import Launcher
from hypothesis import given
from hypothesis import strategies as st
from omegaconf import OmegaConf
from PIL import Image

from hydra_plugins.infovae_sweepers import optuna_study  # whose class Hydra, looking for plugins, makes anew
from infovae.errors import UserError
from infovae.sweeps.jobs import outcome
from infovae.sweeps.objectives import STOPPED, SearchObjective, dominates, read_objectives
from infovae.training.callbacks.trial_pruning import TrialPruning

optuna = pytest.importorskip("optuna")

AIMS = [{"metric": "validation/reconstruction"}, {"metric": "validation/log_det_covariance", "absolute": True}]
LOSS, GAIN = SearchObjective("loss"), SearchObjective("gain", direction="maximize")


def split(*overrides: str) -> Any:
    from infovae.sweeps.search_space import shared_and_searched

    return shared_and_searched(OverridesParser.create().parse_overrides(list(overrides)))


def test_hydra_s_sweeps_become_distributions() -> None:
    shared, space = split(
        "seed=1", "model.lambda_=tag(log,interval(1.0,1000.0))", "latent_dim=int(interval(2,32))", "a=range(0,10,3)",
        "divergence=mmd,stein", "b=choice(1,x)", "seed=2",
    )  # fmt: skip
    assert shared == ["seed=2"]
    assert space == {
        "model.lambda_": optuna.distributions.FloatDistribution(1, 1000, log=True),
        "latent_dim": optuna.distributions.IntDistribution(2, 32),
        "a": optuna.distributions.IntDistribution(0, 9, step=3),
        "divergence": optuna.distributions.CategoricalDistribution(["mmd", "stein"]),
        "b": optuna.distributions.CategoricalDistribution(["1", "x"]),
    }
    assert split("seed=1,2", "seed=3") == (["seed=3"], {})


@pytest.mark.parametrize(
    "sweep", ["choice(1,'x y')", "range(0,10,3)", "tag(log,interval(1,9))", "tag(log,int(interval(2,9)))"]
)
def test_a_distribution_is_written_as_a_sweep_that_gives_it(sweep: str) -> None:
    from infovae.sweeps.search_space import written

    _, space = split(f"a={sweep}")
    assert split(f"a={written(space['a'])}")[1] == space


@pytest.mark.parametrize("override", ["a=range(0.0,1.0,0.1)", "a=interval(3,2)", "a=tag(log,interval(0.0,1.0))"])
def test_what_optuna_can_not_draw_from_is_refused_with_its_key(override: str) -> None:
    with pytest.raises(UserError, match=r"^a=") as refusal:
        split(override)
    assert "\n" not in str(refusal.value)


def test_an_objective_is_a_metric_or_its_distance_from_0() -> None:
    metrics = {"validation/log_det_covariance": -3.0, "validation/loss": 2.0}
    assert SearchObjective("validation/log_det_covariance").value(metrics) == -3
    assert SearchObjective("validation/log_det_covariance", absolute=True).value(metrics) == 3
    of_prior = {"validation/prior_log_det_covariance": -1.0}
    assert SearchObjective("validation/log_det_covariance", absolute=True).value(metrics | of_prior) == 2
    with pytest.raises(UserError, match=r"validation/lost is not measured; accepted: .*validation/loss"):
        SearchObjective("validation/lost").value(metrics)


@given(st.lists(st.floats(-1e6, 1e6), min_size=2, max_size=2), st.lists(st.floats(-1e6, 1e6), min_size=2, max_size=2))
def test_dominance_is_a_strict_order_with_regard_to_directions(one: list[float], other: list[float]) -> None:
    aims = [LOSS, GAIN]
    assert not dominates(one, one, aims)
    assert not (dominates(one, other, aims) and dominates(other, one, aims))
    assert dominates([one[0] - 1, one[1]], one, aims)
    assert dominates([one[0], one[1] + 1], one, aims)
    assert not dominates([one[0] - 1, one[1] - 1], one, aims)


def stopped(storage: str, values: tuple[float, float], epoch: int, schedules_end: int = 0) -> str | None:
    """Why a new trial with these values after some epoch of ten steps is stopped, if it is."""
    study = optuna.create_study(
        storage=storage, study_name="s", directions=["minimize", "minimize"], load_if_exists=True
    )
    number = study.ask().number
    callback = TrialPruning(storage, "s", number, AIMS, warmup_epochs=2, startup_trials=3)
    metrics = {aim["metric"]: torch.tensor(value) for aim, value in zip(AIMS, values, strict=True)}
    trainer = Mock(pl.Trainer, current_epoch=epoch - 1, callback_metrics=metrics, should_stop=False)
    trainer.global_step = 10 * epoch
    module = Mock(pl.LightningModule, objective=Mock(length=schedules_end))
    callback.on_train_epoch_end(trainer, module)
    reason = study.trials[number].user_attrs.get(STOPPED)
    assert trainer.should_stop == (reason is not None)
    return reason


def test_a_trial_is_stopped_where_more_than_half_of_the_others_dominate_it(tmp_path: Path) -> None:
    storage = f"sqlite:///{tmp_path}/study.db"
    for values in ((100.0, -1.0), (90.0, 2.0), (80.0, -3.0)):  # a front: none dominates another
        assert stopped(storage, values, epoch=2) is None
    assert stopped(storage, (85.0, 2.5), epoch=2) is None  # dominated by none of 3
    assert stopped(storage, (95.0, -2.5), epoch=2) is None  # by 2 of 4
    assert stopped(storage, (101.0, 4.0), epoch=1) is None  # too young
    assert stopped(storage, (101.0, 4.0), epoch=3) is None  # nobody else came as far
    assert stopped(storage, (101.0, 4.0), epoch=2, schedules_end=21) is None  # the loss's weights still move
    assert stopped(storage, (101.0, 4.0), epoch=2, schedules_end=20) is not None
    assert stopped(storage, (101.0, 4.0), epoch=2) == "dominated by more than half of 7 trials after epoch 2"
    assert stopped(storage, (float("nan"), 0.0), epoch=1) == "not finite after epoch 1"


def test_outside_a_study_nothing_is_stopped() -> None:
    trainer = Mock(pl.Trainer, should_stop=False)
    TrialPruning("sqlite:///nowhere.db", "s", None, AIMS).on_train_epoch_end(trainer, Mock(pl.LightningModule))
    assert not trainer.should_stop


def test_a_trial_that_goes_by_the_test_split_alone_is_stopped_too(tmp_path: Path) -> None:
    storage, metrics = f"sqlite:///{tmp_path}/study.db", {"test/elbo": torch.tensor(float("nan"))}
    number = optuna.create_study(storage=storage, study_name="s").ask().number
    trainer = Mock(pl.Trainer, current_epoch=0, global_step=1, callback_metrics=metrics, should_stop=False)
    module = Mock(pl.LightningModule, objective=Mock(length=0))
    TrialPruning(storage, "s", number, [{"metric": "test/elbo"}]).on_train_epoch_end(trainer, module)
    assert trainer.should_stop


def test_an_epoch_without_a_validation_decides_nothing() -> None:
    trainer = Mock(pl.Trainer, should_stop=False, callback_metrics={"train/loss": torch.tensor(float("nan"))})
    TrialPruning("sqlite:///nowhere.db", "s", 0, AIMS).on_train_epoch_end(trainer, Mock(pl.LightningModule))
    assert not trainer.should_stop


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ([], "hydra.sweeper.objectives=[]: invalid; accepted: a list, as [{metric: validation/elbo, direction: max"),
        ("loss", "hydra.sweeper.objectives=loss: invalid; accepted: a list, as [{metric: validation/elbo, direct"),
        (["loss"], "hydra.sweeper.objectives=['loss']: invalid; accepted: a list, as [{metric: validation/elbo, d"),
        ([{"metrics": "x"}], "hydra.sweeper.objectives=[{'metrics': 'x'}]: invalid; accepted: a list, as [{metric:"),
        (
            [{"metric": "x", "direction": "maximise"}],
            "hydra.sweeper.objectives[0].direction=maximise: invalid; accepted: 'minimize' or 'maximize'",
        ),
        ([{"metric": "x", "abs": True}], "hydra.sweeper.objectives[0].abs=True: unknown key; accepted: a"),
    ],
)
def test_wrong_objectives_are_told_by_their_own_key(given: Any, message: str) -> None:
    with pytest.raises(UserError) as refusal:
        read_objectives(OmegaConf.create({"given": given}).given)
    assert str(refusal.value).startswith(message)


class AtOnce(Launcher):
    """An engine whose jobs end at once: as ``ends`` says of their numbers, else with success."""

    def __init__(self, sweep_dir: Path, ends: Mapping[int, str]) -> None:
        self.sweep_dir = sweep_dir
        self.ends = ends

    def setup(self, **given: object) -> None: ...

    def launch(self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int) -> Sequence[object]:  # type: ignore[override]
        for overrides in job_overrides:
            number = next(entry for entry in overrides if entry.startswith("sweep.trial=")).partition("=")[2]
            folder = self.sweep_dir / number
            folder.mkdir(exist_ok=True)
            (folder / "config.yaml").write_text(f"run_dir: {folder}\n")
            status = self.ends.get(int(number), "finished")
            if status != "cut off":
                summary = {"status": status, "error": None, "metrics": {"validation/loss": float(number)}}
                (folder / "summary.json").write_text(json.dumps(summary))
        return []


def search(folder: Path, n_trials: int, storage: Path | None = None, **settings: Any) -> list[Any]:
    """Run a search, or go on with it, and return all trials of its study."""
    folder.mkdir(exist_ok=True)
    storage = storage or folder / "study.db"
    sampler = OmegaConf.create(
        {"_target_": f"optuna.samplers.{settings.get('sampler', 'TPESampler')}", "seed": settings.get("seed", 1)}
        | settings.get("arguments", {})
    )
    aims = settings.get("objectives", [SearchObjective("validation/loss")])
    study = optuna_study.OptunaStudy(f"sqlite:///{storage}", "infovae", n_trials, 1, {}, aims, sampler)
    study.config = OmegaConf.create({"hydra": {"sweep": {"dir": str(folder)}}})
    study.hydra_context = Mock()
    study.launcher = AtOnce(folder, settings.get("ends", {}))
    try:
        study._search(folder, ["seed=1"], settings.get("space", {"a": optuna.distributions.IntDistribution(1, 1000)}))
    except UserError as error:
        if "didn't finish" not in str(error):
            raise
    return list(optuna.load_study(study_name="infovae", storage=f"sqlite:///{storage}").trials)


def drawn(trials: Sequence[Any]) -> list[int]:
    return [trial.params["a"] for trial in trials]


def test_a_seeded_search_that_goes_on_draws_new_trials_and_the_same_each_time(tmp_path: Path) -> None:
    before = search(tmp_path / "one", 2, ends={1: "failed"})
    assert [trial.state.name for trial in before] == ["COMPLETE", "FAIL"]
    shutil.copytree(tmp_path / "one", tmp_path / "two")
    after, again = search(tmp_path / "one", 3), search(tmp_path / "two", 3)
    assert len(set(drawn(after))) == 4
    assert drawn(after) == drawn(again)
    assert drawn(after[:2]) == drawn(search(tmp_path / "whole", 2))
    unseeded = search(tmp_path / "unseeded", 1, seed=None) and search(tmp_path / "unseeded", 2, seed=None)
    assert len(unseeded) == 2


@pytest.mark.parametrize("seed", [{}, {"seed": 5}])
def test_a_grid_that_goes_on_draws_the_points_that_are_left(tmp_path: Path, seed: dict[str, int]) -> None:
    grid = {"sampler": "GridSampler", "seed": None, "arguments": {"search_space": {"a": [1, 2, 3, 4, 5]}} | seed}
    search(tmp_path / "sweep", 2, **grid)
    assert len(set(drawn(search(tmp_path / "sweep", 4, **grid)))) == 4
    assert sorted(drawn(search(tmp_path / "sweep", 9, **grid))) == [1, 2, 3, 4, 5]  # all it has; then it ends
    assert json.loads((tmp_path / "sweep" / "best_trials.json").read_text())


@pytest.mark.parametrize("is_older", [False, True])
def test_a_moved_search_keeps_its_trials(tmp_path: Path, is_older: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two sweeps share a study; one of them moves. An older version named sweeps by their paths."""
    server, place = tmp_path / "server.db", tmp_path / "place"
    if is_older:
        monkeypatch.setattr(optuna_study, "identify", lambda study, sweep_dir: str(sweep_dir.resolve()))
    search(place, 2, server, ends={1: "cut off"})
    search(tmp_path / "other", 1, server)
    monkeypatch.undo()
    moved = place.rename(tmp_path / "moved")
    search(place, 1, server)  # a new search where that one was
    trials = search(moved, 3, server, ends={1: "finished"})
    assert [trial.state.name for trial in trials] == ["COMPLETE"] * 5
    assert {path.name for path in moved.glob("[0-9]*")} == {"0", "1", "4"}
    (best,) = json.loads((moved / "best_trials.json").read_text())
    assert best["folder"] == str(moved / "0")
    again = moved.rename(tmp_path / "again")
    assert len(search(again, 3, server)) == 5


def test_a_study_of_other_directions_is_refused(tmp_path: Path) -> None:
    search(tmp_path / "sweep", 1)
    message = r"^hydra.sweeper.objectives=\[maximize\]: infovae in the storage has others; accepted: objectives to min"
    with pytest.raises(UserError, match=message):
        search(tmp_path / "sweep", 2, objectives=[GAIN])
    with pytest.raises(UserError, match=r"^hydra.sweeper.sampler._target_=optuna.samplers.Non: can't be imported"):
        search(tmp_path / "sweep", 2, sampler="Non")


def test_a_space_that_the_study_can_not_draw_from_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    folder, kinds = tmp_path / "sweep", optuna.distributions
    search(folder, 1)
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    for kind, text in (
        (kinds.FloatDistribution(1, 9), r"interval\(1.0,9.0\)"),
        (kinds.CategoricalDistribution(["1", "2"]), r"choice\(1,2\)"),
        (kinds.IntDistribution(1, 1000, log=True), r"int\(tag\(log,interval\(1,1000\)\)\)"),
    ):
        accepted = r"range\(1,1001,1\), other bounds of that kind, and one value"
        message = f"^a={text}: infovae in the storage draws otherwise; accepted: {accepted}$"
        with pytest.raises(UserError, match=message):
            search(folder, 2, space={"b": kinds.IntDistribution(1, 2), "a": kind})
    with pytest.raises(UserError, match=r"^hydra.sweeper.sampler._target_=optuna.samplers.GridSampler: The .*, a, is"):
        search(folder, 2, sampler="GridSampler", arguments={"search_space": {"b": [1]}})
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before

    search(folder, 2, space={"a": kinds.IntDistribution(500, 2000, step=5), "b": kinds.CategoricalDistribution(["x"])})
    trials = search(folder, 3, space={"b": kinds.CategoricalDistribution(["x"])})  # a is fixed
    assert [sorted(trial.params) for trial in trials] == [["a"], ["a", "b"], ["b"]]


def test_a_trial_that_was_cut_off_before_it_was_a_job_is_left_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = optuna.Trial.set_user_attr

    def interrupted(trial: Any, key: str, value: Any) -> None:
        write(trial, key, value)
        raise KeyboardInterrupt

    monkeypatch.setattr(optuna.Trial, "set_user_attr", interrupted)
    with pytest.raises(KeyboardInterrupt):
        search(tmp_path / "sweep", 1)
    monkeypatch.undo()
    assert [trial.state.name for trial in search(tmp_path / "sweep", 1)] == ["RUNNING", "COMPLETE"]
    assert {path.name for path in (tmp_path / "sweep").glob("[0-9]*")} == {"1"}


STUDY = [
    *SMALL, "trainer.max_epochs=1", "hydra/sweeper=optuna", "hparams_search=lambda", "hydra.sweep.dir=sweep",
    "callbacks=[checkpoint,trial_pruning]", "hydra.sweeper.sampler.seed=1", "hydra.sweeper.n_trials=2",
]  # fmt: skip


def trials(folder: Path) -> list[Any]:
    return list(optuna.load_study(study_name="infovae", storage=f"sqlite:///{folder}/study.db").trials)


def test_a_study_for_real_tells_its_front(command: Command, tmp_path: Path) -> None:
    answer = command("train", "-m", *STUDY)
    assert answer.returncode == 0, answer.stderr
    folder = tmp_path / "sweep"
    assert [trial.state.name for trial in trials(folder)] == ["COMPLETE", "COMPLETE"]
    for trial in trials(folder):
        metrics = outcome(folder / str(trial.number)).metrics
        values = [metrics["validation/reconstruction"], abs(metrics["validation/log_det_covariance"])]
        assert trial.values == values
        assert trial.user_attrs["epoch 1"] == values
    front = json.loads((folder / "best_trials.json").read_text())
    assert front
    for entry in front:
        assert list(entry["objectives"].values()) == trials(folder)[entry["trial"]].values
        assert entry["folder"] == str(folder / str(entry["trial"]))
        words = shlex.split(entry["command"])
        drawn = f"model.lambda_={entry['params']['model.lambda_']}"
        assert {"infovae", "train", "~callbacks.trial_pruning", drawn} <= set(words)
        assert not any(word.startswith(("sweep.", "hydra.")) for word in words)
    with Image.open(folder / "pareto_front.png") as picture:
        assert min(picture.size) > 100
    assert f"train trial {front[0]['trial']} anew: {front[0]['command']}" in answer.stdout


@pytest.mark.slow
def test_a_search_outlives_failures_and_a_resumed_one_finishes_what_is_open(command: Command, tmp_path: Path) -> None:
    answer = command("train", "-m", *STUDY, "model.alpha=1.5")  # refused
    assert answer.returncode == 1
    assert "error: 2 of 2 jobs didn't finish" in answer.stderr
    folder = tmp_path / "sweep"
    study = optuna.load_study(study_name="infovae", storage=f"sqlite:///{folder}/study.db")
    cut_off = study.ask({"model.lambda_": optuna.distributions.FloatDistribution(1, 10000, log=True)})
    cut_off.set_user_attr("sweep", (folder / "sweep_id").read_text().strip())
    cut_off.set_user_attr("overrides", [*STUDY[:10], "model.lambda_=2.0", "callbacks=checkpoint", "sweep.trial=2"])

    again = command("train", "sweep.resume=sweep", "model.alpha=0")
    assert "(2 trials to run)" in again.stdout  # the one that was cut off, and one for the two that failed
    assert again.returncode == 0, again.stderr
    assert [trial.state.name for trial in trials(folder)] == ["FAIL", "FAIL", "COMPLETE", "COMPLETE"]
    assert outcome(folder / "2").metrics["validation/reconstruction"] == trials(folder)[2].values[0]


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["hydra/sweeper=optuna"], "hydra/sweeper=optuna: nothing to search over; accepted: hparams_search=NAME"),
        (["hydra/sweeper=optuna", "seed=1,2", "hydra.sweeper.storage=nodb://x"], "hydra.sweeper.storage=nodb://x: "),
        (["hparams_search=lambda"], "model.lambda_=tag(log, interval(1, 10000)): has no end of values; accepted:"),
    ],
)
def test_a_search_that_can_not_start_says_why(command: Command, overrides: list[str], message: str) -> None:
    answer = command("train", "-m", *overrides)
    assert answer.returncode == 1
    assert f"error: {message}" in answer.stderr.splitlines()[-1]
    assert "Traceback" not in answer.stderr
