"""Launchers that need an extra of this package."""

import re
import shlex
from importlib.metadata import requires
from importlib.util import find_spec

from omegaconf import DictConfig

from infovae.errors import UserError

EXTRAS = {"hydra_joblib_launcher": "joblib", "hydra_submitit_launcher": "slurm", "hydra_ray_launcher": "ray"}
"""The extra that installs a Hydra plugin, by the plugin's package."""


def check_launcher(hydra: DictConfig) -> None:
    """Refuse a launcher whose plugin is missing.

    Raises:
        UserError: it isn't installed.
    """
    plugins, _, rest = str(hydra.launcher._target_).partition(".")
    plugin = rest.partition(".")[0]
    if plugins == "hydra_plugins" and find_spec(f"{plugins}.{plugin}") is None:
        choice = hydra.runtime.choices["hydra/launcher"]
        raise UserError(f"hydra/launcher={choice}: not installed; {install(EXTRAS.get(plugin, plugin))}")


def install(extra: str) -> str:
    """Return the command that installs what an extra of this package needs, in a clone or elsewhere."""
    needed = (need.partition(";") for need in requires("infovae") or [])
    names = [name.strip() for name, _, marker in needed if re.search(rf"extra == .{extra}.$", marker.strip())]
    return f"pip install {shlex.join(names)}"
