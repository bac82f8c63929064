"""The configs composed by a project of one's own, as docs/howto/other_projects.md says."""

import re
from pathlib import Path

from conftest import CONF, PROJECT
from hydra import compose, initialize_config_dir


def test_the_page_s_config_composes(tmp_path: Path) -> None:
    page = (PROJECT / "docs" / "howto" / "other_projects.md").read_text()
    (main,) = re.findall(r"```yaml\n(.*?)```", page, re.S)
    # In a clone the configs aren't in the package.
    (tmp_path / "main.yaml").write_text(main.replace("pkg://infovae.conf", f"file://{CONF}"))
    with initialize_config_dir(str(tmp_path), version_base="1.3"):
        cfg = compose("main", overrides=["prior=uniform"], return_hydra_config=True)
    assert (cfg.latent_dim, cfg.prior.latent_dim) == (3, 3)
    assert cfg.hydra.runtime.choices["divergence"] == "energy"
