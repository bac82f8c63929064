"""Ranges of arguments of other people's classes, which refuse them late, without naming a key, or not at all."""

import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal, NamedTuple

from pydantic import AfterValidator, Field


class Unsupported(NamedTuple):
    """In place of a type: an argument that a run would ignore or trip over.

    Attributes:
        accepted: what to use instead.
    """

    accepted: str


def _duration(value: str) -> str:
    if re.fullmatch(r"\d+:\d\d:\d\d:\d\d", value) is None or not re.search("[1-9]", value):
        raise ValueError("Input should be DD:HH:MM:SS above 0")
    return value


Share = Annotated[float, Field(ge=0, lt=1)]
Positive = Annotated[int, Field(ge=1)]
NotNegative = Annotated[int, Field(ge=0)]
OrUnlimited = Annotated[int, Field(ge=-1)]
PositiveOrUnlimited = Positive | Literal[-1]
FiniteFloat = Annotated[float, Field(ge=0, allow_inf_nan=False)]
SomeBatches = Positive | Annotated[float, Field(gt=0, le=1)] | None
Duration = Annotated[str, AfterValidator(_duration)]

TRAINER: Mapping[str, Any] = {
    "accumulate_grad_batches": Positive,
    "callbacks": Unsupported("callbacks=[OPTION,...]"),
    "check_val_every_n_epoch": Positive | None,
    "devices": Positive | Literal[-1, "auto"] | list[NotNegative],
    "fast_dev_run": bool | NotNegative,
    "gradient_clip_val": FiniteFloat | None,
    "limit_predict_batches": Unsupported("trainer.limit_test_batches=N"),
    "limit_test_batches": SomeBatches,
    "limit_train_batches": SomeBatches,
    "limit_val_batches": Literal[0] | SomeBatches,
    "log_every_n_steps": Unsupported("no such key: everything is logged once an epoch"),
    "logger": Unsupported("logger=OPTION"),
    "max_epochs": PositiveOrUnlimited | None,
    "max_steps": PositiveOrUnlimited,
    "max_time": Duration | dict[str, NotNegative] | None,
    "min_epochs": NotNegative | None,
    "min_steps": NotNegative | None,
    "num_nodes": Literal[1],  # Lightning would wait half an hour for the other machine
    "num_sanity_val_steps": OrUnlimited,
    "overfit_batches": Unsupported("data.train_size=N"),
    "reload_dataloaders_every_n_epochs": NotNegative,
    "use_distributed_sampler": Literal[False],  # data/loader.py shares an epoch out; a second time would lose examples
    "val_check_interval": Unsupported("trainer.check_val_every_n_epoch=N"),
}

OPTIMIZER: Mapping[str, Any] = {
    "betas": tuple[Share, Share],
    "eps": FiniteFloat,
    "lr": FiniteFloat,
    "momentum": FiniteFloat,
    "weight_decay": FiniteFloat,
}

MONITORING: Mapping[str, Any] = {
    "every_n_epochs": NotNegative | None,
    "every_n_train_steps": NotNegative | None,
    "min_delta": Annotated[float, Field(allow_inf_nan=False)],
    "mode": Literal["min", "max"],
    "patience": NotNegative,
    "refresh_rate": NotNegative,
    "save_top_k": OrUnlimited,
}

RANGES: Mapping[str, Mapping[str, Any]] = {
    "pytorch_lightning.Trainer": TRAINER,
    "pytorch_lightning.callbacks.": MONITORING,
    "infovae.training.callbacks.best_checkpoint.": MONITORING,
    "torch.optim.": OPTIMIZER,
}
"""By the name of a target, or by its package with a dot at the end."""


def ranges_of(target: str) -> Mapping[str, Any]:
    """Return what the signature of a target does not say about its arguments."""
    names = (name for name in RANGES if target == name or (name.endswith(".") and target.startswith(name)))
    return RANGES.get(next(names, ""), {})
