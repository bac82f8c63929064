"""The picture at the top of the README: the ELBO against InfoVAE, both trained on 500 digits.

    python benchmarks/front_picture.py            # trains two models, a minute each; writes docs/figures/front.png

The runs are seed 1 of ``infovae reproduce figure=samples scale=quick``. Runs that finished are not trained again.
"""

import argparse
from pathlib import Path

import torch
from commands import trained
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from PIL import Image
from results import ROOT

from infovae.codes import joined
from infovae.evaluation.load import SavedRun
from infovae.evaluation.measure import observe
from infovae.pictures.canvas import AGGREGATE_COLOUR, image_grid, rendered, style
from infovae.pictures.densities import densities, draw_plane

TITLES = {"vae": "VAE (ELBO)", "mmd_vae": "InfoVAE (α = 1, λ = 1000)"}
COLOURS = {"vae": "#bd1f01", "mmd_vae": AGGREGATE_COLOUR}
SETTINGS = (
    "experiment=samples network=mlp network.encoder.hidden=[400] network.decoder.hidden=[400] optimizer.lr=1e-3 "
    "trainer.max_epochs=3"
)
"""Of the ``quick`` scale in conf/figure/samples.yaml."""

EXTENT = 7.0
"""Half the side of the planes, the same for both, so that their widths compare."""

TICKS = 71
COLUMNS = 7


def draw_codes(axes: Axes, run: SavedRun, colour: str) -> None:
    """Draw q(z) of the test digits over p(z), in the two dimensions in which q(z) has most variance."""
    codes = joined([observed.codes for observed in observe(run.module, run.data, "test", seed=0)])
    draw_plane(axes, densities(codes, run.module.prior, TICKS, EXTENT), colour)
    axes.set(xlabel="", ylabel="")


def draw_samples(axes: Axes, run: SavedRun) -> None:
    """Draw E[x|z] for draws z of the prior, the same for both models."""
    torch.manual_seed(0)
    images = run.module.decode(run.module.prior.sample(COLUMNS**2)).mean
    axes.imshow(image_grid(images, COLUMNS), interpolation="antialiased")
    axes.set_axis_off()


def main(runs: Path, out: Path) -> None:
    """Train what is missing, and draw the picture."""
    with style():
        canvas = Figure(figsize=(11, 3.2))
        halves = canvas.subfigures(1, 2, squeeze=False, wspace=0.03)[0]
        for (model, title), half in zip(TITLES.items(), halves, strict=True):
            run = trained(runs / model, f"{SETTINGS} model={model}")
            plane, grid = half.subplots(1, 2)
            draw_codes(plane, run, COLOURS[model])
            draw_samples(grid, run)
            half.suptitle(title, fontweight="bold")
            plane.set_title("$q(z)$ of the test digits; dashed: $p(z)$")
            grid.set_title("samples")
        Image.fromarray(rendered(canvas)).quantize(128).save(out, optimize=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=Path, default=ROOT / "outputs" / "front_picture", help="where the runs are kept")
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "figures" / "front.png")
    arguments = parser.parse_args()
    main(arguments.runs.resolve(), arguments.out)
