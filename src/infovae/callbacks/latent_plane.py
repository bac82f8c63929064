"""Two-dimensional codes: q(z) against the prior, and the images that the plane decodes to."""

import numpy as np
import pytorch_lightning as pl
import torch
from jaxtyping import UInt8
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from torch import Tensor

from infovae.callbacks.drawing import Drawing, image_grid
from infovae.data.module import image_data
from infovae.module import InfoVAE

EXTENT = 4.0
"""Half the width of the drawn square: a standard normal has 0.01 % of its mass outside."""


class LatentScatter(Drawing):
    """Test codes z ~ q(z|x) by class, over contours of the prior. Nothing where d is not 2.

    Args:
        folder: where PNG files go.
        every_n_epochs: how often.
        points: how many codes.
    """

    def __init__(self, folder: str, every_n_epochs: int = 5, points: int = 2000) -> None:
        super().__init__("latent_scatter", folder, every_n_epochs)
        self.points = points
        self._trainer: pl.Trainer | None = None

    def setup(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        self._trainer = trainer

    def draw(self, module: InfoVAE) -> UInt8[np.ndarray, "height width 3"] | None:
        if module.prior.latent_dim != 2:
            return None
        assert self._trainer is not None
        codes: list[Tensor] = []
        labels: list[Tensor] = []
        for batch in image_data(self._trainer).evaluation_loader("test", shared=False):
            codes.append(module.encode(batch.images).rsample())
            labels.append(batch.labels)
            if sum(map(len, codes)) >= self.points:
                break
        z, classes = torch.cat(codes)[: self.points].cpu(), torch.cat(labels)[: self.points].cpu()

        figure = Figure(figsize=(6, 6), dpi=100, layout="constrained")
        canvas = FigureCanvasAgg(figure)
        axes = figure.add_subplot()
        axes.scatter(z[:, 0], z[:, 1], c=classes, cmap="tab10", s=4, linewidths=0, label="q(z)")
        density = module.prior.log_prob(plane(200).to(module.device)).exp().reshape(200, 200).cpu()
        ticks = np.linspace(-EXTENT, EXTENT, 200)
        axes.contour(ticks, ticks[::-1], density, levels=6, colors="black", linewidths=0.6)
        limit = max(EXTENT, float(z.abs().quantile(0.995)))
        axes.set(xlim=(-limit, limit), ylim=(-limit, limit), aspect="equal", xlabel="$z_1$", ylabel="$z_2$")
        axes.set_title("test codes by class, and contours of the prior")
        canvas.draw()
        return np.ascontiguousarray(np.asarray(canvas.buffer_rgba())[..., :3])


class LatentManifold(Drawing):
    """E[x|z] over a square of the plane. Nothing where d is not 2.

    Args:
        folder: where PNG files go.
        every_n_epochs: how often.
        rows: of the square grid.
        extent: half the square's width, in units of z.
    """

    def __init__(self, folder: str, every_n_epochs: int = 5, rows: int = 20, extent: float = 2.5) -> None:
        super().__init__("latent_manifold", folder, every_n_epochs)
        self.rows = rows
        self.extent = extent

    def draw(self, module: InfoVAE) -> UInt8[np.ndarray, "height width 3"] | None:
        if module.prior.latent_dim != 2:
            return None
        z = plane(self.rows, self.extent).to(module.device)
        return image_grid(module.decode(z).mean, self.rows)


def plane(rows: int, extent: float = EXTENT) -> Tensor:
    """Points of a square grid, (rows^2, 2): z_1 grows to the right, z_2 upwards."""
    ticks = torch.linspace(-extent, extent, rows)
    vertical, horizontal = torch.meshgrid(-ticks, ticks, indexing="ij")
    return torch.stack([horizontal.flatten(), vertical.flatten()], dim=1)
