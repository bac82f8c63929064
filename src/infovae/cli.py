"""The command line: compose a config with Hydra, run, and turn mistakes into one line."""

import os
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import hydra
from hydra.errors import HydraException
from omegaconf import DictConfig
from omegaconf.errors import OmegaConfBaseException

from infovae.errors import UserError

CONF = Path(__file__).parents[2] / "conf"


def run(task: Callable[[DictConfig], Any], config_name: str = "config") -> None:
    """Run a task under Hydra; a refused config is one line on standard error and exit code 1.

    HYDRA_FULL_ERROR=1 lets the whole traceback through.
    """
    # A further process of a data-parallel run inherits HYDRA_FULL_ERROR=1; what the user said reaches it separately.
    is_first = os.environ.get("LOCAL_RANK", "0") == "0"
    said = os.environ.get("HYDRA_FULL_ERROR" if is_first else "INFOVAE_FULL_ERROR", "0")
    full_error = said not in ("", "0")
    os.environ["INFOVAE_FULL_ERROR"] = said
    os.environ["HYDRA_FULL_ERROR"] = "1"  # Hydra then hands errors on instead of printing them its own way
    try:
        hydra.main(version_base="1.3", config_path=str(CONF), config_name=config_name)(task)()
    except UserError as error:
        if full_error:
            raise
        _refuse(str(error))
    except (HydraException, OmegaConfBaseException) as error:
        if full_error:
            raise
        _refuse(one_line(error))
    except Exception as error:
        if full_error:
            raise
        _refuse(f"{type(error).__name__}: {' '.join(str(error).split())} (HYDRA_FULL_ERROR=1 shows where)")


def _refuse(line: str) -> None:
    print(f"error: {line}", file=sys.stderr)
    sys.exit(1)


def one_line(error: Exception) -> str:
    """Hydra's and OmegaConf's own words, folded."""
    text = str(error)
    if error.__cause__ is not None and str(error.__cause__) not in text:
        text += f" {error.__cause__}"
    return re.sub(r"\s+", " ", text).strip()
