"""Load a trained model from a run folder."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import torch
from jaxtyping import Float, Int64
from omegaconf import DictConfig
from torch import Tensor

from infovae.config.check import check_nodes
from infovae.config.trusted import PARTS, check_trusted, is_own_part, parts_of
from infovae.data.description import Description, description_in
from infovae.data.examples import Inputs
from infovae.data.module import DataModule
from infovae.errors import ArgumentError, UserError
from infovae.evaluation.matching import match_conditions, match_examples
from infovae.evaluation.run_config import read_config
from infovae.evaluation.undescribed import fitting_description
from infovae.module import InfoVAE
from infovae.runs.checkpoints import SAFETENSORS, last_weights, load_weights, read_checkpoint
from infovae.runs.hub import folder_of
from infovae.training.assemble import build_bare_module, build_data
from infovae.training.callbacks.measured_weights import AVERAGED

Weights = Literal["ema", "raw"]

LOADED: dict[str, Any] = {"checkpoint": str, "override": dict[str, Any], "trust": bool, "weights": Weights | None}
"""Keys of commands that load a run, with their types."""


@dataclass(frozen=True)
class SavedRun:
    """A trained model in evaluation mode, with the folder and the config of its run.

    Attributes:
        checkpoint: the file that holds the weights.
        description: what the model was told of its data.
        weights: which of two sets the model has, ``ema`` or ``raw``; None: there is one.
    """

    folder: Path
    checkpoint: Path
    cfg: DictConfig
    module: InfoVAE
    description: Description
    weights: str | None = None

    @property
    def shape(self) -> tuple[int, ...]:
        """(c, *s) of an example."""
        return self.description.shape

    @property
    def image_shape(self) -> tuple[int, ...]:
        """``shape``, under its name in version 0.1."""
        return self.shape

    def place(self, name: str) -> Path:
        """Return the folder in the run's for what is made of its model; raw weights have one of their own."""
        return self.folder / (f"{name}-raw" if self.weights == "raw" else name)

    @cached_property
    def data(self) -> DataModule:
        """The run's data, split as its config says and standardised as in training; read at first use.

        Raises:
            UserError: they can't be read, or have columns, categories or classes that the model doesn't know.
        """
        data = _read_data(self.cfg)
        try:
            match_examples(data, self.description, "data")
            match_conditions(data, self.description, self.module.condition, "data")
        except ArgumentError as error:
            why = f"the run's data have changed since: {error.why}"
            raise UserError(why, key="data", accepted=error.accepted) from error
        return data


def load(
    run: str | Path,
    checkpoint: str | Path | Literal["last", "best"] = "last",
    changes: Mapping[str, Any] | None = None,
    trust: bool = False,
    weights: Weights | None = None,
) -> SavedRun:
    """Return the model of a run folder, ready to use; its outputs have no gradient, so they turn into NumPy at once.

    To train the model further, say ``saved.module.requires_grad_(True)``.

    Nothing in the folder is executed: weights are read as tensors alone, and an untrusted config may name only this
    package's own parts. The training images may have moved, unless the run's prior comes from another package and
    reads them, or the run is of InfoVAE Lab 0.1, which didn't record their shape, and they aren't of a common one.

    Args:
        run: the folder; ``zoo://NAME``, a model that comes with the package; or ``hf://USER/NAME`` on the Hugging Face
            Hub, as ``infovae push`` leaves it there.
        checkpoint: ``last``, ``best``, or the path of another checkpoint of the same run.
        changes: to the config, as ``{"data": {"train_size": 500}}``.
        trust: whether the config may name parts from other packages, whose code then runs.
        weights: of a run that averages its weights, ``ema`` for the averages, or ``raw`` for the weights that training
            goes on with. By default the averages if there are any.

    Raises:
        UserError: no run folder, no such checkpoint, a damaged one, one without averages, a part that isn't trusted, or
            images that are needed and can't be read.
    """
    folder = folder_of(str(run))
    cfg = read_config(folder, changes or {})
    named = {"last": last_weights(folder), "best": folder / "checkpoints" / "best.ckpt"}
    path = named.get(str(checkpoint), Path(checkpoint))
    content = read_checkpoint(path, f"checkpoint={checkpoint}")
    if not trust:
        check_trusted(cfg, folder)
    check_nodes({name: node for name, node in parts_of(cfg).items() if name != "data"})
    data = None
    described = description_in(content) or fitting_description(cfg, content["state_dict"])
    if described is None:
        data = _read_data(cfg, path)
        described = data.description
    with torch.random.fork_rng():
        module = build_bare_module(cfg, described)
        averaged = "ema" if isinstance(content.get(AVERAGED), dict) else None
        saved = SavedRun(folder, path, cfg, module, described, weights or averaged)
        if data:
            saved.__dict__["data"] = data  # of the cached property: don't read them twice
        # A prior of this package replaces what it takes from the examples by its weights.
        own = is_own_part(cfg.prior.get("_target_"), PARTS["prior"])
        nothing = Inputs(torch.zeros(1, *described.shape, dtype=torch.uint8), described.values)
        module.attach_prior(nothing if own else TrainingSplit(saved))
    chosen = _chosen(content, weights, path)
    if path.name == SAFETENSORS:  # has no place for the state of a critic's optimiser
        chosen |= {name: value for name, value in module.state_dict().items() if name.endswith("_extra_state")}
    load_weights(module, chosen, path)
    module.eval().requires_grad_(False)
    return saved


@dataclass(frozen=True)
class TrainingSplit:
    """The training examples of a run, read when a prior from another package first asks for them."""

    saved: SavedRun

    @property
    def range(self) -> str:
        """Where the numbers lie: see :class:`infovae.data.values.Values`."""
        return self.saved.description.values.range

    def __len__(self) -> int:
        return len(self.saved.data.inputs("train"))

    def __getitem__(self, positions: Int64[Tensor, " m"]) -> Float[Tensor, "m c *s"]:
        return self.saved.data.inputs("train")[positions]

    def mean(self) -> Float[Tensor, "c *s"]:
        """Return the mean example."""
        return self.saved.data.inputs("train").mean()


def _chosen(checkpoint: Mapping[str, Any], weights: Weights | None, path: Path) -> dict[str, Any]:
    """Return the weights that are asked for; refuse to choose where there is only one set."""
    raw = checkpoint.get(AVERAGED)
    if weights is not None and not isinstance(raw, dict):
        why = f"{path} holds one set of weights"
        accepted = "null, or the folder of a run that was trained with callbacks=[default,ema]"
        raise UserError(why, key="weights", value=weights, accepted=accepted)
    return raw if weights == "raw" and raw else checkpoint["state_dict"]


def _read_data(cfg: DictConfig, needed_by: Path | None = None) -> DataModule:
    """Return the data of a run, which may have been made in another folder.

    ``needed_by`` is a checkpoint that can't be loaded without them, for an error.
    """
    check_nodes({"data": parts_of(cfg)["data"]})
    try:
        with torch.random.fork_rng():
            return build_data(cfg)
    except UserError as error:
        needed = f"; {needed_by} doesn't record the shape of its images, so they must be read" if needed_by else ""
        for name in ("root", "path"):
            if error.key == f"data.{name}":
                raise UserError(
                    f"{error}; or, where the run's data lie elsewhere, +override.data.{name}=PLACE, in Python "
                    f'load(RUN, changes={{"data": {{"{name}": PLACE}}}}){needed}'
                ) from None
        raise UserError(f"{error}{needed}") from None
