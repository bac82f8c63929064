"""Ranges of arguments of other people's classes, which refuse them late, without naming a key, or not at all."""

import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal, NamedTuple

from pydantic import AfterValidator, Field

from infovae.runs.folder import leads_out


class Unsupported(NamedTuple):
    """In place of a type: an argument, or a class, that a run would ignore or trip over, and what to use instead."""

    accepted: str


def _duration(value: str | dict[str, int]) -> str | dict[str, int]:
    if isinstance(value, str):
        sound = bool(re.fullmatch(r"\d+:\d\d:\d\d:\d\d", value) and re.search("[1-9]", value))
    else:
        sound = value.keys() <= {"weeks", "days", "hours", "minutes", "seconds"} and any(value.values())
    if not sound:
        raise ValueError("Input should be DD:HH:MM:SS or {days: D, hours: H, minutes: M, seconds: S}, above 0")
    return value


def _inside(value: str) -> str:
    if leads_out(value):
        raise ValueError("Input should be a name, or a path below the folder, without ..")
    return value


Inside = Annotated[str, AfterValidator(_inside)] | None
Seed = Annotated[int, Field(ge=0, lt=2**32)]
Positive = Annotated[int, Field(ge=1)]
NotNegative = Annotated[int, Field(ge=0)]
OrUnlimited = Annotated[int, Field(ge=-1)]
Finite = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Share = Annotated[float, Field(ge=0, lt=1)]
Duration = Annotated[str | dict[str, NotNegative], AfterValidator(_duration)] | None
Precision = Literal["auto", "32-true", "bf16-mixed", "16-mixed", "64-true", "bf16-true", "16-true"]
OlderPrecision = Literal[64, 32, 16, "64", "32", "16", "bf16"]
Batches = Positive | Annotated[float, Field(gt=0, le=1)] | None

TRAINER: Mapping[str, Any] = {
    **dict.fromkeys(["limit_train_batches", "limit_test_batches"], Batches),
    **dict.fromkeys(["min_epochs", "min_steps"], NotNegative | None),
    "accumulate_grad_batches": Positive,
    "check_val_every_n_epoch": Positive | None,
    "devices": Positive | Literal[-1, "auto"] | list[NotNegative],
    "fast_dev_run": bool | NotNegative,
    "gradient_clip_algorithm": Literal["norm", "value"] | None,
    "gradient_clip_val": Finite | None,
    "limit_val_batches": Literal[0] | Batches,
    "max_epochs": Positive | Literal[-1] | None,
    "max_steps": Positive | Literal[-1],
    "max_time": Duration,
    "num_nodes": Literal[1],  # Lightning would wait half an hour for the other machine
    "num_sanity_val_steps": OrUnlimited,
    "plugins": list[dict[str, Any]] | None,
    "precision": Literal[Precision, OlderPrecision] | None,
    "profiler": Literal["simple", "advanced", "pytorch"] | None,
    "reload_dataloaders_every_n_epochs": NotNegative,
    "strategy": Literal["auto", "ddp", "ddp_find_unused_parameters_true", "ddp_find_unused_parameters_false"],
    "use_distributed_sampler": Literal[False],  # data/loader.py shares an epoch out; a second time would lose examples
    "barebones": Unsupported("callbacks=none logger=none"),
    "callbacks": Unsupported("callbacks=[OPTION,...]"),
    "enable_checkpointing": Unsupported("callbacks=none, or callbacks=[drawing,progress_bar]"),
    "limit_predict_batches": Unsupported("trainer.limit_test_batches=N"),
    "log_every_n_steps": Unsupported("no such key: everything is logged once an epoch"),
    "logger": Unsupported("logger=OPTION"),
    "model_registry": Unsupported("logger=wandb"),
    "overfit_batches": Unsupported("data.train_size=N"),
    "val_check_interval": Unsupported("trainer.check_val_every_n_epoch=N"),
}

OPTIMIZER: Mapping[str, Any] = {
    **dict.fromkeys(["eps", "lr", "momentum", "weight_decay"], Finite),
    **dict.fromkeys(["every", "largest"], Positive),
    "betas": tuple[Share, Share],
    "params": Unsupported("a setting, such as lr: the parameters are the model's"),
}

CALLBACKS: Mapping[str, Any] = {
    **dict.fromkeys(["every_n_epochs", "every_n_train_steps"], NotNegative | None),
    **dict.fromkeys(["patience", "refresh_rate"], NotNegative),
    "duration": Duration,
    "filename": Inside,
    "max_depth": OrUnlimited,
    "min_delta": Annotated[float, Field(allow_inf_nan=False)],
    "mode": Literal["min", "max"],
    "save_top_k": OrUnlimited,
}

RANGES: Mapping[str, Mapping[str, Any]] = {
    "pytorch_lightning.Trainer": TRAINER,
    "pytorch_lightning.callbacks.": CALLBACKS,
    "pytorch_lightning.loggers.": dict.fromkeys(["name", "sub_dir"], Inside) | {"version": int | Inside},
    "infovae.training.callbacks.best_checkpoint.BestCheckpoint": CALLBACKS,
    "infovae.training.callbacks.early_stopping.EarlyStopping": CALLBACKS,
    "torch.optim.": OPTIMIZER,
    "infovae.optimizers.": OPTIMIZER,
}
"""By the name of a target, or by its package with a dot at the end."""


USELESS: Mapping[str, Unsupported] = {
    "BackboneFinetuning": Unsupported("a subclass of BaseFinetuning that freezes parts of InfoVAE"),
    "BasePredictionWriter": Unsupported("infovae evaluate run=FOLDER"),
    "BatchSizeFinder": Unsupported("data.batch_size=N"),
    "LearningRateFinder": Unsupported("optimizer.lr=VALUE, or a search for it"),
    "StochasticWeightAveraging": Unsupported("callbacks=[default,ema], whose averages are validated too"),
}
"""Lightning's callbacks that can't work here, or that change weights or settings without the record of the run."""


def ranges_of(target: str) -> Mapping[str, Any]:
    """Return what the signature of a target does not say about its arguments."""
    names = (name for name in RANGES if target == name or (name.endswith(".") and target.startswith(name)))
    return RANGES.get(next(names, ""), {})
