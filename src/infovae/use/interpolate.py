"""The `interpolate` command: the decoded path from one example to another, as a picture and as films."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import torch
from jaxtyping import Float
from omegaconf import DictConfig
from pydantic import Field
from torch import Tensor

from infovae.data.values import TableValues
from infovae.evaluation.load import SavedRun
from infovae.model import Observed, given, sample_codes
from infovae.pictures.canvas import THUMBNAIL
from infovae.pictures.column_map import column_map
from infovae.pictures.drawing import save_picture
from infovae.pictures.interpolations import Interpolations, linear, spherical
from infovae.pictures.picture import Pixels
from infovae.pictures.tiles import as_images
from infovae.runs.disk import disk_errors
from infovae.runs.files import write_whole
from infovae.use.columns import example_columns, with_columns
from infovae.use.conditioned import condition_for
from infovae.use.opened import check_new_folder, opened, user_error
from infovae.use.own_images import given_example
from infovae.use.pixels import gif
from infovae.use.tables import table_file

FRAMES, SECONDS = 60, 2.0
"""Of a film, each way."""


@torch.no_grad()
def interpolate(cfg: DictConfig) -> None:
    """Write ``interpolation.png`` with the linear and the spherical path, and a GIF of each; of a table, a CSV file.

    Raises:
        UserError: the config, the run or an image are refused, or the disk is full.
    """
    saved = opened(cfg, {"from": str, "to": str, "steps": Annotated[int, Field(ge=2)], "condition": Any, "output": str})
    folder, module = check_new_folder("output", cfg.output), saved.module
    ends = []
    for key in ("from", "to"):
        with user_error(key, cfg[key]):
            ends.append(given_example(saved, cfg[key]))
    x = torch.cat([example for example, _ in ends])
    rows = [row for _, own in ends if (row := condition_for(saved, cfg, own)) is not None]
    conditions = torch.cat(rows) if rows else None
    noise = torch.zeros(2, module.prior.latent_dim, device=module.device)
    codes = sample_codes(given(module, conditions), x, noise, 2)
    model = given(module, None if conditions is None else conditions[:1])  # all the way, as in the strip
    start, end = codes.mean
    is_table = isinstance(saved.description.values, TableValues)
    time = torch.linspace(0, 1, cfg.steps if is_table else FRAMES).to(x)
    paths = {way.__name__: model.decode(way(start, end, time)).mean for way in (linear, spherical)}
    with disk_errors(f"output={folder}"):
        if is_table:
            picture: Pixels | None = _write_rows(saved, folder / "interpolation.csv", x, paths, conditions)
        else:
            for name, path in paths.items():
                frames = as_images(path)
                film = gif(frames, max(1, 4 * THUMBNAIL // max(frames.shape[2:])), SECONDS)
                write_whole(folder / f"{name}.gif", film)
            observed = Observed(x, torch.zeros(2, dtype=torch.int64), codes, conditions=conditions)
            picture = Interpolations(pairs=1, steps=cfg.steps).draw(module, observed)
        assert picture is not None
        save_picture(picture, folder / "interpolation.png")
    print(f"interpolation: {folder} ({', '.join(sorted(path.name for path in folder.iterdir()))})")


def _write_rows(
    saved: SavedRun,
    file: Path,
    ends: Float[Tensor, "2 c"],
    paths: Mapping[str, Float[Tensor, "k c"]],
    conditions: Float[Tensor, "2 k"] | None,
) -> Pixels:
    """Write the decoded paths between two rows of a table as a table, and return it as a picture."""
    steps = len(paths["linear"])
    rows = torch.cat([part for path in paths.values() for part in (ends[:1], path, ends[1:])])
    units = saved.description.values.from_model(rows)
    along = {
        "path": np.repeat(list(paths), steps + 2),
        "row": np.array(["given", *["decoded"] * steps, "given"] * 2),
        "time": np.array([0, *np.linspace(0, 1, steps), 1] * 2, np.float32),
    }
    told = None
    if conditions is not None:  # each given row has its own; the path, that of the first
        told = torch.cat([conditions[:1].expand(steps + 1, -1), conditions[-1:]]).repeat(2, 1)
    with table_file(file) as write:
        write(with_columns(along, saved, units, told))
    labels = [label for name in paths for label in ("$x$", name, *[""] * (steps - 1), "$x'$")]
    return column_map(example_columns(saved.description.values, units), labels)
