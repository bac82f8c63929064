"""Every option of every group composes and builds; every mistake is one line."""

import os
import pickle
import re
import subprocess
import sys
from collections.abc import Iterable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from conftest import CONF, INFOVAE, SMALL, Command, Compose
from omegaconf import OmegaConf

from infovae.app.command import COMMANDS
from infovae.config.build import build
from infovae.config.check import NEEDED, check
from infovae.config.messages import one_line
from infovae.config.options import PACKAGE
from infovae.config.signatures import is_foreign
from infovae.errors import ArgumentError, UserError
from infovae.training.assemble import build_data, build_module, build_trainer

OTHER_COMMANDS = {"adapter", "figure", "fitted_prior", "hydra", "hparams_search", "wandb_sweep"}  # not parts of a run
OPTIONS = sorted(
    f"{path.parent.relative_to(CONF)}={path.stem}"
    for path in CONF.rglob("*.yaml")
    if path.parent != CONF and path.relative_to(CONF).parts[0] not in OTHER_COMMANDS
)
COMPANIONS = {
    "module=semi_supervised": ["condition=labels"],
    "likelihood=tokens": ["likelihood.vocabulary=5"],
    "posterior=deterministic": ["model=mmd_vae"],
    "posterior=normalized_deterministic": ["model=mmd_vae"],
    "divergence=none": ["model=vae"],
    "prior=uniform": ["model=mmd_vae"],
    "network=conv": ["~network.encoder.hidden"],
    "data=tensor": ["data.path=images.npy"],
    "data=table": ["data.path=table.npy"],
    "data=signals": ["data.path=signals.npy"],
    "data=volumes": ["data.path=volumes.npy"],
    "data=tokens": ["data.path=tokens.npy"],
    "data=counts": ["data.path=counts.npy"],
    "data=huggingface": ["data.path=some/set"],
    "condition=columns": ["data=diabetes"],
    "likelihood=mixed": ["data=breast_cancer"],
    "schedule=hold_rate": ["model.lambda_.low=1"],
    "schedule=hold_reconstruction": ["model.lambda_.low=1"],
    "callbacks=trial_pruning": ["hydra/sweeper=optuna"],
}


def overrides_for(option: str) -> list[str]:
    """What it takes to compose an option: small networks, and the divergence that a kernel belongs to."""
    if option == "experiment=two_points":
        return [option, *(entry for entry in SMALL if not entry.startswith("data."))]
    if option.startswith(("network=", "experiment=")):
        return [option, *(entry for entry in SMALL if not entry.startswith("network"))]
    own = [option.replace("schedule=", "schedule@model.lambda_="), *COMPANIONS.get(option, [])]
    data = next((entry for entry in own if entry.startswith("data=")), "data=mnist").replace("=", "/")
    # Sets that come from nowhere, or from one file, have no root. They may be small, with a network of their own.
    has_root = "root" in OmegaConf.load(CONF / f"{data}.yaml").keys()  # noqa: SIM118 - a ??? is not "in" it
    left_out = () if has_root else ("data.root", "data.train_size", "network.")
    return [*own, *(entry for entry in SMALL if not (left_out and entry.startswith(left_out)))]


def asked_for(node: Any, key: str) -> Iterator[str]:
    """The keys that are ??? in a node."""
    if isinstance(node, dict):
        for name, value in node.items():
            yield from asked_for(value, f"{key}.{name}")
    elif node == "???":
        yield key


def test_every_value_that_is_asked_for_is_described() -> None:
    options = [path for path in CONF.rglob("*.yaml") if path.parent != CONF]
    found = {
        key
        for path in options
        for key in asked_for(
            OmegaConf.to_container(OmegaConf.load(path)), ".".join(path.parent.relative_to(CONF).parts)
        )
    }
    commands = {
        key for path in CONF.glob("*.yaml") for key in asked_for(OmegaConf.to_container(OmegaConf.load(path)), "")
    }
    assert found | {key.removeprefix(".") for key in commands} == set(NEEDED)


NOT_FOR_IMAGES = {
    "likelihood=poisson": "likelihood=Poisson: it is of counts",
    "likelihood=negative_binomial": "likelihood=NegativeBinomial: it is of counts",
    "likelihood=zero_inflated_negative_binomial": "likelihood=ZeroInflated: it is of counts",
    "likelihood=library_negative_binomial": "likelihood=LibraryNegativeBinomial: it is of counts",
    "likelihood=tokens": "likelihood=Tokens: it is of tokens",
    "network=transformer": "accepted: examples of 1 spatial dimension,",
}


@pytest.mark.parametrize("option", NOT_FOR_IMAGES)
def test_parts_for_other_data_refuse_images(composed: Compose, option: str) -> None:
    cfg = composed(*overrides_for(option))
    with pytest.raises(UserError, match=NOT_FOR_IMAGES[option]):
        build_module(cfg, build_data(cfg))


@pytest.mark.parametrize("option", OPTIONS)
def test_every_option_passes_the_checks_and_builds(composed: Compose, option: str, tmp_path: Path) -> None:
    if option.startswith(("trainer=gpu", "trainer=ddp_gpu")):
        check(composed(option))
        return
    cfg = composed(*overrides_for(option), run_dir=tmp_path)
    check(cfg)
    if not option.startswith(("data=", "trainer=", "logger=")) and option not in NOT_FOR_IMAGES:
        build_module(cfg, build_data(cfg))
        build_trainer(cfg)


def test_presets_name_their_points(composed: Compose) -> None:
    points = {}
    for model in ("vae", "beta_vae", "infovae", "mmd_vae", "autoencoder"):
        cfg = composed(*SMALL, f"model={model}")
        objective = build_module(cfg, build_data(cfg)).objective
        points[model] = tuple(objective.weights())
    assert points == {
        "vae": (1, 0),
        "beta_vae": (4, 0),
        "infovae": (1, 99),
        "mmd_vae": (0, 1000),
        "autoencoder": (0, 0),
    }


def test_the_command_line_overrides_a_preset_s_divergence(composed: Compose) -> None:
    assert composed("model=infovae", "divergence=kl").divergence._target_ == "infovae.divergences.kl.KL"


@pytest.mark.parametrize(
    ("changes", "key"),
    [
        ({"lr": 0.01}, "lr"),
        ({"foo": {"bar": 1}}, "foo"),
        ({"network": {"hidden": [8]}}, "network.hidden"),
        ({"network": {"third": {"_target_": "torch.nn.Identity"}}}, "network.third"),
        ({"pictures": {"mine": 3}}, "pictures.mine"),
        ({"sweep": {"trail": 1}}, "sweep.trail"),
    ],
)
def test_a_key_that_nothing_reads_is_refused_unless_a_value_interpolates_it(
    composed: Compose, changes: dict[str, Any], key: str
) -> None:
    cfg = composed()
    OmegaConf.set_struct(cfg, False)
    cfg.merge_with(changes)
    with pytest.raises(UserError, match="unknown key") as refusal:
        check(cfg)
    assert refusal.value.key == key
    if key == "foo":
        cfg.latent_dim = "${foo.bar}"
        check(cfg)


def test_an_option_of_a_group_of_one_s_own_is_no_unknown_key(command: Command, tmp_path: Path) -> None:
    (tmp_path / "conf" / "sizes").mkdir(parents=True)
    (tmp_path / "conf" / "sizes" / "small.yaml").write_text("width: 8\n")
    shared = ["--config-dir=conf", "+sizes=small", "data=digits", "logger=none", "callbacks=none", "metrics=[]"]
    answer = command("train", *shared, "network.encoder.hidden=[${sizes.width}]", "trainer.max_epochs=1")
    assert answer.returncode == 0, answer.stderr


MINE = """
from infovae.errors import ArgumentError

def asks(size):
    raise ArgumentError("size", size, "even numbers", "odd")

def fails(size):
    return [1, 2][size]

def refuses(size):
    raise ValueError(f"size={size}: too small")
"""


@pytest.mark.parametrize(
    ("target", "told", "is_traced"),
    [
        ("mine.asks", "data.size=3: odd; accepted: even numbers", False),
        ("mine.fails", "data: IndexError: list index out of range", True),
        ("mine.refuses", "data: ValueError: size=3: too small", True),
        ("infovae.networks.mlp.Absent", "data._target_=infovae.networks.mlp.Absent: can't be imported", False),
    ],
)
def test_a_constructor_that_raises_is_told_with_its_key_and_traced_if_it_is_the_user_s(
    target: str, told: str, is_traced: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "mine.py").write_text(MINE)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "mine", raising=False)
    with pytest.raises(UserError, match=f"^{re.escape(told)}") as refusal:
        build(OmegaConf.create({"_target_": target, "size": 3}), "data")
    assert refusal.value.details.startswith("Traceback") == is_traced
    assert ("mine.py" in refusal.value.details) == is_traced


def test_a_function_of_the_user_s_is_traced_through_our_class(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "their_data.py").write_text("def images():\n    return [][0]\n")
    monkeypatch.syspath_prepend(tmp_path)
    source = {"_target_": "their_data.images", "_partial_": True}
    node = OmegaConf.merge(OmegaConf.load(CONF / "data_module.yaml").data, {"source": source, "seed": 1})
    with pytest.raises(UserError, match=r"^data: IndexError") as refusal:
        build(node, "data")
    assert "their_data.py" in refusal.value.details


@pytest.mark.parametrize(("folder", "foreign"), [(str(PACKAGE), False), (f"{PACKAGE}_mine", True)])
def test_a_folder_beside_the_package_is_the_user_s(folder: str, foreign: bool) -> None:
    with pytest.raises(ZeroDivisionError) as raised:
        exec(compile("1 / 0", str(Path(folder, "kernel.py")), "exec"))
    assert is_foreign(build, raised.value.with_traceback(raised.tb.tb_next)) == foreign


def test_build_makes_what_a_node_holds(tmp_path: Path) -> None:
    inner = {"_target_": "fractions.Fraction", "_args_": [1, 2]}
    node = OmegaConf.create({"_target_": "builtins.dict", "half": inner, "list": [inner, 3], "n": "${half._args_.1}"})
    assert build(node, "x") == {"half": Fraction(1, 2), "list": [Fraction(1, 2), 3], "n": 2}
    lazy = build(OmegaConf.create({"_target_": "builtins.dict", "_partial_": True, "a": 1}), "x")
    assert lazy(b=2) == {"a": 1, "b": 2}
    assert (
        build(OmegaConf.create({"_target_": "builtins.dict", "_partial_": True}), "x", live=tmp_path)["live"]
        is tmp_path
    )


def test_errors_survive_a_process_and_hold_their_parts() -> None:
    for error in (UserError("odd", key="a", value=3, accepted="even"), ArgumentError("a", 3, "even", "odd")):
        again = pickle.loads(pickle.dumps(error))
        assert (str(again), again.value, again.accepted) == ("a=3: odd; accepted: even", 3, "even")
    assert ArgumentError("a", 3, "even").below("x").key == "x.a"


def test_a_stranger_s_text_can_t_steer_the_terminal() -> None:
    line = one_line(OSError(2, "No such file", "run\x1b[2Jfolder\n\u202eexe"))
    assert line.startswith(r"run\x1b[2Jfolder \u202eexe: No such file")


def test_hydra_full_error_shows_the_rest(command: Command) -> None:
    answer = command("train", "divergence=mdm", HYDRA_FULL_ERROR="1")
    assert answer.returncode == 1
    assert "Traceback" in answer.stderr


@pytest.mark.parametrize("arguments", [["train", "--help"], ["doctor"], ["doctor", "--help"], []])
def test_nothing_is_said_when_the_reader_has_left(arguments: list[str]) -> None:
    program = [sys.executable, "-m", "infovae", *arguments]
    with subprocess.Popen(program, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout
        process.stdout.close()
        assert process.stderr
        assert process.stderr.read() == ""


@pytest.mark.parametrize("name", COMMANDS)
def test_help_shows_three_commands(command: Command, name: str) -> None:
    answer = command(name, "--help")
    assert answer.returncode == 0
    assert len(re.findall(rf"^ +infovae {name}\b", answer.stdout, re.MULTILINE)) >= 3
    if name == "train":
        groups = ("data", "model", "divergence", "network", "likelihood", "optimizer", "trainer", "logger", "callbacks")
        assert all(f"\n{group}: " in answer.stdout for group in groups)


def test_the_command_alone_lists_its_subcommands() -> None:
    answer = subprocess.run([*INFOVAE], capture_output=True, text=True, check=True)
    assert all(f"\n  {name} " in answer.stdout for name in COMMANDS)


@pytest.mark.parametrize(
    ("line", "words"),
    [("infovae tr", COMMANDS), ("infovae train model=v", ["model=vae"]), ("infovae export r", ["run="])],
)
def test_the_shell_completes(line: str, words: Iterable[str]) -> None:
    answer = subprocess.run(
        [*INFOVAE, "-sc", "query=bash"],
        env=os.environ | {"COMP_LINE": line, "COMP_POINT": str(len(line))},
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert answer.stdout.split() == list(words)
