"""Files from a stranger run no code, and secrets stay where they are. See test_saved_run.py and tests/dashboard."""

import ast
import contextlib
import os
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from conftest import PROJECT, Compose, composing
from omegaconf import OmegaConf

from infovae.classifier.store import load_classifier, weights_path
from infovae.config.check import check
from infovae.config.secrets import refuse_secrets
from infovae.dashboard.build import write
from infovae.dashboard.settings import Settings
from infovae.errors import UserError
from infovae.evaluation.load import load
from infovae.training.loggers import wandb
from infovae.training.run import train

SMALLEST = ["data=digits", "network.encoder.hidden=[8]", "network.decoder.hidden=[8]", "latent_dim=2"]
SMALLEST += ["trainer.max_epochs=1", "trainer.enable_progress_bar=false", "callbacks=checkpoint", "metrics=[]"]


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("trained")
    with composing() as composed:
        train(composed(*SMALLEST, "logger=none", run_dir=folder))
    return folder


class Attack:
    """Makes a folder when it is unpickled."""

    def __init__(self, trace: Path) -> None:
        self.trace = trace

    def __reduce__(self) -> tuple[Callable[[Path], None], tuple[Path]]:
        return os.mkdir, (self.trace,)


def test_the_attack_works_where_nothing_holds_it(tmp_path: Path) -> None:
    torch.save({"state_dict": Attack(tmp_path / "trace")}, tmp_path / "file")
    torch.load(tmp_path / "file", weights_only=False)
    assert (tmp_path / "trace").is_dir()


@pytest.mark.parametrize("start", ["ckpt_path={run}/checkpoints/last.ckpt", "resume=auto"])
def test_training_goes_on_from_no_stranger_s_pickle(run: Path, composed: Compose, start: str) -> None:
    path = run / "checkpoints" / "last.ckpt"
    checkpoint = torch.load(path, weights_only=True)
    torch.save(checkpoint | {"hyper_parameters": Attack(run / "trace")}, path)
    auto = start == "resume=auto"  # which sets the file aside, and goes on from another
    refusal = pytest.raises(UserError, match="damaged, or not a checkpoint of a run")
    with contextlib.nullcontext() if auto else refusal:
        train(composed(*SMALLEST, "logger=none", start.format(run=run), run_dir=run))
    assert path.with_suffix(".damaged").exists() == auto
    assert not (run / "trace").exists()


def test_a_stranger_s_classifier_runs_no_code(tmp_path: Path) -> None:
    key = "ab" * 32
    torch.save({"data_sha256": key, "state_dict": Attack(tmp_path / "trace")}, weights_path(tmp_path, key))
    with pytest.raises(UserError, match="damaged, or no classifier's weights"):
        load_classifier(tmp_path, key)
    assert not (tmp_path / "trace").exists()


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("a: &a [x, x]\nb: &b [*a, *a]\nc: [*b, *b]\n", "has aliases"),
        ("[" * 60 + "]" * 60, "nested deeper than 50 levels"),
        ("[" * 100_000, "nest"),
        ("data: !!python/object/apply:os.mkdir [trace]\n", "has tags"),
        ("a: " + "x" * 2**20, "longer than 262144 bytes"),
        ("a: !!int 1:1\n", "has tags"),
        ("a: 1\na: 2\n", "the key 'a' twice"),
        ("a: [" + "1," * 30_000 + "]\n", "more than 20000 values"),
    ],
)
def test_a_stranger_s_yaml_is_refused_before_anything_is_built(
    run: Path, content: str, told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(run)
    (run / "config.yaml").write_text(content)
    with pytest.raises(UserError, match=f"config.yaml is damaged .*{told}"):
        load(run)
    assert not (run / "trace").exists()


def test_nothing_in_the_package_unpickles_or_evaluates() -> None:
    for path in (PROJECT / "src").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if not isinstance(node, ast.Call):
                continue
            called, given = ast.unparse(node.func), {word.arg: ast.unparse(word.value) for word in node.keywords}
            assert called not in ("eval", "exec", "pickle.load", "pickle.loads", "joblib.load"), f"{path}: {called}"
            assert called != "torch.load" or given["weights_only"] == "True", path
            assert called != "np.load" or given["allow_pickle"] == "False", path
            assert called != "yaml.load", path


PLANTED = {
    "WANDB_API_KEY": "0f1e2d3c4b5a69788796a5b4c3d2e1f00f1e2d3c",
    "AWS_SECRET_ACCESS_KEY": "planted/AWS+secret/0123456789abcdefghijk",
    "HF_TOKEN": "hf_plantedplantedplantedplantedpl",
    "DATABASE_PASSWORD": "planted-password-of-a-database",
}


def test_no_secret_of_the_environment_reaches_a_run_folder_or_the_dashboard(
    composed: Compose, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in PLANTED.items():
        monkeypatch.setenv(name, value)
    run = tmp_path / "runs" / "run"
    train(composed(*SMALLEST, "logger=[wandb_offline,csv,tensorboard]", run_dir=run))
    monkeypatch.setattr(wandb, "trouble", lambda: "down")
    wandb.log_evaluation(run, {"test/mmd": 1.0}, {}, OmegaConf.load(run / "config.yaml"))
    assert len(list((run / "wandb").glob("offline-run-*"))) == 2
    page = tmp_path / "page.html"
    write(
        Settings(
            runs=[str(tmp_path / "runs")], output=page, serve=False, host="127.0.0.1", port=0, poll_seconds=1,
            picture_megabytes=1, curve_points=300, stalled_after_minutes=30,
        )
    )  # fmt: skip
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert {"config.yaml", "hydra.yaml", "last.ckpt", "page.html"} <= {path.name for path in files}
    for path in files:
        for name, value in PLANTED.items():
            assert value.encode() not in path.read_bytes(), f"{name} in {path}"


@pytest.mark.parametrize("value", ["${oc.env:DATABASE_PASSWORD}", "x-${ oc.env:HOME,none}", "${oc.decode:${oc.env:A}}"])
def test_the_environment_is_not_interpolated_into_a_config(composed: Compose, value: str) -> None:
    cfg = composed()
    cfg.tags = ["fine", value]
    with pytest.raises(UserError, match=r"^tags\[1\]: reads the environment"):
        check(cfg)


def test_a_wandb_key_is_refused_and_not_repeated(monkeypatch: pytest.MonkeyPatch) -> None:
    newer = "wandb_v1_" + "a1B2" * 10
    monkeypatch.setenv("WANDB_API_KEY", PLANTED["WANDB_API_KEY"])
    for secret in (newer, PLANTED["WANDB_API_KEY"], f"https://user:{newer}@host"):
        with pytest.raises(UserError, match=r"^group\.name: holds a W&B key") as refusal:
            refuse_secrets({"group": {"name": secret}})
        assert secret not in str(refusal.value)
    monkeypatch.setenv("WANDB_API_KEY", "short")
    refuse_secrets({"name": "a short name", "revision": PLANTED["WANDB_API_KEY"]})
