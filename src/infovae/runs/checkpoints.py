"""A run's checkpoints as files: written whole or not at all, the last two kept, read with suspicion."""

import io
import logging
import pickle
import zipfile
from pathlib import Path
from typing import Any

import torch
from pytorch_lightning.plugins.io import TorchCheckpointIO
from torch import nn

from infovae.errors import UserError
from infovae.runs.files import write_whole

LAST, PREVIOUS = "last.ckpt", "previous.ckpt"

log = logging.getLogger(__name__)


class WholeCheckpoints(TorchCheckpointIO):
    """Writes a checkpoint beside its place and moves it there; what was ``last.ckpt`` becomes ``previous.ckpt``.

    Lightning's own goes through the system's folder for temporary files, which often is another disk: the move is then
    a copy, and a kill in its middle leaves half a file. Here the bytes are on the disk before anything is renamed, so
    that at any moment, also of a power cut, one of the last two is whole.
    """

    def save_checkpoint(self, checkpoint: dict[str, Any], path: str | Path, storage_options: Any = None) -> None:
        place = Path(path)
        content = io.BytesIO()  # torch writing to a full disk itself ends the process in C++
        torch.save(checkpoint, content)
        earlier = place.with_name(PREVIOUS) if place.name == LAST else None
        write_whole(place, content.getbuffer(), durable=True, earlier=earlier)


def read_checkpoint(path: Path, key: str) -> dict[str, Any]:
    """What a checkpoint holds, read as tensors and plain values.

    Raises:
        UserError: no such file, or not a checkpoint of a run.
    """
    if not path.is_file():
        raise UserError(f"{key}: no such file ({path}); accepted: a checkpoint, as RUN/checkpoints/last.ckpt")
    try:
        checkpoint: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
        checkpoint["state_dict"].items()
    except (
        pickle.UnpicklingError, EOFError, KeyError, TypeError, AttributeError, OSError, RuntimeError, ValueError
    ) as error:  # fmt: skip
        raise UserError(
            f"{key}: {path} is damaged, or not a checkpoint of a run ({type(error).__name__}); accepted: a "
            "checkpoint, as RUN/checkpoints/last.ckpt"
        ) from error
    return checkpoint


def load_weights(module: nn.Module, weights: dict[str, Any], path: Path) -> None:
    """Put a checkpoint's weights into a model.

    Raises:
        UserError: they are another architecture's; says where the two differ first.
    """
    expected = module.state_dict()
    for name in dict.fromkeys([*expected, *weights]):
        there, here = _shape(weights, name), _shape(expected, name)
        if there != here:
            raise UserError(
                f"{path}: a checkpoint of another architecture than configured: {name} is {there} there and {here} "
                "here; accepted: checkpoints of runs with the same network, latent_dim, prior and divergence"
            )
    try:
        module.load_state_dict(weights)
    except (RuntimeError, KeyError, TypeError, AttributeError) as error:
        raise UserError(f"{path}: damaged ({' '.join(str(error).split())})") from error


def _shape(state: dict[str, Any], name: str) -> str:
    if name not in state:
        return "missing"
    return f"of shape {tuple(state[name].shape)}" if isinstance(state[name], torch.Tensor) else "no tensor"


def newest_sound(folder: Path) -> Path | None:
    """The last checkpoint if it is whole, else the one before; None where there is neither.

    A damaged one is told of, and set aside under another name, so that it isn't kept as the one before.
    """
    for path in (folder / LAST, folder / PREVIOUS):
        if _is_sound(path):
            return path
        if path.exists():
            log.warning("%s is damaged and was set aside; %s is tried instead", path, _next(path))
            path.replace(path.with_suffix(".damaged"))
    return None


def _next(path: Path) -> str:
    return PREVIOUS if path.name == LAST else "a new start"


def _is_sound(path: Path) -> bool:
    """Whether every byte is as it was written: torch itself doesn't look at the checksums that it writes."""
    try:
        with zipfile.ZipFile(path) as archive:
            return archive.testzip() is None
    except (OSError, zipfile.BadZipFile, EOFError, NotImplementedError, ValueError):
        return False
