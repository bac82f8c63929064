"""Samples before and after a prior is fitted to the codes, for each preset: does InfoVAE need it as the VAE does?

    infovae classifier data=mnist                     # once; it judges the samples
    python benchmarks/fitted_prior.py                 # trains what is missing, fits, measures, prints a table
    python benchmarks/fitted_prior.py --models vae infovae --samples 10000

Each model is the preset with ``network=mlp`` and d = 10, trained on 20,000 digits for 5 epochs with seed 1. The prior
is a mixture of 30 Gaussians with full covariances.
"""

import argparse
import subprocess
import sys
from functools import partial
from pathlib import Path

import torch

from infovae import load
from infovae.evaluation.fit_prior import codes_of_split, gain_of
from infovae.evaluation.load import SavedRun
from infovae.evaluation.measure import measure
from infovae.fitted_priors.mixture import FittedMixture
from infovae.metrics.aggregate_information import AggregateInformation
from infovae.metrics.sample_quality import SampleQuality

ROOT = Path(__file__).parents[1]
MODELS = {
    **{name: f"model={name}" for name in ("vae", "beta_vae", "infovae", "mmd_vae", "aae", "wae_mmd")},
    "infovae_normalized": "model=infovae posterior=normalized_gaussian",
}
SETTINGS = (
    "network=mlp latent_dim=10 seed=1 data.train_size=20000 trainer.max_epochs=5 trainer.precision=bf16-mixed "
    "callbacks=checkpoint logger=none pictures=[] metrics=[log_det_covariance] trainer.enable_progress_bar=false"
)
COLUMNS = {
    "aggregate_kl": "KL(q(z) ‖ p(z)), nats",
    "frechet_distance": "Fréchet distance",
    "precision": "precision",
    "recall": "recall",
    "coverage": "coverage",
    "class_mismatch": "class mismatch",
}
COMPONENTS = 30


def trained(name: str, runs: Path) -> SavedRun:
    """Return the model, trained unless its run has finished."""
    run = runs / name
    if not (run / "summary.json").is_file():
        settings = [*SETTINGS.split(), *MODELS[name].split(), f"hydra.run.dir={run}", "resume=auto"]
        subprocess.run([sys.executable, "-m", "infovae", "train", *settings], check=True, cwd=ROOT)
    return load(run)


def measured(run: SavedRun, samples: int) -> dict[str, float]:
    """Return numbers of the test split by name."""
    metrics = {
        "sample_quality": partial(SampleQuality, samples=samples),
        "aggregate_information": partial(AggregateInformation, examples=5000, queries=500),
    }
    values = measure(run.module, run.data, metrics).values
    return {name.removeprefix("test/"): value for name, value in values.items() if isinstance(value, float)}


def main(models: list[str], runs: Path, samples: int) -> None:
    """Print a row for each model, as soon as it is measured."""
    print("| model | log p(z) gains, nats |", " | ".join(COLUMNS.values()), "|")
    print("|---" * (2 + len(COLUMNS)), "|", sep="", flush=True)
    for name in models:
        run = trained(name, runs)
        before = measured(run, samples)
        train, validation = (codes_of_split(run, split, 1, seed=0) for split in ("train", "validation"))
        torch.manual_seed(0)
        prior = FittedMixture(run.module.prior.latent_dim, COMPONENTS)
        prior.fit(train, validation)
        gain = gain_of(prior, run.module.prior, validation)
        run.module.prior = prior
        after = measured(run, samples)
        pairs = [f"{before[key]:.3g} → {after[key]:.3g}" for key in COLUMNS]
        print(f"| `{name}` | {gain.gain:.2f} ± {gain.gain_error:.2f} |", " | ".join(pairs), "|", flush=True)
    real = [f"{before[f'real_{key}']:.3g}" if f"real_{key}" in before else "" for key in COLUMNS]
    print("| training digits in place of samples | |", " | ".join(real), "|")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", nargs="+", choices=MODELS, default=list(MODELS))
    parser.add_argument("--runs", type=Path, default=ROOT / "outputs" / "fitted_prior", help="where the runs are kept")
    parser.add_argument("--samples", type=int, default=2000, help="how many images are compared")
    arguments = parser.parse_args()
    main(arguments.models, arguments.runs.resolve(), arguments.samples)
