"""Draw pictures of a model from the first examples of a split."""

import io
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from jaxtyping import Float
from PIL import Image
from torch import Tensor

from infovae.codes import Codes, joined
from infovae.conditions.condition import Condition
from infovae.data.loader import Batch, Loader
from infovae.model import Model, Observed, conditions_of, given, sample_codes
from infovae.pictures.picture import Picture, Pixels
from infovae.runs.files import write_whole
from infovae.streams import EVALUATION_SEED, isolated_stream


def first_batches(loader: Loader, pictures: Mapping[str, Picture]) -> list[Batch]:
    """Return the first batches of a split: enough for the examples that the pictures want, and at least one."""
    wanted = max((picture.examples for picture in pictures.values()), default=0)
    batches: list[Batch] = []
    for batch in loader:
        batches.append(batch)
        if sum(len(taken.x) for taken in batches) >= wanted:
            break
    return batches


def draw_pictures(
    pictures: Mapping[str, Picture],
    model: Model,
    batches: Sequence[Batch],
    device: torch.device,
    seed: int = EVALUATION_SEED,
) -> dict[str, Pixels]:
    """Return the pictures that have something to draw, by name.

    Each draws from its own random stream, so no picture changes another, or training. A picture without examples is
    drawn under :meth:`infovae.conditions.condition.Condition.stand_in`.

    Args:
        model: in evaluation mode, on the device.
        batches: of examples; none are needed where each picture's ``examples`` is 0.
        seed: of each stream.
    """
    with isolated_stream(device, seed):
        observed = _observe(model, batches, device)
    drawn: dict[str, Pixels] = {}
    for name, picture in pictures.items():
        with isolated_stream(device, seed):
            seen = observed.take(slice(picture.examples))
            condition, conditions = getattr(model, "condition", None), seen.conditions
            if isinstance(condition, Condition) and not len(seen.x):
                conditions = condition.stand_in()
            pixels = picture.draw(given(model, conditions), seen)
        if pixels is not None:
            drawn[name] = pixels
    return drawn


def save_picture(picture: Pixels, path: Path) -> None:
    """Write a picture as PNG; make its folder if there is none."""
    content = io.BytesIO()
    Image.fromarray(picture).save(content, "PNG")
    write_whole(path, content.getvalue())


def observe_batch(
    model: Model, batch: Batch, noise: Float[Tensor, "n d"], dataset_size: int, device: torch.device | str
) -> Observed:
    """Return a batch as a model sees it; noise and dataset_size as for :func:`infovae.model.sample_codes`."""
    x, labels = batch.x.to(device), batch.labels.to(device)
    factors = None if batch.factors is None else batch.factors.to(device)
    columns = None if batch.conditions is None else batch.conditions.to(device)
    conditions = conditions_of(model, labels, columns)
    return Observed(x, labels, sample_codes(given(model, conditions), x, noise, dataset_size), factors, conditions)


def _observe(model: Model, batches: Sequence[Batch], device: torch.device) -> Observed:
    """Return all batches as one, encoded batch by batch, as memory allows; no examples where there are no batches."""
    if not batches:
        nothing = torch.empty(0, model.prior.latent_dim, device=device)
        return Observed(nothing, nothing[:, 0].long(), Codes(nothing, nothing, nothing, 0))
    sizes = [len(batch.x) for batch in batches]
    noise = torch.randn(sum(sizes), model.prior.latent_dim, device=device).split(sizes)
    parts = [observe_batch(model, batch, own, sum(sizes), device) for batch, own in zip(batches, noise, strict=True)]
    x, labels, codes, *rest = zip(*parts, strict=True)
    factors, conditions = (None if part[0] is None else torch.cat(part) for part in rest)
    return Observed(torch.cat(x), torch.cat(labels), joined(codes), factors, conditions)
