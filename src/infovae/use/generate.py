"""The `generate` command: decode new codes, into image files, a table or an array."""

from collections.abc import Iterator
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
from infovae.model import given, sample_codes
from infovae.runs.disk import disk_errors
from infovae.runs.files import write_whole, written_aside
from infovae.streams import isolated_stream
from infovae.terminal.progress import progress
from infovae.use.columns import with_columns
from infovae.use.conditioned import condition_for
from infovae.use.opened import check_file, check_new_folder, opened, user_error
from infovae.use.own_images import given_example
from infovae.use.pixels import png, shows_pictures
from infovae.use.tables import SUFFIXES, table_file

AT_ONCE = 100


def generate(cfg: DictConfig) -> None:
    """Write E[x|z] for codes z of the prior, or codes around that of a given image; of categories, the likeliest.

    Raises:
        UserError: the config, the run or the image are refused, or the disk is full.
    """
    number = Annotated[float, Field(gt=0)]
    saved = opened(
        cfg,
        {
            "n": Annotated[int, Field(ge=1)],
            "given": str | None,
            "spread": number | None,
            "condition": Any,
            "output": str | None,
            "seed": Annotated[int, Field(ge=0, lt=2**32)],
        },
    )
    kinds = (*SUFFIXES, ".npy") if isinstance(saved.description.values, TableValues) else (".npy",)
    as_files = shows_pictures(saved) and Path(cfg.output or "").suffix not in (".npy", *SUFFIXES)
    if as_files:
        path = check_new_folder("output", cfg.output or "generated")
    else:
        path = check_file("output", cfg.output, kinds, f"generated{kinds[0]}")
    image, own = None, None
    if cfg.given is not None:
        with user_error("given", cfg.given):
            image, own = given_example(saved, cfg.given)
    condition, conditions = saved.module.condition, None
    if condition is not None and cfg.condition is None and cfg.given is None:
        conditions = condition.spread(cfg.n, 1)  # the classes in turn
    if conditions is None and (row := condition_for(saved, cfg, own)) is not None:
        conditions = row.expand(cfg.n, -1)
    with disk_errors(f"output={path}"), isolated_stream(saved.module.device, cfg.seed):
        batches = progress(generated(saved, cfg.n, image, cfg.spread, conditions), "decoding", -(-cfg.n // AT_ONCE))
        if as_files:
            _write_files(path, batches, cfg.n)
        elif path.suffix == ".npy":
            _write_array(path, batches, cfg.n)
        else:
            _write_table(path, batches, saved, conditions)
    print(f"generated: {path} ({cfg.n} {'images' if as_files else 'examples'})")


@torch.no_grad()
def generated(
    saved: SavedRun,
    n: int,
    image: Float[Tensor, "1 *shape"] | None = None,
    spread: float | None = None,
    conditions: Float[Tensor, "n k"] | None = None,
) -> Iterator[Float[Tensor, "_m *shape"]]:
    """Yield E[x|z] of n codes, some at a time, in the units of the data; of tokens, the likeliest.

    Args:
        saved: the run.
        n: how many.
        image: an example x; codes are then drawn from q(z|x), else from the prior.
        spread: draw codes from N(E[z|x], spread^2) instead of q(z|x).
        conditions: of a conditional model.
    """
    module, values = saved.module, saved.description.values
    for start in range(0, n, AT_ONCE):
        m = min(AT_ONCE, n - start)
        model = given(module, None if conditions is None else conditions[start : start + m].to(module.device))
        if image is None:
            z = module.prior.sample(m)
        else:
            noise = torch.randn(m, module.prior.latent_dim, device=module.device)
            codes = sample_codes(model, image.expand(m, *image.shape[1:]), noise, m)
            z = codes.z if spread is None else codes.mean + spread * noise
        likelihood = model.decode(z)
        yield values.from_model(likelihood.mode if values.range == "tokens" else likelihood.mean)


def _write_files(folder: Path, batches: Iterator[Tensor], n: int) -> None:
    digits, number = len(str(n)), 0
    for batch in batches:
        for example in batch:
            number += 1
            write_whole(folder / f"{number:0{digits}}.png", png(example))


def _write_table(
    path: Path, batches: Iterator[Tensor], saved: SavedRun, conditions: Float[Tensor, "n k"] | None
) -> None:
    start = 0
    with table_file(path) as write:
        for batch in batches:
            told = None if conditions is None else conditions[start : start + len(batch)]
            write(with_columns({}, saved, batch, told))
            start += len(batch)


def _write_array(path: Path, batches: Iterator[Tensor], n: int) -> None:
    with written_aside(path) as aside:
        array, written = None, 0
        for batch in batches:
            if array is None:
                shape = (n, *batch.shape[1:])
                array = np.lib.format.open_memmap(aside, mode="w+", dtype=batch.numpy(force=True).dtype, shape=shape)
            array[written : written + len(batch)] = batch.cpu().numpy()
            written += len(batch)
