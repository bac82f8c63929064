"""Puts a trained model and its data before metrics."""

import logging
from collections.abc import Callable, Iterator, Mapping
from time import perf_counter
from typing import NamedTuple

import torch
from torch import Tensor

from infovae.callbacks.random_streams import isolated_stream
from infovae.codes import Codes
from infovae.data.module import ImageData
from infovae.metrics.metric import Metric, make_metric
from infovae.model import Model
from infovae.observed import Observed
from infovae.progress import progress

log = logging.getLogger(__name__)

Value = float | list[float]


class Measured(NamedTuple):
    """What was found.

    Attributes:
        values: by ``split/name``; vectors as lists.
        seconds: that each metric took, by its name, on all splits together.
    """

    values: dict[str, Value]
    seconds: dict[str, float]


@torch.no_grad()
def measure(
    model: Model,
    data: ImageData,
    metrics: Mapping[str, Callable[..., Metric]],
    split: str = "test",
    seed: int = 0,
    device: torch.device | str = "cpu",
) -> Measured:
    """Measure a model on a split, and on the training split too what means something there.

    Each metric draws from a stream of its own, so that none moves another, and the noise of the codes is drawn for the
    whole split, so that no number depends on the batch size but by rounding.

    Args:
        model: in evaluation mode, on the device.
        data: the images; it also says how many are encoded at a time.
        metrics: for each name, what makes the metric.
        split: ``train``, ``validation`` or ``test``.
        seed: of all that is drawn.
        device: where the model is.
    """
    values: dict[str, Value] = {}
    seconds = dict.fromkeys(metrics, 0.0)
    for name in dict.fromkeys([split, "train"]):
        made = {
            key: make_metric(factory, prior=model.prior, model=model, data=data).to(device)
            for key, factory in metrics.items()
        }
        wanted = {key: metric for key, metric in made.items() if metric.of_any_split or name == split}
        if not wanted:
            continue
        for observed in observe(model, data, name, seed, device):
            for key, metric in wanted.items():
                start = perf_counter()
                metric.observe(observed)
                seconds[key] += perf_counter() - start
        for key, metric in wanted.items():
            log.info("measuring %s on the %s split", key, name)
            start = perf_counter()
            with isolated_stream(torch.device(device), seed):
                found = metric.compute()
            values |= {f"{name}/{entry}": value.tolist() for entry, value in found.items()}
            seconds[key] += perf_counter() - start
    return Measured(values, seconds)


def observe(
    model: Model, data: ImageData, split: str, seed: int, device: torch.device | str = "cpu"
) -> Iterator[Observed]:
    """A split as the model sees it, batch by batch, in a random order that is the same each time."""
    loader = data.evaluation_loader(split)
    n = len(loader.dataset)
    generator = torch.Generator().manual_seed(seed)
    noise = torch.randn(n, model.prior.latent_dim, generator=generator)
    start = 0
    for batch in progress(loader, f"encoding the {split} split"):
        images = batch.images.to(device)
        posterior = model.encode(images)
        mean, variance = posterior.mean, posterior.variance
        z = mean + variance.sqrt() * noise[start : start + len(mean)].to(mean)
        start += len(mean)
        yield Observed(images, batch.labels.to(device), Codes(z, mean, variance, n), _to(batch.factors, device))


def _to(tensor: Tensor | None, device: torch.device | str) -> Tensor | None:
    return None if tensor is None else tensor.to(device)
