"""Ranges of arguments of other people's classes, whose own refusals come late, name no key, or don't come at all."""

import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field

Share = Annotated[float, Field(ge=0, lt=1)]
Positive = Annotated[int, Field(ge=1)]
NotNegative = Annotated[int, Field(ge=0)]
OrUnlimited = Annotated[int, Field(ge=-1)]
FiniteFloat = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Batches = NotNegative | Annotated[float, Field(ge=0, le=1)] | None


def _duration(value: str) -> str:
    if re.fullmatch(r"\d+:\d\d:\d\d:\d\d", value) is None:
        raise ValueError("invalid; accepted: DD:HH:MM:SS")
    return value


Duration = Annotated[str, AfterValidator(_duration)]

TRAINER: Mapping[str, Any] = {
    "accumulate_grad_batches": Positive,
    "check_val_every_n_epoch": Positive | None,
    "devices": Positive | Literal[-1, "auto"] | list[NotNegative],
    "fast_dev_run": bool | NotNegative,
    "gradient_clip_val": FiniteFloat | None,
    "limit_predict_batches": Batches,
    "limit_test_batches": Batches,
    "limit_train_batches": Batches,
    "limit_val_batches": Batches,
    "log_every_n_steps": NotNegative,
    "max_epochs": OrUnlimited | None,
    "max_steps": OrUnlimited,
    "max_time": Duration | dict[str, NotNegative] | None,
    "min_epochs": NotNegative | None,
    "min_steps": NotNegative | None,
    "num_nodes": Positive,
    "num_sanity_val_steps": OrUnlimited,
    "overfit_batches": Batches,
    "reload_dataloaders_every_n_epochs": NotNegative,
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
    "torch.optim.": OPTIMIZER,
}
"""By a target's name, or by the package that it is in, with a dot at its end."""


def ranges_of(target: str) -> Mapping[str, Any]:
    """What the signature of a target doesn't say of its arguments."""
    return next(
        (known for name, known in RANGES.items() if target == name or (name[-1] == "." and target.startswith(name))), {}
    )
