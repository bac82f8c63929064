"""Groups of parameters that an optimiser gives settings of their own."""

from collections.abc import Mapping
from typing import Any

from torch import nn

from infovae.errors import ArgumentError

VECTORS = "vectors"
"""The name of all parameters of one dimension: biases, and scales of normalisation layers."""


def parameter_groups_of(module: nn.Module, settings: Mapping[str, Mapping[str, Any]]) -> list[Any]:
    """Return the parameters that learn, as an optimiser takes them: in groups with equal settings.

    Args:
        module: the model.
        settings: the optimiser's settings by the name of a part of the model, as ``{"encoder": {"lr": 1e-4}}``, or
            ``vectors``. If two names apply to a parameter, the later one wins.

    Raises:
        ArgumentError: a name that no parameter goes by.
    """
    learned = [(name, parameter) for name, parameter in module.named_parameters() if parameter.requires_grad]
    if not settings:
        return [parameter for _, parameter in learned]
    groups: dict[tuple[str, ...], list[nn.Parameter]] = {}
    for name, parameter in learned:
        own = {name.partition(".")[0], *([VECTORS] if parameter.ndim <= 1 else [])}
        groups.setdefault(tuple(key for key in settings if key in own), []).append(parameter)
    if unknown := set(settings).difference(*groups):
        names = dict.fromkeys(name.partition(".")[0] for name, _ in learned)
        accepted = [*names, *([VECTORS] if any(parameter.ndim <= 1 for _, parameter in learned) else [])]
        raise ArgumentError(min(unknown), ..., ", ".join(accepted), "no parameter that learns has this name")
    return [
        {"params": parameters} | {name: value for key in keys for name, value in settings[key].items()}
        for keys, parameters in groups.items()
    ]
