"""Samples before and after a prior is fitted to the codes, for each preset: does InfoVAE need it as the VAE does?

    infovae classifier data=mnist                     # once; it judges the samples
    python benchmarks/fitted_prior.py                 # trains what is missing, fits, measures, prints a table
    python benchmarks/fitted_prior.py --models vae infovae --priors mixture flow --samples 10000

Each model is the preset with ``network=mlp`` and d = 10, trained on 20,000 digits for 5 epochs with seed 1. The priors
are a mixture of 30 Gaussians with full covariances, a spline flow, and a flow fitted by flow matching.
"""

import argparse
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

import torch
from commands import trained
from results import ROOT
from torch import Tensor

from infovae.evaluation.fit_prior import codes_of_split, gain_of
from infovae.evaluation.load import SavedRun
from infovae.evaluation.measure import measure
from infovae.fitted_priors.fitted_prior import FittedPrior
from infovae.fitted_priors.flow_matching import FlowMatching
from infovae.fitted_priors.mixture import FittedMixture
from infovae.fitted_priors.spline_flow import SplineFlow
from infovae.metrics.aggregate_information import AggregateInformation
from infovae.metrics.metric import Metric
from infovae.metrics.sample_quality import SampleQuality

MODELS = {
    **{name: f"model={name}" for name in ("vae", "beta_vae", "infovae", "mmd_vae", "aae", "wae_mmd")},
    "infovae_normalized": "model=infovae posterior=normalized_gaussian",
}
SETTINGS = (
    "network=mlp latent_dim=10 data.train_size=20000 trainer.max_epochs=5 callbacks=checkpoint "
    "metrics=[log_det_covariance]"
)
COLUMNS = {
    "aggregate_kl": "KL(q(z) ‖ p(z)), nats",
    "frechet_distance": "Fréchet distance",
    "precision": "precision",
    "recall": "recall",
    "coverage": "coverage",
    "class_mismatch": "class mismatch",
}
PRIORS: dict[str, Callable[[int], FittedPrior]] = {
    "mixture": partial(FittedMixture, components=30),
    "flow": SplineFlow,
    "flow_matching": FlowMatching,
}


def measured(run: SavedRun, samples: int) -> dict[str, float]:
    """Return numbers of the test split by name."""
    metrics: dict[str, Callable[..., Metric]] = {
        "sample_quality": partial(SampleQuality, samples=samples),
        "aggregate_information": partial(AggregateInformation, examples=5000, queries=500),
    }
    values = measure(run.module, run.data, metrics).values
    return {name.removeprefix("test/"): value for name, value in values.items() if isinstance(value, float)}


def fitted(name: str, train: Tensor, validation: Tensor) -> FittedPrior:
    """Return a prior fitted to codes; the same seed gives the same prior."""
    torch.manual_seed(0)
    prior: FittedPrior = PRIORS[name](train.shape[1])
    prior.fit(train, validation)
    return prior.eval()


def row(model: str, prior: str, gain: str, values: Mapping[str, float]) -> str:
    """Return a line of the table; a number that isn't there is left empty."""
    numbers = [f"{values[key]:.3g}" if key in values and values[key] == values[key] else "" for key in COLUMNS]
    return f"| {' | '.join([model, prior, gain, *numbers])} |"


def main(models: list[str], priors: list[str], runs: Path, samples: int) -> None:
    """Print the rows of each model, as soon as they are measured."""
    print("| model | prior | log p(z) gains, nats |", " | ".join(COLUMNS.values()), "|")
    print("|---" * (3 + len(COLUMNS)), "|", sep="", flush=True)
    for model in models:
        run = trained(runs / model, f"{SETTINGS} {MODELS[model]}")
        before, own = measured(run, samples), run.module.prior
        print(row(f"`{model}`", "its own", "", before), flush=True)
        train, validation = (codes_of_split(run, split, 1, seed=0) for split in ("train", "validation"))
        for name in priors:
            run.module.prior = fitted(name, train, validation)
            gain = gain_of(run.module.prior, own, validation)
            told = f"{gain.gain:.2f} ± {gain.gain_error:.2f}"
            print(row(f"`{model}`", f"`{name}`", told, measured(run, samples)), flush=True)
    real = {key: before[f"real_{key}"] for key in COLUMNS if f"real_{key}" in before}
    print(row("training digits in place of samples", "", "", real))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", nargs="+", choices=MODELS, default=list(MODELS))
    parser.add_argument("--priors", nargs="+", choices=PRIORS, default=list(PRIORS))
    parser.add_argument("--runs", type=Path, default=ROOT / "outputs" / "fitted_prior", help="where the runs are kept")
    parser.add_argument("--samples", type=int, default=2000, help="how many images are compared")
    arguments = parser.parse_args()
    main(arguments.models, arguments.priors, arguments.runs.resolve(), arguments.samples)
