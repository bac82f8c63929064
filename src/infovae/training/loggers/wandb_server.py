"""Whether a run would be logged to a W&B server, to which, and whether that answers."""

import json
import netrc
import os
import ssl
from http.client import HTTPException
from typing import Literal
from urllib.error import HTTPError, URLError
from urllib.parse import urlparse
from urllib.request import Request, getproxies, urlopen

from infovae.training.loggers.bounded import bounded

Mode = Literal["auto", "online", "offline"]

SECONDS_TO_ANSWER = 5.0


def url() -> str:
    """Return the address of the W&B server."""
    return os.environ.get("WANDB_BASE_URL", "https://api.wandb.ai").rstrip("/")


def host() -> str:
    """Return the host name of the W&B server."""
    return urlparse(url()).hostname or ""


def key_is_configured() -> bool:
    """Return whether the environment or the netrc file has a W&B key."""
    if os.environ.get("WANDB_API_KEY") or os.environ.get("WANDB_IDENTITY_TOKEN_FILE"):
        return True
    try:
        entry = netrc.netrc(os.environ.get("NETRC")).authenticators(host())
        return entry is not None and bool(entry[2])
    except (OSError, netrc.NetrcParseError):
        return False


def choose_mode(mode: Mode) -> str:
    """Return the configured mode. ``auto`` is WANDB_MODE if set, else online if a key is configured, else offline."""
    if mode != "auto":
        return mode
    return os.environ.get("WANDB_MODE") or ("online" if key_is_configured() else "offline")


def trouble() -> str | None:
    """Return in a few words why the server can't take a run now; None if nothing is known against it.

    wandb itself retries for long before it reports a server that can't be reached, is silent, or is out of order. It
    reports a refused key at once.
    """
    if getproxies():
        return None  # only the proxy knows
    try:
        return bounded(_trouble, SECONDS_TO_ANSWER)
    except TimeoutError:
        return f"{host()} doesn't answer"


def _trouble() -> str | None:
    content = json.dumps({"query": "query Viewer { viewer { id } }"}).encode()
    request = Request(f"{url()}/graphql", content, {"Content-Type": "application/json"})
    try:
        urlopen(request, timeout=SECONDS_TO_ANSWER).close()
    except HTTPError as error:
        error.close()
        return f"{host()} answers {error.code}" if error.code >= 500 else None
    except (OSError, HTTPException, ValueError) as error:
        reason = error.reason if isinstance(error, URLError) else error
        if isinstance(reason, ssl.SSLCertVerificationError):
            return None  # wandb may know the certificate
        if isinstance(reason, TimeoutError):
            raise reason from error
        return f"{host()} can't be reached ({reason})"
    return None
