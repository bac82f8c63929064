"""evaluate.py as a user runs it."""

import json
import math
import shutil
from pathlib import Path

import pytest
import torch
from conftest import PROJECT, SMALL, Command, composing

from infovae.training.run import train

METRICS = "metrics=[log_det_covariance,covariance_spectrum,class_covariance,mmd,reconstruction]"


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("trained")
    overrides = [entry for entry in SMALL if not entry.startswith("logger")]
    with composing() as composed:
        train(composed(*overrides, "latent_dim=3", "logger=wandb_offline", "trainer.max_epochs=1", run_dir=folder))
    return folder


def test_a_run_is_evaluated_into_its_folder_and_its_wandb_run(command: Command, run: Path, tmp_path: Path) -> None:
    answer = command("evaluate", "run=run", METRICS, "wandb=true", "batch_size=250")
    assert answer.returncode == 0, answer.stderr
    record = json.loads((run / "evaluation.json").read_text())
    summary = json.loads((run / "summary.json").read_text())["metrics"]
    # The same codes but for other noise, and none of it in the exact covariance.
    for name in ("log_det_covariance",):
        assert record["metrics"][f"test/{name}"] == pytest.approx(summary[f"test/{name}"], rel=1e-5)
    error = record["metrics"]["test/elbo_standard_error"]
    assert record["metrics"]["test/elbo"] == pytest.approx(summary["test/elbo"], abs=4.5 * math.sqrt(2) * error)
    assert len(record["metrics"]["train/covariance_eigenvalues"]) == 3
    assert len(record["metrics"]["test/log_det_covariance_by_class"]) == 10
    assert record["checkpoint"] == "run/checkpoints/last.ckpt"
    told = {name: record[name] for name in ("override", "split", "batch_size", "seed", "device")}
    assert told == {"override": {}, "split": "test", "batch_size": 250, "seed": 0, "device": "cpu"}
    assert {"revision", "changed"} == set(record["git"])
    assert set(record["seconds"]) == set(METRICS[9:-1].split(","))
    assert "log_det_covariance" in answer.stdout
    assert "±" in answer.stdout

    first, second = sorted((run / "wandb").glob("offline-run-*"))
    assert first.name.rpartition("-")[2] == second.name.rpartition("-")[2]
    assert sorted(path.name for path in tmp_path.iterdir() if not path.name.startswith(".")) == ["run"]

    again = command("evaluate", "ckpt=run/checkpoints/last.ckpt", METRICS, "batch_size=33", "output=elsewhere")
    assert again.returncode == 0, again.stderr
    other = json.loads((tmp_path / "elsewhere" / "evaluation.json").read_text())["metrics"]
    for name, value in record["metrics"].items():
        assert other[name] == pytest.approx(value, rel=1e-4, abs=1e-6)


def test_an_evaluation_that_was_cut_goes_on_where_it_was(command: Command, run: Path) -> None:
    settings = ["run=run", "metrics=[log_det_covariance,mmd,few_labels]", "pictures=[]", "metrics.few_labels.draws=1"]
    assert command("evaluate", *settings).returncode == 0
    path = run / "evaluation.json"
    whole = json.loads(path.read_text())

    def cut(**changes: object) -> None:
        """Leave the file as a kill before the last metric does, with a number that no measurement gives."""
        kept = {name: value for name, value in whole["metrics"].items() if "error_linear" not in name}
        kept |= {"test/mmd": 7.0, "test/log_det_covariance": "nan"}
        path.write_text(json.dumps(whole | {"metrics": kept, "not_yet_measured": ["few_labels"]} | changes))

    absent = ["test/log_det_covariance", "train/log_det_covariance"]
    cut(absent=absent)
    answer = command("evaluate", *settings)
    assert answer.returncode == 0
    assert "│ mmd" in answer.stdout
    assert "│ log_det_covariance" not in answer.stdout
    again = json.loads(path.read_text())
    assert again["absent"] == absent
    assert again["metrics"] == whole["metrics"] | {"test/mmd": 7.0, "test/log_det_covariance": "nan"}
    assert again["not_yet_measured"] == []
    assert set(again["seconds"]) == set(whole["seconds"])
    cut()
    assert command("evaluate", *settings, "metrics.few_labels.draws=2").returncode == 0
    assert json.loads(path.read_text())["metrics"]["test/mmd"] == 7  # of a metric that was yet to come
    for changes in ({"sha256": "another"}, {"seed": 1}, {"git": None}, {"seconds": {}}, {"metrics": 3}):
        cut(**changes)
        assert command("evaluate", *settings).returncode == 0
        assert json.loads(path.read_text())["metrics"] == whole["metrics"]
    for changed in ("metrics.mmd.samples=300", "seed=1", "split=validation"):
        cut()
        assert command("evaluate", *settings, changed).returncode == 0
        assert 7 not in json.loads(path.read_text())["metrics"].values()
    cut()
    answer = command("evaluate", "run=run", "metrics=[log_det_covariance,mmd]", "pictures=[]")
    assert answer.returncode == 0, answer.stderr
    assert json.loads(path.read_text())["metrics"]["test/mmd"] == 7


def test_an_evaluation_of_a_changed_run_does_not_replace_the_run_s_own(command: Command, run: Path) -> None:
    quick = ["metrics=[log_det_covariance]", "pictures=[samples]"]
    assert command("evaluate", "run=run", *quick).returncode == 0
    own = (run / "evaluation.json").read_bytes()
    answer = command("evaluate", "run=run", *quick, "+override.data.train_size=50")
    assert answer.returncode == 0, answer.stderr
    assert (run / "evaluation.json").read_bytes() == own
    (changed,) = run.glob("evaluation-*/evaluation.json")
    assert json.loads(changed.read_text())["override"] == {"data": {"train_size": 50}}
    assert (changed.parent / "evaluation" / "samples.png").is_file()
    # Where the same images lie is recorded, and is no change of the run.
    root = f"+override.data.root={PROJECT / 'data'}"
    assert command("evaluate", "run=run", *quick, root).returncode == 0
    assert json.loads((run / "evaluation.json").read_text())["override"] == {"data": {"root": str(PROJECT / "data")}}
    assert len(list(run.glob("evaluation-*"))) == 1


def test_samples_are_drawn_where_the_images_have_moved(command: Command, run: Path) -> None:
    config = run / "config.yaml"
    config.write_text(
        config.read_text().replace(str(PROJECT / "data"), "nowhere").replace("download: true", "download: false")
    )
    answer = command("evaluate", "run=run", "metrics=[]", "pictures=[samples,latent_manifold]")
    assert answer.returncode == 0, answer.stderr
    assert (run / "evaluation" / "samples.png").is_file()
    answer = command("evaluate", "run=run", "metrics=[]", "pictures=[reconstructions]")
    assert answer.returncode == 1
    assert "data.root=nowhere" in answer.stderr
    assert "+override.data.root=PLACE" in answer.stderr


def test_a_stranger_s_folder_chooses_no_wandb_run(command: Command, run: Path) -> None:
    before = sorted((run / "wandb").iterdir())
    answer = command("evaluate", "run=run", "metrics=[log_det_covariance]", "pictures=[]")
    assert answer.returncode == 0, answer.stderr
    assert sorted((run / "wandb").iterdir()) == before


LINKS = {
    "evaluation.json": True,
    "evaluation.json.part": True,
    "evaluation": False,
    "evaluation/samples.png": True,
    "evaluation/samples.png.part": True,
    "export": False,
    "export/encoder.onnx": True,
    "export/encoder.onnx.part": True,
    "export/decoder.pt2.part": True,
    "export/config.yaml.part": True,
    "export/export.json.part": True,
}
"""Places that `evaluate` and `export` write to: whether a link there is replaced, else it is refused."""


@pytest.mark.parametrize("script", ["evaluate", "export"])
def test_links_in_a_stranger_s_folder_are_not_written_through(
    command: Command, run: Path, tmp_path: Path, script: str
) -> None:
    mine = tmp_path / "mine"
    mine.write_text("mine")
    (tmp_path / "folder").mkdir()
    arguments = ["metrics=[log_det_covariance]", "pictures=[samples]"] if script == "evaluate" else []
    for place in [place for place in LINKS if place.startswith(script[:4])]:
        path = run / place
        path.parent.mkdir(exist_ok=True)
        path.unlink(missing_ok=True)
        path.symlink_to(mine if LINKS[place] else tmp_path / "folder")
        if not LINKS[place]:
            answer = command(script, "run=run", *arguments)
            assert answer.returncode == 1
            assert f"run/{place}: is a link" in answer.stderr
            path.unlink()
    answer = command(script, "run=run", *arguments)
    assert answer.returncode == 0, answer.stderr
    assert mine.read_text() == "mine"
    assert not list((tmp_path / "folder").iterdir())
    assert not [path for path in run.rglob("*") if path.is_symlink() and "wandb" not in path.parts]


def test_a_full_disk_is_one_line_that_names_the_file(process: Command, run: Path, tmp_path: Path) -> None:
    """The kernel's limit on a file's size stands for the disk."""
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "sitecustomize.py").write_text(
        "import resource\n"
        "from infovae.runs import files\n\n"
        "write = files.write_whole\n\n\n"
        "def limited(*arguments, **keywords):\n"
        "    resource.setrlimit(resource.RLIMIT_FSIZE, (100, resource.RLIM_INFINITY))\n"
        "    write(*arguments, **keywords)\n\n\n"
        "files.write_whole = limited\n"
    )
    quick = ["metrics=[log_det_covariance]", "pictures=[]"]
    answer = process("evaluate", "run=run", *quick, PYTHONPATH=f"{tmp_path / 'site'}:{PROJECT / 'src'}")
    assert answer.returncode == 1
    assert answer.stderr.splitlines() == [
        "error: results in run: run/evaluation.json: File too large; "
        "accepted: a folder with room that can be written to"
    ]
    assert not list(run.glob("*.part"))


def test_several_runs_by_list_and_by_multirun(command: Command, run: Path, tmp_path: Path) -> None:
    shutil.copytree(run, tmp_path / "other")
    for arguments in (["run=[run,other]"], ["-m", "run=run,other"]):
        for folder in (run, tmp_path / "other"):
            (folder / "evaluation.json").unlink(missing_ok=True)
        answer = command("evaluate", *arguments, "metrics=[log_det_covariance]", "checkpoint=best")
        assert answer.returncode == 0, answer.stderr
        for folder in (run, tmp_path / "other"):
            assert json.loads((folder / "evaluation.json").read_text())["checkpoint"].endswith("best.ckpt")


def test_a_model_trained_elsewhere_meets_the_same_ruler(command: Command, run: Path, tmp_path: Path) -> None:
    """Our own model, hidden behind encode and decode of plain tensors, gets the same numbers."""
    (tmp_path / "elsewhere.py").write_text(
        "from infovae.evaluation.load import load\n\n\n"
        "class Peer:\n"
        "    def __init__(self):\n"
        "        self.module = load('run').module\n\n"
        "    def encode(self, x):\n"
        "        posterior = self.module.encode(x)\n"
        "        return posterior.mean, posterior.variance.log()\n\n"
        "    def decode(self, z):\n"
        "        return self.module.decode(z).mean.flatten(1)\n"
    )
    data = [f"data.root={PROJECT / 'data'}", "data.validation_size=200", "data.train_size=400"]
    answer = command(
        "evaluate", "adapter=encode_decode", "adapter.model._target_=elsewhere.Peer", "latent_dim=3", "data=mnist",
        *data, "seed=1", "output=peer", METRICS, PYTHONPATH=f"{tmp_path}:{PROJECT / 'src'}",
    )  # fmt: skip
    assert answer.returncode == 0, answer.stderr
    ours = command("evaluate", "run=run", "seed=1", METRICS)
    assert ours.returncode == 0, ours.stderr
    theirs = json.loads((tmp_path / "peer" / "evaluation.json").read_text())["metrics"]
    for name, value in json.loads((run / "evaluation.json").read_text())["metrics"].items():
        # Through probabilities instead of logits: a pixel is known to about eps / (1 - p).
        assert theirs[name] == pytest.approx(value, rel=1e-4, abs=1e-5), name


def test_help_names_the_commands(command: Command) -> None:
    answer = command("evaluate", "--help")
    assert answer.returncode == 0
    assert "metrics: active_units" in answer.stdout
    assert "infovae evaluate run=outputs" in answer.stdout
    assert "Traceback" not in answer.stderr


def test_a_split_without_examples_is_refused(command: Command, run: Path) -> None:
    answer = command("evaluate", "run=run", "split=validation", "+override.data.validation_size=0", METRICS)
    assert answer.returncode == 1
    assert "split=validation: run has none" in answer.stderr


def test_weights_that_are_nan_are_shown_not_crashed_on(command: Command, run: Path) -> None:
    path = run / "checkpoints" / "last.ckpt"
    checkpoint = torch.load(path, weights_only=True)
    checkpoint["state_dict"]["encoder.layers.0.weight"].fill_(torch.nan)
    torch.save(checkpoint, path)
    small = ["metrics=full", "metrics.annealed_importance.images=2", "metrics.annealed_importance.temperatures=3",
             "metrics.importance_weighted.images=2", "metrics.importance_weighted.samples=10"]  # fmt: skip
    answer = command("evaluate", "run=run", *small)
    assert answer.returncode == 0, answer.stderr
    found = json.loads((run / "evaluation.json").read_text())["metrics"]
    assert found["test/log_det_covariance"] == found["test/elbo"] == found["test/mmd_p_value"] == "nan"


def test_a_foreign_model_that_can_not_decode_is_refused_in_one_line(command: Command, tmp_path: Path) -> None:
    foreign = ["adapter=encode_decode", "adapter.model._target_=os.getcwd", "data=digits", "latent_dim=2", "output=x"]
    answer = command("evaluate", *foreign)
    assert answer.returncode == 1
    assert answer.stderr.splitlines() == [
        "error: adapter.model=str: no method decode; accepted: a model with encode and decode"
    ]
    assert not (tmp_path / "x").exists()
