"""A file, or a server."""

import time
from pathlib import Path

from infovae.dashboard.folders import check_patterns
from infovae.dashboard.page import page
from infovae.dashboard.pictures import embed
from infovae.dashboard.server import serve
from infovae.dashboard.settings import Settings
from infovae.dashboard.watch import Watch
from infovae.errors import UserError
from infovae.runs.files import write_whole

MEGABYTE = 1e6


def build(settings: Settings) -> None:
    """Write the page as a file, or serve it until Ctrl-C.

    Raises:
        UserError: no run is found, or the file can't be written, or the address can't be listened on.
    """
    check_patterns(settings.runs)
    if not settings.serve and settings.output.is_dir():
        raise UserError(f"output={settings.output}: is a folder; accepted: a file's path")
    watch = Watch(settings)
    watch.refresh()
    if settings.serve:
        serve(watch)
        return
    if not watch.watched:
        patterns = ", ".join(settings.runs)
        raise UserError(f"runs={patterns}: no run in there; accepted: run folders, folders of runs, and globs")
    content = static_page(watch)
    try:
        write_whole(settings.output, content)
    except OSError as error:
        raise UserError(
            f"output={settings.output}: can't be written ({error.strerror}); accepted: a file's path, in a folder "
            "that can be written to"
        ) from error
    print(f"{settings.output}: {len(watch.watched)} runs, {len(content) / MEGABYTE:.1f} MB")


def static_page(watch: Watch) -> str:
    """The page with its runs in it; the newest runs' pictures first, as far as the budget goes."""
    runs = sorted(watch.watched.items(), key=lambda entry: -entry[1].run.touched)
    embedded = embed(
        [(Path(watched.run.path), watched.run.pictures) for _, watched in runs],
        budget=watch.settings.picture_megabytes * MEGABYTE,
    )
    pictures = {number: urls for (number, _), urls in zip(runs, embedded, strict=True)}
    data = watch.changes(since=0) | {
        "live": False,
        "built": time.strftime("%Y-%m-%d %H:%M"),
        "pictures": {
            "embedded": sum(map(len, embedded)),
            "found": sum(len(watched.run.pictures) for _, watched in runs),
            "megabytes": watch.settings.picture_megabytes,
        },
    }
    return page(data, pictures)[0]
