"""``infovae doctor``: what is installed, on which devices runs train, and where W&B would send them."""

import argparse
import os
import platform
import sys
from importlib.metadata import PackageNotFoundError, version

from packaging.requirements import Requirement

import infovae
from infovae.app import cli
from infovae.errors import reason_of
from infovae.terminal.install import install, needed
from infovae.training.loggers.wandb_server import choose_mode, host, key_is_configured, trouble

SHOWN = ("torch", "torchvision", "pytorch-lightning", "hydra-core", "omegaconf", "numpy", "wandb")

FEATURES = {
    "heic": "HEIC pictures of phones",
    "hdf5": "data in HDF5 files",
    "anndata": "data in AnnData files",
    "datasets": "data of the Hugging Face datasets library",
    "optimizers": "optimizer=lion or soap",
    "joblib": "hydra/launcher=joblib",
    "slurm": "hydra/launcher=submitit_slurm",
    "ray": "hydra/launcher=ray",
    "optuna": "searches by Optuna",
    "export": "infovae export",
    "hub": "infovae push, infovae pull",
    "wandb": "infovae workspace",
    "mlflow": "logger=mlflow",
    "trackio": "logger=trackio",
    "aim": "logger=aim",
    "comet": "logger=comet",
}
"""What each extra of this package is for."""


def doctor() -> None:
    """Print on one screen what a report of a problem should say. No key is shown."""
    parser = argparse.ArgumentParser(
        prog="infovae doctor",
        description="Show versions, devices, what is missing for which feature, and where W&B would send a run.",
        epilog="examples:\n  infovae doctor\n  infovae doctor > report.txt\n  infovae doctor | grep missing",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    with cli.one_line_errors(), cli.for_a_reader():
        cli.refusing(parser, "--help").parse_args()
        versions = [f"{name} {_version(name) or 'missing'}" for name in SHOWN]
        print(f"infovae   {infovae.__version__} in {os.path.dirname(infovae.__file__)}")
        print(f"system    Python {platform.python_version()} in {sys.prefix}, {platform.platform()}")
        print(f"packages  {', '.join(versions)}")
        print(f"devices   {', '.join(devices())}")
        print(f"W&B       {destination()}")
        missing = {extra: feature for extra, feature in FEATURES.items() if not is_there(extra)}
        print(f"features  {', '.join(FEATURES[extra] for extra in FEATURES if extra not in missing) or 'no extra'}")
        for extra, feature in missing.items():
            print(f"missing   {feature}: {install(extra)}")


def devices() -> list[str]:
    """Return the devices that torch can use, the one that ``auto`` chooses first; what is wrong if torch is broken."""
    try:
        import torch

        from infovae.training.precision import has_bfloat16, has_compiler
    except Exception as error:
        return [f"none: torch can't be imported ({reason_of(error)})"]
    gpus = [f"cuda:{i} ({torch.cuda.get_device_name(i)})" for i in range(torch.cuda.device_count())]
    apple = ["mps (Apple GPU)"] if torch.backends.mps.is_available() else []
    cpu = torch.device("cpu")
    half = "units for bf16" if has_bfloat16(cpu) else "no units for bf16"
    compiler = "a compiler for compile=true" if has_compiler(cpu) else "no compiler for compile=true"
    return [*gpus, *apple, f"cpu ({os.cpu_count()} cores, {torch.get_num_threads()} threads, {half}, {compiler})"]


def destination() -> str:
    """Return where ``logger=wandb`` sends a run: the mode, and the entity and host if it goes online."""
    mode = choose_mode("auto")
    if mode != "online":
        reason = "WANDB_MODE" if os.environ.get("WANDB_MODE") else f"no key for {host()}"
        return f"{mode} ({reason}); `wandb sync` uploads what is kept offline"
    entity = os.environ.get("WANDB_ENTITY") or "the account's own entity"
    problem = trouble() if key_is_configured() else f"no key for {host()}"
    return f"{mode}, to {entity} at {host()}{f'; {problem}: runs are logged offline' if problem else ''}"


def is_there(extra: str) -> bool:
    """Return whether all that an extra needs is installed, in versions that it accepts."""
    needs = map(Requirement, needed(extra))
    return all((found := _version(need.name)) and need.specifier.contains(found, prereleases=True) for need in needs)


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None
