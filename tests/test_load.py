"""A run folder from a stranger runs no code, and one of ours gives the model that was trained."""

import os
from pathlib import Path

import pytest
import torch
from conftest import PROJECT, SMALL, composing
from omegaconf import OmegaConf

from infovae.errors import ArgumentError, UserError
from infovae.evaluation.load import load
from infovae.evaluation.run_config import read_config
from infovae.training.assemble import build_data, build_module
from infovae.training.run import train


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One run of two epochs, for all tests here."""
    folder = tmp_path_factory.mktemp("trained")
    parts = ["latent_dim=3", "prior=vamp", "prior.components=5", "divergence=kl_density_ratio"]
    with composing() as composed:
        train(composed(*SMALL, *parts, "trainer.max_epochs=2", run_dir=folder))
    return folder


def rewrite(run: Path, **changes: object) -> None:
    cfg = OmegaConf.load(run / "config.yaml")
    for key, value in changes.items():
        OmegaConf.update(cfg, key.replace("__", "."), value, force_add=True)
    OmegaConf.save(cfg, run / "config.yaml")


@pytest.mark.parametrize("checkpoint", ["last", "best"])
def test_the_model_is_the_trained_one(trained: Path, checkpoint: str) -> None:
    before = torch.get_rng_state()
    saved = load(trained, checkpoint)
    assert torch.equal(before, torch.get_rng_state())
    weights = torch.load(trained / "checkpoints" / f"{checkpoint}.ckpt", weights_only=True)["state_dict"]
    for name, value in saved.module.state_dict().items():
        assert not isinstance(value, torch.Tensor) or torch.equal(value, weights[name])
    assert not saved.module.training
    assert len(saved.data.splits["train"].x) == 400
    images = saved.data.splits["test"].x[:5].float() / 255
    assert saved.module.decode(saved.module.encode(images).mean).mean.shape == (5, 1, 28, 28)


def test_changes_to_the_config_are_taken(trained: Path) -> None:
    assert len(load(trained, changes={"data": {"train_size": 50}}).data.splits["train"].x) == 50


def test_the_model_needs_no_images(run: Path, trained: Path, tmp_path: Path) -> None:
    """Of the vamp prior, whose pseudo-inputs start from training images, too."""
    rewrite(run, data__root=str(tmp_path / "nowhere"), data__source__download=False)
    saved, whole = load(run), load(trained)
    z = torch.randn(7, 3)
    assert saved.shape == whole.data.shape == (1, 28, 28)
    assert torch.equal(saved.module.decode(z).mean, whole.module.decode(z).mean)
    assert torch.equal(saved.module.prior.log_prob(z), whole.module.prior.log_prob(z))
    assert saved.module.splits == whole.module.splits


def test_images_that_lie_elsewhere_are_one_error_at_first_use(run: Path, tmp_path: Path) -> None:
    rewrite(run, data__root=str(tmp_path / "nowhere"), data__source__download=False)
    saved = load(run)
    with pytest.raises(UserError) as refusal:
        _ = saved.data
    assert str(refusal.value).endswith('load(RUN, changes={"data": {"root": PLACE}})')
    assert refusal.value.__suppress_context__  # or Python would print what it came from before it
    before = torch.get_rng_state()
    elsewhere = load(run, changes={"data": {"root": str(PROJECT / "data")}})
    assert len(elsewhere.data.splits["test"].x) == 10_000
    assert elsewhere.data is elsewhere.data
    assert torch.equal(before, torch.get_rng_state())


@pytest.mark.parametrize(
    "told", [None, {}, {"shape": [], "evaluation_splits": []},
             {"shape": [1, 28, -28], "evaluation_splits": []},
             {"shape": [1, 28, 28], "evaluation_splits": [["train"]]}],
)  # fmt: skip
def test_a_checkpoint_that_does_not_tell_the_shape_is_of_what_its_weights_fit_or_needs_the_images(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, told: object
) -> None:
    """As those of InfoVAE Lab 0.1."""
    path = run / "checkpoints" / "last.ckpt"
    checkpoint = torch.load(path, weights_only=True)
    torch.save(checkpoint | {"DataModule": told}, path)
    rewrite(run, data__root=str(tmp_path / "nowhere"), data__source__download=False)
    assert load(run).shape == (1, 28, 28)
    monkeypatch.setattr("infovae.evaluation.undescribed.SIDES", (8,))
    assert load(run, changes={"data": {"root": str(PROJECT / "data")}}).shape == (1, 28, 28)
    with pytest.raises(UserError, match=rf"{path} doesn't record the shape of its images, so they must be read$"):
        load(run)


def test_a_prior_from_another_package_gets_the_images(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It may keep what it is attached to, as all of the training images."""
    (tmp_path / "keeping.py").write_text(
        "from infovae.priors.vamp import Vamp\n\n\n"
        "class Keeping(Vamp):\n"
        "    def attach(self, encode, images):\n"
        "        super().attach(encode, images)\n"
        "        self.kept = len(images)\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    rewrite(run, prior___target_="keeping.Keeping")
    assert load(run, trust=True).module.prior.kept == 400


def test_a_prior_from_another_package_that_reads_no_images_needs_none(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "aloof.py").write_text(
        "import torch\nfrom infovae.data.examples import Inputs\nfrom infovae.data.values import Bytes\n"
        "from infovae.priors.vamp import Vamp\n\n\n"
        "class Aloof(Vamp):\n"
        "    def attach(self, encode, images):\n"
        "        super().attach(encode, Inputs(torch.zeros(1, 1, 28, 28, dtype=torch.uint8), Bytes()))\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    rewrite(run, prior___target_="aloof.Aloof", data__source__download=False)
    rewrite(run, data__root=str(tmp_path / "nowhere"), data__source___target_="gone.with_the_pictures")
    assert load(run, trust=True).module.prior.log_prob(torch.zeros(2, 3)).isfinite().all()
    with pytest.raises(UserError, match=r"^data.source._target_=gone.with_the_pictures"):
        _ = load(run, trust=True).data


def test_outputs_turn_into_numpy_and_bytes_are_scaled(trained: Path) -> None:
    module = load(trained).module
    pixels = torch.randint(256, (4, 1, 28, 28), dtype=torch.uint8)
    mean = module.encode(pixels).mean.numpy()
    assert (mean == module.encode(pixels / 255).mean.numpy()).all()
    assert module.decode(torch.zeros(1, 3)).mean.numpy().shape == (1, 1, 28, 28)
    with pytest.raises(ArgumentError, match=r"^x: type torch.int64; accepted: floats, or bytes"):
        module.encode(pixels.long())


ATTACKS = {
    "a function of the system": {"network__encoder___target_": "os.system"},
    "one that our module can reach": {"data__source___target_": "infovae.data.mnist.os.system"},
    "a private function": {"likelihood": {"_target_": "infovae.likelihoods._secret"}},
    "a runner of programs, from another room": {
        "likelihood": {"_target_": "infovae.runs.folder._git", "_args_": ["/", "-c", "alias.x=!touch PWNED", "x"]}
    },
    "our own instantiation": {
        "likelihood": {"_target_": "infovae.config.build.build", "node": {"_target_": "os.getcwd"}}
    },
    "a part of a part": {"divergence__optimizer___target_": "builtins.exec"},
    "one in a list": {"network__encoder__hidden": [{"_target_": "os.system", "command": "touch PWNED"}]},
    "torch's loader": {"optimizer___target_": "torch.optim.torch.load"},
    "no name at all": {"likelihood": {"_target_": 7}},
}


@pytest.mark.parametrize("attack", ATTACKS.values(), ids=ATTACKS.keys())
def test_a_stranger_s_config_runs_no_code(
    run: Path, monkeypatch: pytest.MonkeyPatch, attack: dict[str, object]
) -> None:
    monkeypatch.chdir(run)
    rewrite(run, **attack)
    with pytest.raises(UserError, match=r"would run code that is not InfoVAE Lab's; accepted: .* or trust=true"):
        load(run)
    assert not (run / "PWNED").exists()


def test_a_stranger_s_checkpoint_runs_no_code(run: Path) -> None:
    class Attack:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return Path.touch, (run / "PWNED",)  # type: ignore[return-value]

    torch.save({"state_dict": {"x": Attack()}}, run / "checkpoints" / "last.ckpt")
    with pytest.raises(UserError, match="damaged, or not a checkpoint"):
        load(run)
    assert not (run / "PWNED").exists()


def test_a_stranger_s_config_reads_no_environment(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WANDB_API_KEY", "secret")
    rewrite(run, name="${oc.env:WANDB_API_KEY}")
    with pytest.raises(UserError, match="holds an interpolation"):
        load(run)


def test_own_parts_load_when_trusted(run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "stranger.py").write_text(
        "from infovae.likelihoods.bernoulli import Bernoulli\n\n\nclass Own(Bernoulli): pass\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    rewrite(run, likelihood___target_="stranger.Own")
    with pytest.raises(UserError, match="trust=true"):
        load(run)
    assert type(load(run, trust=True).module.likelihood).__name__ == "Own"


@pytest.mark.parametrize("content", [b"", b"no checkpoint", b"PK\x03\x04torn"])
def test_what_is_no_checkpoint_is_refused(run: Path, content: bytes) -> None:
    (run / "checkpoints" / "last.ckpt").write_bytes(content)
    with pytest.raises(UserError, match=r"checkpoint=last: .*damaged, or not a checkpoint"):
        load(run)


def test_a_torn_checkpoint_is_refused(run: Path) -> None:
    path = run / "checkpoints" / "last.ckpt"
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(UserError, match="damaged, or not a checkpoint"):
        load(run)


def test_a_checkpoint_of_another_architecture_is_refused_in_one_line(run: Path) -> None:
    rewrite(run, latent_dim=4, prior__latent_dim=4, divergence__latent_dim=4)
    with pytest.raises(UserError) as refusal:
        load(run)
    assert "encoder.layers.2.weight is of shape (6, 64) there and of shape (8, 64) here" in str(refusal.value)
    assert len(str(refusal.value)) < 400


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda path: path.unlink(), "no config.yaml there"),
        (lambda path: path.write_text("a: [1"), "config.yaml is damaged"),
        (lambda path: path.write_text("- 1\n"), "config.yaml is damaged"),
        (lambda path: path.write_bytes(b"\xff\xfe\x00"), "config.yaml is damaged"),
        (lambda path: path.write_text("seed: 1\n"), "lacks data, network"),
    ],
)
def test_a_damaged_run_folder_is_refused(run: Path, damage: object, message: str) -> None:
    assert callable(damage)
    damage(run / "config.yaml")
    with pytest.raises(UserError, match=message) as refusal:
        load(run)
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize(
    ("below", "lists", "told"),
    [
        ([], True, "no config.yaml there; accepted: the folder of a run, as infovae train prints it"),
        (["b"], True, "runs are below it; accepted: one, as run=b"),
        (["b", "a/c"], True, "runs are below it; accepted: one, as run=b"),  # the nearest
        (["b", "a"], True, "2 runs are below it; accepted: one, as run=a, and a list, as run=[a,b]"),
        (
            ["a/c", "a/.d", "a/b"],
            True,
            "2 runs are below it; accepted: one, as run=a/b, and a list, as run=[a/b,a/c]",
        ),
        (["b", "a"], False, "runs are below it; accepted: one, as run=a"),
    ],
)
def test_a_folder_of_runs_is_refused_after_one_look_below_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, below: list[str], lists: bool, told: str
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in below:
        (tmp_path / name).mkdir(parents=True)
        (tmp_path / name / "config.yaml").touch()
    (tmp_path / "d" / "e" / "f").mkdir(parents=True)
    (tmp_path / "d" / "e" / "f" / "config.yaml").touch()  # too deep to be looked for
    looks: list[str] = []
    scan = os.scandir
    monkeypatch.setattr(os, "scandir", lambda path: (looks.append(str(path)), scan(path))[1])
    with pytest.raises(UserError) as refusal:
        read_config(Path(), {}, lists)
    assert str(refusal.value) == f"run=.: {told}"
    assert len(looks) == len(set(looks))


def test_loading_is_building_and_then_filling(trained: Path) -> None:
    """The same as by hand: no part of the run is left out."""
    cfg = OmegaConf.load(trained / "config.yaml")
    data = build_data(cfg)  # type: ignore[arg-type]
    module = build_module(cfg, data)  # type: ignore[arg-type]
    module.load_state_dict(torch.load(trained / "checkpoints" / "last.ckpt", weights_only=True)["state_dict"])
    saved = load(trained)
    z = torch.randn(7, 3)
    assert torch.equal(module.decode(z).mean, saved.module.decode(z).mean)
    assert torch.equal(module.prior.log_prob(z), saved.module.prior.log_prob(z))
