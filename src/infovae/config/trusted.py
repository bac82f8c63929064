"""Which parts a stranger's config may name."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from hydra.utils import get_object
from omegaconf import DictConfig, OmegaConf

from infovae.errors import UserError

PARTS = {
    "data": ("infovae.data",),
    "network": ("infovae.networks",),
    "posterior": ("infovae.posteriors",),
    "prior": ("infovae.priors", "infovae.fitted_priors"),
    "likelihood": ("infovae.likelihoods",),
    "divergence": ("infovae.divergences", "torch.optim"),
    "optimizer": ("torch.optim", "infovae.optimizers"),
    "model": ("infovae.objective", "infovae.schedules"),
    "condition": ("infovae.conditions",),
    "bound": ("infovae.bounds",),
    "module": ("infovae.module", "infovae.modules.semi_supervised"),
}
"""The parts of a model, and the packages that an untrusted config may take each from."""

OPTIONAL = {"bound", "condition", "module"}
"""Parts that a run may lack."""


def parts_of(cfg: DictConfig) -> dict[str, Any]:
    """Return the parts that a config has, as plain values."""
    return {key: OmegaConf.to_container(cfg[key], resolve=True) for key in PARTS if cfg.get(key)}


def check_trusted(cfg: DictConfig, folder: Path) -> None:
    """Refuse a config that names anything but this package's own parts, each in its place."""
    for key, target, packages in strangers(cfg):
        raise UserError(
            f"{folder / 'config.yaml'}: {key}={target} would run code that is not InfoVAE Lab's; accepted: "
            f"{', '.join(packages)}, or trust=true, in the folder of that code, if you trust its maker"
        )


def strangers(cfg: DictConfig) -> Iterator[tuple[str, Any, tuple[str, ...]]]:
    """Yield the key of each target that isn't this package's own, the target, and the packages it should be from."""
    for key, node in parts_of(cfg).items():
        for place, target in _targets(node, key):
            if not is_own_part(target, PARTS[key]):
                yield place, target, PARTS[key]


def _targets(node: Any, key: str) -> Iterator[tuple[str, Any]]:
    if isinstance(node, list):
        for position, entry in enumerate(node):
            yield from _targets(entry, f"{key}[{position}]")
    if isinstance(node, dict):
        if node.get("_target_") is not None:
            yield f"{key}._target_", node["_target_"]
        for name, entry in node.items():
            yield from _targets(entry, f"{key}.{name}")


def is_own_part(target: Any, packages: tuple[str, ...]) -> bool:
    """Return whether a target is public, and defined in one of the packages rather than imported there."""
    if not isinstance(target, str) or not any(target.startswith(f"{package}.") for package in packages):
        return False
    if any(part.startswith("_") for part in target.split(".")):
        return False
    try:
        defined_in = getattr(get_object(target), "__module__", None) or ""
    except (ImportError, ValueError, TypeError, AttributeError):
        return False
    return any(defined_in == package or defined_in.startswith(f"{package}.") for package in packages)
