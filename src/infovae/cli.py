"""The command line: compose a config with Hydra, run, and turn mistakes into one line."""

import contextlib
import functools
import os
import re
import sys
import traceback
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import hydra
from hydra.core.config_store import ConfigStore
from hydra.core.hydra_config import HydraConfig
from hydra.errors import HydraException, MissingConfigException
from hydra.types import RunMode
from omegaconf import DictConfig
from omegaconf.errors import OmegaConfBaseException

from infovae.errors import INTERRUPTED, UserError
from infovae.sweeps.resume import resumed

CONF = Path(__file__).parents[2] / "conf"

# conf/hydra/launcher/ changes some of a plugin's own defaults, which is what this notice is about. Said here, since
# the processes that a launcher starts import this module before they compose.
warnings.filterwarnings("ignore", message=r"\s*'hydra/launcher/\w+' is validated against ConfigStore schema")

# Hydra copies this singleton, deeply, with each group that --help lists, which took four fifths of its time. What it
# loads from it, it copies once more.
ConfigStore.__deepcopy__ = lambda self, memo: self  # type: ignore[attr-defined]


def run(task: Callable[[DictConfig], Any], config_name: str = "config") -> None:
    """Run a task under Hydra; what goes wrong is one line on standard error and exit code 1.

    HYDRA_FULL_ERROR=1 lets the whole traceback through.
    """
    # A further process of a data-parallel run inherits HYDRA_FULL_ERROR=1; what the user said reaches it separately.
    is_first = os.environ.get("LOCAL_RANK", "0") == "0"
    said = os.environ.get("HYDRA_FULL_ERROR" if is_first else "INFOVAE_FULL_ERROR", "0")
    full_error = said not in ("", "0")
    os.environ["INFOVAE_FULL_ERROR"] = said
    os.environ["HYDRA_FULL_ERROR"] = "1"  # Hydra then hands errors on instead of printing them its own way
    # A script's own folder is searched for modules, not the one it is called from, where a user's own parts are. Last,
    # so that nothing there stands in for what is installed.
    sys.path.append(os.getcwd())
    errors = contextlib.nullcontext if full_error else one_line_errors

    @functools.wraps(task)
    def guarded(cfg: DictConfig) -> Any:
        hydra_config = HydraConfig.get()
        share_cores(hydra_config.launcher)
        with errors() if hydra_config.mode == RunMode.RUN else job_errors():
            return task(cfg)

    with errors():
        sys.argv[1:] = resumed(sys.argv[1:])
        hydra.main(version_base="1.3", config_path=str(CONF), config_name=config_name)(guarded)()


@contextlib.contextmanager
def one_line_errors() -> Iterator[None]:
    """End the program with one line for whatever is raised inside."""
    try:
        yield
    except KeyboardInterrupt:  # a launcher's: a run of its own answers for itself
        sys.exit(INTERRUPTED)
    except Exception as error:
        print(f"error: {one_line(error)}", file=sys.stderr)
        sys.exit(1)


@contextlib.contextmanager
def job_errors() -> Iterator[None]:
    """Say at once what ends a job of a sweep, and hand it on as what any launcher can carry between processes."""
    try:
        yield
    except Exception as error:
        if os.environ.get("INFOVAE_FULL_ERROR", "0") not in ("", "0"):
            traceback.print_exc()
        text = one_line(error)
        print(f"error: {text}", file=sys.stderr)
        raise UserError(text) from None


def share_cores(launcher: DictConfig) -> None:
    """A job that Submitit starts takes as many threads as it asked for cores; the other launchers see to that."""
    cores = launcher.get("cpus_per_task")
    if cores is not None:
        import torch  # here: --help answers without waiting for it

        torch.set_num_threads(cores)


def one_line(error: Exception) -> str:
    """What went wrong, and what would be accepted where that is known."""
    cause = error.__cause__
    if isinstance(error, UserError):
        text = str(error)
    elif isinstance(error, MissingConfigException) and "/" in str(error.missing_cfg_file):
        group, _, option = str(error.missing_cfg_file).rpartition("/")
        options = error.options or sorted(path.stem for path in (CONF / group).glob("*.yaml"))
        text = f"{group}={option}: unknown option; accepted are {', '.join(options)}"
    elif isinstance(cause, OmegaConfBaseException) and isinstance(cause.parent_node, DictConfig):
        accepted = ", ".join(sorted(key for key in map(str, cause.parent_node) if not key.startswith("_")))
        text = f"{cause.full_key}: unknown key; accepted are {accepted}, or +{cause.full_key}=VALUE to add it"
    elif isinstance(error, HydraException | OmegaConfBaseException):
        text = f"{error} {cause}" if cause is not None and str(cause) not in str(error) else str(error)
    elif isinstance(error, OSError) and error.filename and error.strerror:
        text = f"{error.filename}: {error.strerror} (HYDRA_FULL_ERROR=1 shows where)"
    else:
        text = f"{type(error).__name__}: {error} (HYDRA_FULL_ERROR=1 shows where)"
    return re.sub(r"\s+", " ", text).strip()
