"""A reader's notes on a run, and tags by which to find it: `notes.json` in its folder."""

import json
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from infovae.runs.files import write_whole

FILE = "notes.json"


class Notes(BaseModel):
    """What a reader wrote about a run."""

    model_config = ConfigDict(extra="forbid", strict=True)

    notes: Annotated[str, Field(max_length=10_000)] = ""
    tags: Annotated[list[Annotated[str, Field(min_length=1, max_length=50)]], Field(max_length=50)] = []


def write_notes(folder: Path, content: bytes) -> None:
    """Write what a page sent into the folder of a run; remove the file if it is empty.

    Raises:
        ValueError: it isn't JSON of the right kind.
        OSError: the disk refuses.
        UserError: a link is in the way.
    """
    notes = Notes.model_validate_json(content)
    if notes == Notes():
        (folder / FILE).unlink(missing_ok=True)
    else:
        write_whole(folder / FILE, json.dumps(notes.model_dump(), indent=2) + "\n", inside=folder)
