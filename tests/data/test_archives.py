"""No archive that a set unpacks writes outside its folder: each kind, with a member that tries to."""

import gzip
import io
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import formats
import pytest
from formats import WRITERS, md5
from torchvision.datasets import CIFAR10, CIFAR100, EMNIST, STL10, CelebA, Omniglot

from infovae.data.celeba import celeba
from infovae.data.cifar import cifar10, cifar100
from infovae.data.emnist import emnist
from infovae.data.examples import DataSet
from infovae.data.omniglot import omniglot
from infovae.data.stl10 import stl10
from infovae.errors import ArgumentError

EVIL = ["../evil", "../../evil", "{outside}/evil", "link/evil"]


def evil_tar(path: Path, outside: Path) -> None:
    with tarfile.open(path, "w:gz") as archive:
        link = tarfile.TarInfo("link")
        link.type, link.linkname = tarfile.SYMTYPE, str(outside)
        archive.addfile(link)
        for name in EVIL:
            member = tarfile.TarInfo(name.format(outside=outside))
            member.size = 4
            archive.addfile(member, io.BytesIO(b"evil"))


def evil_zip(path: Path, outside: Path) -> None:
    with zipfile.ZipFile(path, "a") as archive:
        for name in EVIL:
            archive.writestr(name.format(outside=outside), "evil")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Deep enough that ../../.. stays in the test's folder."""
    root = tmp_path / "a" / "b" / "data"
    root.mkdir(parents=True)
    (tmp_path / "outside").mkdir()
    return root


def files_outside(root: Path) -> list[Path]:
    top = root.parents[2]
    return [path for path in top.rglob("*") if path.is_file() and root not in path.parents]


@pytest.mark.parametrize(
    ("read", "dataset", "name", "sum_of"),
    [
        (cifar10, CIFAR10, "cifar-10-python.tar.gz", "tgz_md5"),
        (cifar100, CIFAR100, "cifar-100-python.tar.gz", "tgz_md5"),
        (stl10, STL10, "stl10_binary.tar.gz", "tgz_md5"),
    ],
)
def test_tar(
    root: Path, monkeypatch: pytest.MonkeyPatch, read: Callable[..., DataSet], dataset: type, name: str, sum_of: str
) -> None:
    evil_tar(root / name, root.parents[2] / "outside")
    monkeypatch.setattr(dataset, sum_of, md5(root / name))
    with pytest.raises(ArgumentError, match=r"^root=.* the download failed: .*outside|absolute") as refusal:
        read(str(root), download=True)
    assert "\n" not in str(refusal.value)
    assert files_outside(root) == []
    assert tarfile.TarFile.extraction_filter is None


def test_zip_of_omniglot(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = WRITERS["omniglot"](root, monkeypatch)
    evil_zip(expected.files[0], root.parents[2] / "outside")
    monkeypatch.setattr(Omniglot, "zips_md5", {file.stem: md5(file) for file in expected.files})
    assert len(omniglot(str(root), download=False).train.x) == len(expected.train.images)
    assert files_outside(root) == []


def test_zip_of_celeba(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = formats.celeba(root, monkeypatch)
    evil_zip(expected.files[0], root.parents[2] / "outside")
    monkeypatch.setattr(CelebA, "file_list", [("nowhere", md5(file), file.name) for file in expected.files])
    assert len(celeba(str(root), size=4).train.x) == len(expected.train.images)
    assert files_outside(root) == []


def test_zip_of_emnist(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = WRITERS["emnist"](root / "written", monkeypatch)
    raw = root / "EMNIST" / "raw"
    raw.mkdir(parents=True)
    with zipfile.ZipFile(raw / "gzip.zip", "w") as archive:
        for file in expected.files:
            archive.writestr(f"gzip/{file.name}.gz", gzip.compress(file.read_bytes()))
    evil_zip(raw / "gzip.zip", root.parents[2] / "outside")
    monkeypatch.setattr(EMNIST, "md5", md5(raw / "gzip.zip"))
    assert len(emnist(str(root), download=True).train.x) == len(expected.train.images)
    assert files_outside(root) == []
