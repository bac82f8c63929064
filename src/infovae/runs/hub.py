"""Run folders on the Hugging Face Hub: their addresses, their files, and errors in one line."""

import importlib
import importlib.util
import logging
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from infovae.errors import UserError, reason_of
from infovae.runs import zoo
from infovae.runs.checkpoints import SAFETENSORS
from infovae.terminal.install import install
from infovae.terminal.printable import printable

PREFIX = "hf://"
ELSEWHERE = (PREFIX, zoo.PREFIX)
"""How the address of a run begins that has no folder of its own here."""
FILES = ("config.yaml", SAFETENSORS, "README.md", "samples.png")
"""What a repository holds of a run."""


class Address(NamedTuple):
    """A repository, and one of its revisions; None is the newest."""

    repository: str
    revision: str | None


def address_of(text: str, key: str) -> Address:
    """Return what ``[hf://]USER/NAME[@REVISION]`` names; raise a UserError if it names nothing."""
    found = re.fullmatch(r"(?:hf://)?([\w.-]+/[\w.-]+)(?:@([\w./-]+))?", text)
    if found is None:
        raise UserError("names no repository", key=key, value=text, accepted="USER/NAME, or USER/NAME@REVISION")
    return Address(found[1], found[2])


def fetched(text: str, key: str = "run") -> Path:
    """Return the folder of a run that lies on the Hub: downloaded, or from the cache of an earlier download.

    Its address is ``hf://USER/NAME``, ``USER/NAME@REVISION``, or ``zoo://NAME`` for a model of the package.

    Raises:
        UserError: the Hub can't be reached, or there is no such run.
    """
    if text.startswith(zoo.PREFIX):
        return zoo.zoo_folder(text, key)
    address = address_of(text, key)
    hub = hub_installed(key, text)
    with hub_errors(key, text):
        return Path(hub.snapshot_download(address.repository, revision=address.revision, allow_patterns=list(FILES)))


def folder_of(run: str, key: str = "run") -> Path:
    """Return the folder, or file, of a run: fetched if it lies on the Hub or in the package; see :func:`fetched`."""
    return fetched(run, key) if run.startswith(ELSEWHERE) else Path(run)


def hub_installed(key: str, value: str) -> Any:
    """Return the module ``huggingface_hub``, an extra; raise a UserError if it isn't installed."""
    if importlib.util.find_spec("huggingface_hub") is None:
        raise UserError("needs huggingface_hub", key=key, value=value, accepted=f"{install('hub')}, or a run's folder")
    hub = importlib.import_module("huggingface_hub")
    for client in ("httpx", "httpx2"):  # would log every request
        logging.getLogger(client).setLevel(logging.WARNING)
    if not sys.stderr.isatty():
        importlib.import_module("huggingface_hub.utils").disable_progress_bars()
    return hub


def require_output(run: str | None, output: str | None) -> None:
    """Refuse a command without a run, or without an output where the run has no folder of its own here."""
    if run is None:
        raise UserError("missing", key="run", accepted="run=FOLDER, as infovae train prints it")
    if output is None and run.startswith(ELSEWHERE):
        accepted = "output=FOLDER, or run=FOLDER after infovae pull"
        raise UserError(f"missing; run={run} has no folder of its own here", key="output", accepted=accepted)


@contextmanager
def hub_errors(key: str, value: str) -> Iterator[None]:
    """Turn an error of the Hub, of the network or of a download into a UserError."""
    try:
        yield
    except Exception as error:
        chain = [error]
        while (cause := chain[-1].__cause__ or chain[-1].__context__) is not None and isinstance(cause, Exception):
            chain.append(cause)
        reason = printable(reason_of(chain[-1]).partition(" For more information")[0])
        if any(re.search("Connect|Offline", type(cause).__name__) for cause in chain):
            why, accepted = f"the Hub can't be reached ({reason})", "a command with a network, or a run's folder"
        else:
            why = f"the Hub refuses ({reason})"
            accepted = "a repository that you can read or write; `hf auth login` says who you are"
        raise UserError(why, key=key, value=value, accepted=accepted) from error
