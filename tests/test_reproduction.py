"""The paper's figures through the real command, with cells of seconds, and what their drawings rest on."""

import csv
import json
import math
import shlex
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest
import torch
from conftest import CONF, PROJECT, Command, Compose
from hydra.core.override_parser.overrides_parser import OverridesParser
from hypothesis import given
from hypothesis import strategies as st
from omegaconf import OmegaConf
from torch.distributions import Independent, MultivariateNormal, Normal, kl_divergence

from infovae.config.build import build
from infovae.config.check import check
from infovae.errors import ArgumentError, UserError
from infovae.metrics.inference_gap import InferenceGap
from infovae.priors.standard_normal import StandardNormal
from infovae.reproduction.cells import Cell, cells_of, distinct, laid_over
from infovae.reproduction.command import EVERY_CELL, earlier_weights
from infovae.reproduction.evaluations import evaluate_cells, evaluated
from infovae.reproduction.figure import Figure, Findings, Scale
from infovae.reproduction.page import write_page
from infovae.reproduction.scale_bias import cost_of_shift
from infovae.reproduction.tables import Estimate, estimate
from infovae.training.run import train

FIGURES = sorted(path.stem for path in (CONF / "figure").glob("*.yaml") if path.stem != "all")
TINY = [
    "seed=1",
    "trainer.limit_test_batches=4",
    "trainer.limit_val_batches=4",
    "trainer.max_epochs=1",
    "data.steps_per_epoch=2",
    "data.batch_size=50",
    "trainer.accelerator=cpu",
]
NETWORK = ["network=mlp", "network.encoder.hidden=[8]", "network.decoder.hidden=[8]"]
DIGITS = [f"data.root={PROJECT / 'data'}", "data.validation_size=100", "data.train_size=100"]
SMALLER = {
    "two_points": [*NETWORK, "metrics.inference_gap.nodes=200"],
    "contours": [*NETWORK, *DIGITS],
    "samples": [*NETWORK, *DIGITS],
    "log_det_cov": [*NETWORK, *DIGITS, "data.train_size=100,200"],
    "scale_bias": [*NETWORK, *DIGITS, "data.source.factor=4,2", "metrics.aggregate_information.queries=10"],
    "information_preference": [
        *DIGITS,
        "data.source.factor=4",
        "network.encoder.channels=[4,8]",
        "network.encoder.hidden=8",
        "network.decoder.depth=2",
        "network.decoder.width=4",
        "metrics.aggregate_information.queries=10",
        "metrics.importance_weighted.images=2",
        "metrics.importance_weighted.samples=2",
    ],
    "strong_decoder": [
        *DIGITS,
        *NETWORK[1:],
        "metrics.aggregate_information.queries=10",
        "metrics.importance_weighted.images=2",
        "metrics.importance_weighted.samples=2",
    ],
    "comparison": [*NETWORK, *DIGITS, "data.train_size=1050", "data.steps_per_epoch=1"],
    "comparison_normalized": [*NETWORK, *DIGITS, "data.train_size=1050", "data.steps_per_epoch=1"],
    "beyond_the_authors": [*NETWORK, *DIGITS, "seed=1,2"],
    "held_at_the_prior": [*NETWORK, *DIGITS, "seed=1,2"],
    "likelihood": [*NETWORK[1:], *DIGITS, "data.train_size=1050", "data.steps_per_epoch=1", "compile=false"],
}
ARMS = {
    "comparison": ["elbo", "beta_vae", "sinkhorn"],
    "comparison_normalized": ["none", "mmd_imq"],
    "likelihood": ["elbo", "iwae_5", "aae"],
    "strong_decoder": ["alone", "elbo"],
}
"""Where all would take too long."""
EVALUATION = [
    "metrics.annealed_importance.images=2",
    "metrics.annealed_importance.chains=2",
    "metrics.annealed_importance.temperatures=2",
    "metrics.few_labels.draws=1",
    "metrics.sample_quality.samples=100",
    "metrics.sample_quality.subset_size=50",
]
WEIGHTS = {"likelihood": ["metrics.importance_weighted.images=2", "metrics.importance_weighted.samples=2"]}


def figure_of(name: str) -> Figure:
    figure: Figure = build(OmegaConf.load(CONF / "figure" / f"{name}.yaml")[name], "figure")
    return figure


def tiny_overrides(name: str, figure: Figure) -> list[list[str]]:
    """Of each tiny cell of a figure, from the figure's own config."""
    overrides = []
    figure.arms_at["quick"] = ARMS.get(name, figure.arms_at.get("quick", list(figure.arms)))
    for arm in figure.overrides("quick", EVERY_CELL).values():
        tiny = laid_over(laid_over(arm, TINY), SMALLER[name])
        overrides += [list(job.overrides) for job in cells_of(Path("nowhere"), tiny)]
    return overrides


@pytest.mark.parametrize("name", FIGURES)
def test_each_figure_is_drawn_from_tiny_cells(composed: Compose, name: str, tmp_path: Path) -> None:
    figure, cells = figure_of(name), []
    for position, overrides in enumerate(tiny_overrides(name, figure)):
        train(composed(*overrides, run_dir=tmp_path / str(position)))
        cells.append(Cell(tmp_path / str(position)))
    if figure.evaluation:
        measured = figure.evaluation["quick"][0]
        smaller = [override for override in EVALUATION if override.split(".")[1] in measured]
        evaluation = laid_over(figure.evaluation["quick"], smaller + WEIGHTS.get(name, []))
        assert evaluated(cells, evaluation) == []
        evaluate_cells(cells, evaluation, classifier=None)
        assert evaluated(cells, evaluation) == cells
        assert evaluated(cells, figure.evaluation["quick"]) == []
        record = cells[0].folder / "evaluation.json"
        record.write_text(json.dumps(json.loads(record.read_text()) | {"not_yet_measured": ["mmd"]}))
        assert evaluated(cells, evaluation) == cells[1:]  # the first was cut off
    picture, data, tables = figure.draw(cells)
    objectives = {cell.objective for cell in cells}
    if name not in ("beyond_the_authors", "held_at_the_prior", "comparison_normalized"):  # no ELBO
        assert "ELBO" in objectives
        assert len(objectives) > 1
        assert all(f"| {objective}" in tables for objective in objectives)
        assert {row["objective"] for row in data if "objective" in row} == objectives
    assert data
    assert len(np.unique(picture.reshape(-1, 3), axis=0)) > 10


@pytest.mark.parametrize("name", FIGURES)
@pytest.mark.parametrize("scale", get_args(Scale))
def test_each_arm_of_a_figure_composes(composed: Compose, name: str, scale: Scale) -> None:
    figure = figure_of(name)
    if scale not in figure.scales:
        pytest.skip("the figure has no such scale")
    for arm in figure.overrides(scale, EVERY_CELL).values():
        for job in cells_of(Path("nowhere"), arm)[:1]:
            check(composed(*job.overrides))


@pytest.mark.parametrize("name", ["contours", "samples"])
def test_at_the_long_scale_a_figure_draws_the_runs_of_another(name: str) -> None:
    figure = figure_of(name)
    source = figure_of(figure.cells_at["long"])

    def identities(of: Figure) -> set[tuple[str, ...]]:
        cells = [cells_of(Path("nowhere"), arm) for arm in of.overrides("long", EVERY_CELL).values()]
        return {job.identity for jobs in cells for job in jobs}

    assert identities(figure) == {job for job in identities(source) if "data.train_size=500" in job}
    assert len(identities(figure)) == 6  # three arms, two seeds


def test_an_arm_s_values_win_over_the_figure_s_and_the_command_s_over_all() -> None:
    figure = figure_of("log_det_cov")
    assert "data.train_size=500,5000,50000" in [*figure.overrides("quick", []).values()][3]
    assert len(cells_of(Path("nowhere"), [*figure.overrides("quick", ["seed=4"]).values()][3])) == 3


def test_a_figure_by_command_runs_what_is_missing_and_nothing_else(command: Command, tmp_path: Path) -> None:
    cells = f"cells={json.dumps([*TINY, *SMALLER['contours']])}"
    answer = command("reproduce", "figure=contours", cells)
    assert answer.returncode == 0, answer.stderr
    kept, lost = sorted((tmp_path / "outputs/reproduction/quick/contours").glob("*/summary.json"))
    before = kept.read_bytes()
    lost.unlink()

    partial = command("reproduce", "figure=[contours]", cells, "train=false")
    assert partial.returncode == 1
    assert (
        partial.stderr.splitlines()[-1]
        == "error: contours: cells are missing; the same command with train=true runs them"
    )
    page = tmp_path / "docs" / "results" / "contours.md"
    assert "1 of 2 cells are missing: " in page.read_text()

    assert command("reproduce", "figure=contours", cells).returncode == 0
    assert "missing" not in page.read_text()
    assert kept.read_bytes() == before
    assert lost.is_file()
    shown = next(line for line in page.read_text().splitlines() if line.startswith("`infovae reproduce"))
    (again,) = OverridesParser.create().parse_overrides(shlex.split(shown.split("`")[1])[4:])
    assert again.value() == [*TINY, *SMALLER["contours"]]
    with page.with_suffix(".csv").open() as file:
        assert len({row["objective"] for row in csv.DictReader(file)}) == 2


def test_a_figure_that_is_not_there_is_one_line_that_lists_those_that_are(command: Command) -> None:
    answer = command("reproduce", "figure=comparisons")
    assert answer.returncode == 1
    assert answer.stderr.splitlines() == [
        f"error: unknown option figure=comparisons. Did you mean comparison? Options: {', '.join(['all', *FIGURES])}"
    ]


def test_all_names_every_figure() -> None:
    named = (CONF / "figure" / "all.yaml").read_text()
    assert sorted(line.removeprefix("  - ") for line in named.splitlines() if line.startswith("  - ")) == FIGURES


@given(n=st.integers(1, 800), shift=st.floats(-3, 3))
def test_the_cost_of_a_shift_is_the_kl_of_the_two_normals(n: int, shift: float) -> None:
    zeros = torch.zeros(n, dtype=torch.float64)
    ones = torch.ones_like(zeros)
    kl = kl_divergence(Independent(Normal(zeros, ones), 1), Independent(Normal(zeros + shift, ones), 1))
    # A sum of n rounded terms, each a small difference of numbers near 1.
    assert cost_of_shift(n, shift) == pytest.approx(float(kl), rel=n * 1e-15, abs=n * 1e-15)


class Linear:
    """z ~ N(0, 1), x = z + noise: everything about it is known."""

    def __init__(self, noise: float, offset: float) -> None:
        self.prior = StandardNormal(1)
        self.noise = noise
        self.offset = offset

    def encode(self, images: torch.Tensor) -> Independent:
        mean = images.flatten(1) / (1 + self.noise**2) + self.offset
        scale = self.noise / math.sqrt(1 + self.noise**2)
        return Independent(Normal(mean, torch.full_like(mean, scale)), 1)

    def decode(self, z: torch.Tensor) -> Independent:
        mean = z.double()[:, :, None, None]
        return Independent(Normal(mean, torch.full_like(mean, self.noise)), 3)


@pytest.mark.parametrize("noise", [1.0, 0.05])
@pytest.mark.parametrize("offset", [0.0, 0.1])
def test_the_inference_gap_is_exact_on_a_linear_model(noise: float, offset: float) -> None:
    model = Linear(noise, offset)
    metric = InferenceGap(model)  # type: ignore[arg-type]
    images = torch.tensor([0.2, 0.7, 0.7]).view(3, 1, 1, 1)
    metric.update(images)
    found = metric.compute()
    evidence = MultivariateNormal(torch.zeros(1), torch.eye(1) * (1 + noise**2)).log_prob(images.view(3, 1)).mean()
    # Two normals of one variance. The means are float32: to 1e-7 of them, times the slope of the KL.
    gap = offset**2 / (2 * noise**2 / (1 + noise**2))
    assert float(found["log_evidence"]) == pytest.approx(float(evidence), abs=1e-5)
    assert float(found["inference_gap"]) == pytest.approx(gap, abs=1e-4)


def test_the_inference_gap_is_refused_off_the_line() -> None:
    model = Linear(1.0, 0.0)
    model.prior = StandardNormal(2)
    with pytest.raises(ValueError, match="latent_dim=2: quadrature is over a line; accepted: latent_dim=1"):
        InferenceGap(model)  # type: ignore[arg-type]


def test_later_overrides_win_key_by_key() -> None:
    assert laid_over(["a=1,2", "+b=3", "c=4"], ["b=5", "a=6"]) == ["c=4", "b=5", "a=6"]


class Drawn(Figure):
    def draw(self, cells: Sequence[Cell]) -> Findings:
        raise NotImplementedError


@pytest.mark.parametrize("quick", [["starting"], ["starting", "first"]])
def test_an_arm_that_starts_with_a_decoder_comes_after_the_arm_that_trains_it(quick: list[str]) -> None:
    arms: dict[str, list[str]] = {"first": ["model=vae"], "starting": ["model=infovae"]}
    settings: dict[str, Any] = {"cells": [], "arms": arms, "quick": [], "paper": [], "decoders": {"starting": "first"}}
    told = "^decoders=first: arms_at.quick doesn't list this arm before starting, which starts with its decoder; "
    with pytest.raises(ArgumentError, match=told):
        Drawn(**settings, arms_at={"quick": quick})
    with pytest.raises(ArgumentError, match=r"^arms_at=third: .*; accepted: arms: first, starting"):
        Drawn(**settings, arms_at={"quick": ["first", "third"]})
    assert list(Drawn(**settings, arms_at={"quick": ["first"]}).overrides("quick", [])) == ["first"]


def test_two_arms_that_come_to_the_same_are_one(tmp_path: Path) -> None:
    first = cells_of(tmp_path, ["model=vae", "seed=1,2"])
    second = cells_of(tmp_path, ["seed=2,3", "model=vae"])
    assert distinct([*first, *first]) == first
    assert [job.identity for job in distinct([*first, *second])] == [
        ("model=vae", "seed=1"),
        ("model=vae", "seed=2"),
        ("model=vae", "seed=3"),
    ]


def test_cells_that_kept_earlier_weights_are_named_with_their_epoch(tmp_path: Path) -> None:
    jobs = cells_of(tmp_path, ["data.train_size=500,1000", "model=infovae", "seed=1,2"])
    kept = [2, 3, None, 1]
    for job, epoch in zip(jobs, kept, strict=True):
        job.folder.mkdir()
        (job.folder / "metrics.csv").write_text("epoch\n1\n2\n3\n")
        (job.folder / "summary.json").write_text(json.dumps({"epoch": epoch}))
    cells = [Cell(job.folder) for job in jobs]
    assert earlier_weights(cells, jobs) == (
        " 2 ended with the weights of an earlier epoch than their last: data.train_size=500 with seed 1 (2 of 3); "
        "data.train_size=1000 with seed 2 (1 of 3)."
    )
    assert earlier_weights(cells[1:3], jobs) == ""


def test_estimates_show_as_many_digits_as_their_error_allows() -> None:
    assert str(estimate([1.0, 2.0, 3.0])) == "2.00 ± 0.58"
    assert str(Estimate(-123.456, 12.3)) == "−123 ± 12"
    assert str(estimate([-0.5])) == "−0.50"
    assert math.isnan(estimate([1.0, math.nan]).mean)
    with warnings.catch_warnings(action="error"):
        assert str(estimate([math.inf, math.inf])) == "inf"


def test_a_page_keeps_what_people_wrote(tmp_path: Path) -> None:
    page = tmp_path / "figure.md"
    write_page(page, "A figure", "first")
    page.write_text(page.read_text() + "\nConclusions.\n")
    write_page(page, "A figure", "second")
    assert page.read_text() == "# A figure\n\n<!-- results -->\n\nsecond\n\n<!-- /results -->\n\nConclusions.\n"
    page.write_text("nothing of ours")
    with pytest.raises(UserError, match=r"it has no <!-- results -->"):
        write_page(page, "A figure", "third")
