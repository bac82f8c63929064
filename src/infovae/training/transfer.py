"""Weights of another run to start from."""

import hashlib
import logging
from typing import Any, NamedTuple

import torch
from omegaconf import DictConfig, OmegaConf
from torch import nn

from infovae.data.module import DataModule
from infovae.errors import UserError
from infovae.module import InfoVAE
from infovae.runs.changes import changes, config_of
from infovae.runs.checkpoints import first_difference, last_weights, read_checkpoint
from infovae.runs.hub import folder_of
from infovae.training.assemble import build_module
from infovae.training.callbacks.kept_weights import KEPT
from infovae.training.callbacks.near_prior import NearPrior

PARTS = ("encoder", "decoder", "posterior", "likelihood", "prior", "condition")
"""The parts of every model. A critic isn't among them: it belongs to the divergence."""

log = logging.getLogger(__name__)


class Origin(NamedTuple):
    """The checkpoint that the first weights of a run come from, their epoch if it says that, and the parts taken.

    Weights that depend on ``latent_dim`` are ``new``.
    """

    checkpoint: str
    sha256: str
    epoch: int | None
    parts: list[str]
    new: list[str]


def start_from(module: InfoVAE, cfg: DictConfig, data: DataModule) -> Origin:
    """Put the weights of ``init_from`` into a new model, and return where they come from.

    A model with another ``latent_dim`` is filled too: the weights whose shape depends on it start anew. So does a part
    of a subclass, such as a classifier, that the other run lacks.

    Raises:
        UserError: there is no such checkpoint, it differs in more than ``latent_dim``, or the Hub can't be reached.
    """
    if cfg.init_parts == []:
        accepted = f"null, or some of {', '.join(PARTS)}"
        raise UserError("no part is chosen", key="init_parts", value="[]", accepted=accepted)
    given = folder_of(cfg.init_from, "init_from")
    path = last_weights(given) if given.is_dir() else given
    if not path.is_file():
        why = f"it has no {path.relative_to(given)}" if given.is_dir() else "no such folder or file"
        accepted = "a run folder, as outputs/DATE/TIME-NAME, one of its checkpoints, zoo://NAME or hf://USER/NAME"
        raise UserError(why, key="init_from", value=cfg.init_from, accepted=accepted)
    checkpoint = read_checkpoint(path, f"init_from={cfg.init_from}")
    before = config_of(checkpoint, path) or {}
    latent_dim = before.get("latent_dim", cfg.latent_dim)
    own = {name for name, part in module.named_children() if any(True for _ in part.parameters())}
    further = sorted(own.difference(PARTS, ["divergence"]))
    lacking = [name for name in further if not _of([name], checkpoint["state_dict"])]
    every = [*PARTS, *(name for name in further if name not in lacking)]
    parts = every if cfg.init_parts is None else list(dict.fromkeys(cfg.init_parts))
    there, here = _of(parts, checkpoint["state_dict"]), _of(parts, module.state_dict())
    expected = here if latent_dim == cfg.latent_dim else _of(parts, _similar(cfg, data, latent_dim).state_dict())
    if (difference := first_difference(there, expected)) is not None:
        accepted = "a run with the same images, network, posterior and prior, or fewer init_parts, as [encoder]"
        why = f"{path} holds another model: {difference}"
        raise UserError(why, key="init_from", value=cfg.init_from, accepted=accepted)
    new = [name for name, value in here.items() if value.shape != there[name].shape]
    if cfg.init_parts is None:
        new += _of(lacking, module.state_dict())
    if random := [name for name in new if name.partition(".")[0] in (cfg.get("freeze") or [])]:
        why = f"{', '.join(random)} start anew with latent_dim={cfg.latent_dim}, and would stay random"
        accepted = f"[], or latent_dim={latent_dim} as in {cfg.init_from}"
        raise UserError(why, key="freeze", value=f"[{','.join(cfg.freeze)}]", accepted=accepted)
    module.load_state_dict({name: value for name, value in there.items() if name not in new}, strict=False)
    if differing := _differing(before, cfg, parts):
        log.warning("init_from=%s was trained with other settings, which its weights don't show: %s", path, differing)
    anew = f"; these start anew: {', '.join(new)}" if new else ""
    log.info("the weights of %s start as those of %s%s", ", ".join(parts), path, anew)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    return Origin(str(path.absolute()), digest, _epoch_of(checkpoint), parts, new)


def _epoch_of(checkpoint: dict[str, Any]) -> int | None:
    """Return the epoch, counted from 1, that the weights of a checkpoint come from; None if it doesn't say."""
    if KEPT in checkpoint:
        return checkpoint["callbacks"].get(NearPrior.__qualname__, {}).get("epoch")
    return checkpoint["epoch"] + 1 if "epoch" in checkpoint else None


def _similar(cfg: DictConfig, data: DataModule, latent_dim: int) -> nn.Module:
    """Return a model that differs from the configured one in the size of its codes alone."""
    other = cfg.copy()
    other.latent_dim = latent_dim
    with torch.random.fork_rng():
        return build_module(other, data)


def _differing(before: dict[str, Any], cfg: DictConfig, parts: list[str]) -> str:
    """Return the settings of these parts that differ from those of the other run, if they are known; for a warning."""
    now: Any = OmegaConf.to_container(cfg, resolve=True)
    keys = [f"network.{part}." if part in ("encoder", "decoder") else f"{part}." for part in parts]
    found = changes(before, now) if before else []
    return ", ".join(str(change) for change in found if change.key.startswith(tuple(keys)))


def _of(parts: list[str], state: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in state.items() if name.partition(".")[0] in parts}
