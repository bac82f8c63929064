"""Runs that go on from a checkpoint under other settings: applied, or refused before anything is written."""

import csv
import json
from pathlib import Path
from typing import Any

import pytest
import torch
from conftest import TINY, Compose, composing
from omegaconf import OmegaConf
from torch.testing import assert_close

from infovae.errors import UserError
from infovae.evaluation.load import load
from infovae.module import InfoVAE
from infovae.runs.changes import ChangedError, changes, config_of, refused
from infovae.training.callbacks.drawing import Drawing
from infovae.training.run import train

LAST = Path("checkpoints", "last.ckpt")
VALIDATED_EVERY_SECOND = "trainer.check_val_every_n_epoch=2"


def checkpoint_of(run: Path, name: str = "last") -> dict[str, Any]:
    content: dict[str, Any] = torch.load(run / "checkpoints" / f"{name}.ckpt", weights_only=True)
    return content


def files_of(run: Path) -> dict[str, bytes]:
    return {str(path.relative_to(run)): path.read_bytes() for path in run.rglob("*") if path.is_file()}


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("resume") / "run"
    with composing() as compose:
        train(compose(*TINY, "trainer.max_epochs=2", run_dir=folder))
    return folder


@pytest.mark.parametrize(
    ("overrides", "named"),
    [
        (["seed=2"], ["seed=2 (there 1)", "data.seed=2 (there 1)"]),
        (["model=vae"], ["model.lambda_=1.0 (there 100.0)"]),
        (["optimizer=sgd"], ["optimizer._target_=torch.optim.SGD (there torch.optim.Adam)"]),
        (["data.train_size=100", "latent_dim=3"], ["data.train_size=100 (there 200)", "latent_dim=3 (there 2)"]),
        (["metrics=mmd", "metrics.mmd.samples=30", "data.batch_size=50"], ["data.batch_size=50 (there 100)"]),
        (["+optimizer.amsgrad=true"], ["optimizer.amsgrad=True (there None)"]),
        (["trainer.precision=64-true"], ["trainer.precision=64-true (there 32-true)"]),
    ],
)
@pytest.mark.parametrize("by", ["resume", "ckpt_path"])
def test_other_settings_are_refused_by_name_and_nothing_is_written(
    composed: Compose, run: Path, tmp_path: Path, overrides: list[str], named: list[str], by: str
) -> None:
    before, place = files_of(run), run if by == "resume" else tmp_path / "new"
    start = "resume=auto" if by == "resume" else f"ckpt_path={run / LAST}"
    with pytest.raises(ChangedError) as refusal:
        train(composed(*TINY, "trainer.max_epochs=3", *overrides, start, run_dir=place))
    assert all(name in str(refusal.value) for name in named)
    assert "metrics" not in str(refusal.value)
    assert "\n" not in str(refusal.value)
    assert files_of(run) == before
    assert by == "resume" or not any(place.iterdir())


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["trainer.max_epochs=2", "optimizer.lr=0.5"], r"optimizer.lr=0.5 \(there 0.001\): all 2 epochs are trained"),
        (["trainer.max_epochs=1"], "trainer.max_epochs=1: the run has trained 2 epochs; accepted: at least 2"),
        (["trainer.max_steps=3"], "trainer.max_steps=3: the run has trained 4 steps; accepted: at least 4"),
        (
            ["trainer.max_steps=4", "trainer.max_epochs=9", "optimizer.lr=1"],
            "all 4 steps are trained",
        ),
    ],
)
def test_settings_that_no_epoch_is_left_for_are_refused(
    composed: Compose, run: Path, overrides: list[str], message: str
) -> None:
    before = files_of(run)
    with pytest.raises(ChangedError, match=message):
        train(composed(*TINY, *overrides, "resume=auto", run_dir=run))
    assert files_of(run) == before


def test_a_run_of_so_many_steps_goes_on_exactly_and_stays_ended(composed: Compose, tmp_path: Path) -> None:
    def go(place: str, *limits: str) -> Path:
        train(composed(*TINY, *limits, "resume=auto", run_dir=tmp_path / place))
        return tmp_path / place

    def measured(run: Path) -> list[dict[str, str]]:
        timed = ("seconds", "train/images_per_second")
        rows = csv.DictReader((run / "metrics.csv").open())
        return [{name: value for name, value in row.items() if name not in timed} for row in rows]

    whole = go("whole", "trainer.max_epochs=-1", "trainer.max_steps=7")  # two steps an epoch
    for limits in (["trainer.max_epochs=1"], ["trainer.max_steps=3"], ["trainer.max_epochs=-1", "trainer.max_steps=7"]):
        cut = go("cut", *limits)
    assert_close(checkpoint_of(cut)["state_dict"], checkpoint_of(whole)["state_dict"], rtol=0, atol=0)
    assert measured(cut) == measured(whole)
    assert [row["step"] for row in measured(cut)] == ["2", "4", "6", "7"]
    before = files_of(whole / "checkpoints")
    go("whole", "trainer.max_epochs=-1", "trainer.max_steps=7")
    assert files_of(whole / "checkpoints") == before
    assert measured(whole) == measured(cut)


def test_an_epoch_that_was_cut_is_never_taken_for_a_whole_one(
    composed: Compose, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    def go(place: str, steps: int, *more: str) -> dict[str, float]:
        """Five steps an epoch."""
        limits = ["data.batch_size=40", "trainer.max_epochs=-1", f"trainer.max_steps={steps}"]
        return train(composed(*TINY, *limits, *more, run_dir=tmp_path / place))

    whole, cut = go("whole", 10), tmp_path / "cut"
    go("cut", 3)
    before = files_of(cut)
    with pytest.raises(ChangedError, match=r"seed=2 \(there 1\)"):
        go("cut", 10, "resume=auto", "seed=2")
    with pytest.raises(UserError, match=r"last.ckpt: its last epoch was cut, .*; accepted: a checkpoint of an epoch's"):
        go("new", 10, f"ckpt_path={cut / LAST}")
    with pytest.raises(UserError, match="its last epoch was cut"):
        train(composed(*TINY, "data.batch_size=40", "trainer.max_epochs=1", f"ckpt_path={cut / LAST}", run_dir=cut))
    assert files_of(cut) == before
    assert go("cut", 10, "resume=auto") == whole
    assert "the run starts anew" in caplog.text
    with (cut / "metrics.csv").open() as file:
        assert [(row["epoch"], row["step"]) for row in csv.DictReader(file)] == [("1", "5"), ("2", "10")]

    ended, previous = go("later", 7), tmp_path / "later" / "checkpoints" / "previous.ckpt"
    with pytest.raises(UserError, match=rf"its last epoch was cut, .*an epoch's end, as {previous}$"):
        go("new", 10, f"ckpt_path={tmp_path / 'later' / LAST}")
    assert not any((tmp_path / "new").iterdir())
    assert go("new", 10, f"ckpt_path={previous}") == whole
    assert go("later", 7, "resume=auto") == go("again", 7, f"ckpt_path={tmp_path / 'later' / LAST}") == ended


def test_other_images_under_the_same_settings_are_refused(composed: Compose, tmp_path: Path) -> None:
    images = torch.rand(2, 60, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    for name, part in zip("abc", (images[0], images[1], images[0]), strict=True):
        torch.save(part, tmp_path / f"{name}.pt")
    kept = [override for override in TINY if not override.startswith("data")]
    settings = [*kept, "data=tensor", "data.batch_size=20", "data.validation_size=10", "resume=auto"]

    def go(name: str, epochs: int) -> None:
        path = f"data.path={tmp_path / name}.pt"
        train(composed(*settings, path, f"trainer.max_epochs={epochs}", run_dir=tmp_path / "run"))

    go("a", 1)
    before = files_of(tmp_path / "run")
    with pytest.raises(ChangedError, match="data: the checkpoint was trained on other images"):
        go("b", 2)
    assert files_of(tmp_path / "run") == before
    go("c", 2)  # the same images in another file


@pytest.mark.parametrize("by", ["resume", "ckpt_path"])
def test_a_new_learning_rate_is_trained_with(composed: Compose, run: Path, tmp_path: Path, by: str) -> None:
    """A step of Adam moves no weight by much more than the rate: three steps after a thousandfold rate tell it."""
    place = run if by == "resume" else tmp_path / "new"
    start = "resume=auto" if by == "resume" else f"ckpt_path={run / LAST}"
    before = checkpoint_of(run)["state_dict"]
    train(
        composed(*TINY, "trainer.max_epochs=3", "optimizer.lr=0.5", "optimizer.betas=[0.8,0.9]", start, run_dir=place)
    )
    after = checkpoint_of(place)
    (group,) = after["optimizer_states"][0]["param_groups"]
    assert (group["lr"], tuple(group["betas"])) == (0.5, (0.8, 0.9))
    moved = max(float((after["state_dict"][name] - before[name]).abs().max()) for name in before)
    assert moved > 0.1
    assert OmegaConf.load(place / "config.yaml").optimizer.lr == 0.5


def test_a_change_is_applied_although_the_first_attempt_was_cut_before_a_checkpoint(
    composed: Compose, run: Path
) -> None:
    """The folder's config.yaml has the new rate then, and the checkpoint the old one."""
    config = OmegaConf.load(run / "config.yaml")
    config.optimizer.lr = 0.5
    OmegaConf.save(config, run / "config.yaml")
    train(composed(*TINY, "trainer.max_epochs=3", "optimizer.lr=0.5", "resume=auto", run_dir=run))
    assert checkpoint_of(run)["optimizer_states"][0]["param_groups"][0]["lr"] == 0.5


def test_a_new_patience_counts_and_lets_a_stopped_run_go_on(composed: Compose, tmp_path: Path) -> None:
    stopping = [*TINY, "callbacks=[checkpoint,early_stopping]", "callbacks.early_stopping.mode=max"]
    stopping += ["trainer.max_epochs=6", "resume=auto"]
    train(composed(*stopping, "callbacks.early_stopping.patience=1", run_dir=tmp_path))
    assert checkpoint_of(tmp_path)["epoch"] == 1
    train(composed(*stopping, "callbacks.early_stopping.patience=1", "tags=[again]", run_dir=tmp_path))
    assert checkpoint_of(tmp_path)["epoch"] == 1  # it stays stopped
    train(composed(*stopping, "callbacks.early_stopping.patience=77", run_dir=tmp_path))
    content = checkpoint_of(tmp_path)
    assert content["epoch"] == 5
    (state,) = (state for name, state in content["callbacks"].items() if name.startswith("EarlyStopping"))
    assert state["patience"] == 77


def test_a_checkpoint_without_a_config_is_held_against_the_one_beside_it(
    composed: Compose, run: Path, tmp_path: Path
) -> None:
    """As in version 0.1."""
    content = checkpoint_of(run)
    del content["config"]
    torch.save(content, run / LAST)
    with pytest.raises(ChangedError, match=r"^(data.)?seed=2 \(there 1\), (data.)?seed=2 \(there 1\): "):
        train(composed(*TINY, "seed=2", f"ckpt_path={run / LAST}", run_dir=tmp_path / "new"))


def test_a_checkpoint_without_any_config_is_held_against_its_own_content(composed: Compose, run: Path) -> None:
    content = checkpoint_of(run)
    del content["config"]
    alone = run / "alone.ckpt"
    torch.save(content, alone)
    (run / "config.yaml").unlink()
    for overrides, message in (
        (["latent_dim=3"], "of another architecture than configured"),
        (["optimizer=sgd"], r"^optimizer: it has .*momentum.*, and that of the checkpoint .*betas"),
    ):
        with pytest.raises(UserError, match=message):
            train(composed(*TINY, *overrides, f"ckpt_path={alone}", run_dir=run / "new"))
        assert not (run / "new" / "config.yaml").exists()
    train(composed(*TINY, "trainer.max_epochs=3", f"ckpt_path={alone}", run_dir=run / "new"))


def test_what_may_change_and_what_may_not() -> None:
    config = {
        "run_dir": "/a", "seed": 1, "group": None, "tags": ["x"],
        "callbacks": {"drawing": {"folder": "/a/figures"}}, "metrics": {"mmd": {"samples": 3}},
    }  # fmt: skip
    moved = config | {"run_dir": "/b", "callbacks": {"drawing": {"folder": "/b/figures"}}}
    assert changes(config, moved) == []
    assert changes(config, {name: value for name, value in config.items() if name != "group"}) == []
    assert changes(config, config | {"freeze": []}) == []  # a key that this config is too old for
    assert changes(config, config | {"metrics": {"mmd": {"samples": 3}, "mig": {"bins": 5}}}) == []
    assert changes(config, config | {"metrics": {"mig": {"bins": 5}}}) == []
    other = config | {"metrics": {"mmd": {"samples": 4}}, "tags": ["y", "z"], "seed": 2}
    assert {change.key for change in changes(config, other)} == {"metrics.mmd.samples", "tags", "seed"}
    assert {change.key for change in refused(changes(config, other))} == {"metrics.mmd.samples", "seed"}


def test_a_damaged_config_beside_a_checkpoint_is_no_config(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text("a: [")
    assert config_of({}, tmp_path / LAST) is None
    for odd in ([1], {"trainer": [1]}, {"metrics": "mmd"}):
        assert config_of({"config": odd}, tmp_path / LAST) is None


class _Halved:
    """Makes Adam with a schedule, in Lightning's dict."""

    def __init__(self, lr: float) -> None:
        self.lr = lr

    def __call__(self, parameters: Any) -> dict[str, Any]:
        optimizer = torch.optim.Adam(parameters, lr=self.lr)
        return {"optimizer": optimizer, "lr_scheduler": torch.optim.lr_scheduler.StepLR(optimizer, 1, 0.5)}


def halved(lr: float = 1e-3) -> _Halved:
    return _Halved(lr)


def scheduled(compose: Compose, *overrides: str, run_dir: Path) -> Any:
    cfg = compose(*TINY, *overrides, run_dir=run_dir)
    cfg.optimizer = {"_target_": f"{__name__}.halved", "lr": 0.001}
    return cfg


def test_an_optimizer_with_a_schedule_trains_under_auto_and_its_rate_stays(composed: Compose, tmp_path: Path) -> None:
    train(scheduled(composed, "trainer.precision=auto", "compile=auto", "trainer.max_epochs=2", run_dir=tmp_path))
    assert checkpoint_of(tmp_path)["optimizer_states"][0]["param_groups"][0]["lr"] == pytest.approx(0.001 / 4)
    cfg = scheduled(composed, "resume=auto", "trainer.max_epochs=3", run_dir=tmp_path)
    cfg.optimizer.lr = 0.1
    with pytest.raises(ChangedError, match=r"optimizer.lr=0.1 \(there 0.001\): "):
        train(cfg)


@pytest.mark.parametrize(
    "place",
    [
        ["callbacks.last_checkpoint.filename=newest"],
        ["callbacks.last_checkpoint.dirpath={folder}/elsewhere", "callbacks.checkpoint.dirpath={folder}/elsewhere"],
        ["callbacks.last_checkpoint=null", "callbacks.checkpoint.filename='at-{{epoch}}'"],
    ],
)
def test_a_run_goes_on_from_wherever_its_checkpoints_are(composed: Compose, tmp_path: Path, place: list[str]) -> None:
    places = [entry.format(folder=tmp_path) for entry in place]
    train(composed(*TINY, *places, "trainer.max_epochs=2", run_dir=tmp_path / "run"))
    train(composed(*TINY, *places, "trainer.max_epochs=3", "resume=auto", run_dir=tmp_path / "run"))
    assert OmegaConf.load(tmp_path / "run" / "config.yaml").ckpt_path is not None
    with (tmp_path / "run" / "metrics.csv").open() as file:
        assert [int(float(row["epoch"])) for row in csv.DictReader(file)] == [1, 2, 3]
    (tmp_path / "run" / "checkpoints" / "last.ckpt").unlink(missing_ok=True)
    train(composed(*TINY, *places, "resume=auto", "seed=2", run_dir=tmp_path / "other"))  # another run's don't count
    assert OmegaConf.load(tmp_path / "other" / "config.yaml").ckpt_path is None


LIGHTNINGS_EMA = "+callbacks.own={_target_: pytorch_lightning.callbacks.EMAWeightAveraging, decay: 0.8}"


@pytest.mark.parametrize(
    "deciding",
    [
        ["callbacks=[checkpoint,drawing,ema]", "callbacks.ema.decay=0.8"],
        ["callbacks=[checkpoint,drawing]", LIGHTNINGS_EMA],
        ["callbacks=[checkpoint,drawing,near_prior]", "callbacks.near_prior.tolerance=0.01"],
        ["callbacks=[checkpoint,drawing,early_stopping]", "callbacks.early_stopping.mode=max"],
    ],
)
def test_a_run_that_was_cut_after_its_last_epoch_is_brought_to_its_end(
    composed: Compose, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any, deciding: list[str]
) -> None:
    def interrupt(*_: Any) -> None:
        raise KeyboardInterrupt

    settings = [*TINY, *deciding, "pictures=[samples]", "optimizer.lr=0.01", "trainer.max_epochs=3"]
    whole, cut, new = (tmp_path / name for name in ("whole", "cut", "new"))
    ended = train(composed(*settings, run_dir=whole))
    with monkeypatch.context() as patch:
        patch.setattr(Drawing, "on_train_end", interrupt)
        with pytest.raises(SystemExit):
            train(composed(*settings, run_dir=cut))
    before = files_of(cut / "checkpoints")
    for _ in range(2):  # the second time it had finished
        assert train(composed(*settings, "resume=auto", run_dir=cut)) == ended
    assert files_of(cut / "checkpoints") == before
    assert files_of(cut / "figures") == files_of(whole / "figures")
    assert train(composed(*settings, f"ckpt_path={cut / LAST}", run_dir=new)) == ended
    assert (new / "metrics.csv").read_bytes() == (cut / "metrics.csv").read_bytes()
    assert capsys.readouterr().out.splitlines()[-1] == f"weights:    {cut / LAST}"


def test_numbers_of_an_epoch_are_of_that_epoch(composed: Compose, tmp_path: Path) -> None:
    """Validated are epochs 2 and 4 of 5; a run that goes on in between writes the same file."""
    settings = [*TINY, "trainer.check_val_every_n_epoch=2", "callbacks=[checkpoint,early_stopping]"]
    whole = train(composed(*settings, "trainer.max_epochs=5", run_dir=tmp_path / "whole"))
    train(composed(*settings, "trainer.max_epochs=3", run_dir=tmp_path / "cut"))
    went_on = train(composed(*settings, "trainer.max_epochs=5", "resume=auto", run_dir=tmp_path / "cut"))
    tables = []
    for name in ("whole", "cut"):
        with (tmp_path / name / "metrics.csv").open() as file:
            rows = list(csv.DictReader(file))
        tables.append([{n: v for n, v in row.items() if not n.endswith("second") and n != "seconds"} for row in rows])
    assert tables[0] == tables[1]
    assert went_on == whole
    assert [row["epoch"] for row in tables[0] if row["validation/loss"]] == ["2", "4"]
    assert all(row["train/loss"] for row in tables[0])
    # The last epoch had no validation: the final numbers are measured anew, and are of the same weights as the test's.
    summary = json.loads((tmp_path / "whole" / "summary.json").read_text())
    assert summary["epoch"] == 5
    assert {"validation/loss", "validation/log_det_covariance", "test/loss"} <= summary["metrics"].keys()
    losses = [float(row["validation/loss"]) for row in tables[0] if row["validation/loss"]]
    assert summary["metrics"]["validation/loss"] < min(losses)
    assert checkpoint_of(tmp_path / "whole", "best")["epoch"] == 3


@pytest.mark.parametrize(
    ("overrides", "validated"),
    [
        (["trainer.max_steps=3"], ["1"]),
        ([VALIDATED_EVERY_SECOND, "+callbacks.early_stopping.check_on_train_epoch_end=true"], ["2"]),
    ],
)
def test_early_stopping_passes_over_an_epoch_without_a_validation(
    composed: Compose, tmp_path: Path, overrides: list[str], validated: list[str]
) -> None:
    stopping = ["callbacks=[checkpoint,early_stopping]", "callbacks.early_stopping.patience=1", "trainer.max_epochs=3"]
    final = train(composed(*TINY, *stopping, *overrides, run_dir=tmp_path))
    with (tmp_path / "metrics.csv").open() as file:
        assert [row["epoch"] for row in csv.DictReader(file) if row["validation/loss"]] == validated
    assert {"validation/loss", "test/loss"} <= final.keys()


def test_the_k_best_checkpoints_are_those_of_the_k_best_epochs(composed: Compose, tmp_path: Path) -> None:
    """By mode=max on a falling loss the best are the first."""
    best = ["callbacks.checkpoint.save_top_k=3", "callbacks.checkpoint.mode=max"]
    train(composed(*TINY, *best, "trainer.max_epochs=5", run_dir=tmp_path))
    names = {path.name for path in (tmp_path / "checkpoints").iterdir()}
    assert names == {
        "best-0001.ckpt", "best-0002.ckpt", "best-0003.ckpt", "best.ckpt", "last.ckpt", "previous.ckpt"
    }  # fmt: skip
    assert checkpoint_of(tmp_path, "best")["epoch"] == 0
    assert [checkpoint_of(tmp_path, f"best-000{epoch}")["epoch"] for epoch in (1, 2, 3)] == [0, 1, 2]


def test_an_epoch_is_measured_and_drawn_with_one_set_of_weights(composed: Compose, tmp_path: Path) -> None:
    """Averages that never move: whatever is measured of the weights stays as it was before training."""
    settings = [*TINY, "callbacks=[checkpoint,drawing]", "pictures=[samples]", "callbacks.drawing.every_n_epochs=1"]
    settings += ["trainer.max_epochs=3", "optimizer.lr=0.01", "model=vae"]
    frozen = "+callbacks.ema={_target_: pytorch_lightning.callbacks.EMAWeightAveraging, decay: 1.0}"
    train(composed(*settings, frozen, run_dir=tmp_path))
    with (tmp_path / "metrics.csv").open() as file:
        rows = list(csv.DictReader(file))
    for name in ("train/loss", "train/log_det_covariance", "validation/log_det_covariance"):
        values = [float(row[name]) for row in rows]
        assert max(values) - min(values) < 1e-4, name
    pictures = {(tmp_path / "figures" / f"samples-000{epoch}.png").read_bytes() for epoch in (1, 2, 3)}
    assert len(pictures) == 1
    sets = [checkpoint_of(tmp_path)[name] for name in ("state_dict", "current_model_state")]
    moved = [(average - raw).abs().max() for average, raw in zip(*(weights.values() for weights in sets), strict=True)]
    assert max(moved) > 0.01  # and not because nothing happened


def test_averaging_and_keeping_weights_together_are_refused(composed: Compose, tmp_path: Path) -> None:
    lightnings = "+callbacks.other={_target_: pytorch_lightning.callbacks.EMAWeightAveraging}"
    for own, names in (("near_prior", "EMAWeightAveraging and NearPrior"), ("ema", "EMA and EMAWeightAveraging")):
        with pytest.raises(UserError, match=f"^callbacks: {names} would each decide"):
            train(composed(*TINY, f"callbacks=[checkpoint,{own}]", lightnings, run_dir=tmp_path))
    twice = "+callbacks.other={_target_: infovae.training.callbacks.ema.EMA}"
    with pytest.raises(UserError, match=r"^callbacks=EMA: two callbacks would share their state"):
        train(composed(*TINY, "callbacks=[checkpoint,ema]", twice, run_dir=tmp_path))


def test_the_order_of_groups_of_parameters_is_a_setting() -> None:
    """The later one wins."""
    groups = {"encoder": {"lr": 0.1}, "vectors": {"lr": 0.2}}
    other = dict(reversed(groups.items()))
    assert changes({"parameter_groups": groups}, {"parameter_groups": dict(groups)}) == []
    (found,) = refused(changes({"parameter_groups": groups}, {"parameter_groups": other}))
    assert str(found) == "parameter_groups=[vectors,encoder] (there [encoder,vectors])"


def test_only_what_lies_in_the_run_s_folder_moves_with_it() -> None:
    before, now = ({"run_dir": f"/r/run{number}", "data": {"path": f"/r/run{number}/data"}} for number in (1, 2))
    assert changes(before, now) == []
    for beside in ("/r/run10", "/r/run1/first"):
        assert changes(before | {"init_from": beside}, now | {"init_from": beside}) == []
    (found,) = changes(before | {"init_from": "/r/run10"}, now | {"init_from": "/r/run20"})
    assert found == ("init_from", "/r/run10", "/r/run20")


def test_a_run_that_stopped_early_takes_no_other_rate(composed: Compose, tmp_path: Path) -> None:
    stop = ["callbacks=[checkpoint,early_stopping]", "callbacks.early_stopping.patience=0", "optimizer.lr=0"]
    settings = [*TINY, *stop, "trainer.max_epochs=9", "resume=auto"]
    train(composed(*settings, run_dir=tmp_path))
    with pytest.raises(ChangedError, match=r"^optimizer.lr=0.5 \(there 0\): the run stopped early; accepted: the sett"):
        train(composed(*settings, "optimizer.lr=0.5", run_dir=tmp_path))
    train(composed(*settings, "optimizer.lr=0.5", "callbacks.early_stopping.patience=1", run_dir=tmp_path))
    assert checkpoint_of(tmp_path)["epoch"] > 1


def test_a_checkpoint_alone_points_to_load(trained: Path) -> None:
    with pytest.raises(TypeError, match=r"no encoder, decoder, .*, optimizer; accepted: .* infovae.load\(RUN\)"):
        InfoVAE.load_from_checkpoint(trained / LAST)
    with pytest.raises(TypeError, match=r"but no decoder, "):
        InfoVAE.load_from_checkpoint(trained / LAST, encoder=torch.nn.Identity())
    module = load(trained).module
    names = ("encoder", "decoder", "posterior", "likelihood", "prior", "divergence", "objective", "optimizer")
    parts = {name: getattr(module, name) for name in names}
    assert InfoVAE.load_from_checkpoint(trained / LAST, splits=module.splits, weights_only=True, **parts) is not module


@pytest.mark.parametrize("place", ["checkpoints", "summary.json", ".lock", "figures/samples.png", "csv/metrics.csv"])
def test_nothing_is_written_through_a_link_in_a_run_folder(
    composed: Compose, run: Path, tmp_path: Path, place: str
) -> None:
    precious = tmp_path / "precious"
    precious.write_text("keep")
    link = run / place
    if link.is_dir():
        link.rename(run / "moved")
    link.unlink(missing_ok=True)
    link.parent.mkdir(exist_ok=True)
    link.symlink_to(precious)
    with pytest.raises(UserError, match=rf"^hydra.run.dir={run}: {link} is a link, .*accepted: a folder without links"):
        train(composed(*TINY, "trainer.max_epochs=3", "resume=auto", run_dir=run))
    assert precious.read_text() == "keep"


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["callbacks.checkpoint.monitor=validation/lost"], r"monitor=validation/lost: no such metric; accepted: valid"),
        (
            ["callbacks.checkpoint.monitor=test/mmd"],
            r"^data.evaluation_splits=\[validation\]: BestCheckpoint watches test/mmd",
        ),
        (
            ["callbacks.checkpoint.monitor=test/mmd", "data.evaluation_splits=[test]"],
            r"monitor=test/mmd: no such metric; accepted: test/div",
        ),
        (["callbacks.checkpoint.dirpath=/dev/null/x"], r"dirpath=/dev/null/x: null is not a folder"),
        (
            ["callbacks.checkpoint._target_=pytorch_lightning.callbacks.ModelCheckpoint", VALIDATED_EVERY_SECOND],
            r"save_on_train_epoch_end=true: it looks for its monitor after epochs without a validation",
        ),
        (["trainer.limit_train_batches=0.01"], r"limit_train_batches=0.01: less than one of 2 batches; .* least 0.5"),
        (
            ["trainer.limit_train_batches=0.5", "data.batch_size=128"],
            r"limit_train_batches=0.5: less than one of 1 batches; .* least 1$",
        ),
        (
            ["trainer.limit_train_batches=0.33", "data.steps_per_epoch=3"],
            r"limit_train_batches=0.33: less than one of 3 batches; .* least 0.334$",
        ),
        (
            ["trainer.limit_val_batches=0", "callbacks.checkpoint.monitor=test/loss"],
            r"BestCheckpoint watches test/loss",
        ),
        (
            [
                "callbacks=early_stopping",
                "callbacks.early_stopping.monitor=train/loss",
                "trainer.check_val_every_n_epoch=2",
            ],
            r"monitor=train/loss: EarlyStopping looks before that is known",
        ),
    ],
)
def test_what_would_fail_after_an_epoch_is_refused_before_training(
    composed: Compose, tmp_path: Path, overrides: list[str], message: str
) -> None:
    with pytest.raises(UserError, match=message):
        train(composed(*TINY, *overrides, run_dir=tmp_path))
    assert list(tmp_path.iterdir()) == []


def test_a_moved_run_remembers_its_best_epoch(composed: Compose, run: Path) -> None:
    """Of a falling loss mode=max calls the first epoch best; the folder is a copy of the one that it was trained in."""
    best = ["callbacks.checkpoint.mode=max", "callbacks.checkpoint.monitor=validation/loss"]
    train(composed(*TINY, *best, "trainer.max_epochs=2", run_dir=run / "first"))
    (run / "first").rename(run / "moved")
    train(composed(*TINY, *best, "trainer.max_epochs=4", "resume=auto", run_dir=run / "moved"))
    assert checkpoint_of(run / "moved", "best")["epoch"] == 0


def test_a_run_goes_on_from_steps_that_lightning_took(
    composed: Compose, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As it did in version 0.1; it counts those apart from ours."""
    train(composed(*TINY, "trainer.max_epochs=3", run_dir=tmp_path / "whole"))
    with monkeypatch.context() as patch:
        patch.setattr(InfoVAE, "automatic_optimization", property(lambda self: True, lambda self, value: None))
        train(composed(*TINY, "trainer.max_epochs=2", run_dir=tmp_path / "cut"))
    train(composed(*TINY, "trainer.max_epochs=3", "resume=auto", run_dir=tmp_path / "cut"))
    whole, cut = (checkpoint_of(tmp_path / name) for name in ("whole", "cut"))
    assert all(torch.equal(cut["state_dict"][name], value) for name, value in whole["state_dict"].items())
    assert cut["global_step"] == whole["global_step"] == 6
