"""Reading run folders: whole, going on, damaged, hostile."""

import itertools
import json
import math
import os
import shlex
import time
import tracemalloc
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from run_folders import png, write_run

from infovae.dashboard.command import exact_command
from infovae.dashboard.folders import check_patterns, find_runs
from infovae.dashboard.page import safe_json
from infovae.dashboard.pictures import embed, find_pictures
from infovae.dashboard.run import FILES, RunData, _fill, read_run
from infovae.dashboard.watch import plain
from infovae.errors import UserError

HOUR = 3600.0


def read(folder: Path, curve_points: int = 300) -> RunData:
    """As read_run, but what it would catch is let through."""
    run = RunData(str(folder))
    _fill(run, folder, curve_points, HOUR)
    return run


def test_a_whole_run(tmp_path: Path) -> None:
    folder = write_run(tmp_path / "run", epochs=3, pictures=("samples-0001.png", "samples-0003.png", "samples.png"))
    (folder / "evaluation.json").write_text(
        '{"metrics": {"test/iwae": -80.5, "test/spectrum": [1, 2], "test/x": "nan"}}'
    )
    with (folder / "config.yaml").open("a") as file:
        file.write(f"init_from: {folder}0\n")
    run = read(folder)
    assert (run.status, run.problems, run.error) == ("finished", [], None)
    assert run.config["data.train_size"] == 500
    assert run.config["model"] == "infovae"
    assert run.config["callbacks.samples.folder"] == "RUN/figures"
    assert run.config["init_from"] == f"{folder}0"  # a neighbour, whose name begins with the run's
    assert run.metrics["test/loss"] == pytest.approx(100 / 3 + 0.1 + 0.1, abs=1e-6)
    assert run.metrics["train/loss"] == pytest.approx(3 + 100 / 3 + 0.1 + 0.1, abs=1e-6)
    assert (run.metrics["evaluation/test/iwae"], run.metrics["evaluation/test/x"]) == (-80.5, "nan")
    assert "evaluation/test/spectrum" not in run.metrics
    assert run.curves["epoch"] == [1, 2, 3]
    assert [(picture.name, picture.epoch) for picture in run.pictures] == [("samples", 1), ("samples", 3)]


@pytest.mark.parametrize(("told", "epoch"), [(2, 2), (None, 3), (7, 3), ("2", 3)])
def test_metrics_are_those_of_the_weights_that_a_run_ended_with(tmp_path: Path, told: object, epoch: int) -> None:
    run = read(write_run(tmp_path / "run", epochs=3, summary={"epoch": told}))
    assert run.metrics["epoch"] == epoch
    assert run.metrics["train/loss"] == pytest.approx(3 + 100 / epoch + 0.1 + 0.1, abs=1e-6)
    assert run.curves["epoch"] == [1, 2, 3]


def test_a_run_that_goes_on_and_one_that_stopped_without_a_word(tmp_path: Path) -> None:
    folder = write_run(tmp_path / "run")
    (folder / "summary.json").unlink()
    with (folder / "metrics.csv").open("a") as file:
        file.write("4,16,6.0,1.0,2")  # being written just now
    run = read(folder)
    assert (run.status, run.problems, run.curves["epoch"]) == ("running", [], [1, 2, 3])
    for path in folder.rglob("*"):
        os.utime(path, (1e9, 1e9))
    assert read(folder).status == "stalled"


@pytest.mark.parametrize(
    ("name", "content", "status", "problem"),
    [
        ("config.yaml", "seed: [1", "finished", "config.yaml: not valid YAML"),
        ("config.yaml", "- 1", "finished", "config.yaml: not a mapping"),
        ("config.yaml", "a: &a [1]\nb: [*a, *a]", "finished", "aliases"),
        ("config.yaml", "[" * 60 + "]" * 60, "finished", "nested deeper"),
        ("config.yaml", "[" * 100_000, "finished", "not valid YAML"),
        ("config.yaml", "!!python/object/apply:os.system ['touch /tmp/owned']", "finished", "not valid YAML"),
        ("config.yaml", "a: " + "x" * 2**18, "finished", "longer than 262144 bytes"),
        ("summary.json", '{"status": "fini', "damaged", "summary.json: not valid JSON"),
        ("summary.json", "[" * 100_000, "damaged", "summary.json: not valid JSON"),
        ("summary.json", '{"status": "<b>great</b>"}', "damaged", "is none of finished"),
        ("metrics.csv", "epoch,loss\n1,2\n2,nonsense\n3,4\n", "finished", "1 unreadable row"),
        ("metrics.csv", "epoch,epoch\n1,2\n", "finished", "empty or repeated names"),
        ("metrics.csv", "epoch,loss\n1,2\n2", "finished", "1 unreadable row"),
        ("metrics.csv", b"\xff\xfe\n", "finished", "not UTF-8"),
        ("metrics.csv", ",".join(map(str, range(1001))) + "\n", "finished", "more than 1000 columns"),
        ("metrics.csv", "epoch\n" + "1" * 2**17, "finished", "a line is longer than 65536 bytes"),
    ],
)
def test_what_is_damaged_is_told(tmp_path: Path, name: str, content: str | bytes, status: str, problem: str) -> None:
    folder = write_run(tmp_path / "run")
    (folder / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    run = read(folder)
    assert run.status == status
    assert problem in " ".join(run.problems)


def test_a_number_of_base_60_is_text(tmp_path: Path) -> None:
    """PyYAML reads it in quadratic time: a megabyte took minutes."""
    folder = write_run(tmp_path / "run")
    (folder / "config.yaml").write_text("time: 1" + ":1" * 100_000 + "\ndate: 2024-99-99\nlr: 1e-4\n")
    start = time.process_time()
    config = read(folder).config
    assert time.process_time() - start < 2  # it takes some milliseconds
    assert str(config["time"]).startswith("1:1:1")
    assert (config["date"], config["lr"]) == ("2024-99-99", 1e-4)


def test_a_long_table_takes_little_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("infovae.dashboard.reading.SECONDS", 600.0)  # a busy machine that counts memory is slow
    folder = write_run(tmp_path / "run", summary={"epoch": 77_777})
    lines = [f"{epoch},{epoch}.5\n" for epoch in range(1, 100_001)]
    (folder / "metrics.csv").write_text("epoch,train/loss\n" + "".join(lines) + "torn")
    tracemalloc.start()
    run = read(folder)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 6 * 2**20  # reading files whole takes 4 MB; the rows alone would be 12
    assert run.metrics["train/loss"] == 77_777.5
    assert len(run.curves["epoch"]) == 300
    assert (run.curves["epoch"][0], run.curves["epoch"][-1]) == (1, 100_000)
    gaps = {round(later - earlier, -2) for earlier, later in itertools.pairwise(run.curves["epoch"])}  # type: ignore[operator]
    assert max(gaps) - min(gaps) <= 300  # evenly
    assert run.problems == ["metrics.csv: 1 unreadable row(s) left out"]


def test_a_table_that_takes_too_long_is_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = write_run(tmp_path / "run", epochs=2000)
    monkeypatch.setattr("infovae.dashboard.reading.SECONDS", 0.0)
    run = read(folder)
    assert run.curves == {}
    assert "than 0 s take to read" in run.problems[0]
    assert run.metrics["test/loss"] == 0.25  # of summary.json


def test_a_summary_of_endless_metrics_and_words_is_cut(tmp_path: Path) -> None:
    summary = {"metrics": {f"test/{number}": 1.0 for number in range(6000)}, "error": "x" * 10**6}
    run = read(write_run(tmp_path / "run", summary=summary))
    assert 4990 < len(run.metrics) <= 5010
    assert "more than 5000 metrics, the rest left out" in run.problems
    assert run.error == "x" * 1000


def test_what_is_missing_is_told(tmp_path: Path) -> None:
    folder = write_run(tmp_path / "run")
    (folder / "config.yaml").unlink()
    assert read(folder).problems == ["config.yaml: missing"]


def test_interpolations_stay_text_and_nothing_is_made(tmp_path: Path) -> None:
    folder = write_run(tmp_path / "run")
    (folder / "config.yaml").write_text("a: ${oc.env:HOME}\nb:\n  _target_: os.getcwd\n")
    config = read(folder).config
    assert (config["a"], config["b._target_"]) == ("${oc.env:HOME}", "os.getcwd")


def test_links_out_of_the_folder_are_not_followed(tmp_path: Path) -> None:
    (tmp_path / "secret.png").write_bytes(png())
    (tmp_path / "secret.yaml").write_text("password: 1234")
    folder = write_run(tmp_path / "run", pictures=("samples-0001.png",))
    (folder / "figures" / "secret-0001.png").symlink_to(tmp_path / "secret.png")
    (folder / "config.yaml").unlink()
    (folder / "config.yaml").symlink_to(tmp_path / "secret.yaml")
    run = read(folder)
    assert [picture.file for picture in run.pictures] == ["samples-0001.png"]
    assert run.config == {}
    assert "a link out of the run folder" in run.problems[0]


def test_a_pipe_in_a_file_s_place_doesn_t_block(tmp_path: Path) -> None:
    folder = write_run(tmp_path / "run")
    (folder / "summary.json").unlink()
    os.mkfifo(folder / "summary.json")
    assert read(folder).problems == ["summary.json: not a file"]


whole = st.sampled_from(FILES)
yaml_like = st.text(alphabet="ab:-[]{}&*!|> \n\t'\"0123456789.~?<\x00é\ud7ff", max_size=200).map(
    lambda text: text.encode(errors="surrogatepass")
)


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(name=whole, content=st.binary(max_size=200) | yaml_like, keep=st.integers(0, 400))
@example(name="metrics.csv", content=b"", keep=0)
@example(name="metrics.csv", content=b"\x00\n", keep=0)
@example(name="summary.json", content=b'{"metrics": {"a": 1e999}, "command": 3, "git": 4, "status": []}', keep=0)
@example(name="config.yaml", content=b"? {a: 1}\n: 2\n", keep=0)
@example(name="config.yaml", content=b"a: 1" + b"0" * 5000, keep=0)
@example(name=".hydra/hydra.yaml", content=b"hydra: {job: 3, overrides: [], runtime: {choices: 7}}", keep=0)
def test_no_content_takes_the_page_down(
    tmp_path_factory: pytest.TempPathFactory, name: str, content: bytes, keep: int
) -> None:
    """The beginning of a file as a run leaves it, with anything after it."""
    folder = write_run(tmp_path_factory.mktemp("damaged") / "run")
    (folder / name).write_bytes((folder / name).read_bytes()[:keep] + content if (folder / name).exists() else content)
    run = read(folder)
    json.loads(safe_json(plain(0, run)))
    assert all(value is None or math.isfinite(value) for values in run.curves.values() for value in values)


def test_an_error_that_nobody_foresaw_is_a_damaged_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(folder: Path) -> None:
        raise KeyError("surprise")

    monkeypatch.setattr("infovae.dashboard.run.find_pictures", fail)
    run = read_run(write_run(tmp_path / "run"), 300, HOUR)
    assert (run.status, run.problems) == ("damaged", ["KeyError: 'surprise'"])


@given(count=st.integers(0, 40), most=st.integers(2, 12))
@settings(max_examples=30, deadline=None)
def test_long_curves_keep_their_ends(tmp_path_factory: pytest.TempPathFactory, count: int, most: int) -> None:
    folder = tmp_path_factory.mktemp("long")
    rows = "".join(f"{epoch},{epoch / 3}\n" for epoch in range(1, count + 1))
    (folder / "metrics.csv").write_text("epoch,loss\n" + rows)
    epochs = read(folder, curve_points=most).curves["epoch"]
    assert len(epochs) == min(count, most)
    assert epochs == sorted(set(epochs))  # type: ignore[type-var]
    assert count == 0 or (epochs[0], epochs[-1]) == (1, count)


def test_runs_are_found_once_and_in_order(tmp_path: Path) -> None:
    for job in (10, 9, 1):
        write_run(tmp_path / "sweep" / str(job))
    write_run(tmp_path / "one [x]")
    (tmp_path / "again").symlink_to(tmp_path / "sweep")
    (tmp_path / "empty").mkdir()
    sweep = [f"sweep/{job}" for job in (1, 9, 10)]
    cases = {
        (".",): ["one [x]", *sweep],  # links below are not followed
        ("sweep", "sweep/9", "sweep/*"): sweep,
        ("one [x]",): ["one [x]"],
        ("s*",): sweep,
        ("again",): [f"again/{job}" for job in (1, 9, 10)],
        ("empty",): [],
    }
    for patterns, expected in cases.items():
        found = find_runs([str(tmp_path / pattern) for pattern in patterns])
        assert [str(folder.relative_to(tmp_path)) for folder in found] == expected
    with pytest.raises(UserError, match="runs=nothere: no such folder; accepted:"):
        check_patterns(["nothere"])


def test_the_exact_command() -> None:
    overrides = {"overrides": {"task": ["model=vae", "name=it's; rm -rf ~", "tags=[a, b]"]}, "job": {"name": "train"}}
    typed = {"command": ["train.py", "model=vae", "name=a b"]}
    assert exact_command(typed, {"mode": "RUN"} | overrides) == "python train.py model=vae 'name=a b'"
    job = exact_command({"command": ["train.py", "-m", "model=vae,aae"]}, {"mode": "MULTIRUN"} | overrides)
    assert job is not None
    assert shlex.split(job) == ["python", "train.py", *overrides["overrides"]["task"]]  # type: ignore[index]
    assert exact_command({"command": ["-c", "rm"]}, {}) is None
    assert exact_command({"command": ["train.py", "x" * 10**6]}, {}) is None
    typed = {"command": ["infovae", "train", "model=vae", "name=a b"]}
    assert exact_command(typed, {"mode": "RUN"} | overrides) == "infovae train model=vae 'name=a b'"
    job = exact_command({"command": ["infovae", "train", "-m", "model=vae,aae"]}, {"mode": "MULTIRUN"} | overrides)
    assert job is not None
    assert shlex.split(job) == ["infovae", "train", *overrides["overrides"]["task"]]  # type: ignore[index]
    assert exact_command({}, overrides) == job  # it goes on, hence no summary yet
    assert exact_command({"command": ["infovae"]}, {}) is None
    assert exact_command({"command": "train.py"}, {}) is None
    assert exact_command({"command": ["train.py", "-m", "seed=1,2"]}, {}) is None
    # A job that ran after its sweep went on is a job by itself.
    went_on = {
        "overrides": {"task": ["model=vae", "sweep.resume=outputs/a", "+sweep.trial=3"]},
        "job": {"name": "train"},
    }
    assert (
        exact_command({"command": ["infovae", "train", "-m"]}, {"mode": "MULTIRUN"} | went_on)
        == "infovae train model=vae"
    )


def test_pictures_go_in_newest_first_up_to_the_budget(tmp_path: Path) -> None:
    files = tuple(f"{kind}-{epoch:04d}.png" for kind in ("samples", "other") for epoch in (1, 5, 10))
    folders = [write_run(tmp_path / name, pictures=files) for name in ("a", "b")]
    (folders[0] / "figures" / "torn-0001.png").write_bytes(png()[:40])
    runs = [(folder, find_pictures(folder)) for folder in folders]
    size = len(embed(runs[1:], 1e9)[0]["samples-0010.png"])
    assert embed(runs, 0) == [{}, {}]
    first, second = embed(runs, 4.5 * size)
    assert first.pop("torn-0001.png") == ""
    assert set(first) == set(second) == {"samples-0010.png", "other-0010.png"}
    assert [len(urls) for urls in embed(runs, 1e9)] == [7, 6]
