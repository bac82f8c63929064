"""Compare log p(x) of binarised digits with published numbers, and with where q(z) is and what it is good for."""

import math
from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure as Canvas

from infovae.pictures.canvas import rendered, style
from infovae.pictures.picture import Pixels
from infovae.reproduction.cells import Cell
from infovae.reproduction.colours import colours_of
from infovae.reproduction.comparison import arm_of
from infovae.reproduction.figure import Figure, Findings, Row
from infovae.reproduction.tables import Estimate, estimate, grouped, markdown

PUBLISHED = {"ELBO": -86.76, "ELBO; IWAE, k = 5": -85.54, "ELBO; IWAE, k = 50": -84.78}
"""log p(x) of the test set in table 1 of Burda et al. (2016, arXiv 1509.00519), one stochastic layer."""

WEIGHED, ANNEALED, SAMPLES = "importance_weighted_log_likelihood", "annealed_log_likelihood", "frechet_distance"
GAINED = "annealed_gain"

COLUMNS = {
    WEIGHED: "log p(x) by importance weights, test (nats)",
    f"{WEIGHED}_unreliable": "digits with unreliable weights",
    ANNEALED: "log p(x) by AIS, a few test digits",
    GAINED: "AIS: minus the ELBO's, on the same digits",
    "simulated_gap": "AIS: upper − lower bound on simulated digits",
    "reconstruction": "−E log p(x given z)",
    "rate": "rate (nats)",
    "log_det_covariance": "log det Cov[q(z)]",
    "mmd": "MMD²(q(z), p(z))",
    "active_units": "active units",
    SAMPLES: "Fréchet distance of samples",
    "class_mismatch": "class mismatch",
    "error_linear_svm_with_1000_labels": "error with 1,000 labels",
}


class PublishedLikelihood(Figure):
    """Draw log p(x) of each model, and beside it what is paid in log p(x) for better samples."""

    title = "Published likelihoods, and the price of a q(z) at the prior"

    def draw(self, cells: Sequence[Cell]) -> Findings:
        groups = grouped(cells, label_of)
        elbo = {cell.cfg.seed: _value(cell, ANNEALED) for cell in groups.get("ELBO", [])}
        measured = {
            cell.folder: {key: _value(cell, key) for key in COLUMNS}
            | {GAINED: _value(cell, ANNEALED) - elbo.get(cell.cfg.seed, math.nan)}
            for cell in cells
        }
        found = {
            label: {key: estimate([measured[cell.folder][key] for cell in group]) for key in COLUMNS}
            for label, group in groups.items()
        }
        rows: list[list[object]] = [
            [
                label,
                f"{passes_of(groups[label][0]):.3g}",
                f"{PUBLISHED[label]:.2f}".replace("-", "−") if label in PUBLISHED else "–",
                *map(_shown, values.values()),
            ]
            for label, values in found.items()
        ]
        data: list[Row] = [
            {"objective": cell.objective, "model": label_of(cell), "seed": cell.cfg.seed, "passes": passes_of(cell)}
            | measured[cell.folder]
            for cell in cells
        ]
        table = markdown(["model", "passes", "published log p(x)", *COLUMNS.values()], rows)
        return Findings(_drawn(found), data, f"{_note(cells)}\n\n{table}")


def label_of(cell: Cell) -> str:
    """Return what a cell was trained with: its objective, and what differs from the VAE of Burda et al."""
    cfg, method = cell.cfg, arm_of(cell)
    parts = [cell.objective] if method.divergence == "–" else [f"{cell.objective}, {method.divergence}"]
    if cfg.get("bound"):
        parts.append(f"IWAE, k = {cfg.bound.samples}")
    if cfg.prior.get("components"):
        parts.append(f"VAMP prior, K = {cfg.prior.components}")
    encoder = cfg.network.encoder
    if "channels" in encoder:
        parts.append(f"convolutions {list(encoder.channels)}")
    elif (list(encoder.hidden), encoder.activation, cfg.latent_dim) != ([200, 200], "tanh", 50):
        kind = {"relu": "ReLU"}.get(encoder.activation, encoder.activation)
        parts.append(f"{list(encoder.hidden)} {kind} units, d = {cfg.latent_dim}")
    if cfg.data.binarization != "stochastic" or cfg.data.train_size:
        parts.append(f"{cfg.data.train_size or 'all'} digits, binarization={cfg.data.binarization}")
    return "; ".join(parts)


def passes_of(cell: Cell) -> float:
    """Return how often a cell saw each training digit that it used."""
    data = cell.cfg.data
    whole = 50_000 if "binarized" in str(data.source) else 60_000  # that set has validation digits of its own
    return float(cell.rows[-1]["step"] * data.batch_size / (data.train_size or whole - (data.validation_size or 0)))


def _value(cell: Cell, key: str) -> float:
    return float((cell.metrics | cell.evaluated).get(f"test/{key}", math.nan))


def _shown(value: Estimate) -> str:
    if math.isnan(value.mean):
        return "–"
    return str(value) if value.standard_error >= 0 else f"{value.mean:.4g}".replace("-", "−")  # a single seed: nan


def _note(cells: Sequence[Cell]) -> str:
    numbers = cells[0].evaluated
    weighed, annealed = (numbers[f"test/{name}_images"] for name in (WEIGHED, ANNEALED))
    chance = [_value(cell, f"{ANNEALED}_standard_error") for cell in cells]
    return (
        f"± is the standard error over seeds. Importance weights measure {weighed:,.0f} test digits. AIS measures "
        f"{annealed:,.0f}, the same for all models of a seed. Which digits these are is worth {np.nanmean(chance):.1f} "
        "nats of standard error, so compare models by the difference to the ELBO. A dash: a deterministic q(z given x) "
        "has no weights and no rate."
    )


def _drawn(found: Mapping[str, Mapping[str, Estimate]]) -> Pixels:
    colours = colours_of(found)
    with style():
        canvas = Canvas(figsize=(11, 4))
        bars, price = canvas.subplots(1, 2)
        for height, (label, values) in enumerate(found.items()):
            colour = colours.get(label, "0.3")
            (weighed, spread), (gained, doubt) = values[WEIGHED], values[GAINED]
            bars.errorbar(weighed, -height, xerr=np.nan_to_num(spread), color=colour, marker="o", capsize=2)
            price.errorbar(gained, values[SAMPLES].mean, xerr=np.nan_to_num(doubt), color=colour, marker="o", capsize=2)
            if label in PUBLISHED:
                bars.plot(PUBLISHED[label], -height, "|", color="0.2", markersize=14)
        bars.set_yticks([-height for height in range(len(found))], list(found))
        bars.set(xlabel="log p(x) by importance weights, nats; | published")
        price.set(xlabel="log p(x) by AIS, minus the ELBO's, nats", ylabel="Fréchet distance of samples")
        return rendered(canvas)
