"""Launchers that need an extra of this package."""

from importlib.util import find_spec

from omegaconf import DictConfig

from infovae.errors import UserError
from infovae.terminal.install import install

EXTRAS = {"hydra_joblib_launcher": "joblib", "hydra_submitit_launcher": "slurm", "hydra_ray_launcher": "ray"}
"""The extra that installs a Hydra plugin, by the plugin's package."""


def check_launcher(hydra: DictConfig) -> None:
    """Refuse a launcher whose plugin is missing."""
    plugins, _, rest = str(hydra.launcher._target_).partition(".")
    plugin = rest.partition(".")[0]
    if plugins == "hydra_plugins" and find_spec(f"{plugins}.{plugin}") is None:
        choice = hydra.runtime.choices["hydra/launcher"]
        raise UserError(f"hydra/launcher={choice}: not installed; {install(EXTRAS.get(plugin, plugin))}")
