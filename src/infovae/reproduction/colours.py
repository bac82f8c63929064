"""Give each objective of a figure a colour; the ELBO has the same colour in all figures."""

from collections.abc import Iterable

from infovae.pictures.canvas import CLASS_COLOURS

ELBO_COLOUR = CLASS_COLOURS[2]
OTHERS = tuple(CLASS_COLOURS[position] for position in (0, 1, 4, 5, 8, 9, 3, 6, 7))


def colours_of(objectives: Iterable[str]) -> dict[str, str]:
    """Return a colour for each label of :attr:`infovae.reproduction.cells.Cell.objective`, in the figure's order."""
    names = list(dict.fromkeys(objectives))
    others = (name for name in names if name != "ELBO")
    return {"ELBO": ELBO_COLOUR} | dict(zip(others, OTHERS, strict=False))
