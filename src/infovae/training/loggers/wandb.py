"""Weights & Biases, which never asks, never stops or delays a run, and works without an account."""

import logging
import os
import secrets
import sys
from argparse import Namespace
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import UInt8
from omegaconf import DictConfig, OmegaConf
from pytorch_lightning.loggers import WandbLogger

from infovae.errors import reason_of
from infovae.runs.files import refuse_links
from infovae.training.loggers.bounded import bounded
from infovae.training.loggers.wandb_server import Mode, choose_mode, trouble

if TYPE_CHECKING:  # it may be absent
    import wandb

log = logging.getLogger(__name__)

SECONDS_TO_START = 20.0
SECONDS_TO_UPLOAD = 60.0
SECONDS_TO_CLOSE = 15.0
"""Seconds that wandb's own process gets to end, after those to upload."""

LEFT = "logger=wandb: upload not finished after %g seconds; `wandb sync --include-online %s` uploads the rest"


class PatientWandbLogger(WandbLogger):
    """A W&B logger that may lose entries, as on a full disk, but never stops the run."""

    def __init__(self, experiment: Any, save_dir: str) -> None:
        super().__init__(experiment=experiment, save_dir=save_dir)
        self._warned = False

    def log_hyperparams(self, params: dict[str, Any] | Namespace) -> None:
        self._attempt(super().log_hyperparams, params)

    def log_metrics(self, metrics: Mapping[str, Any], step: int | None = None) -> None:
        self._attempt(super().log_metrics, metrics, step)

    def log_image(self, key: str, images: list[Any], step: int | None = None, **kwargs: Any) -> None:
        self._attempt(super().log_image, key, images, step, **kwargs)

    def _attempt(self, work: Callable[..., None], *arguments: Any, **keywords: Any) -> None:
        try:
            work(*arguments, **keywords)
        except Exception as error:
            if not self._warned:
                self._warned = True
                log.warning(
                    "logger=wandb: some entries are missing (%s); the run folder has everything", reason_of(error)
                )


def wandb_logger(
    run_dir: str,
    name: str,
    project: str = "infovae",
    entity: str | None = None,
    group: str | None = None,
    job_type: str | None = None,
    tags: Sequence[str] = (),
    mode: Mode = "auto",
    seconds_to_upload: float = SECONDS_TO_UPLOAD,
    goes_on: bool = False,
) -> WandbLogger | None:
    """Return the logger of a W&B run whose files lie in the run folder; None if wandb can't start.

    If the server can't be reached, the run is logged offline. Everything logged is in the run folder too.

    A run that goes on keeps its W&B run. If its last part is offline, so is the next: ``wandb sync`` uploads them in
    order, and each continues the history of the one before.

    Args:
        run_dir: the folder for ``wandb/``.
        name, project, group, job_type, tags: of the run, in the W&B pages.
        entity: the user or team.
        mode: see :func:`choose_mode`.
        seconds_to_upload: how long the end of a run waits for uploads. ``wandb sync`` uploads what is left.
        goes_on: whether the run takes up what its folder holds.
    """
    try:
        import wandb
        import wandb.errors
    except ImportError:
        log.warning("logger=wandb: wandb is not installed; the run folder has everything")
        return None

    os.environ.setdefault("WANDB_ERROR_REPORTING", "false")  # wandb's reports about itself print errors of their own
    chosen = choose_mode(mode)
    earlier = _parts(Path(run_dir))[-1:] if goes_on else []
    if chosen == "online" and any(map(_is_offline, earlier)):
        log.info("logger=wandb: going on offline, as the run began; `wandb sync` uploads it")
        chosen = "offline"
    if chosen == "online" and (reason := trouble()):
        log.warning("logger=wandb: %s; logging offline, `wandb sync` uploads the run", reason)
        chosen = "offline"
    # the same for both attempts
    identity = os.environ.get("WANDB_RUN_ID") or next(map(_identity, earlier), secrets.token_hex(4))
    for attempt in dict.fromkeys([chosen, "offline"]):
        try:
            run = wandb.init(
                dir=run_dir,
                id=identity,
                name=name,
                project=project,
                entity=entity,
                group=group,
                job_type=job_type,
                tags=list(tags),
                mode=attempt,  # type: ignore[arg-type]
                resume="allow" if goes_on else None,
                settings=_settings(seconds_to_upload),
            )
        except Exception as error:
            offline = "logging offline, `wandb sync` uploads the run"
            instead = "going on without W&B" if attempt == "offline" else offline
            log.warning("logger=wandb: mode %s failed (%s); %s", attempt, reason_of(error), instead)
            _end(exit_code=1, seconds=SECONDS_TO_CLOSE)  # or the identity would still be in use
            continue
        run.define_metric("trainer/global_step")
        run.define_metric("*", step_metric="trainer/global_step", step_sync=True)
        return PatientWandbLogger(experiment=run, save_dir=run_dir)
    return None


def log_evaluation(
    run_dir: Path,
    values: Mapping[str, Any],
    pictures: Mapping[str, UInt8[np.ndarray, "height width 3"]],
    cfg: DictConfig,
) -> None:
    """Add the results of an evaluation to the summary of the W&B run in a run folder, if there is one.

    Only for folders whose maker the user trusts: the folder's content chooses the W&B run that is written to, and the
    run's config names its project.

    The history stays as it is: its rows are those of training. A run that was logged offline gets a further offline
    part of the same id; ``wandb sync`` uploads both.

    Raises:
        UserError: ``wandb/`` in the folder is a link.
    """
    refuse_links(run_dir / "wandb", inside=run_dir)
    earlier = _parts(run_dir)
    if not earlier:
        log.warning("wandb=true: %s holds no W&B run", run_dir)
        return
    settings = OmegaConf.select(cfg, "logger.wandb") or {}
    try:
        import wandb

        with wandb.init(
            dir=run_dir,
            id=_identity(earlier[-1]),
            project=settings.get("project"),
            entity=settings.get("entity"),
            resume="allow",
            mode="offline" if _is_offline(earlier[-1]) or trouble() else "online",
            settings=_settings(SECONDS_TO_UPLOAD),
        ) as run:
            images = {name: wandb.Image(pixels) for name, pixels in pictures.items()}
            run.summary.update({f"evaluation/{name}": value for name, value in {**values, **images}.items()})
    except Exception as error:  # a tracker must not lose what was measured: it is in the folder already
        log.warning("logger=wandb: could not add the evaluation (%s)", reason_of(error))


def _parts(run_dir: Path) -> list[Path]:
    """Return the folders of W&B in a run folder, ``[offline-]run-<time>-<id>``, in the order of time."""
    return sorted((run_dir / "wandb").glob("*run-*-*"), key=lambda part: part.name.partition("run-")[2])


def _identity(part: Path) -> str:
    return part.name.partition("run-")[2].partition("-")[2]


def _is_offline(part: Path) -> bool:
    return part.name.startswith("offline")


def finish(exit_code: int) -> None:
    """Close this process's W&B run, if any, and wandb's own process, so that jobs of a multirun don't share them."""
    wandb = sys.modules.get("wandb")
    if wandb is None or wandb.run is None:
        return
    folder, seconds = Path(wandb.run.dir).parent, wandb.run.settings.finish_timeout
    if not _end(exit_code, seconds + SECONDS_TO_CLOSE):
        log.warning(LEFT, seconds, folder)


def _end(exit_code: int, seconds: float) -> bool:
    """End the run and wandb's own process; return whether that was done in time."""
    try:
        bounded(partial(_close, exit_code), seconds)
    except TimeoutError:
        return False
    except BaseException as problem:  # an error of the tracker must not fail a good run
        log.warning("logger=wandb: could not close the run (%s)", reason_of(problem))
    return True


def _close(exit_code: int) -> None:
    import wandb

    try:
        wandb.finish(exit_code=exit_code)
    finally:
        wandb.teardown(exit_code)  # now, since nothing bounds it while Python ends


def _settings(seconds_to_upload: float) -> "wandb.Settings":
    import wandb

    return wandb.Settings(
        console="off",
        silent=True,
        allow_media_symlink=True,  # pictures share the disk with figures/,
        symlink=False,  # by hard links
        init_timeout=SECONDS_TO_START,
        finish_timeout=seconds_to_upload,
        finish_timeout_raises=True,
    )
