"""Compare runs in a browser, without any account.

python dashboard.py runs=outputs output=dashboard.html
python dashboard.py 'runs=[outputs/2026-11-24,outputs/multirun/*/*]'
python dashboard.py --serve runs=outputs
"""

import sys

from omegaconf import DictConfig

from infovae.app import cli
from infovae.dashboard.build import build
from infovae.dashboard.settings import settings_of


def main(cfg: DictConfig) -> None:
    """A file, or a server."""
    build(settings_of(cfg))


if __name__ == "__main__":
    sys.argv = ["serve=true" if argument == "--serve" else argument for argument in sys.argv]
    cli.run(main, config_name="dashboard")
