"""The command line: compose a config with Hydra, run, and turn mistakes into one line."""

import argparse
import contextlib
import functools
import os
import sys
import time
import traceback
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NoReturn

import hydra
from hydra._internal.utils import get_args_parser
from hydra.core.config_store import ConfigStore
from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import DictConfig

from infovae.config.messages import CONF, OVERRIDES, one_line
from infovae.config.secrets import refuse_secrets
from infovae.errors import INTERRUPTED, UserError
from infovae.runs.folder import leave_no_trace
from infovae.sweeps.resume import resumed

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
    start, has_begun = time.time(), False

    @functools.wraps(task)
    def guarded(cfg: DictConfig) -> Any:
        nonlocal has_begun
        has_begun = True
        hydra_config = HydraConfig.get()
        share_cores(hydra_config.launcher)
        try:
            with errors() if hydra_config.mode == RunMode.RUN else job_errors():
                return task(cfg)
        except BaseException:
            leave_no_trace(Path(hydra_config.runtime.output_dir), since=start)
            raise

    with errors():
        sys.argv[1:] = resumed(sys.argv[1:])
        check_arguments(sys.argv[1:])
        try:
            hydra.main(version_base="1.3", config_path=str(CONF), config_name=config_name)(guarded)()
        except OSError as error:
            if has_begun or error.filename is None:
                raise
            key = (
                "hydra.sweep.dir"
                if {"-m", "--multirun", "hydra.mode=MULTIRUN"}.intersection(sys.argv)
                else "hydra.run.dir"
            )
            raise UserError(
                f"{key}={error.filename}: {error.strerror}; accepted: a folder that can be made and written to"
            ) from error


def check_arguments(arguments: list[str]) -> None:
    """Refuse, before Hydra reads them, flags that it doesn't know, secrets, and a package without its configs.

    Raises:
        UserError: any of these.
    """
    if not CONF.is_dir():
        raise UserError(f"{CONF}: the configs are missing; accepted: a clone of the repository: pip install -e .")
    parser = refusing(get_args_parser(), f"{OVERRIDES}; --help tells more, --hydra-help the flags")
    given = parser.parse_args(arguments)
    if given.experimental_rerun is not None:
        raise UserError(
            f"--experimental-rerun={given.experimental_rerun}: a pickle can run code; accepted: the run's own "
            "command, as its summary.json has it"
        )
    for override in given.overrides:
        key, _, value = override.partition("=")
        refuse_secrets(value, key)


def refusing(parser: argparse.ArgumentParser, accepted: str) -> argparse.ArgumentParser:
    """A parser that answers in one line too.

    Args:
        parser: to be changed.
        accepted: what it would take.
    """

    def refuse(message: str) -> NoReturn:
        raise UserError(f"{message}; accepted: {accepted}")

    parser.error = refuse  # type: ignore[method-assign]
    return parser


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
