"""docs/data.md against the sets."""

from pathlib import Path

import pytest
import yaml
from conftest import CONF, PROJECT
from formats import WRITERS
from hydra.utils import get_object

SECTIONS = (PROJECT / "docs" / "data.md").read_text().split("\n## ")
SETS, FILES = (
    {
        line.split("`")[1]: line
        for section in SECTIONS
        if section.startswith(f"{title}\n")
        for line in section.splitlines()
        if line.startswith("| `") and "`data=`" not in line
    }
    for title in ("Sets", "Files")
)


def test_every_set_has_a_row_with_its_validation_split() -> None:
    assert SETS.keys() == {path.stem for path in (CONF / "data").glob("*.yaml")}
    default = yaml.safe_load((CONF / "data_module.yaml").read_text())["data"]["validation_size"]
    for name, row in SETS.items():
        size = yaml.safe_load((CONF / "data" / f"{name}.yaml").read_text()).get("validation_size", default)
        told = "none" if size is None else f"{size:,}" if isinstance(size, int) else f"{size:.0%}"
        assert row.split(" | ")[3].startswith(told), name


@pytest.mark.parametrize("name", WRITERS)
def test_files_are_named_with_their_folder(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for file in WRITERS[name](tmp_path, monkeypatch).files:
        assert f"`{file.name}`" in FILES[name]
        assert f"`{file.parent.relative_to(tmp_path)}/`" in FILES[name]


@pytest.mark.parametrize(
    "name",
    [
        "augmentation.Augmentation",
        "celeba.celeba",
        "cifar.cifar10",
        "cifar.cifar100",
        "digits.digits",
        "emnist.emnist",
        "fashion_mnist.fashion_mnist",
        "gaussian_mixture_2d.gaussian_mixture_2d",
        "image_folder.image_folder",
        "kmnist.kmnist",
        "mnist.mnist",
        "mnist_binarized.mnist_binarized",
        "mnist_pooled.mnist_pooled",
        "module.DataModule",
        "omniglot.omniglot",
        "qmnist.qmnist",
        "sprites.sprites",
        "stl10.stl10",
        "svhn.svhn",
        "tensor.tensor",
        "two_points.two_points",
        "usps.usps",
    ],
)
def test_names_that_the_configs_of_finished_runs_hold_stay(name: str) -> None:
    found = get_object(f"infovae.data.{name}")
    assert found.__module__ == f"infovae.data.{name.partition('.')[0]}"  # where a run folder's parts must come from
