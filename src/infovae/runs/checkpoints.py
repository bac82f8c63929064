"""Checkpoints as files: written whole, and read with suspicion."""

import json
import logging
from collections.abc import Callable, Collection, Iterable, Mapping
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.plugins.io import TorchCheckpointIO
from torch import nn

from infovae.errors import UserError
from infovae.runs.files import write_whole
from infovae.runs.sealed import DAMAGED, read_sealed, sealed

LAST, PREVIOUS = "last.ckpt", "previous.ckpt"
SAFETENSORS = "model.safetensors"
"""The weights of a run folder from the Hugging Face Hub or the zoo, in the place of ``checkpoints/``."""

RESUMABLE = ("epoch", "global_step", "loops", "optimizer_states")
"""What a checkpoint needs beside weights for training to go on from it."""

REAL = (torch.float16, torch.bfloat16, torch.float32, torch.float64)
"""Types of weights that can stand for each other; float8 holds too few digits of one."""

ACCEPTED = "a checkpoint, as RUN/checkpoints/last.ckpt"

log = logging.getLogger(__name__)


def last_weights(folder: Path) -> Path:
    """Return a run's last checkpoint, or the weights that stand in its place in a folder from elsewhere."""
    last, pulled = folder / "checkpoints" / LAST, folder / SAFETENSORS
    return pulled if pulled.is_file() and not last.exists() else last


class WholeCheckpoints(TorchCheckpointIO):
    """Write each checkpoint beside its place, sealed, then move it there; keep the earlier ``last.ckpt``.

    Lightning writes through the system's temporary folder, which often is another disk. The move is then a copy, and a
    kill in its middle leaves half a file. Here one of the last two checkpoints is whole at any moment, also of a power
    cut. What was ``last.ckpt`` becomes ``previous.ckpt``. Below ``run_dir`` no link is followed.
    """

    def __init__(self, run_dir: Path) -> None:
        self.run_dir = run_dir
        self.newest: Path | None = None
        """The checkpoint that was written last, or that the run goes on from."""

    def save_checkpoint(self, checkpoint: dict[str, Any], path: str | Path, storage_options: Any = None) -> None:
        place = Path(path)
        earlier = place.with_name(PREVIOUS) if place.name == LAST else None
        write_whole(place, sealed(checkpoint), inside=self.run_dir, durable=True, earlier=earlier)
        self.newest = place

    def load_checkpoint(self, path: str | Path, *arguments: Any, **options: Any) -> dict[str, Any]:
        self.newest = Path(path)
        return super().load_checkpoint(path, *arguments, **options)


def read_checkpoint(path: Path, key: str) -> dict[str, Any]:
    """Return what a checkpoint holds, read as tensors and plain values; ``key`` is ``ckpt_path=FILE``, for an error.

    Raises:
        UserError: there is no such file, its bytes have changed, or it isn't a checkpoint of a run.
    """
    if not path.is_file():
        raise UserError(f"no such file ({path})", key=key, accepted=ACCEPTED)
    if path.suffix == ".safetensors":
        return _read_safetensors(path, key)
    try:
        checkpoint = read_sealed(path)
        checkpoint["state_dict"].items()
    except DAMAGED as error:
        raise UserError(f"{path} is damaged, or not a checkpoint of a run", key=key, accepted=ACCEPTED) from error
    return checkpoint


def _read_safetensors(path: Path, key: str) -> dict[str, Any]:
    """Return the weights of a file as a checkpoint holds them, with what the data module said of the images."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, "pt") as file:
            weights = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
            described = json.loads((file.metadata() or {}).get("DataModule", "null"), object_hook=tensor_of)
    except (SafetensorError, OSError, ValueError, TypeError, AttributeError, RuntimeError) as error:
        raise UserError(f"{path} is damaged, or holds no weights", key=key, accepted=ACCEPTED) from error
    return {"state_dict": weights, "DataModule": described}


def as_json(tensor: torch.Tensor) -> dict[str, Any]:
    """Return a tensor as JSON can hold it."""
    return {"tensor": tensor.tolist(), "type": str(tensor.dtype).removeprefix("torch.")}


def tensor_of(content: dict[str, Any]) -> Any:
    """Return the tensor that :func:`as_json` gave; other content stays as it is."""
    if content.keys() != {"tensor", "type"}:
        return content
    return torch.tensor(content["tensor"], dtype=getattr(torch, content["type"]))


def read_resumable(path: Path, key: str) -> dict[str, Any]:
    """Return what a checkpoint holds that training can go on from; see :func:`read_checkpoint`."""
    checkpoint = read_checkpoint(path, key)
    if missing := [name for name in RESUMABLE if name not in checkpoint]:
        raise UserError(f"holds weights, but no {', '.join(missing)} to go on with", key=key, accepted=ACCEPTED)
    return checkpoint


def is_resumable(checkpoint: Mapping[str, Any]) -> bool:
    """Return whether a checkpoint holds more than weights, so that training can go on from it."""
    return all(name in checkpoint for name in RESUMABLE)


def ends_epoch(checkpoint: Mapping[str, Any]) -> bool:
    """Return whether a resumable checkpoint was written at the end of an epoch that no limit had cut."""
    try:
        return bool(checkpoint["loops"]["fit_loop"]["epoch_loop.batch_progress"]["is_last_batch"])
    except (KeyError, TypeError):
        return False


def epochs_of(checkpoint: Mapping[str, Any]) -> int:
    """Return how many whole epochs a resumable checkpoint has behind it."""
    return checkpoint["loops"]["fit_loop"]["epoch_progress"]["current"]["processed"]


def load_weights(module: nn.Module, weights: dict[str, Any], path: Path) -> None:
    """Put a checkpoint's weights into a model.

    Raises:
        UserError: they belong to another architecture, or are numbers of another kind; names the first difference.
    """
    if (difference := first_difference(weights, module.state_dict())) is not None:
        why = f"a checkpoint of another architecture than configured: {difference}"
        accepted = "checkpoints of runs with the same network, latent_dim, prior and divergence"
        raise UserError(why, key=str(path), accepted=accepted)
    try:
        module.load_state_dict(weights)
    except (RuntimeError, KeyError, TypeError, AttributeError) as error:
        raise UserError(f"{path}: damaged ({' '.join(str(error).split())})") from error


def first_difference(there: dict[str, Any], here: dict[str, Any]) -> str | None:
    """Return which weight of a checkpoint differs from the model's in shape or kind; None if all are alike."""
    for name in dict.fromkeys([*here, *there]):
        described = _described(there, name), _described(here, name)
        if described[0] != described[1]:
            return f"{name} is {described[0]} there and {described[1]} here"
    return None


def _described(state: dict[str, Any], name: str) -> str:
    """Return an entry's shape, and its type unless that is real numbers, whose precision may differ."""
    if name not in state:
        return "missing"
    value = state[name]
    if not isinstance(value, torch.Tensor):
        return "no tensor"
    return f"of shape {tuple(value.shape)}{'' if value.dtype in REAL else f' and type {value.dtype}'}"


def newest_sound(
    folders: Iterable[Path],
    run_dir: Path,
    regular: Collection[str] = (),
    is_over: Callable[[Path, dict[str, Any]], bool] = lambda path, checkpoint: False,
) -> Path | None:
    """Return the checkpoint that got furthest of those that training can go on from; None if there is none.

    The middle of an epoch can't be resumed exactly: of such checkpoints, those alone count with which the run
    ``is_over``. Checkpoints of every epoch, as ``last.ckpt``, go before those of some, as ``best.ckpt``: the files at
    the end are then those of a run that never stopped. A damaged checkpoint in the run's own folder is set aside under
    another name. In folders that several runs may share, only this run's count.

    The folders are searched at any depth. ``regular`` has patterns of further names that are saved at each epoch's end.
    """
    found: list[tuple[bool, int, str]] = []
    patterns = (LAST, PREVIOUS, *regular)
    for path in sorted({path for folder in folders for path in folder.rglob("*.ckpt")}):
        own = run_dir.resolve() in path.resolve().parents
        try:
            checkpoint = read_checkpoint(path, str(path))
        except UserError:
            if own:
                log.warning("%s is damaged and was set aside; another checkpoint is used, or none", path)
                path.replace(path.with_suffix(".damaged"))
            continue
        if not is_resumable(checkpoint) or not (own or _written_by(checkpoint, run_dir)):
            continue
        if ends_epoch(checkpoint) or is_over(path, checkpoint):
            is_regular = any(path.match(pattern) for pattern in patterns)
            found.append((is_regular, checkpoint["global_step"], str(path)))
    return Path(max(found)[-1]) if found else None


def left_behind(run_dir: Path, trainer: pl.Trainer | None = None) -> str:
    """Return the end of an error's line: which checkpoint a run that failed has left.

    On the first process the trainer, once there is one, knows what was written, wherever that lies.
    """
    here = sorted((run_dir / "checkpoints").glob("*.ckpt"), key=lambda path: (path.name != LAST, path.name != PREVIOUS))
    found = [path for path in (newest_of(trainer), *here) if path is not None and path.is_file()]
    return f"the last good checkpoint is {found[0]}" if found else "no checkpoint was written"


def newest_of(trainer: pl.Trainer | None) -> Path | None:
    """Return the checkpoint that was written last, or that the run goes on from; None if there is none."""
    writer = getattr(getattr(trainer, "strategy", None), "checkpoint_io", None)
    return getattr(writer, "newest", None)


def _written_by(checkpoint: dict[str, Any], run_dir: Path) -> bool:
    config = checkpoint.get("config")
    place = config.get("run_dir") if isinstance(config, dict) else None
    return isinstance(place, str) and Path(place).resolve() == run_dir.resolve()
