"""Compare the divergences once normalised codes have taken the scale of q(z) out of their hands."""

from infovae.reproduction.comparison import Comparison


class ComparisonNormalized(Comparison):
    """Draw and tabulate as :class:`infovae.reproduction.comparison.Comparison` does."""

    title = "Divergences side by side, with normalised codes"
