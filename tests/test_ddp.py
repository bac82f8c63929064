"""Two processes with half a batch each against one with all of it: the same losses, metrics and weights."""

import csv
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from conftest import Command

from infovae.app.cli import CONF

ROOT = CONF.parent
DIVERGENCES = sorted(path.stem for path in (CONF / "divergence").glob("*.yaml") if path.stem != "none")
CASES = [f"model=infovae model.lambda_=20 divergence={name}" for name in DIVERGENCES] + [
    "model=infovae model.lambda_=20 divergence=kl prior=vamp prior.components=11",
    "model=vae prior=vamp prior.components=11",
    "model=mmd_vae prior=vamp prior.components=11",  # nothing teaches the prior
    "model=mmd_vae posterior=deterministic prior=uniform",
    "model=autoencoder",
    "model=infovae model.lambda_=20 divergence=kl posterior=normalized_gaussian posterior.normalization=zca",
    "model=mmd_vae model.lambda_=20 posterior=normalized_gaussian",
    "model=infovae model.lambda_=20 divergence=kl posterior=full_gaussian",
    "model=infovae model.lambda_=20 divergence=kl posterior=iaf posterior.hidden=[8]",
    "schedule@model.lambda_=linear model.lambda_.steps=7",
    "schedule@model.lambda_=hold_divergence model.lambda_.speed=0.1",
    "schedule@model.alpha=hold_rate model.alpha.integral=0.1 model.free_bits=3 +model.free_bits_per=whole",
    "model=beta_vae model.free_bits=0.02",
    "model=infovae model.lambda_=20 data.streaming=always data.workers=1",
    "model=infovae model.lambda_=20 condition=labels condition.dropout=0.3 condition.per_class=true",
    "model=infovae condition=labels module=semi_supervised module.labelled=50 module.labelled_batch=21",
    "model=vae bound=iwae condition=labels condition.embedding=3 condition.dropout=0.3",
    "model=vae scheduler=cosine optimizer=radam +parameter_groups.encoder.lr=1e-4",
]

# A step of Adam moves a weight by lr * g / (|g| + 1e-8): rounding of g, up to n * eps for sums over n = 128, is
# amplified at most by lr / 1e-8 = 1e5, in each of up to 10 steps.
WEIGHT_TOLERANCE = 10 * 1e5 * 128 * torch.finfo(torch.float64).eps


def start(command: list[str]) -> subprocess.Popen[str]:
    """A process as if no test surrounded it, on one thread."""
    strange = {"LOCAL_RANK", "RANK", "WORLD_SIZE", "NODE_RANK", "MASTER_ADDR", "MASTER_PORT", "PL_GLOBAL_SEED"}
    environment = {name: value for name, value in os.environ.items() if name not in strange}
    environment |= {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT / "src"), "HYDRA_FULL_ERROR": "0"}
    return subprocess.Popen(
        [sys.executable, *command],
        cwd=ROOT,
        env=environment,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )


def finish(process: subprocess.Popen[str]) -> str:
    output, _ = process.communicate(timeout=300)
    assert process.returncode == 0, output
    return output


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, dict], dict[str, dict]]:
    folder = tmp_path_factory.mktemp("ddp")
    processes = [
        start(["tests/ddp_worker.py", trainer, str(folder / trainer), *CASES]) for trainer in ("cpu", "ddp_cpu")
    ]
    for process in processes:
        finish(process)
    one, two = (torch.load(folder / trainer, weights_only=True) for trainer in ("cpu", "ddp_cpu"))
    return one, two


@pytest.mark.parametrize("case", CASES)
def test_two_processes_train_and_measure_as_one(case: str, results: tuple[dict[str, dict], dict[str, dict]]) -> None:
    one, two = (result[case] for result in results)
    for name, weight in one["weights"].items():
        torch.testing.assert_close(two["weights"][name], weight, rtol=0, atol=WEIGHT_TOLERANCE, msg=name)
    moved = [
        (one["weights"][name].double() - start.double()).abs().max()
        for name, start in one["start"].items()
        if start.numel()
    ]
    assert max(moved) > 1e-3  # and not because nothing happened
    assert one["metrics"].keys() == two["metrics"].keys()
    for name, value in one["metrics"].items():
        if name != "train/images_per_second":
            # Lightning logs in float32.
            torch.testing.assert_close(two["metrics"][name], value, rtol=1e-6, atol=1e-7, equal_nan=True, msg=name)


COMMAND = [
    "train.py",
    "divergence=mmd",
    "data.train_size=1000",
    "data.validation_size=301",
    "network.encoder.hidden=[64]",
    "network.decoder.hidden=[64]",
    "metrics.mmd.samples=500",
    "trainer.precision=64-true",
    "trainer.max_epochs=1",
    "callbacks=[checkpoint,drawing]",
    "pictures=[samples,reconstructions]",
    "logger=wandb_offline",
]


def test_the_command_as_a_user_types_it(tmp_path: Path) -> None:
    runs = {trainer: tmp_path / trainer for trainer in ("cpu", "ddp_cpu")}
    processes = [start([*COMMAND, f"trainer={trainer}", f"hydra.run.dir={run}"]) for trainer, run in runs.items()]
    _, told = map(finish, processes)
    one, two = runs.values()

    weights = [torch.load(run / "checkpoints/last.ckpt", weights_only=True)["state_dict"] for run in (one, two)]
    for name, weight in weights[0].items():
        torch.testing.assert_close(weights[1][name], weight, rtol=0, atol=WEIGHT_TOLERANCE, msg=name)
    rows = [next(csv.DictReader((run / "metrics.csv").open())) for run in (one, two)]
    assert rows[0].keys() == rows[1].keys()
    for name in rows[0].keys() - {"seconds", "train/images_per_second"}:
        assert float(rows[1][name]) == pytest.approx(float(rows[0][name]), rel=1e-6, abs=1e-7), name
    summaries = [json.loads((run / "summary.json").read_text()) for run in (one, two)]
    for name, value in summaries[0]["metrics"].items():
        if name.startswith("test/"):
            assert summaries[1]["metrics"][name] == pytest.approx(value, rel=1e-6, abs=1e-7), name
    for picture in ("samples.png", "reconstructions.png"):
        assert (two / "figures" / picture).read_bytes() == (one / "figures" / picture).read_bytes()

    # One run folder, one W&B run, everything told once.
    assert sorted(path.name for path in tmp_path.iterdir()) == ["cpu", "ddp_cpu"]
    assert len(list((two / "wandb").glob("offline-run-*"))) == 1
    assert len((two / "metrics.csv").read_text().splitlines()) == 2
    for line in ("loss = reconstruction", "run folder:", "finished after", "GLOBAL_RANK"):
        assert told.count(line) == 1, told
    assert "Warning" not in told


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["data.batch_size=127"], "error: data.batch_size=127: it is over all 2 devices together; accepted: mult"),
        (["-m", "hydra.sweep.dir={folder}/sweep"], "error: trainer.devices: 2 processes can't share a multirun"),
    ],
)
def test_refusals(arguments: list[str], line: str, command: Command, tmp_path: Path) -> None:
    arguments = [argument.format(folder=tmp_path) for argument in arguments]
    answer = command("train", *arguments, f"data.root={ROOT / 'data'}", "trainer=ddp_cpu", "logger=none")
    told = answer.stdout + answer.stderr
    assert answer.returncode == 1
    assert next(text for text in told.splitlines() if text.startswith("error:")).startswith(line), told
    assert told.count(line) == 1  # by one process alone; a sweep lists its jobs' refusals once more at its end
    assert "Traceback" not in told
