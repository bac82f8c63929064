"""Weights & Biases that never asks, never stops a run, and works without an account."""

import logging
import netrc
import os
import socket
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlparse
from urllib.request import getproxies

from pytorch_lightning.loggers import WandbLogger

log = logging.getLogger(__name__)

Mode = Literal["auto", "online", "offline"]


SECONDS_TO_REACH = 3.0
SECONDS_TO_START = 20.0


def server() -> tuple[str, int]:
    """Host and port of the W&B server."""
    url = urlparse(os.environ.get("WANDB_BASE_URL", "https://api.wandb.ai"))
    return url.hostname or "", url.port or (80 if url.scheme == "http" else 443)


def server_answers() -> bool:
    """Whether the server takes connections: wandb itself would wait a minute and a half to find out."""
    if getproxies():
        return True  # only the proxy knows
    try:
        socket.create_connection(server(), timeout=SECONDS_TO_REACH).close()
    except OSError:
        return False
    return True


def key_is_configured() -> bool:
    """Whether a W&B key lies in the environment or in the netrc file."""
    if os.environ.get("WANDB_API_KEY") or os.environ.get("WANDB_IDENTITY_TOKEN_FILE"):
        return True
    host, _ = server()
    try:
        entry = netrc.netrc(os.environ.get("NETRC")).authenticators(host)
        return entry is not None and bool(entry[2])
    except (OSError, netrc.NetrcParseError):
        return False


def choose_mode(mode: Mode) -> str:
    """What was configured; under ``auto`` what WANDB_MODE says, else online where a key is configured, else offline."""
    if mode != "auto":
        return mode
    return os.environ.get("WANDB_MODE") or ("online" if key_is_configured() else "offline")


def wandb_logger(
    run_dir: str,
    name: str,
    project: str = "infovae",
    entity: str | None = None,
    group: str | None = None,
    job_type: str | None = None,
    tags: Sequence[str] = (),
    mode: Mode = "auto",
) -> WandbLogger | None:
    """A W&B run whose files lie in the run folder.

    Where the server can't be reached the run goes on offline, and where wandb can't start at all it goes on without:
    everything logged is in the run folder too.

    Args:
        run_dir: where ``wandb/`` goes.
        name: of the run.
        project: of the run.
        entity: the user or team.
        group: of the run, for grouping in the W&B pages.
        job_type: of the run.
        tags: of the run.
        mode: see :func:`choose_mode`.
    """
    try:
        import wandb
        import wandb.errors
    except ImportError:
        log.warning("logger=wandb: wandb is not installed; the run folder holds everything")
        return None

    chosen = choose_mode(mode)
    if chosen == "online" and not server_answers():
        log.warning("logger=wandb: %s can't be reached; going on offline, `wandb sync` brings the run in", server()[0])
        chosen = "offline"
    for attempt in dict.fromkeys([chosen, "offline"]):
        try:
            run = wandb.init(
                dir=run_dir,
                name=name,
                project=project,
                entity=entity,
                group=group,
                job_type=job_type,
                tags=list(tags),
                mode=attempt,  # type: ignore[arg-type]
                settings=wandb.Settings(console="off", silent=True, init_timeout=SECONDS_TO_START),
            )
        except (wandb.errors.Error, OSError, ValueError) as error:
            log.warning("logger=wandb: mode %s failed (%s)", attempt, " ".join(str(error).split()))
            continue
        run.define_metric("trainer/global_step")
        run.define_metric("*", step_metric="trainer/global_step", step_sync=True)
        return WandbLogger(experiment=run, save_dir=run_dir)
    log.warning("logger=wandb: going on without it; the run folder holds everything")
    return None


def log_evaluation(run_dir: Path, values: Mapping[str, Any]) -> None:
    """Add what an evaluation found to the summary of the W&B run in a run folder, if there is one.

    A run that was logged offline gets a further offline part of the same id; ``wandb sync`` brings both in.
    """
    earlier = sorted((run_dir / "wandb").glob("*run-*-*"), key=lambda path: path.name.partition("run-")[2])
    if not earlier:
        return
    try:
        import wandb

        with wandb.init(
            dir=run_dir,
            id=earlier[0].name.rpartition("-")[2],
            resume="allow",
            mode="offline" if earlier[0].name.startswith("offline") or not server_answers() else "online",
            settings=wandb.Settings(console="off", silent=True, init_timeout=SECONDS_TO_START),
        ) as run:
            run.summary.update({f"evaluation/{name}": value for name, value in values.items()})
    except Exception as error:  # a tracker must not lose what was measured: it is in the folder already
        log.warning("logger=wandb: could not add the evaluation (%s)", " ".join(str(error).split()))


def finish(exit_code: int) -> None:
    """Close this process's W&B run, if any: jobs of a multirun would otherwise share it."""
    wandb = sys.modules.get("wandb")
    if wandb is not None and wandb.run is not None:
        try:
            wandb.finish(exit_code=exit_code)
        except Exception as error:  # a tracker's last word must not turn a good run into a failed one
            log.warning("logger=wandb: could not close the run (%s)", " ".join(str(error).split()))
