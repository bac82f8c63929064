"""Every set read from files in its own format, whole, damaged and missing."""

import sys
from collections.abc import Callable
from pathlib import Path
from urllib.error import URLError

import numpy as np
import pytest
import torch
from formats import WRITERS, Part, Written, emnist_names, idx_set

from infovae.data.celeba import celeba
from infovae.data.cifar import cifar10, cifar100
from infovae.data.emnist import emnist
from infovae.data.examples import DataSet, Examples
from infovae.data.fashion_mnist import fashion_mnist
from infovae.data.kmnist import kmnist
from infovae.data.mnist_binarized import mnist_binarized
from infovae.data.omniglot import omniglot
from infovae.data.qmnist import qmnist
from infovae.data.stl10 import stl10
from infovae.data.svhn import svhn
from infovae.data.torchvision_sets import labelled
from infovae.data.usps import usps
from infovae.errors import ArgumentError

SETS: dict[str, Callable[..., DataSet]] = {
    function.__name__: function
    for function in (
        fashion_mnist,
        kmnist,
        emnist,
        qmnist,
        usps,
        mnist_binarized,
        omniglot,
        svhn,
        cifar10,
        cifar100,
        stl10,
        celeba,
    )
}


@pytest.fixture(autouse=True)
def _no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise URLError("Network is unreachable")

    monkeypatch.setattr("urllib.request.urlopen", refuse)
    monkeypatch.setitem(sys.modules, "gdown", None)


@pytest.fixture(params=sorted(SETS))
def name(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture
def written(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Written:
    return WRITERS[name](tmp_path, monkeypatch)


def assert_reads_as(read: Examples, expected: Part) -> None:
    assert read.x.dtype == torch.uint8
    assert read.labels.dtype == torch.int64
    assert read.x.is_contiguous()
    np.testing.assert_array_equal(read.x.numpy(), expected.images)
    np.testing.assert_array_equal(read.labels.numpy(), expected.labels)


def refusal(name: str, root: Path, download: bool) -> str:
    with pytest.raises(ArgumentError, match="accepted:") as caught:
        SETS[name](str(root), download=download)
    (line,) = str(caught.value).splitlines()
    assert line.startswith(f"root={root}: ")
    return line


@pytest.mark.parametrize("download", [False, True])
def test_whole_files_are_read_upright_and_labelled(name: str, written: Written, tmp_path: Path, download: bool) -> None:
    train, test, *_ = SETS[name](str(tmp_path), download=download)
    assert_reads_as(train, written.train)
    assert_reads_as(test, written.test)


def test_nothing_there_names_every_file_and_its_folder(name: str, written: Written, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    line = refusal(name, elsewhere, download=False)
    assert "missing" in line
    assert "or download=true" in line
    assert "download=True" not in line
    assert not elsewhere.exists()
    for file in written.files:
        assert file.name in line
        assert str(elsewhere / file.parent.relative_to(tmp_path)) in line


def test_a_failed_download_says_so(name: str, tmp_path: Path) -> None:
    line = refusal(name, tmp_path / "elsewhere", download=True)
    assert not list(tmp_path.iterdir())
    assert "the download failed: " in line
    assert ("'gdown' is required" if name == "celeba" else "unreachable") in line


def test_one_missing_file_is_named(name: str, written: Written, tmp_path: Path) -> None:
    for file in written.files:
        content = file.read_bytes()
        file.unlink()
        assert f"missing ({file.name})" in refusal(name, tmp_path, download=False)
        assert not list(tmp_path.glob(".*")), "a lock"
        file.write_bytes(content)


def test_a_truncated_file_is_damaged(name: str, written: Written, tmp_path: Path) -> None:
    for file in written.files:
        content = file.read_bytes()
        for kept in (0, 3, len(content) // 2):
            file.write_bytes(content[:kept])
            assert "is damaged" in refusal(name, tmp_path, download=False)
        file.write_bytes(content)
    SETS[name](str(tmp_path), download=False)


def test_text_in_place_of_a_file_is_damaged(name: str, written: Written, tmp_path: Path) -> None:
    written.files[0].write_text("<html>404</html>\n")
    assert "is damaged" in refusal(name, tmp_path, download=False)


def test_emnist_letters_count_from_zero(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    writer = idx_set("EMNIST", emnist_names("letters"), first_label=1, transposed=True)
    expected = writer(tmp_path, monkeypatch)
    assert_reads_as(emnist(str(tmp_path), split="letters", download=False).train, expected.train)


def test_emnist_stands_upright(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    WRITERS["emnist"](tmp_path, monkeypatch)
    images = np.zeros((1, 28, 28), dtype=np.uint8)
    images[0, 3:25, 4] = 255  # the file's long column is a stroke along the top, once upright
    raw = tmp_path / "EMNIST" / "raw" / "emnist-balanced-test-images-idx3-ubyte"
    raw.write_bytes(raw.read_bytes()[:16].replace((5).to_bytes(4, "big"), (1).to_bytes(4, "big")) + images.tobytes())
    labels = raw.with_name("emnist-balanced-test-labels-idx1-ubyte")
    labels.write_bytes(b"\x00\x00\x08\x01\x00\x00\x00\x01\x07")
    upright = emnist(str(tmp_path), download=False).test.x[0, 0]
    assert upright.nonzero()[:, 0].unique().tolist() == [4]
    assert upright.nonzero()[:, 1].tolist() == list(range(3, 25))


def test_svhn_takes_the_extra_split(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    WRITERS["svhn"](tmp_path, monkeypatch)
    train, test, *_ = svhn(str(tmp_path), extra=True, download=False)
    assert train.x.shape == (15, 3, 32, 32)
    assert train.labels.tolist() == [*range(1, 10), 0, 1, 2, 1, 2, 3]
    assert len(test.x) == 5


@pytest.mark.parametrize(
    ("train", "labels"),
    [("unlabeled", [10] * 3), ("train+unlabeled", [0, 1, 2, 3, 4, 5, 10, 10, 10])],
)
def test_stl10_gives_unlabelled_images_a_class_of_their_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, train: str, labels: list[int]
) -> None:
    WRITERS["stl10"](tmp_path, monkeypatch)
    read = stl10(str(tmp_path), train=train, download=False)
    assert read.train.labels.tolist() == labels
    assert read.test.labels.tolist() == [0, 1, 2, 3]


def test_qmnist_refuses_test_images_it_has_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    WRITERS["qmnist"](tmp_path, monkeypatch)
    assert len(qmnist(str(tmp_path), test="test10k", download=False).test.x) == 5
    with pytest.raises(ArgumentError, match=r"QMNIST is damaged.*0 images and 0 labels"):
        qmnist(str(tmp_path), test="test50k", download=False)


def test_omniglot_unpacks_again_what_is_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = WRITERS["omniglot"](tmp_path, monkeypatch)
    omniglot(str(tmp_path), download=False)
    next((tmp_path / "omniglot-py" / "images_background").rglob("*.png")).unlink()
    assert_reads_as(omniglot(str(tmp_path), download=False).train, expected.train)


def test_images_and_labels_must_match() -> None:
    with pytest.raises(ValueError, match="2 images and 1 labels"):
        labelled(torch.zeros(2, 3, 3, dtype=torch.uint8), [1])
