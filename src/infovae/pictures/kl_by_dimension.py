"""Plot the rate of each latent dimension."""

import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from infovae.errors import ArgumentError
from infovae.exact import exact
from infovae.model import Model, Observed
from infovae.pictures.canvas import AGGREGATE_COLOUR, MUTED_COLOUR, rendered, style
from infovae.pictures.latent_space import finite, rate_by_dimension
from infovae.pictures.picture import Picture, Pixels

NAMED = 20
"""The most bars that have room for their dimension's name."""


class KLByDimension(Picture):
    """Bars of E_x KL(q(z_k|x) || p(z_k)) in nats, whose sum is the rate; inactive dimensions are grey.

    Nothing is drawn where these aren't finite, as for a prior whose dimensions aren't independent and for a
    deterministic posterior.

    Args:
        examples: how many to average over.
        threshold: a dimension is active if its Var_x[E[z_k|x]] is larger (Burda et al. 2016).
    """

    def __init__(self, examples: int = 5000, threshold: float = 0.01) -> None:
        super().__init__(examples, least=1)
        if threshold < 0:
            raise ArgumentError("threshold", threshold, "values of at least 0", "not a variance")
        self.threshold = threshold

    def draw(self, model: Model, observed: Observed) -> Pixels | None:
        codes = finite(observed).codes
        rates = rate_by_dimension(codes, model.prior) if len(codes.mean) else None
        if rates is None:
            return None
        active = exact(codes.mean).var(dim=0, correction=min(1, len(codes.mean) - 1)) > self.threshold
        order = rates.argsort(descending=True, stable=True)
        colours = [AGGREGATE_COLOUR if active[k] else MUTED_COLOUR for k in order]
        places = np.arange(len(order))
        with style():
            figure = Figure(figsize=(4.5, 3))
            axes = figure.add_subplot()
            axes.bar(places, rates[order].cpu().numpy(), color=colours, width=0.8)
            axes.grid(visible=False, axis="x")
            if len(order) <= NAMED:
                axes.set_xticks(places, [f"$z_{{{k + 1}}}$" for k in order.tolist()])
            else:
                axes.set_xlabel("dimensions, descending")
            axes.set_ylabel(r"$\mathrm{E}_x\,\mathrm{KL}(q(z_k|x)\,\|\,p(z_k))$ (nats)")
            axes.set_title(f"rate {rates.sum().item():.2f} nats; {int(active.sum())} of {len(order)} dimensions active")
            of = rf"$\mathrm{{Var}}_x[\mathrm{{E}}[z_k|x]]$ > {self.threshold:g}"
            handles = [Patch(color=AGGREGATE_COLOUR, label=of), Patch(color=MUTED_COLOUR, label="below that")]
            figure.legend(handles=handles, loc="outside lower center", ncols=2)
            return rendered(figure)
