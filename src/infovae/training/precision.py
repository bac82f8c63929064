"""The choice under ``auto``: the precision of a training step, and whether it is compiled."""

import logging
import math
import statistics
from collections.abc import Mapping
from time import perf_counter
from typing import Any, NamedTuple

import torch
from omegaconf import DictConfig

from infovae.data.loader import Batch
from infovae.data.module import DataModule
from infovae.errors import UserError
from infovae.module import InfoVAE
from infovae.streams import isolated_stream
from infovae.training.assemble import build_module
from infovae.training.devices import chosen_device

log = logging.getLogger(__name__)

AUTO = "auto"
PRECISIONS = ("32-true", "bf16-mixed")
"""What ``trainer.precision=auto`` chooses from."""

STEPS, SECONDS = 20, 0.5
"""How many steps a candidate is timed for at most, and for how long beyond the first three."""

WORTH_COMPILING = 60.0
"""Seconds of training below which compiling isn't tried: it alone takes several."""


class Computation(NamedTuple):
    """How training steps are computed.

    Attributes:
        precision: as Lightning's Trainer takes it.
        compile: whether training steps are compiled.
    """

    precision: str
    compile: bool


class Timing(NamedTuple):
    """Seconds that compiling takes, which happens in the first step, and that a step takes."""

    compiling: float
    step: float

    def total(self, steps: float) -> float:
        """Return the seconds that ``steps`` steps take."""
        return self.compiling + steps * self.step


def is_auto(cfg: DictConfig) -> bool:
    """Return whether anything is left to choose."""
    return bool(cfg.compile == AUTO or cfg.trainer.get("precision") == AUTO)


def settle(cfg: DictConfig, computation: Computation | None) -> DictConfig:
    """Return a copy of the config with the choice in the place of each ``auto``; None leaves them."""
    settled = cfg.copy()
    if computation is None:
        return settled
    if settled.compile == AUTO:
        settled.compile = computation.compile
    if settled.trainer.get("precision") == AUTO:
        settled.trainer.precision = computation.precision
    return settled


def chosen_before(config: dict[str, Any]) -> Computation | None:
    """Return the choice in the config of a run that is to go on; None if it doesn't say."""
    precision, compiled = (config.get("trainer") or {}).get("precision", "32-true"), config.get("compile", False)
    if AUTO in (precision, compiled):
        return None
    return Computation(precision, compiled)


def choose(cfg: DictConfig, data: DataModule) -> Computation:
    """Return the fastest computation by a few timed steps of this model on this data.

    Random streams and the model that is to be trained stay as they are. One line of the log gives the timings.

    Raises:
        UserError: there are several processes, which might choose differently.
    """
    if cfg.trainer.get("devices", 1) not in (1, "1"):
        raise UserError(
            "with trainer.precision=auto or compile=auto each process would choose by itself",
            key="trainer.devices", value=cfg.trainer.devices,
            accepted="trainer.devices=1, or a precision and compile=true or false",
        )  # fmt: skip
    device, steps = _device(str(cfg.trainer.get("accelerator", AUTO))), _steps(cfg, data)
    timings: dict[Computation, Timing] = {}
    for precision in _precisions(cfg):
        for compiled in [cfg.compile] if cfg.compile != AUTO else [False]:
            timings[Computation(precision, compiled)] = time_steps(cfg, data, device, precision, compiled)
    seconds = min(timing.total(steps) for timing in timings.values())
    if cfg.compile == AUTO and seconds <= WORTH_COMPILING:
        duration = "less than a second" if seconds < 1 else f"about {seconds:.0f} s"
        log.info("compile=auto: all steps take %s; compiling is tried from %.0f s on", duration, WORTH_COMPILING)
    elif cfg.compile == AUTO:
        for precision in _precisions(cfg):
            try:
                timings[Computation(precision, True)] = time_steps(cfg, data, device, precision, compiled=True)
            except Exception as error:  # many kinds: no C++ compiler, or a network that torch can't compile
                log.info("compile=auto: can't be compiled here (%s)", type(error).__name__)
    fastest = min(timings, key=lambda computation: timings[computation].total(steps))
    line = "trainer.precision=%s, compile=%s: fastest over %s steps; a step takes %s"
    log.info(line, *fastest, steps, _listed(timings))
    return fastest


def time_steps(cfg: DictConfig, data: DataModule, device: torch.device, precision: str, compiled: bool) -> Timing:
    """Time steps of a new model on a batch of the training data."""
    with isolated_stream(device):
        module = build_module(cfg, data).to(device).train()
        if compiled:
            module.compile_training()
        optimizer = module.make_optimizer()
        batch, n = data.first_batch("train", device), len(data.splits["train"].x)
        seconds: list[float] = []
        while len(seconds) < 4 or (len(seconds) <= STEPS and sum(seconds[1:]) < SECONDS):
            start = perf_counter()
            _step(module, optimizer, batch, n, precision)
            if device.type != "cpu":
                torch.accelerator.synchronize(device)
            seconds.append(perf_counter() - start)
    step = statistics.median(seconds[1:])
    return Timing(seconds[0] - step if compiled else 0.0, step)


def _step(module: InfoVAE, optimizer: torch.optim.Optimizer, batch: Batch, n: int, precision: str) -> None:
    with torch.autocast(batch.x.device.type, torch.bfloat16, enabled=precision == "bf16-mixed"):
        loss = module.step(batch, n)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()


def _precisions(cfg: DictConfig) -> list[str]:
    """Return the candidates; a fused optimiser can't clip gradients under mixed precision."""
    if cfg.trainer.get("precision") != AUTO:
        return [cfg.trainer.get("precision", "32-true")]
    return list(PRECISIONS[:1] if cfg.trainer.get("gradient_clip_val") and cfg.optimizer.get("fused") else PRECISIONS)


def _steps(cfg: DictConfig, data: DataModule) -> float:
    """Return how many steps the run is to take."""
    in_epoch = data.steps_per_epoch or max(1, len(data.splits["train"].x) // data.batch_size)
    epochs, most = cfg.trainer.get("max_epochs"), cfg.trainer.get("max_steps", -1)
    by_epochs = math.inf if epochs in (None, -1) else epochs * in_epoch
    return max(1, min(by_epochs, math.inf if most == -1 else most))


def _device(accelerator: str) -> torch.device:
    return chosen_device({"gpu": "auto"}.get(accelerator, accelerator))


def _listed(timings: Mapping[Computation, Timing]) -> str:
    return ", ".join(
        f"{precision}{' compiled' if compiled else ''} {1000 * timing.step:.1f} ms"
        f"{f' after {timing.compiling:.0f} s' if compiled else ''}"
        for (precision, compiled), timing in timings.items()
    )
