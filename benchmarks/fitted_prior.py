"""Samples before and after a prior is fitted to the codes, for each preset: does InfoVAE need it as the VAE does?

    infovae classifier data=mnist                     # once; it judges the samples
    python benchmarks/fitted_prior.py                 # trains what is missing, fits, measures, prints a table
    python benchmarks/fitted_prior.py --models vae infovae --prior flow

Each model is the preset with ``network=mlp`` and d = 10, trained on 20,000 digits for 5 epochs with seed 1.
"""

import argparse
import json
import subprocess
import sys
from functools import partial
from pathlib import Path

from infovae import load
from infovae.evaluation.load import SavedRun
from infovae.evaluation.measure import measure
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
    "class_mismatch": "class mismatch",
}


def infovae(command: str, *arguments: str) -> None:
    """Run a subcommand."""
    subprocess.run([sys.executable, "-m", "infovae", command, *arguments], check=True, cwd=ROOT)


def measured(run: SavedRun, samples: int) -> dict[str, float]:
    """Return the numbers of COLUMNS on the test split, and those of real images in place of samples."""
    metrics = {
        "sample_quality": partial(SampleQuality, samples=samples),
        "aggregate_information": partial(AggregateInformation, examples=5000, queries=1000),
    }
    values = measure(run.module, run.data, metrics).values
    names = [*COLUMNS, *(f"real_{name}" for name in COLUMNS)]
    return {name: values[f"test/{name}"] for name in names if f"test/{name}" in values}


def compare(name: str, runs: Path, prior: str, samples: int) -> dict[str, dict[str, float]]:
    """Train the model and fit the prior, unless that is done; return the numbers before and after, and the gain."""
    place = runs / f"{name}-{prior}-{samples}.json"
    if not place.is_file():
        run = runs / name
        if not (run / "summary.json").is_file():
            infovae("train", *SETTINGS.split(), *MODELS[name].split(), f"hydra.run.dir={run}", "resume=auto")
        fitted = run / "fitted_prior" / prior
        if not (fitted / "config.yaml").is_file():
            infovae("fit_prior", f"run={run}", f"fitted_prior={prior}")
        found = {"before": measured(load(run), samples), "after": measured(load(fitted), samples)}
        found["gain"] = json.loads((fitted / "summary.json").read_text())["metrics"]
        place.write_text(json.dumps(found))
    result: dict[str, dict[str, float]] = json.loads(place.read_text())
    return result


def main(models: list[str], runs: Path, prior: str, samples: int) -> None:
    """Print the table of these models."""
    print("| model | log p(z) gains, nats |", " | ".join(COLUMNS.values()), "|")
    print("|---" * (2 + len(COLUMNS)), "|", sep="")
    for name in models:
        found = compare(name, runs, prior, samples)
        gain, error = (found["gain"][f"validation/log_prior_gain{end}"] for end in ("", "_standard_error"))
        pairs = [f"{found['before'][key]:.3g} → {found['after'][key]:.3g}" for key in COLUMNS]
        print(f"| `{name}` | {gain:.2f} ± {error:.2f} |", " | ".join(pairs), "|")
    real = [found["before"].get(f"real_{key}") for key in COLUMNS]
    print("| real digits | |", " | ".join("" if value is None else f"{value:.3g}" for value in real), "|")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", nargs="+", choices=MODELS, default=list(MODELS))
    parser.add_argument("--runs", type=Path, default=ROOT / "outputs" / "fitted_prior", help="where the runs are kept")
    parser.add_argument("--prior", default="mixture", help="an option of fitted_prior")
    parser.add_argument("--samples", type=int, default=2000, help="how many images are compared")
    arguments = parser.parse_args()
    main(arguments.models, arguments.runs.resolve(), arguments.prior, arguments.samples)
