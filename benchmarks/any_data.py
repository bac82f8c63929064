"""Each kind of data against a baseline of its field, or against the truth where that is known.

    python benchmarks/any_data.py docs/results                     # trains what is missing, below outputs/any_data
    python benchmarks/any_data.py docs/results --only wine counts

Writes any_data.csv, a row for each number, and keeps the rows of parts that --only leaves out. Tables: log p(x) by
importance sampling against the exact one of probabilistic PCA (Tipping, Bishop 1999) with as many dimensions. Sines
and ellipsoids: factors in the codes against factors in principal components. Counts and tokens: log p(x) against the
truth, which generated them, and against independent columns; for tokens, against bigrams too. Digits: whether a
code still knows the class that encoder and decoder are given, and classes learned from 100 labels.
"""

import argparse
import csv
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path

import numpy as np
import torch
from commands import trained
from results import ROOT
from sklearn.decomposition import PCA
from torch import Tensor
from torch.nn.functional import cross_entropy, one_hot, softplus

from infovae.data.module import DataModule
from infovae.data.splits import balanced_subset
from infovae.evaluation.load import SavedRun
from infovae.evaluation.measure import measure
from infovae.likelihoods.negative_binomial import NegativeBinomialDistribution
from infovae.metrics.dci import DCI, concentration, importances
from infovae.metrics.few_labels import FewLabels
from infovae.metrics.importance_weighted import ImportanceWeighted
from infovae.metrics.metric import Metric
from infovae.metrics.mig import MIG, mutual_information_gaps
from infovae.metrics.reconstruction import Reconstruction
from infovae.metrics.sampled_linear_probe import SampledLinearProbe
from infovae.modules.semi_supervised import SemiSupervised
from infovae.training.assemble import build_module

RUNS = ROOT / "outputs" / "any_data"
SMALL = "network.encoder.hidden=[64,64] network.decoder.hidden=[64,64]"
LITTLE = "network.encoder.channels=[8,16] network.encoder.hidden=64 data.batch_size=64"
MODELS = {"vae": "model=vae", "infovae": "model=infovae model.lambda_=10"}
Row = tuple[str, str, str, float, float]
"""Data, model, name of the number, the number, its standard error."""

PROBE = "sampled_linear_probe"


def best(name: str, settings: str) -> SavedRun:
    """Return a model with the weights of its best epoch."""
    return trained(RUNS / name, f"metrics=[] {settings}", "best")


def found(saved: SavedRun, **metrics: Callable[..., Metric]) -> dict[str, float]:
    """Return the numbers of the test split by name."""
    values = measure(saved.module, saved.data, metrics).values.items()
    return {name.removeprefix("test/"): value for name, value in values if isinstance(value, float)}


def likelihoods(name: str, settings: str) -> tuple[list[Row], DataModule]:
    """Return log p(x) of both models, and their data."""
    rows: list[Row] = []
    metric = partial(ImportanceWeighted, images=200, samples=300)
    number = "importance_weighted_log_likelihood"
    for model, chosen in MODELS.items():
        saved = best(f"{name}-{model}", f"{settings} {chosen}")
        values = found(saved, log_likelihood=metric)
        rows.append((name, model, "log_likelihood", values[number], values[f"{number}_standard_error"]))
    return rows, saved.data


def tables(name: str, dimensions: int) -> Iterator[Row]:
    """Yield log p(x) of rows held out."""
    settings = f"data={name} latent_dim={dimensions} {SMALL} data.batch_size=64 optimizer.lr=1e-3"
    rows, data = likelihoods(name, f"{settings} data.steps_per_epoch=50 trainer.max_epochs=40")
    yield from rows
    scores = PCA(dimensions).fit(split(data, "train")).score_samples(split(data, "test"))
    yield (name, "ppca", "log_likelihood", *mean_of(torch.from_numpy(scores)))


def factors(name: str, dimensions: int, settings: str) -> Iterator[Row]:
    """Yield what the codes know of the factors, and the squared error of a reconstruction."""
    for model, point in MODELS.items():
        saved = best(f"{name}-{model}", f"data={name} latent_dim={dimensions} {settings} {point}")
        values = found(saved, dci=DCI, mig=MIG, reconstruction=Reconstruction)
        for number in ("dci_disentanglement", "dci_error", "mig", "squared_error_of_mean_code"):
            yield name, model, number, values[number], math.nan
    pca = PCA(dimensions).fit(split(saved.data, "train"))
    rows = split(saved.data, "test")
    codes, known = torch.from_numpy(pca.transform(rows)).double(), saved.data.splits["test"].factors
    assert known is not None
    importance, errors = importances(codes, known, 30, 0.01)
    yield name, "pca", "dci_disentanglement", concentration(importance).item(), math.nan
    yield name, "pca", "dci_error", errors.mean().item(), math.nan
    yield name, "pca", "mig", mutual_information_gaps(codes, known, 20).nanmean().item(), math.nan
    lost = rows - pca.inverse_transform(pca.transform(rows))
    yield name, "pca", "squared_error_of_mean_code", float(np.square(lost).sum(1).mean()), math.nan


def counts() -> Iterator[Row]:
    """Yield log p(x) of counts x ~ NB(exp(Wz + b), 2), z ~ N(0, I) in 2 dimensions."""
    generator = torch.Generator().manual_seed(1)
    weight, bias = torch.randn(40, 2, generator=generator) * 0.7, torch.randn(40, generator=generator) + 1
    log_r = torch.tensor(2.0).log()
    z = torch.randn(5000, 2, generator=generator)
    torch.manual_seed(1)
    x = NegativeBinomialDistribution(z @ weight.T + bias, log_r.expand(5000, 40)).sample()
    path = saved_array("counts", x.long().numpy())
    settings = f"data=counts data.path={path} latent_dim=2 {SMALL} data.steps_per_epoch=200 trainer.max_epochs=10"
    fitted, data = likelihoods("counts", settings)
    yield from fitted
    train_rows, test_rows = (torch.from_numpy(split(data, name)) for name in ("train", "test"))
    axis = torch.linspace(-6, 6, 121, dtype=torch.float64)
    grid = torch.cartesian_prod(axis, axis)
    log_prior = -grid.square().sum(1) / 2 - math.log(2 * math.pi) + 2 * (axis[1] - axis[0]).log()
    logits, r, rows = grid @ weight.double().T + bias.double() - log_r, log_r.double().exp(), test_rows.double()
    # The log density at all points of the grid by one matrix product; see likelihoods/negative_binomial.py.
    alone = (torch.lgamma(rows + r) - torch.lgamma(r) - torch.lgamma(rows + 1)).sum(1)
    with_z = -rows @ softplus(-logits).T - r * softplus(logits).sum(1)
    yield ("counts", "truth", "log_likelihood", *mean_of((alone[:, None] + with_z + log_prior).logsumexp(1)))
    mean, variance = train_rows.double().mean(0), train_rows.double().var(0)
    log_inverse = (mean.square() / (variance - mean).clamp_min(1e-3)).log()
    independent = NegativeBinomialDistribution(mean.log(), log_inverse).log_prob(rows).sum(1)
    yield ("counts", "independent", "log_likelihood", *mean_of(independent))


def tokens() -> Iterator[Row]:
    """Yield log p(x) of sequences of 24 letters: one of 8 motifs, with one letter in five replaced at random."""
    generator = torch.Generator().manual_seed(1)
    motifs = torch.randint(6, (8, 24), generator=generator)
    chosen = motifs[torch.randint(8, (5000,), generator=generator)]
    random = torch.rand(5000, 24, generator=generator) < 0.2
    x = torch.where(random, torch.randint(6, (5000, 24), generator=generator), chosen)
    path = saved_array("tokens", x.numpy())
    settings = f"data=tokens data.path={path} latent_dim=4 network.encoder.width=32 data.steps_per_epoch=60"
    fitted, data = likelihoods("tokens", f"{settings} trainer.max_epochs=10")
    yield from fitted
    train_rows, test_rows = (torch.from_numpy(split(data, name)).long() for name in ("train", "test"))
    same = test_rows[:, None] == motifs
    nats = torch.where(same, math.log(0.8 + 0.2 / 6), math.log(0.2 / 6)).double().sum(2).logsumexp(1) - math.log(8)
    yield ("tokens", "truth", "log_likelihood", *mean_of(nats))
    frequency = one_hot(train_rows, 6).double().mean(0).log()
    alone = frequency[torch.arange(24), test_rows].sum(1)
    yield ("tokens", "independent", "log_likelihood", *mean_of(alone))
    pairs = torch.ones(23, 6, 6, dtype=torch.float64)  # of letters at neighbouring places, from 1 as Laplace has it
    place = torch.arange(23)
    pairs.index_put_((place, train_rows[:, :-1], train_rows[:, 1:]), torch.ones(()).double(), accumulate=True)
    follows = (pairs / pairs.sum(2, keepdim=True)).log()[place, test_rows[:, :-1], test_rows[:, 1:]]
    bigram = frequency[0, test_rows[:, 0]] + follows.sum(1)
    yield ("tokens", "bigram", "log_likelihood", *mean_of(bigram))


def conditional() -> Iterator[Row]:
    """Yield how well a linear map of the code finds the class of a digit."""
    points = {
        "autoencoder": "model=autoencoder",
        "vae": "model=vae",
        "infovae": "model=infovae model.lambda_=100",
        "mmd_vae": "model=mmd_vae model.lambda_=100",
        "mmd_vae_per_class": "model=mmd_vae model.lambda_=100 condition.per_class=true",
        "mmd_vae_10": "model=mmd_vae model.lambda_=10",
        "mmd_vae_10_per_class": "model=mmd_vae model.lambda_=10 condition.per_class=true",
    }
    settings = f"data=digits latent_dim=8 {SMALL} data.batch_size=100 data.steps_per_epoch=50 trainer.max_epochs=20"
    for condition in ("none", "labels"):
        for model, point in points.items():
            if condition == "none" and model.startswith("mmd_vae_"):
                continue
            saved = best(f"digits-{condition}-{model}", f"{settings} condition={condition} {point}")
            values = found(saved, probe=SampledLinearProbe, reconstruction=Reconstruction)
            for name in (f"{PROBE}_error", f"{PROBE}_information", "rate", "squared_error_of_mean_code"):
                yield f"digits, condition={condition}", model, name, values[name], math.nan


def semi_supervised() -> Iterator[Row]:
    """Yield the error of classes on test digits, learned from 100 labels."""
    settings = f"data=digits latent_dim=8 {SMALL} data.batch_size=100 data.steps_per_epoch=50"
    own = "trainer.max_epochs=10 condition=labels module=semi_supervised module.labelled=100 optimizer.lr=1e-3"
    name, number = "digits, 100 labels", "classifier_error"
    for model, chosen in MODELS.items():
        saved = best(f"digits-m2-{model}", f"{settings} {own} {chosen}")
        x, truth = saved.data.inputs("test")[torch.arange(360)], saved.data.splits["test"].labels
        assert isinstance(saved.module, SemiSupervised)
        yield (name, f"M2, {model}", number, *share_wrong(saved.module.classify(x), truth))
    labels = saved.data.splits["train"].labels
    chosen_rows = balanced_subset(labels, 100, torch.Generator().manual_seed(1))
    few, their = saved.data.inputs("train")[chosen_rows], labels[chosen_rows]
    torch.manual_seed(1)
    bare = build_module(saved.cfg, saved.data)
    assert isinstance(bare, SemiSupervised)
    optimizer = torch.optim.Adam(bare.classifier.parameters(), lr=1e-3)
    for _ in range(1000):
        optimizer.zero_grad()
        cross_entropy(bare.classify(few), their).backward()
        optimizer.step()
    yield (name, "the classifier alone", number, *share_wrong(bare.classify(x), truth))
    vae = best("digits-none-vae", f"{settings} trainer.max_epochs=20 condition=none model=vae")
    for key, value in found(vae, few_labels=partial(FewLabels, labels=[100])).items():
        if not key.startswith("train/") and not key.endswith("standard_error"):
            yield name, f"M1, {key}", number, value, math.nan


def share_wrong(log_q: Tensor, truth: Tensor) -> tuple[float, float]:
    """Return the share of classes that are wrong, and its standard error."""
    return mean_of((log_q.argmax(dim=1) != truth).double())


def saved_array(name: str, array: np.ndarray) -> Path:
    """Return the file that holds an array."""
    RUNS.mkdir(parents=True, exist_ok=True)
    np.save(RUNS / f"{name}.npy", array)
    return RUNS / f"{name}.npy"


def split(data: DataModule, name: str) -> np.ndarray:
    """Return a split's examples as the model sees them, flattened."""
    rows: np.ndarray = data.inputs(name)[torch.arange(len(data.inputs(name)))].flatten(1).numpy()
    return rows


def mean_of(values: Tensor) -> tuple[float, float]:
    """Return the mean and its standard error."""
    return values.mean().item(), (values.std() / math.sqrt(len(values))).item()


PARTS: dict[str, Callable[[], Iterator[Row]]] = {
    "wine": partial(tables, "wine", 3),
    "diabetes": partial(tables, "diabetes", 3),
    "breast_cancer": partial(tables, "breast_cancer", 5),
    "counts": counts,
    "tokens": tokens,
    "sines": partial(factors, "sines", 5, f"{LITTLE} data.steps_per_epoch=200 trainer.max_epochs=8"),
    "ellipsoids": partial(factors, "ellipsoids", 6, f"{LITTLE} data.steps_per_epoch=100 trainer.max_epochs=5"),
    "digits": conditional,
    "semi_supervised": semi_supervised,
}


def command_line(description: str, parts: Mapping[str, Callable[[], Iterator[Row]]]) -> None:
    """Measure, and write the rows after each part in the place of its earlier ones."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--only", nargs="+", choices=parts, default=list(parts))
    arguments = parser.parse_args()
    path = arguments.folder / "any_data.csv"
    header = ("data", "model", "number", "value", "standard_error")
    rows: list[Sequence[object]] = []
    if path.is_file():
        with path.open(newline="") as file:
            rows.extend([*csv.reader(file)][1:])
    for name in arguments.only:
        measured = [*parts[name]()]
        kinds = {row[0] for row in measured}
        rows = [*(row for row in rows if row[0] not in kinds), *measured]
        with path.open("w", newline="") as file:
            csv.writer(file).writerows([header, *rows])
        print(*measured, sep="\n", flush=True)


if __name__ == "__main__":
    command_line(__doc__, PARTS)
