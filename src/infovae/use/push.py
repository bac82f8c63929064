"""The `push` command: put a model on the Hugging Face Hub."""

import json
import tempfile
from pathlib import Path

from omegaconf import DictConfig, OmegaConf

from infovae.config.trusted import parts_of
from infovae.evaluation.load import SavedRun
from infovae.evaluation.measure import draw
from infovae.pictures.drawing import save_picture
from infovae.pictures.samples import Samples
from infovae.runs.checkpoints import SAFETENSORS, as_json
from infovae.runs.folder import write_config
from infovae.runs.hub import PREFIX, address_of, hub_errors, hub_installed
from infovae.use.model_card import model_card
from infovae.use.opened import opened

PLACES = ("root", "path")
"""Keys of ``data`` that say where the data lie on this machine."""


def push(cfg: DictConfig) -> None:
    """Upload a run's weights, config, samples and model card, in one commit.

    Raises:
        UserError: the config or the run is refused, or the Hub says no.
    """
    saved = opened(cfg, {"repo": str, "private": bool})
    address = address_of(cfg.repo, "repo")
    api = hub_installed("repo", cfg.repo).HfApi()
    with tempfile.TemporaryDirectory() as folder:
        write_model(saved, f"{PREFIX}{address.repository}", Path(folder))
        with hub_errors("repo", cfg.repo):
            api.create_repo(address.repository, private=cfg.private, exist_ok=True)
            api.upload_folder(
                repo_id=address.repository, folder_path=folder, revision=address.revision,
                commit_message=f"Upload {saved.cfg.get('name') or saved.folder.name}",
            )  # fmt: skip
    print(f"pushed: {PREFIX}{cfg.repo.removeprefix(PREFIX)}")


def write_model(saved: SavedRun, address: str, folder: Path) -> None:
    """Write what a repository holds of a run: ``config.yaml``, weights, samples and a model card.

    The config has the model's parts and its data set, without the folders of this machine.

    Args:
        saved: the run.
        address: ``hf://USER/NAME``, or ``zoo://NAME``, for the card.
        folder: where to write.
    """
    from safetensors.torch import save_file

    module = saved.module
    parts = OmegaConf.create({"name": saved.cfg.get("name"), "latent_dim": saved.cfg.latent_dim, **parts_of(saved.cfg)})
    for place in PLACES:
        if parts.data.get(place) is not None:
            parts.data[place] = Path(parts.data[place]).name
    write_config(parts, folder)
    # Clones, because tensors that share memory are refused.
    weights = {
        name: value.detach().cpu().clone().contiguous()
        for name, value in module.state_dict().items()
        if not name.endswith("_extra_state")
    }
    described = json.dumps(saved.description.state(), default=as_json)
    save_file(weights, folder / SAFETENSORS, {"format": "pt", "DataModule": described})
    drawn = draw(module, None, {"samples": Samples(rows=8)}, device=module.device)
    for name, picture in drawn.items():
        save_picture(picture, folder / f"{name}.png")
    (folder / "README.md").write_text(model_card(saved, address, "samples" in drawn), encoding="utf-8")
