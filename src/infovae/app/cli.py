"""Run one command under Hydra: compose its config, run its task, and turn mistakes into one line."""

import argparse
import contextlib
import functools
import os
import re
import sys
import time
import traceback
import warnings
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NoReturn

import hydra
from hydra.core.config_store import ConfigStore
from hydra.core.hydra_config import HydraConfig
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Quote, QuotedString
from hydra.core.plugins import Plugins
from hydra.errors import HydraException
from hydra.types import RunMode
from omegaconf import DictConfig

from infovae.app.search_path import AddedConfigs
from infovae.config.messages import OVERRIDES, explained, one_line
from infovae.config.options import CONF
from infovae.config.secrets import refuse_secrets
from infovae.errors import INTERRUPTED, UserError
from infovae.runs.folder import leads_out, leave_no_trace
from infovae.sweeps.overrides import for_swept_options
from infovae.sweeps.resume import resumed
from infovae.terminal.command import does_several_runs, in_quotes_if_needed
from infovae.terminal.printable import printable, without_controls

# The notice is about defaults of launchers that conf/hydra/launcher/ changes. Set here, in a module that the processes
# of a launcher import before they compose.
warnings.filterwarnings("ignore", message=r"\s*'hydra/launcher/\w+' is validated against ConfigStore schema")

# Hydra 1.4 warns of version_base, which 1.3 asks for, and of a list of allowed log handlers, which 1.3 doesn't take.
warnings.filterwarnings("ignore", message="The version_base parameter is deprecated")
warnings.filterwarnings("ignore", message="Hydra configured Python logging without an execution whitelist")

# Some operations have no version for Apple's GPUs; torch reads this when it is imported, and runs those on the CPU.
os.environ.setdefault("PYTORCH_ENABLE_MPS_FALLBACK", "1")

ENTRY = re.compile(r"""\s*('(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*")\s*|[^,\[\]]+""")
"""An entry of a list: a text in quotes, which is its first group, or what stands between commas."""

# Hydra deep-copies this singleton for each group that --help lists: 0.5 of 1.0 s. What it loads from it, it copies too.
ConfigStore.__deepcopy__ = lambda self, memo: self  # type: ignore[attr-defined]


def run(task: Callable[[DictConfig], Any], config_name: str) -> None:
    """Run a task under Hydra. An error is one line on standard error and exit status 1.

    HYDRA_FULL_ERROR=1 lets the whole traceback through.
    """
    # Further processes of a data-parallel run inherit HYDRA_FULL_ERROR=1, so the user's own value travels separately.
    is_first = os.environ.get("LOCAL_RANK", "0") == "0"
    wanted = os.environ.get("HYDRA_FULL_ERROR" if is_first else "INFOVAE_FULL_ERROR", "0")
    os.environ["INFOVAE_FULL_ERROR"] = wanted
    os.environ["HYDRA_FULL_ERROR"] = "1"  # Hydra then raises errors instead of printing them its own way
    errors = one_line_errors if wanted in ("", "0") else contextlib.nullcontext
    start, has_begun = time.time(), False

    @functools.wraps(task)
    def guarded(cfg: DictConfig) -> Any:
        nonlocal has_begun
        has_begun = True
        hydra_config = HydraConfig.get()
        if (cores := hydra_config.launcher.get("cpus_per_task")) is not None:  # of Submitit; others set the threads
            import torch  # here: --help answers without waiting for it

            torch.set_num_threads(cores)
        try:
            with errors() if hydra_config.mode == RunMode.RUN else job_errors():
                return task(cfg)
        except BaseException:
            leave_no_trace(Path(hydra_config.runtime.output_dir), since=start)
            raise

    with errors():
        # A user's own parts are in the folder where the command is typed. It is searched last, so that nothing there
        # replaces an installed package.
        try:
            sys.path.append(os.getcwd())
        except FileNotFoundError as error:
            raise UserError("the working directory is gone", accepted="a folder that exists: cd into one") from error
        sys.argv[1:] = resumed(sys.argv[1:])
        if config_name not in ("config", "evaluate"):  # Hydra would take it for an option of the group of that name
            sys.argv[1:] = [as_condition(argument) for argument in sys.argv[1:]]
        sys.argv[1:] = checked_arguments(sys.argv[1:])
        Plugins.instance().register(AddedConfigs)
        try:
            hydra.main(version_base="1.3", config_path=str(CONF), config_name=config_name)(guarded)()
        except OSError as error:
            if isinstance(error, BrokenPipeError) and not has_begun:
                with for_a_reader():
                    raise
            if has_begun or error.filename is None:
                raise
            key = "hydra.sweep.dir" if does_several_runs() else "hydra.run.dir"
            accepted = "a folder that can be made and written to"
            raise UserError(str(error.strerror), key=key, value=error.filename, accepted=accepted) from error


def as_condition(argument: str) -> str:
    """Return ``condition=VALUE`` as Hydra can read it; any other argument as it is.

    null, lists and texts in quotes are read by Hydra's grammar. Anything else is a text, whatever its characters, but
    not an empty one.
    """
    key, sign, typed = argument.partition("=")
    if key != "condition" or not sign:
        return argument
    if not typed:
        raise UserError("empty", key=key, value="", accepted="a class, a value for each column as [1.5,male], or null")
    text = QuotedString(text=typed, quote=Quote.double).with_quotes()
    entries = ENTRY.sub(lambda entry: entry[1] or in_quotes_if_needed(entry[0].strip()), typed)
    for one in (typed, entries) if typed[0] == "[" else (typed,):
        try:
            read: Any = OverridesParser.create().parse_override(f"{key}={{value:{one}}}").value()
        except HydraException:
            continue
        if len(read) == 1 and (one[0] in "'\"" or read["value"] is None or isinstance(read["value"], list)):
            return f"{key}={{value:{one}}}"
    return f"{key}={{value:{text}}}"


def checked_arguments(arguments: Sequence[str]) -> list[str]:
    """Return the arguments as Hydra can read them: overrides together, before the flags.

    Raises:
        UserError: a flag that Hydra doesn't know, a secret, a pickle, an empty folder, a place outside the run folder,
            or a package without configs.
    """
    if not CONF.is_dir():
        raise UserError("the configs are missing", key=str(CONF), accepted="pip install -e . in a clone, or a wheel")
    parser = refusing(flags_of_hydra(), f"{OVERRIDES}; --help tells more, --hydra-help the flags")
    given = parser.parse_intermixed_args(arguments)
    if given.experimental_rerun is not None:
        key, accepted = "--experimental-rerun", "the run's own command, from its summary.json"
        raise UserError("a pickle can run code", key=key, value=given.experimental_rerun, accepted=accepted)
    for override in given.overrides:
        key, _, value = override.partition("=")
        refuse_secrets(value, key)
        if key in ("hydra.run.dir", "hydra.sweep.dir") and value.strip("'\"") in ("", "null"):
            raise UserError("empty", key=key, value=value, accepted="a folder, such as runs/a")
        if key.lstrip("+") == "hydra.output_subdir" and value != "null":
            why = "Hydra would write there before the config is checked"
            raise UserError(why, key=key, value=value, accepted="null; the run folder's .hydra/ holds the same files")
        if key.lstrip("+") in ("name", "hydra.job.name") and leads_out(value.strip("'\"")):
            raise UserError("leads out of the run folder", key=key, value=value, accepted="a name without ..")
    flags = list(arguments)
    for override in given.overrides:
        flags.remove(override)
    return [*(for_swept_options(given.overrides) if does_several_runs() else given.overrides), *flags]


def flags_of_hydra() -> argparse.ArgumentParser:
    """Return a parser of the flags that Hydra's own takes, which it has no public way to give."""
    parser = argparse.ArgumentParser(add_help=False)
    parser.add_argument("overrides", nargs="*")
    for names in (
        "--help -h", "--hydra-help", "--version", "--resolve", "--run -r", "--multirun -m", "--shell-completion -sc",
    ):  # fmt: skip
        parser.add_argument(*names.split(), action="store_true")
    for names in ("--package -p", "--config-path -cp", "--config-name -cn", "--config-dir -cd", "--experimental-rerun"):
        parser.add_argument(*names.split())
    parser.add_argument("--cfg", "-c", choices=["job", "hydra", "all"])
    subjects = ["all", "config", "defaults", "defaults-tree", "plugins", "searchpath"]
    parser.add_argument("--info", "-i", const="all", nargs="?", choices=subjects)
    return parser


def refusing(parser: argparse.ArgumentParser, accepted: str) -> argparse.ArgumentParser:
    """Have a parser raise its refusals, with what it would take instead."""

    def refuse(message: str) -> NoReturn:
        raise UserError(message, accepted=accepted)

    parser.error = refuse  # type: ignore[method-assign]
    return parser


@contextlib.contextmanager
def one_line_errors() -> Iterator[None]:
    """End the program with one line for any error; the traceback of a user's own code follows it."""
    try:
        yield
    except KeyboardInterrupt:  # in a launcher: a run answers for itself
        sys.exit(INTERRUPTED)
    except Exception as error:
        tell(error)
        sys.exit(1)


@contextlib.contextmanager
def for_a_reader() -> Iterator[None]:
    """End quietly when who reads the output leaves before its end, as ``head`` does."""
    try:
        try:
            yield
        finally:
            sys.stdout.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)


@contextlib.contextmanager
def job_errors() -> Iterator[None]:
    """Print at once what ends a job of a sweep, and raise it as an error that any launcher can pass on."""
    try:
        yield
    except Exception as error:
        if os.environ.get("INFOVAE_FULL_ERROR", "0") not in ("", "0"):
            traceback.print_exc()
        tell(error)
        raise UserError(one_line(error)) from None


def tell(error: Exception) -> None:
    """Print an error on standard error."""
    explanation = explained(error)
    print(f"error: {printable(str(explanation))}", file=sys.stderr)
    if explanation.details:
        print(without_controls(explanation.details), file=sys.stderr)
