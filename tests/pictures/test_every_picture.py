"""Every picture, on all that a model may be: drawn, or nothing where there is nothing to draw; never a crash."""

from typing import NamedTuple

import numpy as np
import pytest
import torch
from conftest import CONF
from hydra.errors import InstantiationException
from hydra.utils import instantiate
from omegaconf import OmegaConf
from pictures.toy import Toy, observed
from torch import Tensor

from infovae.data.examples import Inputs
from infovae.data.values import Bytes
from infovae.pictures.picture import Picture, Pixels
from infovae.posteriors.diagonal_gaussian import DiagonalGaussian
from infovae.priors.gaussian_mixture import GaussianMixture
from infovae.priors.prior import Prior
from infovae.priors.standard_normal import StandardNormal
from infovae.priors.uniform import Uniform
from infovae.priors.vamp import Vamp

NAMES = sorted(path.stem for path in (CONF / "pictures").glob("*.yaml"))
SMALL = {
    "latent_manifold": {"rows": 5},
    "latent_scatter": {"rows": 30},
    "aggregate_posterior_contours": {"rows": 30},
    "samples": {"rows": 3},
}
PLANE = {"latent_scatter", "latent_manifold"}
OF_COLUMNS = {"marginals", "pairs", "column_moments"}
OF_POSTERIOR_DENSITY = {"kl_by_dimension"}
OF_MEANS = {"interpolations", "traversals", "aggregate_posterior_contours", "covariance_spectrum", "kl_by_dimension"}
OF_CODES = OF_MEANS | {"latent_scatter", "samples_given_code"}


def picture(name: str, **overrides: float) -> Picture:
    """As its file in conf/ has it, but for sizes."""
    cfg = OmegaConf.load(CONF / "pictures" / f"{name}.yaml")
    made: Picture = instantiate(cfg[name], **(SMALL.get(name, {}) | overrides))
    return made


class Case(NamedTuple):
    """What is drawn, and which pictures have nothing to draw."""

    prior: Prior
    mean: Tensor
    variance: Tensor
    shape: tuple[int, ...] = (1, 4, 4)
    classes: int = 10
    absent: frozenset[str] | set[str] = frozenset()


def gaussian(n: int, d: int) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(n + d)
    return torch.randn(n, d, generator=generator), torch.rand(n, d, generator=generator) + 0.1


def vamp(d: int) -> Vamp:
    """Of an encoder that looks at one pixel a parameter."""
    prior, family = Vamp(d, components=5), DiagonalGaussian()
    images = Inputs(torch.randint(256, (20, 1, 4, 4)).byte(), Bytes())
    prior.attach(lambda x: family(x.flatten(1)[:, : 2 * d]), images)
    return prior


def partly_nan(n: int, d: int) -> Tensor:
    mean = gaussian(n, d)[0]
    mean[::2] = torch.nan
    return mean


ONE = torch.ones(60, 2)
CASES = {
    "a plane": Case(StandardNormal(2), *gaussian(60, 2)),
    "one dimension": Case(StandardNormal(1), *gaussian(60, 1), absent=PLANE),
    "more dimensions than have names": Case(StandardNormal(64), *gaussian(60, 64), absent=PLANE),
    "rows": Case(StandardNormal(2), *gaussian(60, 2), shape=(5,)),
    "rows of one entry": Case(StandardNormal(2), *gaussian(60, 2), shape=(1,), absent={"pairs"}),
    "one row": Case(
        StandardNormal(2), *gaussian(1, 2), shape=(5,),
        absent={"interpolations", "covariance_spectrum", "column_moments"},
    ),
    "no row": Case(
        StandardNormal(2), *gaussian(0, 2), shape=(5,), absent={*OF_CODES, "reconstructions", *OF_COLUMNS}
    ),
    "one pixel": Case(StandardNormal(2), *gaussian(60, 2), shape=(1, 1, 1), classes=2),
    "colour": Case(StandardNormal(2), *gaussian(60, 2), shape=(3, 5, 7)),
    "two channels": Case(StandardNormal(2), *gaussian(60, 2), shape=(2, 4, 4)),
    "large images of four channels": Case(StandardNormal(3), *gaussian(10, 3), shape=(4, 70, 9), absent=PLANE),
    "many classes": Case(StandardNormal(2), *gaussian(60, 2), classes=47),
    "one class": Case(StandardNormal(2), *gaussian(60, 2), classes=1),
    "two examples": Case(StandardNormal(2), *gaussian(2, 2)),
    "one example": Case(StandardNormal(2), *gaussian(1, 2), absent={"interpolations", "covariance_spectrum"}),
    "no example": Case(StandardNormal(2), *gaussian(0, 2), absent={*OF_CODES, "reconstructions"}),
    "deterministic": Case(StandardNormal(2), gaussian(60, 2)[0], 0 * ONE, absent=OF_POSTERIOR_DENSITY),
    "deterministic, of one dimension": Case(
        StandardNormal(1), gaussian(60, 1)[0], torch.zeros(60, 1), absent=PLANE | OF_POSTERIOR_DENSITY
    ),
    "collapsed to a point": Case(
        StandardNormal(2), ONE, 0 * ONE,
        absent={"covariance_spectrum", "kl_by_dimension"},
    ),
    "on a line": Case(
        StandardNormal(2), gaussian(60, 1)[0] * ONE, 0 * ONE, absent=OF_POSTERIOR_DENSITY
    ),
    "equal to the prior": Case(StandardNormal(2), 0 * ONE, ONE),
    "narrow": Case(StandardNormal(2), gaussian(60, 2)[0], 1e-12 * ONE),
    "huge": Case(StandardNormal(2), 1e30 * gaussian(60, 2)[0], ONE, absent=OF_POSTERIOR_DENSITY),
    "all nan": Case(StandardNormal(2), torch.nan * ONE, ONE, absent=OF_CODES),
    "some nan": Case(StandardNormal(2), partly_nan(60, 2), ONE),
    "infinite variance": Case(StandardNormal(2), ONE, torch.inf * ONE, absent=OF_CODES),
    "double precision": Case(StandardNormal(2).double(), *(part.double() for part in gaussian(60, 2))),
    "uniform prior": Case(Uniform(2), *gaussian(60, 2), absent=OF_POSTERIOR_DENSITY),
    "mixture prior": Case(GaussianMixture(2), *gaussian(60, 2), absent=OF_POSTERIOR_DENSITY),
    "mixture prior of many dimensions": Case(
        GaussianMixture(4), *gaussian(60, 4), absent=PLANE | OF_POSTERIOR_DENSITY
    ),
    "vamp prior": Case(vamp(3), *gaussian(60, 3), absent=PLANE | OF_POSTERIOR_DENSITY),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("name", NAMES)
@torch.no_grad()
def test_a_picture_is_drawn_where_there_is_something_to_draw(name: str, case: str) -> None:
    prior, mean, variance, shape, classes, absent = CASES[case]
    chosen = picture(name)
    pixels = chosen.draw(Toy(prior, shape), observed(mean, variance, shape, classes).take(slice(chosen.examples)))
    assert (pixels is None) == (name in absent or (name in OF_COLUMNS and len(shape) > 1))
    if pixels is not None:
        assert pixels.dtype == np.uint8
        assert pixels.ndim == 3
        assert pixels.shape[2] == 3
        assert pixels.min() < pixels.max()


@pytest.mark.parametrize("name", NAMES)
def test_a_picture_repeats_on_the_same_stream(name: str) -> None:
    shape: tuple[int, ...] = (5,) if name in OF_COLUMNS else (1, 4, 4)
    chosen, seen = picture(name), observed(*gaussian(60, 2), shape)
    drawn: list[Pixels | None] = []
    for _ in range(2):
        torch.manual_seed(3)
        drawn.append(chosen.draw(Toy(StandardNormal(2), shape), seen))
    assert drawn[0] is not None
    np.testing.assert_array_equal(*drawn)


@pytest.mark.parametrize(
    ("name", "override", "message"),
    [
        ("samples", "rows=0", "rows=0: too small; accepted: whole numbers of at least 1"),
        ("reconstructions", "pairs=0", "pairs=0: "),
        ("interpolations", "steps=1", "steps=1: too small; accepted: whole numbers of at least 2"),
        ("traversals", "extent=0", "extent=0.0: "),
        ("traversals", "columns=0", "columns=0: "),
        ("latent_manifold", "extent=-1", "extent=-1.0: "),
        ("latent_scatter", "examples=0", "examples=0: "),
        ("aggregate_posterior_contours", "rows=1", "rows=1: "),
        ("covariance_spectrum", "examples=1", "examples=1: "),
        ("kl_by_dimension", "threshold=-1", "threshold=-1.0: "),
    ],
)
def test_impossible_values_are_refused(name: str, override: str, message: str) -> None:
    argument, value = override.split("=")
    with pytest.raises(InstantiationException) as refusal:
        picture(name, **{argument: float(value) if argument in ("extent", "threshold") else int(value)})
    assert message in str(refusal.value.__cause__)
