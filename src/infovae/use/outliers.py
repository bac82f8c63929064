"""The `outliers` command: the examples that a model finds least likely, or reconstructs worst."""

from collections.abc import Iterator, Sequence
from typing import Annotated, NamedTuple

import numpy as np
import torch
from jaxtyping import Float
from omegaconf import DictConfig
from pydantic import Field
from torch import Tensor

from infovae.data.module import DataModule
from infovae.evaluation.load import SavedRun
from infovae.likelihoods.likelihood import mean_given
from infovae.metrics.importance_weighted import importance_weighted_log_likelihood
from infovae.model import given
from infovae.pictures.canvas import labelled_grid
from infovae.pictures.column_map import column_map
from infovae.pictures.drawing import save_picture
from infovae.pictures.picture import Pixels
from infovae.runs.disk import disk_errors
from infovae.streams import isolated_stream
from infovae.use.columns import example_columns, with_columns
from infovae.use.encode import EXAMPLES, Encoded, classes_in, encoded, examples
from infovae.use.found import Found, lowest, print_found
from infovae.use.opened import check_new_folder, opened
from infovae.use.tables import Rows, table_file


class Scored(NamedTuple):
    """Some examples and how well the model knows them.

    Attributes:
        batch: the examples and their codes.
        log_likelihood: the importance-weighted bound on log p(x), in nats; nan without a posterior density, and -inf
            where an example lies so far off that q(z|x) is a point, or overflows.
        squared_error: of E[x|z] at z = E[z|x], summed over the entries of x that there are; inf where it overflows.
    """

    batch: Encoded
    log_likelihood: Float[Tensor, " n"]
    squared_error: Float[Tensor, " n"]


def outliers(cfg: DictConfig) -> None:
    """Write a row for every example, and print and draw those of lowest log p(x) and of largest squared error.

    Raises:
        UserError: the config, the run or the data are refused, or the disk is full.
    """
    own = {"k": Annotated[int, Field(ge=1)], "samples": Annotated[int, Field(ge=1)], "output": str}
    saved = opened(cfg, {**EXAMPLES, **own})
    folder = check_new_folder("output", cfg.output)
    data, splits, condition = examples(saved, cfg)
    unlikely: list[Found] = []
    unlike: list[Found] = []
    with disk_errors(f"output={folder}"):
        with isolated_stream(saved.module.device, cfg.seed), table_file(folder / "scores.csv") as write:
            for part in scored(saved, data, splits, cfg.samples, condition):
                unlikely = lowest(unlikely, part.batch, part.log_likelihood, cfg.k)
                unlike = lowest(unlike, part.batch, -part.squared_error, cfg.k)
                write(_rows(saved, part, data))
        if unlikely:
            print_found("lowest log p(x)", "log p(x) in nats", unlikely, data)
        else:
            print("log p(x): left out, since a deterministic q(z|x) gives no bound on it")
        print_found("largest reconstruction error", "squared error", unlike, data, sign=-1)
        for name, found in {"unlikely": unlikely, "badly_reconstructed": unlike}.items():
            if found:
                save_picture(_picture(saved, found), folder / f"{name}.png")
    print(f"outliers: {folder}")


@torch.no_grad()
def scored(
    saved: SavedRun,
    data: DataModule,
    splits: Sequence[str],
    samples: int,
    condition: Float[Tensor, "1 k"] | None = None,
) -> Iterator[Scored]:
    """Yield the scores of examples, batch by batch, in the order in which they are stored.

    Args:
        saved: the run.
        data: gives the examples.
        splits: which of them.
        samples: codes of each example, from which the bound on log p(x) is estimated.
        condition: of a conditional model; see :func:`infovae.use.encode.encoded`.
    """
    module = saved.module
    for split in splits:
        for batch in encoded(saved, data, split, condition):
            model = given(module, batch.conditions)
            # Missing entries are NaN.
            error = (mean_given(model.decode(batch.mean), batch.x) - batch.x).square().flatten(1).nansum(dim=1)
            error[batch.mean.isnan().any(dim=1)] = torch.inf
            bound = torch.full_like(error, torch.nan)
            if module.posterior.has_density:
                prior, posterior = module.prior.distribution(), model.encode(batch.x)
                bound = importance_weighted_log_likelihood(batch.x, model.decode, prior, posterior, samples).value
                bound = bound.nan_to_num(-torch.inf, posinf=torch.inf, neginf=-torch.inf)
            yield Scored(batch, bound, error)


def _rows(saved: SavedRun, part: Scored, data: DataModule) -> Rows:
    rows = {
        "split": np.full(len(part.batch.names), part.batch.split),
        "example": part.batch.names,
        "class": classes_in(data, part.batch.labels),
        "log_likelihood": part.log_likelihood.float().cpu().numpy(),
        "squared_error": part.squared_error.float().cpu().numpy(),
    }
    return with_columns(rows, saved, saved.description.values.from_model(part.batch.x), part.batch.conditions)


@torch.no_grad()
def _picture(saved: SavedRun, found: Sequence[Found]) -> Pixels:
    """Return the examples in a row, above their reconstructions from E[z|x]; rows of a table, beside these."""
    x, means = (torch.stack([getattr(entry, name) for entry in found]) for name in ("x", "mean"))
    conditions = [entry.conditions for entry in found if entry.conditions is not None]
    reconstructions = given(saved.module, torch.stack(conditions) if conditions else None).decode(means).mean
    labels, values = [r"$x$", r"$\hat{x}$"], saved.description.values
    pairs = torch.stack([x, reconstructions], dim=1).flatten(0, 1)
    if columns := example_columns(values, values.from_model(pairs)):
        return column_map(columns, labels * len(found))
    return labelled_grid(torch.cat([x, reconstructions]), len(found), row_labels=labels)
