"""The settings of the dashboard."""

from pathlib import Path
from typing import Annotated

from omegaconf import DictConfig, OmegaConf
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from infovae.errors import UserError


class Settings(BaseModel):
    """The keys of ``conf/dashboard.yaml``, checked."""

    model_config = ConfigDict(extra="forbid")

    runs: Annotated[
        list[str], Field(min_length=1), BeforeValidator(lambda value: [value] if isinstance(value, str) else value)
    ]
    output: Path
    serve: bool
    host: str
    port: Annotated[int, Field(ge=0, lt=2**16)]
    poll_seconds: Annotated[float, Field(gt=0)]
    picture_megabytes: Annotated[float, Field(ge=0)]
    curve_points: Annotated[int, Field(ge=2)]
    stalled_after_minutes: Annotated[float, Field(gt=0)]


def settings_of(cfg: DictConfig) -> Settings:
    """Check a composed config.

    Raises:
        UserError: a value has the wrong type or is out of range.
    """
    content = OmegaConf.to_container(cfg, resolve=True)
    assert isinstance(content, dict)
    for key, value in content.items():
        if value in ("", [""]):
            raise UserError("empty", key=str(key), value="", accepted="a text")
    try:
        return Settings.model_validate(content)
    except ValidationError as error:
        problem = error.errors()[0]
        key = str(problem["loc"][0])
        raise UserError(f"{key}={content.get(key)}: {problem['msg']}") from error
