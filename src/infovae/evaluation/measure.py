"""Measure and draw a trained model on its data."""

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from time import perf_counter
from typing import NamedTuple

import torch

from infovae.data.module import DataModule
from infovae.metrics.metric import Metric, make_metric
from infovae.model import Model, Observed
from infovae.pictures import drawing
from infovae.pictures.picture import Picture, Pixels
from infovae.streams import isolated_stream
from infovae.terminal.progress import progress, shows_bars

log = logging.getLogger(__name__)

Value = float | list[float]


class Measured(NamedTuple):
    """The results of a measurement: values by ``split/name``, vectors as lists, and the rest by the metric's name."""

    values: dict[str, Value]
    reasons: dict[str, str]
    """Why numbers are nan, if that is known."""
    seconds: dict[str, float]
    """The time that each took on all splits."""
    left: list[str]
    """Those that are yet to be measured."""
    absent: frozenset[str] = frozenset()
    """Values of a metric that all are nan for one of the reasons."""


NOTHING = Measured({}, {}, {}, [])


@torch.no_grad()
def measure(
    model: Model,
    data: DataModule,
    metrics: Mapping[str, Callable[..., Metric]],
    split: str = "test",
    seed: int = 0,
    device: torch.device | str = "cpu",
    keep: Callable[[Measured], None] = lambda measured: None,
    before: Measured = NOTHING,
) -> Measured:
    """Measure a model on a split; metrics that make sense on any split are measured on the training split, too.

    Each metric draws from a random stream of its own, so no metric changes another. The noise of the codes is drawn
    for the whole split at once, so numbers don't depend on the batch size, up to rounding.

    Args:
        model: in evaluation mode, on the device.
        data: the images; its batch size is how many are encoded at a time.
        metrics: constructors of the metrics, by name.
        split: ``train``, ``validation`` or ``test``.
        seed: of all random draws.
        device: the model's device.
        keep: called after each metric with all that was measured until then; metrics that take little come first.
        before: what an evaluation that was cut had measured; it isn't measured again.
    """
    values, reasons, absent = dict(before.values), dict(before.reasons), set(before.absent)
    seconds = dict.fromkeys(metrics, 0.0) | before.seconds
    metrics = {key: made for key, made in metrics.items() if key not in before.seconds}

    @contextmanager
    def timed(key: str) -> Iterator[None]:
        start = perf_counter()
        yield
        seconds[key] += perf_counter() - start

    def make(key: str) -> Metric:
        return make_metric(key, metrics[key], prior=model.prior, model=model, data=data).to(device)

    def show(name: str, observers: Sequence[tuple[str, Callable[[Observed], None]]]) -> None:
        for observed in observe(model, data, name, seed, device) if observers else ():
            for key, take in observers:
                with timed(key):
                    take(observed)

    def compute(key: str, name: str, metric: Metric) -> None:
        with timed(key), isolated_stream(torch.device(device), seed):
            found = {f"{name}/{entry}": value for entry, value in metric.compute().items()}
        values.update({entry: value.tolist() for entry, value in found.items()})
        if metric.reason is not None:
            reasons[key] = metric.reason
            absent.update(found if all(value.isnan().all() for value in found.values()) else ())

    measured = {key: make(key) for key in metrics}
    trained_on = {key: make(key) for key, metric in measured.items() if metric.of_any_split and split != "train"}
    comparing = [(key, metric.observe_training) for key, metric in measured.items() if metric.compares_with_training]
    show("train", [(key, metric.observe) for key, metric in trained_on.items()] + comparing)
    show(split, [(key, metric.observe) for key, metric in measured.items()])
    left = sorted(metrics, key=lambda key: measured[key].effort)
    total = sum(metric.effort for metric in measured.values())
    for key in progress(list(left), lambda key: f"measuring {key}", total, lambda key: measured[key].effort):
        if not shows_bars():
            log.info("measuring %s; %d left, about %.0f s", key, len(left), sum(measured[one].effort for one in left))
        compute(key, split, measured[key])
        if key in trained_on:
            compute(key, "train", trained_on[key])
        left.remove(key)
        keep(Measured(values, reasons, seconds, left, frozenset(absent)))
    return Measured(values, reasons, seconds, left, frozenset(absent))


@torch.no_grad()
def draw(
    model: Model,
    data: DataModule | None,
    pictures: Mapping[str, Picture],
    split: str = "test",
    seed: int = 0,
    device: torch.device | str = "cpu",
) -> dict[str, Pixels]:
    """Return the pictures of a model, by name, without those that don't apply to it.

    Arguments are those of :func:`measure`; without ``data``, pictures get no examples.
    """
    batches = [] if data is None else drawing.first_batches(data.evaluation_loader(split), pictures)
    return drawing.draw_pictures(pictures, model, batches, torch.device(device), seed)


def observe(
    model: Model, data: DataModule, split: str, seed: int, device: torch.device | str = "cpu"
) -> Iterator[Observed]:
    """Yield a split as the model sees it, batch by batch, with the same random codes each time."""
    loader = data.evaluation_loader(split)
    n = len(loader.dataset)
    generator = torch.Generator().manual_seed(seed)
    noise = torch.randn(n, model.prior.latent_dim, generator=generator)
    start = 0
    for batch in progress(loader, f"encoding the {split} split"):
        stop = start + len(batch.x)
        yield drawing.observe_batch(model, batch, noise[start:stop], n, device)
        start = stop
