"""An epoch on each kind of data that isn't images, measured, drawn, loaded without the data, and exported."""

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import CONF, composing
from hydra import compose, initialize_config_dir

from infovae.evaluation.export import export
from infovae.evaluation.load import load
from infovae.training.run import train

TINY = [
    "data.batch_size=8", "latent_dim=2", "trainer.max_epochs=1", "trainer.accelerator=cpu", "logger=none",
    "trainer.enable_progress_bar=false", "callbacks=[checkpoint,drawing]",
    "metrics=[log_det_covariance,mmd,reconstruction,importance_weighted,annealed_importance]",
]  # fmt: skip
MLP = ["network.encoder.hidden=[8]", "network.decoder.hidden=[8]"]
CONV = ["network.encoder.channels=[4,4]", "network.encoder.hidden=8"]
KINDS: dict[str, list[str]] = {
    "table": [*MLP, "prior=vamp", "prior.components=5", "data.source.label=kind"],
    "signals": [*CONV, "prior=vamp", "prior.components=5", "likelihood=laplace"],
    "volumes": [*CONV, "condition=labels"],
    "tokens": ["network.encoder.width=8", "network.encoder.depth=1", "condition=labels", "condition.dropout=0.2"],
    "counts": [*MLP, "prior=vamp", "prior.components=5"],
}
METRICS = [
    "metrics.importance_weighted.images=3", "metrics.importance_weighted.samples=5",
    "metrics.annealed_importance.images=2", "metrics.annealed_importance.chains=2",
    "metrics.annealed_importance.temperatures=5",
]  # fmt: skip


def written(kind: str, folder: Path) -> Path:
    random = np.random.default_rng(0)
    if kind == "table":
        # A time, whose differences float32 would lose.
        rows = [f"{1_700_000_000 + n},{n * n % 7 if n % 3 else ''},{'xyz'[n % 3]},{'ab'[n % 2]}" for n in range(60)]
        (folder / "a.csv").write_text("\n".join(["first,second,third,kind", *rows]))
        return folder / "a.csv"
    arrays = {
        "signals": random.normal(5, 2, (60, 2, 12)), "volumes": random.normal(5, 2, (60, 5, 6, 4)),
        "tokens": random.integers(0, 6, (60, 9)), "counts": random.poisson(3, (60, 7)),
    }  # fmt: skip
    np.savez(folder / "a.npz", **{kind: arrays[kind], "labels": np.arange(60) % 2})  # type: ignore[arg-type]
    return folder / "a.npz"


@pytest.mark.parametrize("kind", KINDS)
def test_an_epoch_and_what_comes_after(kind: str, tmp_path: Path) -> None:
    path, run = written(kind, tmp_path), tmp_path / "run"
    with composing() as composed:
        settings = [f"data={kind}", f"data.path={path}", *TINY, *METRICS, *KINDS[kind]]
        found = train(composed(*settings, run_dir=run))
    assert all(math.isfinite(found[f"test/{name}"]) for name in ("loss", "reconstruction", "rate", "mmd"))
    assert math.isfinite(found["test/importance_weighted_log_likelihood"])
    assert len(list((run / "figures").glob("*.png"))) >= 2
    before = load(run).data
    fewer = load(run, changes={"data": {"train_size": 20}}).data
    assert fewer.values.state() == before.values.state()
    path.unlink()
    saved = load(run)
    assert saved.description.state() == before.description.state()
    x = before.inputs("test")[torch.arange(3)]
    conditions = saved.module.conditions_of(before.first_batch("test", torch.device("cpu")).rows(slice(3)))
    assert saved.module.encode(x, conditions).mean.isfinite().all()


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["table", "signals", "counts"])
def test_programs_are_in_the_units_of_the_data(kind: str, tmp_path: Path) -> None:
    path, run = written(kind, tmp_path), tmp_path / "run"
    with composing() as composed:
        settings = [f"data={kind}", f"data.path={path}", *TINY, "metrics=[]", "pictures=[]", *KINDS[kind]]
        train(composed(*settings, run_dir=run))
    with initialize_config_dir(str(CONF), version_base="1.3"):
        export(compose("export", overrides=[f"run={run}"]))
    saved = load(run)
    stored = saved.data.splits["test"].x[torch.arange(3)]
    stored = stored if kind == "table" else stored.float()
    encoder, decoder = (torch.export.load(run / "export" / f"{name}.pt2").module() for name in ("encoder", "decoder"))
    posterior = saved.module.encode(saved.data.values.to_model(stored))
    mean, variance = encoder(stored)
    torch.testing.assert_close(mean, posterior.mean, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(variance, posterior.variance, rtol=1e-4, atol=1e-5)
    expected = saved.data.values.from_model(saved.module.decode(mean).mean)
    torch.testing.assert_close(decoder(mean)[0], expected, rtol=1e-4, atol=1e-4)
