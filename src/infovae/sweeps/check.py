"""Check the configs of a sweep's jobs before anything is written."""

import copy
from collections.abc import Callable, Sequence

from hydra.core.config_loader import ConfigLoader
from hydra.core.hydra_config import HydraConfig
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.errors import ConfigCompositionException
from omegaconf import DictConfig, open_dict, read_write
from omegaconf.errors import ConfigAttributeError, ConfigKeyError

from infovae.config.imports import imported
from infovae.errors import UserError
from infovae.sweeps.overrides import package_of


def check_jobs(
    loader: ConfigLoader,
    config: DictConfig,
    batch: Sequence[Sequence[str]],
    further: Callable[[DictConfig], None] | None = None,
) -> None:
    """Check each job's config, composed from its overrides as it is when the job runs.

    Args:
        loader: Hydra's own.
        config: of the sweep.
        batch: the overrides of each job.
        further: another check of each config.

    Raises:
        HydraException: one can't be composed.
        UserError: one is refused by :func:`infovae.config.check.check` or ``further``, or its option of a group lacks a
            given key.
    """
    from infovae.config.check import check  # here: Hydra imports every sweeper, and so this module, for --help too

    imported("infovae.training.run")  # whose parts are checked below

    parser = OverridesParser.create()
    singleton = HydraConfig.instance()
    before = singleton.cfg
    try:
        for overrides in batch:
            try:
                cfg = loader.load_sweep_config(config, list(overrides))
            except ConfigCompositionException as error:
                if isinstance(error.__cause__, ConfigAttributeError | ConfigKeyError):
                    _refuse_lacking(str(error.__cause__.full_key), parser.parse_overrides(list(overrides)))
                raise
            with read_write(cfg), open_dict(cfg):
                cfg.hydra.runtime.output_dir = config.hydra.sweep.dir
                cfg.hydra.job.id, cfg.hydra.job.num = "unknown", 0
                singleton.set_config(copy.deepcopy(cfg))  # as Hydra does for a job
                del cfg["hydra"]
            check(cfg)
            if further is not None:
                further(cfg)
    finally:
        singleton.cfg = before


def _refuse_lacking(key: str, overrides: Sequence[Override]) -> None:
    """Refuse a key that a job sets and that its option of the group in that place doesn't have."""
    for option in overrides:
        if key.startswith(f"{package_of(option)}."):
            given = next((str(entry.value()) for entry in overrides if entry.key_or_group == key), ...)
            accepted = "keys that all options of the sweep have"
            raise UserError(f"{option.input_line} has no such key", key=key, value=given, accepted=accepted)
