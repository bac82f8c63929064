"""Draw what each latent dimension changes."""

import torch

from infovae.errors import ArgumentError, require_at_least
from infovae.model import Model, Observed, given
from infovae.pictures.canvas import axis_number, labelled_grid
from infovae.pictures.latent_space import by_use, finite, prior_quantiles, rate_by_dimension
from infovae.pictures.picture import Picture, Pixels


class Traversals(Picture):
    """A row for each latent dimension: z_k runs through the prior's quantiles, the rest of z stays at one E[z|x].

    The most informative dimensions come first: see :func:`infovae.pictures.latent_space.by_use`.

    Args:
        dimensions: how many, at most.
        columns: how many values of z_k, from -extent to extent.
        extent: in standard deviations of the prior. A prior that isn't normal is cut at the quantiles that a normal has
            there.
        examples: how many decide the order of dimensions; the first one is drawn.
    """

    def __init__(self, dimensions: int = 10, columns: int = 13, extent: float = 3.0, examples: int = 2000) -> None:
        require_at_least(1, dimensions=dimensions, columns=columns, examples=examples)
        if not 0 < extent <= 5:
            raise ArgumentError("extent", extent, "values above 0, up to 5", "out of range")
        super().__init__(examples)
        self.dimensions = dimensions
        self.columns = columns
        self.extent = extent

    def draw(self, model: Model, observed: Observed) -> Pixels | None:
        seen = finite(observed)
        codes = seen.codes
        if not len(codes.mean):
            return None
        deviations = torch.linspace(-self.extent, self.extent, self.columns)
        values = prior_quantiles(model.prior, deviations).to(codes.mean)
        shown = by_use(codes, model.prior)[: self.dimensions].tolist()
        z = codes.mean[0].repeat(len(shown), self.columns, 1)
        for row, k in enumerate(shown):
            z[row, :, k] = values[:, k]
        rates = rate_by_dimension(codes, model.prior)
        return labelled_grid(
            given(model, None if seen.conditions is None else seen.conditions[:1]).decode(z.flatten(0, 1)).mean,
            self.columns,
            title=f"$z_k${'' if rates is None else ' (rate in nats)'} in standard deviations of the prior",
            row_labels=[f"$z_{{{k + 1}}}$" + ("" if rates is None else f" ({rates[k]:.1f})") for k in shown],
            column_labels=[
                axis_number(value, 0) if abs(value - round(value)) < 1e-6 else "" for value in deviations.tolist()
            ],
        )
