"""Every option of every group composes and builds; every mistake is one line."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from conftest import CONF, SMALL, Command, Compose
from omegaconf import OmegaConf

from infovae.config.check import NEEDED, check
from infovae.errors import UserError
from infovae.training.assemble import build_data, build_module, build_trainer

OTHER_COMMANDS = {"adapter", "figure", "hydra", "hparams_search", "wandb_sweep"}  # not parts of a run
OPTIONS = sorted(
    f"{path.parent.relative_to(CONF)}={path.stem}"
    for path in CONF.rglob("*.yaml")
    if path.parent != CONF and path.relative_to(CONF).parts[0] not in OTHER_COMMANDS
)
COMPANIONS = {
    "posterior=deterministic": ["model=mmd_vae"],
    "divergence=none": ["model=vae"],
    "prior=uniform": ["model=mmd_vae"],
    "network=conv": ["~network.encoder.hidden"],
    "data=tensor": ["data.path=images.npy"],
    "callbacks=trial_pruning": ["hydra/sweeper=optuna"],
}


def overrides_for(option: str) -> list[str]:
    """What it takes to compose an option: small networks, and the divergence that a kernel belongs to."""
    if option == "experiment=two_points":
        return [option, *(entry for entry in SMALL if not entry.startswith("data."))]
    if option.startswith(("network=", "experiment=")):
        return [option, *(entry for entry in SMALL if not entry.startswith("network"))]
    # Sets that come from nowhere, or from one file, have no root.
    rootless = option in {"data=digits", "data=two_points", "data=gaussian_mixture_2d", "data=sprites", "data=tensor"}
    small = [entry for entry in SMALL if not (rootless and entry.startswith("data.root"))]
    return [option, *small, *COMPANIONS.get(option, [])]


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
    assert found == set(NEEDED)


@pytest.mark.parametrize("option", OPTIONS)
def test_every_option_composes_and_passes_the_checks(composed: Compose, option: str) -> None:
    if option.startswith(("trainer=gpu", "trainer=ddp_gpu")):
        check(composed(option))
        return
    cfg = composed(*overrides_for(option))
    check(cfg)


@pytest.mark.parametrize(
    "option", [entry for entry in OPTIONS if not entry.startswith(("data=", "trainer=", "logger="))]
)
def test_every_option_builds(composed: Compose, option: str, tmp_path: Path) -> None:
    cfg = composed(*overrides_for(option), run_dir=tmp_path)
    build_module(cfg, build_data(cfg))
    build_trainer(cfg)


def test_presets_name_their_points(composed: Compose) -> None:
    points = {}
    for model in ("vae", "beta_vae", "infovae", "mmd_vae", "autoencoder"):
        cfg = composed(*SMALL, f"model={model}")
        objective = build_module(cfg, build_data(cfg)).objective
        points[model] = (objective.alpha, objective.lambda_)
    assert points == {
        "vae": (0, 1),
        "beta_vae": (-3, 4),
        "infovae": (0, 100),
        "mmd_vae": (1, 1000),
        "autoencoder": (1, 0),
    }


def test_the_command_line_overrides_a_preset_s_divergence(composed: Compose) -> None:
    assert composed("model=infovae", "divergence=kl").divergence._target_ == "infovae.divergences.kl.KL"


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["seed=abc"], "seed=abc: Input should be a valid integer"),
        (["seed=-1"], "seed=-1: "),
        (["latent_dim=0"], "latent_dim=0: "),
        (["latent_dim=2.5"], "latent_dim=2.5: "),
        (["tags=digits"], "tags=digits: Input should be a valid list"),
        (["data.batch_size=many"], "data.batch_size=many: Input should be a valid integer"),
        (["data.binarization=soft"], "data.binarization=soft: Input should be 'none', 'threshold' or 'stochastic'"),
        (["model.alpha=[1]"], r"model.alpha=\[1\]: Input should be a valid number"),
        (["divergence.estimator=w"], "divergence.estimator=w: Input should be 'u' or 'v'"),
        (
            ["divergence.kernel.bandwidth=wide"],
            "divergence.kernel.bandwidth=wide: .*'2d', 'authors', 'median'.*number",
        ),
        (["trainer.max_epochs=1.5"], "trainer.max_epochs=1.5: "),
        (["+trainer.max_epoch=1"], "trainer.max_epoch=1: unknown key; accepted: .*max_epochs"),
        (["+model.lamda=1"], "model.lamda=1: unknown key; accepted: alpha, lambda_"),
        (["network.encoder.hidden=wide"], "network.encoder.hidden=wide: "),
        (["divergence._target_=no.such.thing"], "divergence._target_=no.such.thing: can't be imported"),
        (["optimizer.lr=fast"], "optimizer.lr=fast: "),
        (["optimizer.lr=-1"], "optimizer.lr=-1: Input should be greater than or equal to 0"),
        (
            ["data=image_folder"],
            "data.root: it has no value; accepted: data.root=FOLDER, a folder of images of yours",
        ),
        (["data=tensor"], "data.path: it has no value; accepted: data.path=FILE, an .npy, .npz or .pt file of yours"),
    ],
)
def test_wrong_keys_and_types_are_refused(composed: Compose, overrides: list[str], message: str) -> None:
    with pytest.raises(UserError, match=message) as refusal:
        check(composed(*overrides))
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["model.alpha=1.5"], "model.alpha=1.5: invalid; accepted"),
        (["model.lambda_=0.5"], "model.lambda_=0.5: .*accepted: lambda_ >= 1"),
        (["model=beta_vae", "model.beta=-1"], "model.beta=-1: invalid; accepted"),
        (["posterior=deterministic"], "alpha=0: a Deterministic posterior has an infinite rate.*accepted: alpha=1"),
        (["divergence=kl", "posterior=deterministic", "model.alpha=1"], "divergence KL needs log q"),
        (
            ["divergence/kernel=inverse_multiquadratic", "divergence.prior_terms=exact"],
            "divergence.prior_terms=exact: ",
        ),
        (["divergence.kernel.bandwidth=-1"], "divergence.kernel.bandwidth=-1: invalid; accepted"),
        (["data.train_size=0"], "data.train_size=0: invalid; accepted"),
        (["network.encoder.hidden=[0]"], r"network.encoder.hidden=\[0\]: invalid; accepted"),
        (["callbacks.drawing.every_n_epochs=0"], "callbacks.drawing.every_n_epochs=0: invalid; accepted"),
        (["trainer.accelerator=abacus"], "trainer.*abacus"),
        (["data.root=/nowhere", "data.source.download=false"], "data.root=/nowhere: MNIST is missing"),
    ],
)
def test_impossible_values_are_refused_with_their_key(
    composed: Compose, overrides: list[str], message: str, tmp_path: Path
) -> None:
    cfg = composed(*SMALL, *overrides, run_dir=tmp_path)
    check(cfg)

    def build_all() -> None:
        build_trainer(cfg)
        build_module(cfg, build_data(cfg))

    with pytest.raises((UserError, ValueError), match=message) as refusal:
        build_all()
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize(
    ("overrides", "parts"),
    [
        (["divergence=mdm"], ["divergence=mdm: unknown option; accepted: ", "mmd", "kl"]),
        (["model.lamda_=3"], ["model.lamda_=3: unknown key; accepted: alpha, lambda_"]),
        (["flavour=sweet"], ["flavour", "data", "model"]),
        (["model.alpha"], ["model.alpha"]),
        (["model.alpha=1.5"], ["model.alpha=1.5"]),
        (["ckpt_path=nowhere.ckpt"], ["ckpt_path=nowhere.ckpt: no such file"]),
    ],
)
def test_the_command_answers_mistakes_in_one_line(command: Command, overrides: list[str], parts: list[str]) -> None:
    answer = command("train", *SMALL, *overrides)
    assert answer.returncode == 1
    (line,) = answer.stderr.splitlines()
    assert line.startswith("error: ")
    for part in parts:
        assert part in line
    assert "Traceback" not in answer.stdout


def test_hydra_full_error_shows_the_rest(command: Command) -> None:
    answer = command("train", "divergence=mdm", HYDRA_FULL_ERROR="1")
    assert answer.returncode == 1
    assert "Traceback" in answer.stderr


def test_help_lists_groups_options_and_three_commands(command: Command) -> None:
    answer = command("train", "--help")
    assert answer.returncode == 0
    for group in (
        "data",
        "model",
        "divergence",
        "network",
        "likelihood",
        "optimizer",
        "trainer",
        "logger",
        "callbacks",
    ):
        assert f"\n{group}: " in answer.stdout
    assert answer.stdout.count("  python train.py ") == 3
