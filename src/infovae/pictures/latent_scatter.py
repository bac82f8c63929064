"""Plot two-dimensional codes by class, against the prior."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from torch import Tensor

from infovae.errors import require_at_least
from infovae.model import Model, Observed
from infovae.pictures.canvas import CLASS_COLOURS, PRIOR_COLOUR, rendered, style
from infovae.pictures.densities import draw_contours, extent_of, prior_density, ticks_of
from infovae.pictures.latent_space import PRIOR_DRAWS, finite
from infovae.pictures.picture import Picture, Pixels


class LatentScatter(Picture):
    """Codes z ~ q(z|x) by class, over contours of the prior. Nothing is drawn if d is not 2.

    Args:
        examples: how many codes.
        rows: of the square grid on which the prior is evaluated.
    """

    def __init__(self, examples: int = 2000, rows: int = 200) -> None:
        super().__init__(examples, least=1)
        require_at_least(2, rows=rows)
        self.rows = rows

    def draw(self, model: Model, observed: Observed) -> Pixels | None:
        observed = finite(observed)
        if model.prior.latent_dim != 2 or not len(observed.labels):
            return None
        z = observed.codes.z
        extent = extent_of(z, model.prior.sample(PRIOR_DRAWS))
        ticks = ticks_of(self.rows, extent)
        density = prior_density(model.prior, (0, 1), ticks, 2 * extent / (self.rows - 1))
        with style():
            figure = Figure(figsize=(5.0, 4.5))
            axes = figure.add_subplot()
            draw_contours(axes, ticks, density, PRIOR_COLOUR, filled=False)
            scatter_by_class(figure, axes, z.cpu(), observed.labels.cpu())
            axes.set(xlim=(-extent, extent), ylim=(-extent, extent), aspect="equal", xlabel="$z_1$", ylabel="$z_2$")
            axes.set_title("codes by class; dashed: 25, 50, 75, 95 % of $p(z)$")
            return rendered(figure)


def scatter_by_class(figure: Figure, axes: Axes, z: Tensor, labels: Tensor) -> None:
    """Plot points by class, with a legend if there are enough colours, else with a colour bar."""
    points = z.numpy()
    classes, which = np.unique(labels.numpy(), return_inverse=True)
    few = len(classes) <= len(CLASS_COLOURS)
    colours = ListedColormap(CLASS_COLOURS[: len(classes)]) if few else "viridis"
    values = which if few else labels.numpy()
    drawn = axes.scatter(points[:, 0], points[:, 1], c=values, cmap=colours, s=5, linewidths=0, alpha=0.8, zorder=1.5)
    if few:
        handles = [
            Line2D([], [], linestyle="none", marker="o", markersize=5, color=CLASS_COLOURS[position], label=str(name))
            for position, name in enumerate(classes)
        ]
        figure.legend(handles=handles, title="class", loc="outside right center")
    else:
        figure.colorbar(drawn, label="class")
