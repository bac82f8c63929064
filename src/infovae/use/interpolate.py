"""The `interpolate` command: the decoded path from one example to another, as a picture and as films."""

from collections.abc import Sequence
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
    observed = Observed(x, torch.zeros(2, dtype=torch.int64), codes, conditions=conditions)
    model = given(module, None if conditions is None else conditions[:1])  # all the way, as in the strip
    start, end = observed.codes.mean
    with disk_errors(f"output={folder}"):
        if isinstance(saved.description.values, TableValues):
            time = torch.linspace(0, 1, cfg.steps).to(start)
            paths = [model.decode(way(start, end, time)).mean for way in (linear, spherical)]
            _write_rows(saved, folder, x, paths, None if conditions is None else conditions[:1])
        else:
            time = torch.linspace(0, 1, FRAMES).to(start)
            for way in (linear, spherical):
                frames = as_images(model.decode(way(start, end, time)).mean)
                film = gif(frames, max(1, 4 * THUMBNAIL // max(frames.shape[2:])), SECONDS)
                write_whole(folder / f"{way.__name__}.gif", film)
            strip = Interpolations(pairs=1, steps=cfg.steps).draw(module, observed)
            assert strip is not None
            save_picture(strip, folder / "interpolation.png")
    print(f"interpolation: {folder} ({', '.join(sorted(path.name for path in folder.iterdir()))})")


def _write_rows(
    saved: SavedRun,
    folder: Path,
    ends: Float[Tensor, "2 c"],
    paths: Sequence[Float[Tensor, "k c"]],
    condition: Float[Tensor, "1 k"] | None,
) -> None:
    """Write the decoded linear and spherical path between two rows of a table, as a picture and as a table."""
    values, steps = saved.description.values, len(paths[0])
    rows = torch.cat([part for path in paths for part in (ends[:1], path, ends[1:])])
    units = values.from_model(rows)
    labels = [label for way in ("linear", "spherical") for label in ("$x$", way, *[""] * (steps - 1), "$x'$")]
    save_picture(column_map(example_columns(values, units), labels), folder / "interpolation.png")
    time = np.linspace(0, 1, steps, dtype=np.float32)
    along = {
        "path": np.repeat(["linear", "spherical"], steps + 2),
        "row": np.array(["given", *["decoded"] * steps, "given"] * 2),
        "time": np.array([0, *time, 1] * 2, np.float32),
    }
    told = None if condition is None else condition.expand(len(rows), -1)
    with table_file(folder / "interpolation.csv") as write:
        write(with_columns(along, saved, units, told))
