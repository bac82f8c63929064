"""Compare runs in a browser, without any account.

python dashboard.py runs=outputs output=dashboard.html
python dashboard.py 'runs=[outputs/2026-11-24,outputs/multirun/*/*]'
python dashboard.py --serve runs=outputs
"""

import sys

from omegaconf import DictConfig

from infovae.app import cli
from infovae.dashboard.build import serve_or_write


def main(cfg: DictConfig) -> None:
    """A file, or a server."""
    serve_or_write(cfg)


if __name__ == "__main__":
    sys.argv = ["serve=true" if argument == "--serve" else argument for argument in sys.argv]
    cli.run(main, config_name="dashboard")
