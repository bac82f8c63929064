"""The `pull` command: make a run folder of a model on the Hugging Face Hub, or of one that comes with the package."""

from omegaconf import DictConfig

from infovae.config.check import check
from infovae.errors import UserError
from infovae.evaluation.load import load
from infovae.runs import zoo
from infovae.runs.disk import disk_errors
from infovae.runs.files import write_whole
from infovae.runs.hub import FILES, address_of, fetched
from infovae.training.quiet import quieten
from infovae.use.opened import check_new_folder


def pull(cfg: DictConfig) -> None:
    """Download a model that ``push`` has uploaded into a folder that every command takes.

    Raises:
        UserError: the config is refused, the Hub says no, or what is there is no model of this package.
    """
    quieten()
    check(cfg, {"repo": str, "output": str | None, "trust": bool})
    place = cfg.repo if cfg.repo.startswith(zoo.PREFIX) else address_of(cfg.repo, "repo").repository
    output = check_new_folder("output", cfg.output or place.rpartition("/")[2])
    folder = fetched(cfg.repo, "repo")
    try:
        load(folder, trust=cfg.trust)
    except UserError as error:
        why, accepted = f"holds no model that can be used ({error})", "a repository that infovae push has filled"
        raise UserError(why, key="repo", value=cfg.repo, accepted=accepted) from error
    with disk_errors(f"output={output}"):
        for name in FILES:
            if (folder / name).is_file():
                write_whole(output / name, (folder / name).read_bytes())
    print(f"run folder: {output}")
