"""Check the configs of a sweep's jobs before anything is written."""

import copy
from collections.abc import Sequence

from hydra.core.config_loader import ConfigLoader
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, open_dict, read_write


def check_jobs(loader: ConfigLoader, config: DictConfig, batch: Sequence[Sequence[str]]) -> list[DictConfig]:
    """Return each job's config, composed as it is when the job runs, after checking it.

    Args:
        loader: of configs.
        config: the sweep's own.
        batch: the overrides of each job.

    Raises:
        HydraException: one can't be composed.
        UserError: one is refused by :func:`infovae.config.check.check`.
    """
    from infovae.config.check import check  # here: Hydra imports every sweeper, and so this module, for --help too

    singleton = HydraConfig.instance()
    before, checked = singleton.cfg, []
    try:
        for overrides in batch:
            cfg = loader.load_sweep_config(config, list(overrides))
            with read_write(cfg), open_dict(cfg):
                cfg.hydra.runtime.output_dir = config.hydra.sweep.dir
                cfg.hydra.job.id, cfg.hydra.job.num = "unknown", 0
                singleton.set_config(copy.deepcopy(cfg))  # as Hydra does for a job
                del cfg["hydra"]
            check(cfg)
            checked.append(cfg)
    finally:
        singleton.cfg = before
    return checked
