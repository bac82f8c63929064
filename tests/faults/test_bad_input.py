"""Every line of the tables in docs/reliability.md, typed: one line, an exit status, and nothing written."""

import contextlib
import io
import logging
import os
import re
import shlex
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import hydra._internal.hydra
import numpy as np
import optuna
import pytest
import torch
from conftest import PROJECT, Command, composing

from infovae.app.command import COMMANDS, main
from infovae.training.run import train

SECTION = (PROJECT / "docs" / "reliability.md").read_text().split("\n## Bad input\n")[1].split("\n### ")[0]
CELL = r"`+ ?((?:\\\||[^|])*?) ?`+"
ROWS = [
    (typed, answered.replace(r"\|", "|"))
    for typed, answered in re.findall(rf"^\| {CELL} \| {CELL} \|$", SECTION, re.MULTILINE)
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the document says is there."""
    folder = tmp_path_factory.mktemp("typed")
    small = ["data=digits", "network.encoder.hidden=[8]", "network.decoder.hidden=[8]", "latent_dim=2", "logger=none"]
    with composing() as composed:
        train(composed(*small, "trainer.max_epochs=1", "callbacks=checkpoint", "metrics=[]", run_dir=folder / "run"))
    for name in ("torn_run", "odd_run", "strange_run"):
        shutil.copytree(folder / "run", folder / name)
    content = (folder / "run" / "checkpoints" / "last.ckpt").read_bytes()
    for name in ("torn.ckpt", "torn_run/checkpoints/last.ckpt"):
        (folder / name).write_bytes(content[: len(content) // 2])
    (folder / "odd_run" / "config.yaml").write_text("seed: [")
    config = folder / "strange_run" / "config.yaml"
    config.write_text(config.read_text().replace("infovae.likelihoods.bernoulli.Bernoulli", "os.system"))
    whole = torch.load(folder / "run" / "checkpoints" / "last.ckpt", weights_only=True)
    torch.save({"state_dict": whole["state_dict"]}, folder / "weights.ckpt")
    whole["loops"]["fit_loop"]["epoch_loop.batch_progress"]["is_last_batch"] = False
    torch.save({name: value for name, value in whole.items() if name != "config"}, folder / "cut.ckpt")
    np.save(folder / "objects.npy", np.array([{}]), allow_pickle=True)
    np.save(folder / "floats.npy", np.full((20, 8, 8), 3.0))
    np.save(folder / "flat.npy", np.zeros((20, 64), np.uint8))
    (folder / "torn.npz").write_bytes(b"PK\x03\x04torn")
    study = optuna.create_study(
        storage=f"sqlite:///{folder}/study.db", study_name="infovae", directions=["minimize", "minimize"]
    )
    study.ask({"divergence": optuna.distributions.CategoricalDistribution(["mmd", "energy"])})
    (folder / "notes.txt").write_text("no run\n")
    (folder / "empty").mkdir()
    return folder


def content_of(folder: Path) -> dict[str, bytes | None]:
    return {str(path.relative_to(folder)): path.read_bytes() if path.is_file() else None for path in folder.rglob("*")}


@pytest.fixture
def typed(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """In the folder, with no W&B key, as a process that has just started."""
    monkeypatch.chdir(folder)
    monkeypatch.setenv("HYDRA_FULL_ERROR", "0")
    monkeypatch.setenv("INFOVAE_FULL_ERROR", "0")
    monkeypatch.setenv("NETRC", "nowhere")
    monkeypatch.delenv("WANDB_API_KEY", raising=False)
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.setattr("infovae.sweeps.launch.which", lambda name: None)  # no cluster, wherever the tests run
    # Hydra composes twice, first to learn whether hydra.mode is set. It isn't: half of the time is saved.
    monkeypatch.setattr(hydra._internal.hydra.Hydra, "get_mode", lambda *_, **__: None)
    before, handlers = content_of(folder), logging.getLogger().handlers[:]
    yield folder
    logging.getLogger().handlers[:] = handlers  # Hydra's would write to a folder that is gone by the next test
    assert content_of(folder) == before


def test_the_tables_cover_every_command() -> None:
    assert len(ROWS) >= 60
    assert len(ROWS) == SECTION.count("\n| `")  # none was passed over
    assert {row[0].split()[1] for row in ROWS} == set(COMMANDS)


@pytest.mark.parametrize(("line", "answered"), ROWS, ids=[row[0] for row in ROWS])
def test_the_answer_is_the_documented_line(
    line: str, answered: str, typed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "argv", shlex.split(line))
    output, errors = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(output), contextlib.redirect_stderr(errors), pytest.raises(SystemExit) as ending:
        main()
    assert ending.value.code == 1
    (answer,) = errors.getvalue().splitlines()
    assert re.fullmatch("error: " + ".*".join(map(re.escape, answered.split("…"))), answer)
    assert not re.search(r"Traceback|ERROR", output.getvalue())


@pytest.mark.parametrize("line", ["train data=digits model.lambda_=0.5", "train -m seed=1,abc", "export"])
def test_a_process_answers_alike(line: str, process: Command, tmp_path: Path) -> None:
    answer = process(*shlex.split(line))
    assert answer.returncode == 1
    (told,) = answer.stderr.splitlines()
    documented = dict(ROWS)[f"infovae {line}"]
    assert told == f"error: {documented}"
    assert [name for name in os.listdir(tmp_path) if not name.startswith(".")] == []  # but matplotlib's own


@pytest.mark.parametrize("mistake", ["seed=abc", "model.lambda_=0.5", "ckpt_path=torn.ckpt", "data.batch_size=1"])
def test_a_refused_run_leaves_an_earlier_one_as_it_was(
    mistake: str, typed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "argv", ["infovae", "train", "data=digits", "hydra.run.dir=run", mistake])
    with pytest.raises(SystemExit), contextlib.redirect_stderr(io.StringIO()):
        main()
