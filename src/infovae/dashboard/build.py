"""The `dashboard` command: write the page as a file, or serve it."""

import math
import time

from omegaconf import DictConfig

from infovae.dashboard.folders import check_patterns
from infovae.dashboard.page import page
from infovae.dashboard.pictures import embed
from infovae.dashboard.server import serve
from infovae.dashboard.settings import Settings, settings_of
from infovae.dashboard.watch import Watch
from infovae.errors import UserError
from infovae.runs.files import write_whole

MEGABYTE = 1e6


def serve_or_write(cfg: DictConfig) -> None:
    """Write the page as a file, or serve it until Ctrl-C.

    Raises:
        UserError: the config is refused, no run is found, the file can't be written, or the address can't be used.
    """
    settings = settings_of(cfg)
    check_patterns(settings.runs)
    if settings.serve:
        serve(Watch(settings))
    else:
        write(settings)


def write(settings: Settings) -> None:
    """Write the page as a file.

    Raises:
        UserError: no run is found, or the file can't be written.
    """
    if settings.output.is_dir():
        raise UserError("is a folder", key="output", value=settings.output, accepted="a file's path")
    watch = Watch(settings)
    watch.look()
    if not watch.watched:
        accepted = "run folders, folders of runs, and globs"
        raise UserError("no run in there", key="runs", value=", ".join(settings.runs), accepted=accepted)
    content = static_page(watch)
    try:
        write_whole(settings.output, content)
    except OSError as error:
        accepted = "a file's path, in a folder that can be written to"
        why = f"can't be written ({error.strerror})"
        raise UserError(why, key="output", value=settings.output, accepted=accepted) from error
    print(f"{settings.output}: {len(watch.watched)} runs, {len(content) / MEGABYTE:.1f} MB")


def static_page(watch: Watch) -> str:
    """Return the page with its runs in it, and their pictures, the newest run's first, as far as the budget goes."""
    runs = sorted(watch.watched.items(), key=lambda entry: -entry[1].touched)
    budget = watch.settings.picture_megabytes * MEGABYTE
    embedded = embed([(run.folder, run.pictures) for _, run in runs], budget)
    pictures = {number: urls for (number, _), urls in zip(runs, embedded, strict=True)}
    about = {
        "live": False,
        "built": time.strftime("%Y-%m-%d %H:%M"),
        "pictures": {
            "embedded": sum(map(len, embedded)),
            "found": sum(len(run.pictures) for _, run in runs),
            "megabytes": watch.settings.picture_megabytes,
        },
    }
    return page(about, watch.changes(since=0, most=math.inf), pictures)[0]
