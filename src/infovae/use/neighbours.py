"""The `neighbours` command: the examples whose codes are nearest to that of another."""

from collections.abc import Sequence
from typing import Annotated

import numpy as np
import torch
from jaxtyping import Float
from omegaconf import DictConfig
from pydantic import Field
from torch import Tensor

from infovae.data.module import DataModule
from infovae.evaluation.load import SavedRun
from infovae.model import given
from infovae.pictures.canvas import labelled_grid
from infovae.pictures.column_map import column_map
from infovae.pictures.drawing import save_picture
from infovae.runs.disk import disk_errors
from infovae.use.columns import example_columns, with_columns
from infovae.use.conditioned import condition_for
from infovae.use.encode import EXAMPLES, classes_in, encoded, examples
from infovae.use.found import Found, lowest, print_found
from infovae.use.opened import check_file, opened, user_error
from infovae.use.own_images import given_example
from infovae.use.tables import table_file


def neighbours(cfg: DictConfig) -> None:
    """Print the nearest examples of an image or another example, and write them as a picture and a table.

    Raises:
        UserError: the config, the run, the image or the data are refused, or the disk is full.
    """
    saved = opened(cfg, {**EXAMPLES, "image": str, "k": Annotated[int, Field(ge=1)], "output": str | None})
    kinds = (".png", ".csv")
    defaults = [f"neighbours{kind}" for kind in kinds if cfg.output is None]
    paths = [check_file("output", cfg.output, kinds, default) for default in defaults or [""]]
    with user_error("image", cfg.image):
        image, own = given_example(saved, cfg.image)
    data, splits, condition = examples(saved, cfg, default="train")
    own = condition_for(saved, cfg, own)
    model = given(saved.module, own)
    with torch.no_grad():
        mean = model.encode(image).mean
        found = nearest(saved, mean, data, splits, cfg.k, condition)
        shown = torch.cat([image, model.decode(mean).mean, *(entry.x[None] for entry in found)])
    print_found(f"nearest to {cfg.image}", "distance", found, data)
    labels = [r"$x$", r"$\hat{x}$", *map(str, range(1, len(found) + 1))]
    values = saved.description.values
    units = values.from_model(shown)
    columns = example_columns(values, units)
    for path in paths:
        with disk_errors(f"output={path}"):
            if path.suffix == ".csv":
                told = [entry.conditions for entry in found if entry.conditions is not None]
                conditions = None if own is None else torch.stack([own[0], own[0], *told])
                rows = {
                    "split": np.array(["", "", *(entry.split for entry in found)]),
                    "example": np.array([cfg.image, "reconstruction", *(entry.name for entry in found)]),
                    "class": np.array(["", "", *classes_in(data, torch.tensor([entry.label for entry in found]))]),
                    "distance": np.array([0, np.nan, *(entry.score for entry in found)], np.float32),
                }
                with table_file(path) as write:
                    write(with_columns(rows, saved, units, conditions))
            elif columns:
                save_picture(column_map(columns, labels), path)
            else:
                save_picture(labelled_grid(shown, len(shown), column_labels=labels), path)
    print(f"written: {', '.join(map(str, paths))}")


def nearest(
    saved: SavedRun,
    mean: Float[Tensor, "1 d"],
    data: DataModule,
    splits: Sequence[str],
    k: int,
    condition: Float[Tensor, "1 k"] | None = None,
) -> list[Found]:
    """Return the k examples whose E[z|x] are nearest to a code, by Euclidean distance, the nearest first.

    What a conditional model is given beside them is as for :func:`infovae.use.encode.encoded`.
    """
    found: list[Found] = []
    for split in splits:
        for batch in encoded(saved, data, split, condition):
            found = lowest(found, batch, (batch.mean - mean).norm(dim=1), k)
    return found
