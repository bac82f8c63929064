"""What may differ between the config that a checkpoint was trained with and the one that goes on from it."""

from collections.abc import Iterable, Mapping, Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, NamedTuple

from infovae.errors import UserError
from infovae.runs.checkpoints import SAFETENSORS, epochs_of
from infovae.runs.flat import flat, moved
from infovae.runs.safe_yaml import LONGEST, safe_yaml

HYPERPARAMETERS = ("lr", "weight_decay", "betas", "eps", "momentum", "dampening", "nesterov", "fused", "foreach")
"""Arguments of an optimiser that may change although its state goes on."""

MAY_CHANGE = (
    # How a run is named, found and recorded.
    "name", "group", "tags", "run_dir", "ckpt_path", "resume", "sweep", "sweep.*", "logger", "logger.*", "pictures",
    "pictures.*", "callbacks", "callbacks.*", "on_nan", "compile", "data.evaluation_splits",
    # Where the data lie, and how they are read. Training sees the same batches.
    "data.root", "data.path", "data.workers", "data.prefetch", "data.streaming", "data.source.streaming",
    "data.source.download",
    # How long to train, on which device, and what is shown.
    "trainer.max_*", "trainer.min_*", "trainer.accelerator", "trainer.devices", "trainer.num_nodes", "trainer.strategy",
    "trainer.enable_*", "trainer.log_every_n_steps", "trainer.check_val_every_n_epoch", "trainer.num_sanity_val_steps",
    "trainer.default_root_dir", "trainer.plugins", "trainer.profiler", "trainer.deterministic", "trainer.benchmark",
    "trainer.detect_anomaly", "trainer.inference_mode", "trainer.fast_dev_run",
    *(f"optimizer.{name}" for name in HYPERPARAMETERS), "scheduler.*",
)  # fmt: skip
"""Keys, or patterns of keys, whose change takes effect when a run goes on. Any other change is refused."""

MORE_TRAINING = (
    "trainer.max_time", "trainer.min_*", "callbacks.*.patience", "callbacks.*.min_delta", "callbacks.*.tolerance",
    "callbacks.*_threshold",
)  # fmt: skip
"""Keys of what can stop a run before its last epoch."""


RENAMED = {"infovae.data.module.ImageData": "infovae.data.module.DataModule"}
"""Names of version 0.1, and what they are called now."""


class Change(NamedTuple):
    """A key whose value differs; None where a config doesn't have it."""

    key: str
    before: Any
    now: Any

    def __str__(self) -> str:
        return f"{self.key}={self.now} (there {self.before})"


def changes(before: dict[str, Any], now: dict[str, Any]) -> list[Change]:
    """Return the differences between two resolved configs, key by key.

    Paths below the run's folder count as equal, so that a run's folder can be moved. So do null, an empty list and a
    key that is missing, which a config of an earlier version may be. A metric may come or go as a whole: it has columns
    of its own. The order counts where the later of two keys wins.
    """
    folders = str(before.get("run_dir")), str(now.get("run_dir"))
    measured = [set(config.get("metrics") or {}) for config in (before, now)]
    ones, others = (dict(flat(config | {"metrics": _shared(config, measured)}, ".")) for config in (before, now))
    found = [Change(key, ones.get(key), others.get(key)) for key in dict.fromkeys([*ones, *others])]
    found = [change for change in found if any(value not in (None, []) for value in change[1:])]
    orders = [list(config.get("parameter_groups") or {}) for config in (before, now)]
    if orders[0] != orders[1] and set(orders[0]) == set(orders[1]):
        found.append(Change("parameter_groups", *(f"[{','.join(order)}]" for order in orders)))
    return [change for change in found if change.now not in (change.before, _renamed(change.before, *folders))]


def refused(found: Iterable[Change]) -> list[Change]:
    """Return the changes under which a run can't go on."""
    return [change for change in found if not any(fnmatchcase(change.key, pattern) for pattern in MAY_CHANGE)]


def refuse_changes(found: Sequence[Change], checkpoint: Path, has_schedule: bool) -> None:
    """Refuse to go on under other settings than the checkpoint's, where they can't be applied.

    If it ``has_schedule``, Lightning restores a schedule of the rate, which would undo a change of that.

    Raises:
        ChangedError: names every such change.
    """
    wrong = refused(found)
    wrong += [change for change in found if change.key == "optimizer.lr" and has_schedule]
    if wrong:
        why = f"{', '.join(map(str, wrong))}: {checkpoint} was trained with other settings"
        raise ChangedError(why, accepted="the settings there, or a new run in a folder of its own")


class Limit(NamedTuple):
    """A key of the config that ends a run, how much it allows, and how much of it a checkpoint has behind it."""

    key: str
    most: int
    trained: int

    @property
    def unit(self) -> str:
        return self.key.rpartition("_")[2]


def limits_reached(checkpoint: Mapping[str, Any], trainer: Mapping[str, Any]) -> list[Limit]:
    """Return what leaves nothing to train after a resumable checkpoint, under a trainer's config."""
    done = {"max_steps": checkpoint["global_step"], "max_epochs": epochs_of(checkpoint)}
    limits = [Limit(f"trainer.{name}", trainer.get(name) or -1, trained) for name, trained in done.items()]
    return [limit for limit in limits if 0 < limit.most <= limit.trained]


def refuse_without_training(found: Iterable[Change], reached: Sequence[Limit], stopped: bool = False) -> None:
    """Refuse settings that would be recorded though nothing is left to train that they apply to.

    Args:
        found: what has changed.
        reached: the limits that leave nothing to train.
        stopped: whether the run stays stopped as it was, early.

    Raises:
        ChangedError: less is asked for than was trained, or the optimiser's settings can't take effect.
    """
    for limit in reached:
        if limit.most < limit.trained:
            why = f"the run has trained {limit.trained} {limit.unit}"
            raise ChangedError(why, key=limit.key, value=limit.most, accepted=f"at least {limit.trained}")
    wrong = [str(change) for change in found if change.key.startswith(("optimizer.", "scheduler."))]
    if wrong and (stopped or reached):
        why, accepted = "the run stopped early", "the settings there"
        if not stopped:
            why, accepted = f"all {reached[0].most} {reached[0].unit} are trained", f"a larger {reached[0].key}"
        raise ChangedError(f"{', '.join(wrong)}: {why}", accepted=accepted)


class ChangedError(UserError):
    """A run was to go on under settings that can't change."""


def stays_stopped(checkpoint: Mapping[str, Any], found: Iterable[Change]) -> bool:
    """Return whether a run had stopped early, and no change could let it go on."""
    could = any(fnmatchcase(change.key, pattern) for change in found for pattern in MORE_TRAINING)
    return bool(checkpoint.get("stopped_early")) and not could


def config_of(checkpoint: Mapping[str, Any], path: Path) -> dict[str, Any] | None:
    """Return the resolved config that a checkpoint was trained with; None if it isn't known.

    It is part of the checkpoint. For one of version 0.1, and for weights from the Hub or the zoo, it is the
    ``config.yaml`` of the run folder.
    """
    config = checkpoint.get("config")
    beside = (path.parent if path.name == SAFETENSORS else path.parent.parent) / "config.yaml"
    if config is None and beside.is_file() and beside.stat().st_size <= LONGEST:
        try:
            config = safe_yaml(beside.read_text(encoding="utf-8"))
        except ValueError:
            return None
    groups = [config.get(name) or {} for name in ("trainer", "metrics")] if isinstance(config, dict) else [None]
    return config if all(isinstance(group, dict) for group in groups) else None


def _shared(config: Mapping[str, Any], measured: Iterable[set[str]]) -> dict[str, Any]:
    return {name: (config.get("metrics") or {})[name] for name in sorted(set.intersection(*measured))}


def _renamed(value: Any, before: str, now: str) -> Any:
    return RENAMED.get(value, moved(value, before, now)) if isinstance(value, str) else value
