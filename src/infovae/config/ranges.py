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


Positive = Annotated[int, Field(ge=1)]
NotNegative = Annotated[int, Field(ge=0)]
OrUnlimited = Annotated[int, Field(ge=-1)]
Finite = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Share = Annotated[float, Field(ge=0, lt=1)]
Batches = Positive | Annotated[float, Field(gt=0, le=1)] | None

TRAINER: Mapping[str, Any] = {
    **dict.fromkeys(["limit_train_batches", "limit_test_batches"], Batches),
    **dict.fromkeys(["min_epochs", "min_steps"], NotNegative | None),
    "accumulate_grad_batches": Positive,
    "check_val_every_n_epoch": Positive | None,
    "devices": Positive | Literal[-1, "auto"] | list[NotNegative],
    "fast_dev_run": bool | NotNegative,
    "gradient_clip_val": Finite | None,
    "limit_val_batches": Literal[0] | Batches,
    "max_epochs": Positive | Literal[-1] | None,
    "max_steps": Positive | Literal[-1],
    "max_time": Annotated[str, AfterValidator(_duration)] | dict[str, NotNegative] | None,
    "num_nodes": Literal[1],  # Lightning would wait half an hour for the other machine
    "num_sanity_val_steps": OrUnlimited,
    "reload_dataloaders_every_n_epochs": NotNegative,
    "use_distributed_sampler": Literal[False],  # data/loader.py shares an epoch out; a second time would lose examples
    "callbacks": Unsupported("callbacks=[OPTION,...]"),
    "limit_predict_batches": Unsupported("trainer.limit_test_batches=N"),
    "log_every_n_steps": Unsupported("no such key: everything is logged once an epoch"),
    "logger": Unsupported("logger=OPTION"),
    "overfit_batches": Unsupported("data.train_size=N"),
    "val_check_interval": Unsupported("trainer.check_val_every_n_epoch=N"),
}

OPTIMIZER = dict.fromkeys(["eps", "lr", "momentum", "weight_decay"], Finite) | {"betas": tuple[Share, Share]}

RANGES: Mapping[str, Mapping[str, Any]] = {
    "pytorch_lightning.Trainer": TRAINER,
    "pytorch_lightning.callbacks.": {
        **dict.fromkeys(["every_n_epochs", "every_n_train_steps"], NotNegative | None),
        **dict.fromkeys(["patience", "refresh_rate"], NotNegative),
        "min_delta": Annotated[float, Field(allow_inf_nan=False)],
        "mode": Literal["min", "max"],
        "save_top_k": OrUnlimited,
    },
    "torch.optim.": OPTIMIZER,
    "infovae.optimizers.": OPTIMIZER,
}
"""By the name of a target, or by its package with a dot at the end."""


def ranges_of(target: str) -> Mapping[str, Any]:
    """Return what the signature of a target does not say about its arguments."""
    names = (name for name in RANGES if target == name or (name.endswith(".") and target.startswith(name)))
    return RANGES.get(next(names, ""), {})
