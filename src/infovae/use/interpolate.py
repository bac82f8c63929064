"""The `interpolate` command: the decoded path from one example to another, as a picture and as films."""

from typing import Annotated

import torch
from omegaconf import DictConfig
from pydantic import Field

from infovae.model import Observed, given, sample_codes
from infovae.pictures.canvas import THUMBNAIL
from infovae.pictures.drawing import save_picture
from infovae.pictures.interpolations import Interpolations, linear, spherical
from infovae.pictures.tiles import as_images
from infovae.runs.disk import disk_errors
from infovae.runs.files import write_whole
from infovae.use.conditioned import Typed, condition_for
from infovae.use.opened import check_new_folder, opened, user_error
from infovae.use.own_images import given_example
from infovae.use.pixels import gif

FRAMES, SECONDS = 60, 2.0
"""Of a film, each way."""


@torch.no_grad()
def interpolate(cfg: DictConfig) -> None:
    """Write ``interpolation.png`` with the linear and the spherical path, and a GIF of each.

    Raises:
        UserError: the config, the run or an image are refused, or the disk is full.
    """
    saved = opened(
        cfg, {"from": str, "to": str, "steps": Annotated[int, Field(ge=2)], "condition": Typed, "output": str}
    )
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
    strip = Interpolations(pairs=1, steps=cfg.steps).draw(module, observed)
    model = given(module, None if conditions is None else conditions[:1])  # all the way, as in the strip
    start, end = observed.codes.mean
    time = torch.linspace(0, 1, FRAMES).to(start)
    with disk_errors(f"output={folder}"):
        for way in (linear, spherical):
            frames = as_images(model.decode(way(start, end, time)).mean)
            film = gif(frames, max(1, 4 * THUMBNAIL // max(frames.shape[2:])), SECONDS)
            write_whole(folder / f"{way.__name__}.gif", film)
        assert strip is not None
        save_picture(strip, folder / "interpolation.png")
    print(f"interpolation: {folder} (interpolation.png, linear.gif, spherical.gif)")
