"""Check a composed config against the signatures of what it names."""

import json
import re
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, OmegaConf, open_dict
from pydantic import ConfigDict, Field, PydanticSchemaGenerationError, PydanticUserError, TypeAdapter, ValidationError

from infovae.config.options import CONF, is_group, names_nothing, of_no_data_set, unknown_key
from infovae.config.ranges import Seed, Unsupported
from infovae.config.secrets import refuse_secrets
from infovae.config.signatures import HYDRA_KEYS, Signature, signature_of
from infovae.errors import UserError

TOP_LEVEL: dict[str, Any] = {
    "seed": Seed,
    "latent_dim": Annotated[int, Field(ge=1, le=2**14)],  # q(z)'s covariance in float64 takes 2 GiB at the most
    "ckpt_path": str | None,
    "resume": Literal["never", "auto"],
    "compile": bool | Literal["auto"],
    "on_nan": Literal["stop", "skip"],
    "init_from": str | None,
    "init_parts": list[Literal["encoder", "decoder", "posterior", "likelihood", "prior", "condition"]] | None,
    "freeze": list[Literal["encoder", "decoder"]],
    "parameter_groups": dict[str, dict[str, float | bool | list[float]]],
    "name": str,
    "group": str | None,
    "tags": list[str],
    "run_dir": str,
}
"""Types of the keys of ``infovae train`` that belong to no group."""

NEEDED = {
    "data.path": "FILE, your own, of a kind that docs/data.md lists",
    "data.root": "FOLDER, your own folder of images",
    "from": "IMAGE",
    "to": "IMAGE",
    "image": "IMAGE",
    "repo": "USER/NAME",
    "adapter.model._target_": "MODULE.NAME, your own function or class that returns the model",
}
"""What is accepted for each ``???`` of conf/."""

FIXED: Mapping[str, Mapping[str, None]] = {"network": {"encoder": None, "decoder": None}}
"""Groups that hold several nodes, with their names."""

ANY = ("metrics", "pictures", "callbacks", "logger", "figure")
"""Groups that hold any number of nodes, or null for one that is left out."""


def check(cfg: DictConfig, top_level: Mapping[str, Any] = TOP_LEVEL) -> None:
    """Check every key and value of a composed config; ``top_level`` has the types of the keys that belong to no group.

    Raises:
        UserError: a key without a value, a key that nothing reads, a value of the wrong type or out of range, a secret,
            or a target that can't be imported.
    """
    written = OmegaConf.to_container(cfg)
    assert isinstance(written, dict)
    refuse_secrets(written)
    for missing in sorted(OmegaConf.missing_keys(cfg)):
        raise UserError("no value", key=missing, accepted=f"{missing}={NEEDED.get(missing, 'VALUE')}")
    content = OmegaConf.to_container(cfg, resolve=True)
    assert isinstance(content, dict)
    if HydraConfig.initialized():  # else nobody typed keys
        _refuse_unread(content, _declared(), _interpolated(written), content)
        _refuse_replaced(cfg)
        _refuse_unread_by_hydra(HydraConfig.instance().cfg)
        _refuse_data_settings(content.get("data"))
    for key, annotation in top_level.items():
        if key not in content:
            raise UserError("it was taken away", key=key, accepted=f"{key}=VALUE")
        if content[key] in ("", [""]):
            raise UserError("empty", key=key, value="", accepted="a text, or null where conf/ has it")
        _validate(key, content[key], annotation, of_group=False)
    check_nodes(content)


def without_choices(cfg: DictConfig, *groups: str) -> None:
    """Take out of a config what a data set chose for its training, in a command that doesn't train a model.

    Raises:
        UserError: an option of one of these groups was typed.
    """
    typed = HydraConfig.get().overrides.task if HydraConfig.initialized() else []
    for key, _, value in (entry.partition("=") for entry in typed):
        if key in groups:
            raise UserError("only infovae train takes it", key=key, value=value, accepted="a command without it")
    with open_dict(cfg):
        for group in groups:
            cfg.pop(group, None)


def check_nodes(nodes: Mapping[Any, Any]) -> None:
    """Check each node with a ``_target_`` against that target's signature, a user's own too; see :func:`check`."""
    for name, node in nodes.items():
        _check_node(str(name), node, nodes)


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
            known = [other for other, kind in signature.annotations.items() if not isinstance(kind, Unsupported)]
            raise unknown_key(f"{key}.{name}", value, known, config)
        if isinstance(value, dict) and ("_target_" in value or name not in signature.annotations):
            _check_node(f"{key}.{name}", value, config)
        elif name in signature.annotations and not _holds_target(value):  # its own turn says what a target makes
            _validate(f"{key}.{name}", value, signature.annotations[name])


def _validate(key: str, value: Any, annotation: Any, of_group: bool = True) -> None:
    """Hold a value against a type as strictly as JSON is: text is no number, and 1.0 is no whole number."""
    if isinstance(annotation, Unsupported):
        raise UserError("not supported", key=key, value=value, accepted=annotation.accepted)
    if is_dataclass(annotation):  # a part, which a target makes; pydantic would read its fields
        raise names_nothing(key, value)
    try:
        adapter = TypeAdapter(annotation, config=ConfigDict(arbitrary_types_allowed=True))
    except (PydanticSchemaGenerationError, PydanticUserError, TypeError, NameError):
        return
    try:
        read = adapter.validate_json(json.dumps(value, default=str), strict=True)
    except ValidationError as error:
        raise names_nothing(key, value) if of_group and is_group(key) else invalid(key, value, error) from error
    if not _is_same(value, read):
        raise names_nothing(key, value)


def invalid(key: str, value: Any, error: ValidationError) -> UserError:
    """Return pydantic's reasons as the error of a key."""
    # Only a target makes an object, so a plain value isn't told that an object would do too.
    problems = [problem for problem in error.errors() if problem["type"] != "needs_python_object"] or error.errors()
    reasons = dict.fromkeys(problem["msg"].removeprefix("Value error, ") for problem in problems)
    # "Array" and "object" are JSON's words for what a config calls a list and a mapping.
    texts = [reason.replace("a valid array", "a list").replace("an object", "a mapping") for reason in reasons]
    accepted = [text.removeprefix("Input should be ") for text in texts]
    if accepted == texts:
        return UserError("; ".join(texts), key=key, value=value)
    return UserError("invalid", key=key, value=value, accepted=" or ".join(accepted))


def _is_same(value: Any, read: Any) -> bool:
    """Return whether a value stays what it is: a mapping that was read as an object would arrive as a mapping."""
    if isinstance(value, dict):
        return isinstance(read, Mapping) and all(
            _is_same(entry, read.get(name, read.get(str(name)))) for name, entry in value.items()
        )
    if isinstance(value, list) and isinstance(read, list | tuple):
        return all(map(_is_same, value, read))
    return True


def _refuse_replaced(cfg: DictConfig) -> None:
    """Refuse a plain value in the place of an option that was chosen too, as by schedule@model.lambda_=linear."""
    for group, option in HydraConfig.get().runtime.choices.items():
        key = str(group).partition("@")[2]
        if key and option is not None and not OmegaConf.is_config(value := OmegaConf.select(cfg, key)):
            raise UserError(f"takes the place of {group}={option}", key=key, value=value, accepted="one of the two")


def _holds_target(value: Any) -> bool:
    if isinstance(value, dict):
        return "_target_" in value or any(map(_holds_target, value.values()))
    return isinstance(value, list) and any(map(_holds_target, value))


def _declared() -> dict[Any, Any]:
    """Return the content of the running command's config files, and the keys of groups that have a chosen option."""
    hydra = HydraConfig.get()
    folders = [CONF, *(Path(source.path) for source in hydra.runtime.config_sources if source.schema == "file")]
    declared: dict[Any, Any] = {}
    names = [hydra.job.config_name]
    for name in names:
        for path in (path for folder in folders if (path := folder / f"{name}.yaml").is_file()):
            content = OmegaConf.to_container(OmegaConf.load(path))
            assert isinstance(content, dict)
            for entry in content.get("defaults", []):
                if isinstance(entry, dict):
                    declared |= {group: {} for group in entry if entry[group] and "/" not in group}
                elif entry != "_self_":
                    names.append(entry)
            declared = content | declared
    chosen = [str(group).rpartition("@")[2] for group, option in hydra.runtime.choices.items() if option is not None]
    chosen += [key for key in (entry.partition("=")[0] for entry in hydra.overrides.task) if is_group(key)]  # lists
    declared = {key.replace("/", ".").partition(".")[0]: {} for key in chosen} | declared
    return {key: entry for key, entry in declared.items() if key not in ("defaults", "hydra")}


def _refuse_data_settings(data: Any) -> None:
    """Refuse settings of a data set where none is chosen: nothing would read them."""
    for key, _, value in (entry.lstrip("+~").partition("=") for entry in HydraConfig.get().overrides.task):
        if key.startswith("data.") and isinstance(data, dict) and "source" not in data:
            raise of_no_data_set(key, value)


def _refuse_unread_by_hydra(cfg: Any) -> None:
    """Refuse a key of Hydra's own that nothing reads."""
    for parent in ("hydra", "hydra.run", "hydra.sweep", "hydra.job", "hydra.launcher"):
        node = OmegaConf.select(cfg, parent)
        kind = OmegaConf.get_type(node)
        known = {entry.name for entry in fields(kind)} | {"env"} if is_dataclass(kind) else set(node)
        for name in sorted(set(map(str, node)) - known):
            raise unknown_key(f"{parent}.{name}", OmegaConf.select(node, name), known, {})


def _interpolated(written: Any) -> set[str]:
    """Return the keys that values of the config, or of Hydra's, interpolate."""
    text = f"{written} {OmegaConf.to_container(HydraConfig.instance().cfg)}"
    return {key.strip(".") for key in re.findall(r"\$\{([\w.]+)\}", text)}


def _refuse_unread(
    content: Mapping[Any, Any], declared: Mapping[Any, Any], read: set[str], config: Mapping[Any, Any], parent: str = ""
) -> None:
    """Refuse a key that nothing reads: it is not declared, no part in its place, and no value interpolates it."""
    for name, value in content.items():
        key = f"{parent}{name}"
        if any(f"{key}.".startswith(f"{other}.") for other in read):
            continue
        if name not in declared and not any(other.startswith(f"{key}.") for other in read):
            raise unknown_key(key, value, declared, config)
        if isinstance(value, dict) and "_target_" not in value:
            nodes = {entry: None for entry in value if value[entry] is None or _holds_target(value[entry])}
            inside = nodes if key in ANY else FIXED.get(key, declared.get(name))
            if key in ANY and value and not nodes:
                raise names_nothing(f"{key}.{next(iter(value))}", next(iter(value.values())))
            if inside:
                _refuse_unread(value, inside, read, config, f"{key}.")
