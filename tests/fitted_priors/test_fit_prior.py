"""`infovae fit_prior`: from a finished run to a run folder with another prior."""

import json
import math
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import torch
from conftest import CONF, TINY, Command, composing
from hydra import compose, initialize_config_dir
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, OmegaConf, open_dict

from infovae.data.module import DataModule
from infovae.divergences.mmd import MMD
from infovae.errors import UserError
from infovae.evaluation.export import _export_part, parts
from infovae.evaluation.fit_prior import codes_of_split, fit_prior, gain_of
from infovae.evaluation.load import load
from infovae.fitted_priors.fitted_prior import FittedPrior
from infovae.fitted_priors.mixture import FittedMixture
from infovae.objective import rate
from infovae.runs.find import runs_below
from infovae.training.run import train

FAST = {
    "mixture": ["fitted_prior.components=[1,2]"],
    "flow": ["fitted_prior.epochs=2", "fitted_prior.transforms=2", "fitted_prior.hidden=[16]"],
    "flow_matching": ["fitted_prior.epochs=2", "fitted_prior.hidden=16", "fitted_prior.steps=4"],
}


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("trained")
    with composing() as composed:
        train(composed(*TINY, "pictures=[]", "trainer.max_epochs=2", run_dir=folder))
    return folder


@contextmanager
def composing_fit() -> Iterator[object]:
    with initialize_config_dir(str(CONF), version_base="1.3"):

        def make(*overrides: str) -> DictConfig:
            cfg = compose("fit_prior", overrides=[*overrides, "device=cpu"], return_hydra_config=True)
            HydraConfig.instance().set_config(cfg.copy())
            with open_dict(cfg):
                del cfg["hydra"]
            return cfg

        yield make
    HydraConfig.instance().cfg = None


def fit(run: Path, name: str, *overrides: str) -> Path:
    """Fit a prior as the command does; return the folder of the model with it."""
    with composing_fit() as make:
        fit_prior(make(f"run={run}", f"fitted_prior={name}", *FAST[name], *overrides))
    return run / "fitted_prior" / name


@pytest.fixture(scope="module")
def fitted(trained: Path) -> dict[str, Path]:
    return {name: fit(trained, name) for name in FAST}


@pytest.mark.parametrize("name", FAST)
def test_the_folder_is_a_run_with_the_same_networks_and_another_prior(
    trained: Path, fitted: dict[str, Path], name: str
) -> None:
    before, after = load(trained), load(fitted[name])
    for part, value in before.module.state_dict().items():
        if isinstance(value, torch.Tensor) and not part.startswith("prior."):
            assert torch.equal(value, after.module.state_dict()[part]), part
    prior = after.module.prior
    assert isinstance(prior, FittedPrior)
    changed = {key for key in after.cfg if after.cfg[key] != before.cfg[key]}
    assert changed == {"prior", "name", "run_dir"}
    # The summary's numbers are those of the loaded prior on the same codes, so the weights came back.
    summary = json.loads((fitted[name] / "summary.json").read_text())
    codes = codes_of_split(after, "validation", 1, seed=0)
    gain = gain_of(prior, before.module.prior, codes)
    assert summary["metrics"]["validation/log_prior"] == pytest.approx(gain.log_prob, abs=1e-5)
    assert summary["metrics"]["validation/log_prior_gain"] == pytest.approx(gain.gain, abs=1e-5)
    assert summary["codes"] == 200


def test_the_gain_is_what_the_rate_loses(trained: Path, fitted: dict[str, Path]) -> None:
    """E log q(z|x) - log p(z) falls by as much as E log p(z) grows, on the same codes."""
    before, after = load(trained).module, load(fitted["mixture"]).module
    codes = codes_of_split(load(trained), "validation", 1, seed=0)
    images = load(trained).data.splits["validation"].x.float() / 255
    with torch.no_grad():
        posterior = before.encode(images)
        sampled = posterior.log_prob(codes) - before.prior.distribution().log_prob(codes)
        fallen = (sampled - rate(posterior, after.prior.distribution(), codes)).mean()
    assert float(fallen) == pytest.approx(gain_of(after.prior, before.prior, codes).gain, abs=1e-5)


@pytest.mark.parametrize("name", FAST)
def test_the_same_seed_fits_the_same(trained: Path, fitted: dict[str, Path], tmp_path: Path, name: str) -> None:
    again = tmp_path / "again"
    fit(trained, name, f"output={again}")
    other = tmp_path / "other"
    fit(trained, name, f"output={other}", "seed=1")
    drawn = []
    for folder in (fitted[name], again, other):
        prior = load(folder).module.prior
        torch.manual_seed(0)
        drawn.append(prior.sample(5))
    assert torch.equal(drawn[0], drawn[1])
    assert not torch.equal(drawn[0], drawn[2])


def test_the_test_split_is_never_seen(trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []
    original = DataModule.evaluation_loader

    def watched(self: DataModule, name: str, shared: bool = True) -> object:
        seen.append(name)
        return original(self, name, shared)

    monkeypatch.setattr(DataModule, "evaluation_loader", watched)
    fit(trained, "mixture", f"output={tmp_path / 'out'}", "draws=3")
    assert seen == ["train", "train", "train", "validation"]
    assert json.loads((tmp_path / "out" / "summary.json").read_text())["codes"] == 600


@pytest.mark.parametrize(
    "name", ["mixture", *(pytest.param(name, marks=pytest.mark.slow) for name in ("flow", "flow_matching"))]
)
def test_the_exported_prior_is_the_model_s(fitted: dict[str, Path], tmp_path: Path, name: str) -> None:
    """Both files were checked against the model when they were written; here once more, by the model's own draws."""
    saved = load(fitted[name])
    part = parts(saved)["prior"]
    with torch.no_grad():
        _export_part("prior", part, tmp_path)
        program = torch.export.load(tmp_path / "prior.pt2").module()
        prior = saved.module.prior
        assert isinstance(prior, FittedPrior)
        torch.manual_seed(0)
        noise = torch.randn(9, prior.noise_dim)
        torch.manual_seed(0)
        torch.testing.assert_close(program(noise)[0], prior.sample(9), rtol=1e-4, atol=1e-5)
    assert (tmp_path / "prior.onnx").is_file()


def test_only_a_fitted_prior_is_exported(trained: Path) -> None:
    assert set(parts(load(trained))) == {"encoder", "decoder"}


def test_runs_are_found_in_runs(trained: Path, fitted: dict[str, Path]) -> None:
    (trained / "export").mkdir(exist_ok=True)
    shutil.copy(trained / "config.yaml", trained / "export")  # as an export has
    assert list(runs_below(trained)) == [trained, *(fitted[name] for name in sorted(FAST))]


@pytest.mark.slow
def test_other_commands_take_the_folder(command: Command, trained: Path, tmp_path: Path) -> None:
    shutil.copytree(trained, tmp_path / "run", ignore=shutil.ignore_patterns("fitted_prior"))
    answer = command("fit_prior", "run=run", *FAST["mixture"])
    assert answer.returncode == 0, answer.stderr
    assert answer.stdout.splitlines()[-1] == "run folder: run/fitted_prior/mixture"
    made = "run=run/fitted_prior/mixture"
    measured = command("evaluate", made, "metrics=[aggregate_information,mmd]", "pictures=[samples,latent_manifold]")
    assert measured.returncode == 0, measured.stderr
    record = json.loads((tmp_path / "run/fitted_prior/mixture/evaluation.json").read_text())
    assert record["metrics"]["test/aggregate_kl"] is not None
    page = command("dashboard", "runs=run", "output=page.html")
    assert page.returncode == 0, page.stderr
    assert "2 runs" in page.stdout


def change(run: Path, key: str, value: object) -> None:
    cfg = OmegaConf.load(run / "config.yaml")
    OmegaConf.update(cfg, key, value, merge=False)
    OmegaConf.save(cfg, run / "config.yaml")


@pytest.mark.parametrize(
    ("key", "value", "why"),
    [
        ("data.validation_size", 0, "the run held out no validation images, by which the fit is chosen; accepted: "),
        ("data.train_size", 20, r"fitted_prior.components=50: invalid; accepted: at most 20, the number of codes"),
    ],
)
def test_a_run_that_can_t_have_it_is_refused(run: Path, key: str, value: object, why: str) -> None:
    shutil.rmtree(run / "fitted_prior", ignore_errors=True)
    change(run, key, value)
    with pytest.raises(UserError, match=why):
        fit(run, "mixture", "fitted_prior.components=50")
    assert not (run / "fitted_prior").exists()


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("divergence", {"_target_": "infovae.divergences.mmd_standardized.StandardizedMMD"}),
        ("divergence.prior_terms", "exact"),
        ("model.free_bits", 0.1),
    ],
)
def test_what_only_training_needs_of_the_prior_gives_way(run: Path, key: str, value: object) -> None:
    shutil.rmtree(run / "fitted_prior", ignore_errors=True)
    change(run, key, value)
    module = load(fit(run, "mixture")).module
    assert isinstance(module.prior, FittedMixture)
    assert isinstance(module.divergence, MMD)
    assert module.objective.lambda_ == 100
    assert module.objective.free_bits is None


def test_a_fitted_prior_is_fitted_once(trained: Path, fitted: dict[str, Path]) -> None:
    with pytest.raises(UserError, match=r"mixture: holds a run already; accepted: another folder"):
        fit(trained, "mixture")
    with pytest.raises(UserError, match="its prior is fitted already; accepted: the run that the model comes from"):
        fit(fitted["flow"], "mixture")


def test_a_prior_that_is_worse_or_knows_codes_that_the_run_s_own_leaves_out_is_told(
    trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    fit(trained, "mixture", "fitted_prior.components=[150]", f"output={tmp_path / 'worse'}")
    assert "the run's own prior is better, by " in caplog.text
    with composing() as composed:
        uniform = ["model=mmd_vae", "prior=uniform", "pictures=[]", "trainer.max_epochs=1"]
        train(composed(*TINY, *uniform, run_dir=tmp_path / "uniform"))
    fit(tmp_path / "uniform", "mixture")
    assert (
        "nats per example, and -inf under the run's own prior, which leaves out some codes" in capsys.readouterr().out
    )


def test_a_posterior_that_is_the_prior_gains_nothing(trained: Path) -> None:
    """With one noise for both splits, a density that knows the training codes by heart would seem to gain nats."""
    saved = load(trained)
    with torch.no_grad():
        for weight in saved.module.encoder.parameters():
            weight.zero_()  # q(z|x) = N(0, I) for each x
    train, validation = (codes_of_split(saved, split, 1, seed=0) for split in ("train", "validation"))
    n, d = validation.shape
    correlation = (train[:n] * validation).mean()
    assert abs(float(correlation)) < 5 / math.sqrt(n * d)
    torch.manual_seed(0)
    prior = FittedMixture(d, components=[20])
    prior.fit(train, validation)
    gain = gain_of(prior, saved.module.prior, validation)
    assert gain.gain < 5 * gain.gain_error
