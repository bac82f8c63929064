"""The choice under ``auto``: the precision of a training step, and whether it is compiled.

It follows from the machine and from the config, never from a clock, so that the same seed gives the same weights on the
same machine.
"""

import logging
import math
import os
import shlex
import shutil
import sys
import sysconfig
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

import torch
from omegaconf import DictConfig
from torch import nn
from torch.nn.modules.conv import _ConvNd

from infovae.data.module import DataModule
from infovae.errors import UserError
from infovae.training.devices import chosen_device

log = logging.getLogger(__name__)

AUTO = "auto"

WORTH_COMPILING = {"cpu": 20_000, "cuda": 2_000}
"""Steps from which on compiling pays: it takes some 20 s, and saves about 1 ms of a step of the main job on a CPU."""


class Computation(NamedTuple):
    """How training steps are computed.

    Attributes:
        precision: as Lightning's Trainer takes it.
        compile: whether training steps are compiled.
    """

    precision: str
    compile: bool


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


def choose(cfg: DictConfig, data: DataModule, module: nn.Module) -> Computation:
    """Return bf16 where the processor or GPU has units for it, and compiled steps where there are enough of them.

    On a CPU, convolutions aren't compiled: ``network=conv`` then took a fifth to a third longer. One line of the log
    says why.
    """
    device, steps = _device(cfg), _planned(cfg, data)
    clips = bool(cfg.trainer.get("gradient_clip_val") and cfg.optimizer.get("fused"))
    half = has_bfloat16(device) and not clips  # a fused optimiser can't clip gradients under mixed precision
    enough = WORTH_COMPILING.get(device.type, math.inf)
    slower = device.type == "cpu" and any(isinstance(layer, _ConvNd) for layer in module.modules())
    compiles = steps >= enough and not slower and has_compiler(device)
    computation = Computation("bf16-mixed" if half else "32-true", compiles)
    chosen = settle(cfg, computation)
    log.info(
        "trainer.precision=%s, compile=%s: this %s %s units for bf16, %s steps are %s %s%s",
        chosen.trainer.get("precision"), str(chosen.compile).lower(), device.type,
        "has" if has_bfloat16(device) else "has no", "endless" if steps == math.inf else f"{steps:,.0f}",
        "at least" if steps >= enough else "fewer than", f"{enough:,.0f}",
        ", and it is slower at compiled convolutions" if slower else "",
    )  # fmt: skip
    return computation


def has_bfloat16(device: torch.device) -> bool:
    """Return whether a device multiplies bfloat16 in units of its own, rather than by emulation."""
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    # Older versions of torch can't tell.
    capabilities: dict[str, Any] = getattr(torch.cpu, "get_capabilities", dict)() if device.type == "cpu" else {}
    return any(capabilities.get(name, False) for name in ("avx512_bf16", "amx_bf16", "arm_bf16", "bf16"))


def check_computation(cfg: DictConfig) -> None:
    """Refuse to compile without a compiler, and warn of bfloat16 on a CPU without units for it.

    Measured on such a CPU, a step of two small layers takes four times as long.

    Raises:
        UserError: steps are to be compiled, and this machine lacks what torch compiles them with.
    """
    precision, device = str(cfg.trainer.get("precision")), _device(cfg)
    if cfg.compile and not has_compiler(device):
        needed = "Triton" if device.type == "cuda" else f"{_compiler()[0]} and the headers of Python"
        raise UserError(f"needs {needed}", key="compile", value="true", accepted="auto, or false")
    if precision.startswith("bf16") and device.type == "cpu" and not has_bfloat16(device):
        log.warning(
            "trainer.precision=%s: this CPU has no units for it and emulates it, which takes several times as long; "
            "32-true is faster, and auto takes what the processor has", precision,
        )  # fmt: skip


def has_compiler(device: torch.device) -> bool:
    """Return whether there is what torch compiles a step with: a C++ compiler and Python's headers, or Triton."""
    if device.type != "cpu":
        return device.type != "cuda" or find_spec("triton") is not None
    headers = Path(sysconfig.get_path("include")) / "Python.h"
    return shutil.which(_compiler()[0]) is not None and headers.is_file()


def _compiler() -> list[str]:
    """Return the command that torch compiles C++ with, which tries no other."""
    return shlex.split(os.environ.get("CXX", "")) or [{"darwin": "clang++", "win32": "cl"}.get(sys.platform, "g++")]


def _device(cfg: DictConfig) -> torch.device:
    return chosen_device("cpu" if cfg.trainer.get("accelerator") == "cpu" else AUTO)


def _planned(cfg: DictConfig, data: DataModule) -> float:
    """Return how many steps the config asks for; there is no trainer yet that knows."""
    epochs, most = cfg.trainer.get("max_epochs"), cfg.trainer.get("max_steps", -1)
    by_epochs = math.inf if epochs in (None, -1) else epochs * data.batches_per_epoch()
    return max(1, min(by_epochs, math.inf if most == -1 else most))
