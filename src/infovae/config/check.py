"""Checks of a composed config against the signatures of what it names, before anything is built."""

from collections.abc import Mapping
from dataclasses import is_dataclass
from typing import Annotated, Any, Literal

from hydra.errors import InstantiationException
from hydra.utils import instantiate
from omegaconf import DictConfig, OmegaConf
from pydantic import ConfigDict, Field, PydanticSchemaGenerationError, PydanticUserError, TypeAdapter, ValidationError

from infovae.config.messages import choice, is_group, probably
from infovae.config.secrets import refuse_secrets
from infovae.config.signatures import Signature, signature_of
from infovae.errors import UserError

TOP_LEVEL: dict[str, Any] = {
    "seed": Annotated[int, Field(ge=0, lt=2**32)],
    "latent_dim": Annotated[int, Field(ge=1)],
    "ckpt_path": str | None,
    "resume": Literal["never", "auto"],
    "compile": bool | Literal["auto"],
    "on_nan": Literal["stop", "skip"],
    "name": str,
    "group": str | None,
    "tags": list[str],
}
"""Keys of train.py that belong to no group, with their types."""

NEEDED = {
    "data.path": "FILE, an .npy, .npz or .pt file of yours",
    "data.root": "FOLDER, a folder of images of yours",
    "adapter.model._target_": "MODULE.NAME, a function or class of yours that gives the model",
}
"""What is accepted for each ``???`` of conf/."""

HYDRA_KEYS = {"_target_", "_partial_", "_args_", "_recursive_", "_convert_"}


def check(cfg: DictConfig, top_level: Mapping[str, Any] = TOP_LEVEL) -> None:
    """Check every key and value of a config.

    Args:
        cfg: the config.
        top_level: keys that belong to no group, with their types.

    Raises:
        UserError: a key that has no value yet or that the target doesn't take, a value of the wrong type or out of
            range, a secret, or a target that can't be imported.
    """
    refuse_secrets(OmegaConf.to_container(cfg))
    for missing in sorted(OmegaConf.missing_keys(cfg)):
        raise UserError(f"{missing}: it has no value; accepted: {missing}={NEEDED.get(missing, 'VALUE')}")
    content = OmegaConf.to_container(cfg, resolve=True)
    assert isinstance(content, dict)
    for key, annotation in top_level.items():
        if key not in content:
            raise UserError(f"{key}: it was taken away; accepted: {key}=VALUE")
        _validate(key, content[key], annotation)
    check_nodes(content)


def check_nodes(nodes: Mapping[Any, Any]) -> None:
    """Hold each node with a ``_target_`` against that target's signature.

    So a user's own part is checked as ours are, with nothing to declare.

    Raises:
        UserError: as :func:`check`.
    """
    for name, node in nodes.items():
        _check_node(str(name), node, nodes)


def build(node: DictConfig, key: str, **arguments: Any) -> Any:
    """Instantiate a node; what its constructor refuses is told with the full key.

    Raises:
        UserError: the node names nothing, or a constructor raised ValueError or OSError.
    """
    if "_target_" not in node:
        raise _names_nothing(key, node)
    try:
        if not arguments:
            return instantiate(node, _convert_="all")
        # Live objects go to the constructor itself: given to instantiate, they would be merged into the config.
        return instantiate(node, _convert_="all", _partial_=True)(**arguments)
    except InstantiationException as error:
        raise _refusal(error, key) from error
    except ValueError as error:
        raise UserError(f"{key}.{error}") from error
    except Exception as error:  # whatever a constructor of Lightning, torch or the user raises: it refused its config
        raise UserError(f"{key}: {type(error).__name__}: {' '.join(str(error).split())}") from error


def _refusal(error: InstantiationException, key: str) -> UserError:
    cause = error.__cause__ or error
    where = next((line[10:] for line in reversed(str(error).splitlines()) if line.startswith("full_key: ")), key)
    if isinstance(cause, OSError):
        return UserError(str(cause))
    if isinstance(cause, ValueError):
        return UserError(f"{where}.{cause}")
    return UserError(f"{where}: {type(cause).__name__}: {' '.join(str(cause).split())}")


def _check_node(key: str, node: Any, config: Mapping[Any, Any]) -> None:
    if isinstance(node, list):
        for position, value in enumerate(node):
            _check_node(f"{key}[{position}]", value, config)
    if not isinstance(node, dict):
        return
    signature = signature_of(node["_target_"], key) if "_target_" in node else Signature({}, open_ended=True)
    for name, value in node.items():
        if name in HYDRA_KEYS:
            continue
        if not signature.takes(name):
            accepted = ", ".join(sorted(signature.annotations)) or "none"
            meant = probably(f"{key}.{name}", config)
            raise UserError(f"{key}.{name}={value}: unknown key{meant}; accepted: {accepted}")
        if isinstance(value, dict) and ("_target_" in value or name not in signature.annotations):
            _check_node(f"{key}.{name}", value, config)
        elif name in signature.annotations:
            _check_value(f"{key}.{name}", value, signature.annotations[name])


def _check_value(key: str, value: Any, annotation: Any) -> None:
    if not _holds_target(value):  # what it makes is told by the target, when its turn comes
        _validate(key, value, annotation)


def _validate(key: str, value: Any, annotation: Any) -> None:
    if is_dataclass(annotation):  # a part, which a target makes; pydantic would read its fields
        raise _names_nothing(key, value)
    try:
        adapter = TypeAdapter(annotation, config=ConfigDict(arbitrary_types_allowed=True))
    except (PydanticSchemaGenerationError, PydanticUserError, TypeError, NameError):
        return
    try:
        read = adapter.validate_python(value)
    except ValidationError as error:
        if is_group(key):
            raise _names_nothing(key, value) from error
        reasons = dict.fromkeys(problem["msg"].removeprefix("Value error, ") for problem in error.errors())
        raise UserError(f"{key}={value}: {'; or '.join(reasons)}") from error
    if _became_object(value, read):
        raise _names_nothing(key, value)
    if _is_other(value, read):
        raise UserError(f"{key}={value!r}: it is {type(value).__name__}; accepted: {read!r}")


def _became_object(value: Any, read: Any) -> bool:
    """Whether a mapping, somewhere in a value, passed for the fields of a class: it would be handed on as a mapping."""
    if isinstance(value, dict):
        return not isinstance(read, Mapping) or any(_became_object(value[name], read.get(name)) for name in value)
    return isinstance(value, list) and isinstance(read, list | tuple) and any(map(_became_object, value, read))


def _names_nothing(key: str, value: Any) -> UserError:
    accepted = choice(key) if is_group(key) else f"{key}._target_=CLASS, beside what that takes"
    return UserError(f"{key}={value}: doesn't say what is to be made; accepted: {accepted}")


def _is_other(value: Any, read: Any) -> bool:
    """Whether what passed the check isn't what is handed on: text for a number, 1e3 for a whole number."""
    if isinstance(value, list) and isinstance(read, list | tuple):
        return any(map(_is_other, value, read))
    plain = (bool, int, float, str)
    if not isinstance(value, plain) or not isinstance(read, plain):
        return False
    return type(value) is not type(read) and (type(value), type(read)) != (int, float)


def _holds_target(value: Any) -> bool:
    if isinstance(value, Mapping):
        return "_target_" in value or any(map(_holds_target, value.values()))
    return isinstance(value, list) and any(map(_holds_target, value))
