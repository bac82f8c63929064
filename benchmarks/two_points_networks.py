"""Hundreds of two-point models as one batch: small encoders and decoders, with a leading dimension over models.

    python benchmarks/two_points_networks.py        # writes docs/results/two_points_networks.csv

They are the networks of ``experiment=two_points``. Only what differs between runs (weights, floors, divergence, codes)
is a vector over models, so that a map of (alpha, lambda) costs minutes instead of a minute a run.
``two_points_map.py`` draws the map.
"""

import argparse
import math
from itertools import pairwise
from pathlib import Path
from time import perf_counter
from typing import Any, Literal, NamedTuple

import torch
from results import ROOT, write_csv
from torch import Tensor
from two_points_objective import (
    NODES,
    WEIGHTS,
    aggregate_kl,
    energy_distance,
    mmd,
    pair_rate,
)

from infovae.metrics.inference_gap import line_weights

HIDDEN, LEARNING_RATE, STEPS = 64, 1e-3, 10_000
START = 0.5
"""The decoder's first standard deviation, for pixels; x = 2 pixel - 1."""

PIXELS = torch.tensor([0.0, 1.0])
EXACT = {"mmd": mmd, "energy": energy_distance, "kl": aggregate_kl}


class Setting(NamedTuple):
    """A run: a point of the objective, and what holds the scales."""

    alpha: float
    lambda_: float
    divergence: Literal["mmd", "energy", "kl", "sampled mmd"] = "mmd"
    decoder_floor: float = 0.0  # in pixels
    encoder_floor: float = 0.0
    normalized: bool = False
    seed: int = 1

    @property
    def weight(self) -> float:
        """The weight of the divergence."""
        return self.alpha + self.lambda_ - 1


def perceptrons(seeds: list[int], sizes: list[int]) -> list[Tensor]:
    """Weights and biases as torch.nn.Linear starts them; models of one seed start alike."""
    layers: list[Tensor] = []
    for inputs, outputs in pairwise(sizes):
        bound = 1 / math.sqrt(inputs)
        for shape in ((inputs, outputs), (1, outputs)):
            draws = {
                seed: torch.rand(shape, generator=torch.Generator().manual_seed(1000 * seed + len(layers)))
                for seed in set(seeds)
            }
            layers.append(((2 * torch.stack([draws[seed] for seed in seeds]) - 1) * bound).requires_grad_())
    return layers


def apply(layers: list[Tensor], inputs: Tensor) -> Tensor:
    """(models, n, inputs) to (models, n, outputs)."""
    values = inputs
    for position in range(0, len(layers), 2):
        values = torch.baddbmm(layers[position + 1], values if position == 0 else values.relu(), layers[position])
    return values


class Models:
    """A batch of models, and their objective."""

    def __init__(self, settings: list[Setting]) -> None:
        self.settings = settings
        seeds = [setting.seed for setting in settings]
        self.encoder = perceptrons(seeds, [1, HIDDEN, HIDDEN, 2])
        self.decoder = perceptrons([seed + 500 for seed in seeds], [1, HIDDEN, HIDDEN, 2])

    def column(self, name: str) -> Tensor:
        """A number of every setting."""
        return torch.tensor([float(getattr(setting, name)) for setting in self.settings], dtype=self.encoder[0].dtype)

    def encode(self) -> tuple[Tensor, Tensor]:
        """Means and standard deviations of q(z|x), (models, 2)."""
        ends = (2 * PIXELS - 1).to(self.encoder[0]).view(1, 2, 1).expand(len(self.settings), 2, 1)
        mean, raw = apply(self.encoder, ends).unbind(dim=-1)
        scale = self.column("encoder_floor")[:, None] + torch.exp(0.5 * raw)
        centre = mean.mean(dim=1, keepdim=True)
        spread = ((mean - centre).square() + scale.square()).mean(dim=1, keepdim=True).sqrt()
        whitened = self.column("normalized")[:, None] > 0
        return torch.where(whitened, (mean - centre) / spread, mean), torch.where(whitened, scale / spread, scale)

    def log_likelihood(self, z: Tensor) -> Tensor:
        """Log p(x|z) of both x, (models, 2, n), from z (models, n)."""
        centre, offset = apply(self.decoder, z[..., None]).unbind(dim=-1)
        floor = self.column("decoder_floor")[:, None]
        width = floor + torch.nn.functional.softplus(torch.log(torch.expm1(START - floor)) + offset)
        error = (PIXELS.to(z)[:, None] - centre[:, None]) / width[:, None]
        # The last term: densities are of x.
        return -0.5 * error.square() - width.log()[:, None] - 0.5 * math.log(2 * math.pi) - math.log(2)

    def divergence(self, mean: Tensor, scale: Tensor, z: Tensor) -> Tensor:
        """Each model's own divergence, exact but for ``sampled mmd``."""
        kinds = [setting.divergence for setting in self.settings]
        values = mean.new_zeros(len(kinds))
        for kind in dict.fromkeys(kinds):
            own = torch.tensor([position for position, name in enumerate(kinds) if name == kind])
            found = sampled_mmd(z[own].flatten(1)) if kind == "sampled mmd" else EXACT[kind](mean[own], scale[own])
            values = values.index_copy(0, own, found)
        return values

    def train(self, steps: int, draws: int) -> None:
        """Adam, with the given number of codes for each x at each step."""
        torch.manual_seed(0)
        optimizer = torch.optim.Adam([*self.encoder, *self.decoder], lr=LEARNING_RATE)
        rate_weight, weight = 1 - self.column("alpha"), self.column("weight")
        for _ in range(steps):
            mean, scale = self.encode()
            z = mean[..., None] + scale[..., None] * torch.randn(len(self.settings), 2, draws)
            densities = self.log_likelihood(z.flatten(1)).unflatten(2, (2, draws))
            fit = -(densities[:, 0, 0].mean(dim=1) + densities[:, 1, 1].mean(dim=1)) / 2
            loss = fit + rate_weight * pair_rate(mean, scale) + weight * self.divergence(mean, scale, z)
            optimizer.zero_grad(set_to_none=True)
            loss.sum().backward()
            optimizer.step()

    @torch.no_grad()
    def measure(self) -> list[dict[str, float]]:
        """One row for each model, by quadrature in float64."""
        self.encoder, self.decoder = (
            [layer.detach().double() for layer in part] for part in (self.encoder, self.decoder)
        )
        mean, scale = self.encode()
        own = mean[..., None] + scale[..., None] * NODES
        wide = torch.linspace(-10, 10, 4001, dtype=torch.float64).expand(len(mean), -1)
        z = torch.cat([wide, own.flatten(1)], dim=1).sort(dim=1).values
        weights = torch.stack([line_weights(nodes) for nodes in z])
        log_joint = self.log_likelihood(z) - 0.5 * z.square()[:, None] - 0.5 * math.log(2 * math.pi)
        evidence = (log_joint + weights.clamp_min(1e-300).log()[:, None]).logsumexp(dim=2).mean(dim=1)
        densities = self.log_likelihood(own.flatten(1)).unflatten(2, (2, len(NODES)))
        fit = (densities[:, 0, 0] + densities[:, 1, 1]) @ WEIGHTS / 2
        columns = {
            "elbo": fit - pair_rate(mean, scale),
            "inference_gap": evidence - fit + pair_rate(mean, scale),
            "mean_far": mean.abs().amax(dim=1),
            "separation": (mean[:, 1] - mean[:, 0]).abs() / 2,
            "scale": scale.amin(dim=1),
            "rate": pair_rate(mean, scale),
            "mmd": mmd(mean, scale),
            "log_det_covariance": (mean.var(dim=1, correction=0) + scale.square().mean(dim=1)).log(),
        }
        numbers = [dict(zip(columns, row, strict=True)) for row in torch.stack(list(columns.values()), 1).tolist()]
        return [{**setting._asdict(), **row} for setting, row in zip(self.settings, numbers, strict=True)]


def sampled_mmd(z: Tensor) -> Tensor:
    """The unbiased MMD² of a batch of codes (models, n), the prior's terms exact: training's default divergence."""
    n = z.shape[1]
    pairs = torch.exp(-0.5 * (z[:, :, None] - z[:, None]).square()).sum(dim=(1, 2)) - n
    to_prior = math.sqrt(1 / 2) * torch.exp(-0.25 * z.square()).mean(dim=1)
    return pairs / (n * (n - 1)) - 2 * to_prior + math.sqrt(1 / 3)


LAMBDAS = (100, 178, 316, 562, 1000)
SEEDS = (1, 2, 3)


def settings() -> dict[int, list[Setting]]:
    """Settings by codes drawn for each x at each step: 100 to repeat the framework's runs, 40 where D is exact."""
    sampled = [Setting(1, value, "sampled mmd") for value in (1, 10, 100, 316, 1000)]
    sampled += [Setting(0, 100, "sampled mmd"), Setting(0, 1)]
    exact = [
        Setting(alpha, value, decoder_floor=floor)
        for floor in (0.0, 0.1)
        for alpha in (0, 0.5, 0.9, 1)
        for value in LAMBDAS
    ]
    unbounded = [
        Setting(1, value, divergence, encoder_floor=floor)
        for divergence in ("energy", "kl")
        for floor in (0.0, 0.1)
        for value in (10, 100, 1000)
    ]
    held = [Setting(1, value, encoder_floor=0.1) for value in (100, 1000)]
    held += [Setting(1, value, decoder_floor=floor, normalized=True) for value in (100, 1000) for floor in (0.0, 0.1)]
    return {100: _seeded(sampled, SEEDS), 40: _seeded([*exact, *unbounded, *held], SEEDS[:2])}


def _seeded(points: list[Setting], seeds: tuple[int, ...]) -> list[Setting]:
    return [point._replace(seed=seed) for point in points for seed in seeds]


def main(out: Path, steps: int) -> None:
    """Train and measure all settings, and write one row for each."""
    torch.set_num_threads(1)
    rows: list[dict[str, Any]] = []
    for draws, chosen in settings().items():
        models = Models(chosen)
        began = perf_counter()
        models.train(steps, draws)
        print(f"{len(chosen)} models, {steps:,} steps: {perf_counter() - began:.0f} s", flush=True)
        rows += models.measure()
    write_csv(out, [{key: f"{v:.5g}" if isinstance(v, float) else v for key, v in row.items()} for row in rows])


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=ROOT / "docs/results/two_points_networks.csv")
    parser.add_argument("--steps", type=int, default=STEPS)
    arguments = parser.parse_args()
    main(arguments.out, arguments.steps)
