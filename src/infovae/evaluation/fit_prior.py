"""The `fit_prior` command: fit a prior to the codes of a finished run, and write a run folder with that prior."""

import hashlib
import logging
import math
from pathlib import Path
from time import perf_counter
from typing import Any, NamedTuple

import torch
from hydra.core.hydra_config import HydraConfig
from jaxtyping import Float
from omegaconf import DictConfig, OmegaConf
from torch import Tensor

from infovae.config.build import build
from infovae.config.check import check
from infovae.config.options import options
from infovae.config.ranges import Positive, Seed
from infovae.errors import ArgumentError, UserError, below
from infovae.evaluation.load import LOADED, SavedRun, load
from infovae.evaluation.measure import observe
from infovae.exact import exact
from infovae.fitted_priors.fitted_prior import FittedPrior
from infovae.metrics.averages import mean_and_standard_error
from infovae.priors.prior import Prior
from infovae.runs.checkpoints import WholeCheckpoints
from infovae.runs.disk import disk_errors
from infovae.runs.files import refuse_links
from infovae.runs.find import FITTED
from infovae.runs.folder import check_writable, write_config, write_record
from infovae.runs.hub import require_output
from infovae.streams import isolated_stream
from infovae.training.assemble import build_bare_module
from infovae.training.devices import chosen_device
from infovae.training.quiet import quieten

TOP_LEVEL: dict[str, Any] = LOADED | {
    "run": str | None,
    "output": str | None,
    "draws": Positive,
    "seed": Seed,
    "device": str,
}
"""Keys of infovae fit_prior that belong to no group, with their types."""

ENCODED_AT_ONCE = 500

log = logging.getLogger(__name__)


class Gain(NamedTuple):
    """E log p(z) of validation codes under a fitted prior, and its gain over the run's own; standard errors; in nats.

    The error of the gain is from the differences code by code.
    """

    log_prob: float
    log_prob_error: float
    gain: float
    gain_error: float


def fit_prior(cfg: DictConfig) -> None:
    """Fit a prior to a run's codes, and write the model with that prior as a run folder; everything or nothing."""
    quieten()
    if cfg.get("fitted_prior") is None:
        raise UserError("no option is chosen", key="fitted_prior", accepted=", ".join(options("fitted_prior")))
    check(cfg, TOP_LEVEL)
    require_output(cfg.run, cfg.output)
    device = chosen_device(cfg.device)
    saved = load(cfg.run, cfg.checkpoint, cfg.override, cfg.trust, cfg.weights)
    if isinstance(saved.module.prior, FittedPrior):
        why = "its prior is fitted already"
        raise UserError(why, key="run", value=cfg.run, accepted="the run that the model comes from")
    name = HydraConfig.get().runtime.choices["fitted_prior"]
    place = saved.place(f"{FITTED}/{name}")
    output = Path(cfg.output or place)
    _check_output(output, saved.folder if cfg.output is None else output)
    derived = _with_prior(saved, cfg, place.name, output)
    if not len(saved.data.splits["validation"].x):
        why = "the run held out no validation images, by which the fit is chosen"
        raise UserError(why, key="run", value=cfg.run, accepted="+override.data.validation_size=NUMBER")

    start = perf_counter()
    saved.module.to(device)
    with isolated_stream(device, cfg.seed):
        prior = build(cfg.fitted_prior, "fitted_prior", latent_dim=saved.cfg.latent_dim).to(device)
        train = codes_of_split(saved, "train", cfg.draws, cfg.seed, device)
        validation = codes_of_split(saved, "validation", 1, cfg.seed, device)
        with below("fitted_prior"):
            rows = prior.fit(train, validation)
        gain = gain_of(prior.eval(), saved.module.prior, validation)
    derived.prior = {**derived.prior, **prior.settings()}
    saved.module.prior = prior
    summary = {
        "status": "finished",
        "error": None,
        "name": derived.name,
        "wall_seconds": perf_counter() - start,
        "metrics": {
            "validation/log_prior": gain.log_prob,
            "validation/log_prior_standard_error": gain.log_prob_error,
            "validation/log_prior_gain": gain.gain,
            "validation/log_prior_gain_standard_error": gain.gain_error,
        },
        "fitted_to": str(saved.checkpoint),
        "codes": len(train),
        "fit": rows,
        "config": OmegaConf.to_container(cfg, resolve=True),
    }
    content = {"state_dict": saved.module.cpu().state_dict(), "DataModule": saved.data.state_dict()}
    with disk_errors(f"output={output}"):
        WholeCheckpoints(output).save_checkpoint(content, output / "checkpoints" / "last.ckpt")
        write_record(output / "summary.json", summary, inside=output)
        write_config(derived, output)  # makes the folder a run, so it comes last
    print(f"validation: log p(z) is {gain.log_prob:.2f} nats per example, {_against_its_own(gain)}")
    if gain.gain < 0:
        log.warning(
            "the run's own prior is better, by %.2f nats; a smaller %s or more codes may help", -gain.gain, name
        )
    print(f"run folder: {output}")


def _against_its_own(gain: Gain) -> str:
    if gain.gain == math.inf:
        return "and -inf under the run's own prior, which leaves out some codes"
    return f"{gain.gain:+.2f} ± {gain.gain_error:.2g}"


@torch.no_grad()
def codes_of_split(
    saved: SavedRun, split: str, draws: int, seed: int, device: torch.device | str = "cpu"
) -> Float[Tensor, "n d"]:
    """Return codes z ~ q(z|x), ``draws`` of each image of a split, drawn by the model's own ``reparameterize``.

    Splits have noise of their own. With the same noise, the i-th codes of two splits would be alike where posteriors
    are wide, and a prior that learned the one by heart would seem to know the other.
    """
    saved.data.batch_size = ENCODED_AT_ONCE
    seen = [observe(saved.module, saved.data, split, noise_seed(split, seed, draw), device) for draw in range(draws)]
    return torch.cat([observed.codes.z for batches in seen for observed in batches])


def noise_seed(split: str, seed: int, draw: int) -> int:
    """Return a seed that no other split, seed or draw has, nor evaluation, whose seeds are small."""
    return int.from_bytes(hashlib.sha256(f"{split} {seed} {draw}".encode()).digest()[:7])


@torch.no_grad()
def gain_of(fitted: Prior, before: Prior, codes: Float[Tensor, "n d"]) -> Gain:
    """Return E log p(z) under a fitted prior, and by how much it is above that of the prior before.

    The ELBO grows by as much, and KL(q(z) || p(z)) falls by as much, since q(z|x) and p(x|z) stay as they are.
    """
    after, earlier = (
        torch.cat([exact(prior.log_prob(part)) for part in codes.split(1000)]) for prior in (fitted, before)
    )
    numbers = (*mean_and_standard_error(after), *mean_and_standard_error(after - earlier))
    return Gain(*(float(number) for number in numbers))


def _with_prior(saved: SavedRun, cfg: DictConfig, name: str, output: Path) -> DictConfig:
    """Return the run's config with the prior to be fitted, which the other parts have accepted.

    Only training has free bits, and a divergence that the prior has no closed form for gives way to one of samples.
    """
    node = OmegaConf.to_container(cfg.fitted_prior, resolve=True)
    assert isinstance(node, dict)
    node.pop("_partial_", None)
    derived = saved.cfg.copy()
    derived.prior = {**node, "latent_dim": saved.cfg.latent_dim}
    derived.name = f"{saved.cfg.get('name', saved.folder.name)}-{name}"
    derived.run_dir = str(output)
    if "free_bits" in derived.model:
        derived.model.free_bits = None
    with torch.random.fork_rng():
        prior = build(cfg.fitted_prior, "fitted_prior", latent_dim=saved.cfg.latent_dim)
        try:
            build(derived.divergence, "divergence").check_prior(prior)
        except ArgumentError as error:
            derived.divergence = {"_target_": "infovae.divergences.mmd.MMD"}
            log.info("divergence: MMD in the place of the run's own: %s", error.why)
        build_bare_module(derived, saved.description)
    return derived


def _check_output(output: Path, inside: Path) -> None:
    check_writable(output, "output")
    refuse_links(output / "checkpoints", inside)
    if (output / "config.yaml").exists():
        why, accepted = "holds a run already", "another folder, or this one once that is deleted"
        raise UserError(why, key="output", value=output, accepted=accepted)
