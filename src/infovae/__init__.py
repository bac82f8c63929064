"""InfoVAE Lab: one objective, and measurements of what its latent code is worth."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from infovae.evaluation.load import load as load

__version__ = "0.2.0"


def __getattr__(name: str) -> Any:
    # At first use: importing the package must not wait for torch.
    if name == "load":
        from infovae.evaluation.load import load

        return load
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
