"""The small trained models that come with the package, one for each of eight presets."""

from pathlib import Path

from infovae.errors import UserError

PREFIX = "zoo://"
FOLDER = Path(__file__).parents[1] / "zoo"
NAMES = ("vae", "beta_vae", "infovae", "mmd_vae", "stein_vae", "aae", "wae_mmd", "beta_tcvae")
"""Presets of ``conf/model/``; ``benchmarks/zoo.py`` trains them on MNIST."""


def zoo_folder(text: str, key: str) -> Path:
    """Return the folder of the model that ``zoo://NAME`` names; raise a UserError if there is no such model."""
    name = text.removeprefix(PREFIX)
    if name not in NAMES:
        raise UserError("no such model", key=key, value=text, accepted=", ".join(f"{PREFIX}{own}" for own in NAMES))
    return FOLDER / name
