"""MNIST as it lies in the repository, damaged copies of it, and how examples are split and served."""

import gzip
import math
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from conftest import PROJECT
from hypothesis import given, settings
from hypothesis import strategies as st
from torchvision.datasets import MNIST

from infovae.data.binarization import binarize
from infovae.data.examples import DataSet, Examples
from infovae.data.loader import EpochOrder, Held, Loader
from infovae.data.mnist import SHA256, mnist
from infovae.data.module import DataModule
from infovae.data.splits import balanced_subset
from infovae.errors import ArgumentError

BUNDLED = PROJECT / "data" / "mnist"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    shutil.copytree(BUNDLED, tmp_path / "mnist")
    return tmp_path


@pytest.fixture
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError("Network is unreachable")

    monkeypatch.setattr("urllib.request.urlopen", refuse)


def toy(n: int = 90, classes: int = 3) -> Callable[[], DataSet]:
    def source() -> DataSet:
        images = torch.arange(n, dtype=torch.uint8).view(n, 1, 1, 1)
        labelled = Examples(images, torch.arange(n) % classes)
        return DataSet(labelled, labelled)

    return source


def test_mnist_is_whole_and_read_as_torchvision_reads_it(root: Path) -> None:
    train, test, *_ = mnist(str(root), download=False)
    assert train.x.shape == (60_000, 1, 28, 28)
    assert test.x.shape == (10_000, 1, 28, 28)
    assert train.x.dtype == torch.uint8
    assert torch.bincount(train.labels).tolist() == [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]
    assert torch.equal(test.labels, MNIST(str(root), train=False).targets)


@pytest.mark.parametrize("damage", ["flip", "cut", "text", "missing"])
@pytest.mark.usefixtures("no_network")
def test_damaged_archives_are_one_clear_line(root: Path, damage: str) -> None:
    name = "t10k-images-idx3-ubyte"
    archive = root / "mnist" / f"{name}.gz"
    content = archive.read_bytes()
    match damage:
        case "flip":
            pixels = bytearray(gzip.decompress(content))
            pixels[5000] ^= 1
            archive.write_bytes(gzip.compress(bytes(pixels), 1))
        case "cut":
            archive.write_bytes(content[: len(content) // 2])
        case "text":
            archive.write_text("not an archive")
        case "missing":
            archive.unlink()
    for download in (False, True):
        with pytest.raises(ArgumentError, match=f"^root=.*missing or damaged: {name}.*accepted:") as refusal:
            mnist(str(root), download=download)
        assert "\n" not in str(refusal.value)
        assert not (root / ".MNIST.lock").exists()


@pytest.mark.parametrize("download", [False, True])
@pytest.mark.usefixtures("no_network")
def test_a_refusal_leaves_nothing(tmp_path: Path, download: bool) -> None:
    with pytest.raises(ArgumentError, match="MNIST is missing"):
        mnist(str(tmp_path / "data"), download=download)
    assert not list(tmp_path.iterdir())


def test_a_damaged_archive_is_downloaded_anew(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """torchvision's own downloader, given a mirror that answers."""
    (root / "mnist" / "t10k-labels-idx1-ubyte.gz").write_bytes(b"damaged")
    served: list[str] = []

    def mirror(url: str, download_root: str, filename: str, md5: str) -> None:
        served.append(url)
        (Path(download_root) / filename.removesuffix(".gz")).write_bytes(
            gzip.decompress((BUNDLED / filename).read_bytes())
        )

    monkeypatch.setattr("torchvision.datasets.mnist.download_and_extract_archive", mirror)
    assert len(mnist(str(root)).test.labels) == 10_000
    assert len(served) == len(SHA256)


def test_damaged_unpacked_files_are_unpacked_anew(root: Path) -> None:
    mnist(str(root), download=False)
    raw = root / "MNIST" / "raw" / "t10k-labels-idx1-ubyte"
    raw.write_bytes(raw.read_bytes()[:-1] + b"\x09")
    assert mnist(str(root), download=False).test.labels[-1] == 6


def test_a_folder_that_cannot_be_written_is_one_clear_line(root: Path) -> None:
    (root / "MNIST").write_text("a file is in the way, as a read-only folder would be to anyone but root")
    with pytest.raises(ArgumentError, match=r"^root=.*can't write .*accepted: a writable folder"):
        mnist(str(root), download=False)


@given(st.lists(st.integers(0, 4), min_size=1, max_size=60), st.data())
def test_balanced_subset_is_as_balanced_as_can_be(labels: list[int], data: st.DataObject) -> None:
    size = data.draw(st.integers(1, len(labels)))
    all_labels = torch.tensor(labels)
    chosen = balanced_subset(all_labels, size, torch.Generator().manual_seed(1))
    assert len(set(chosen.tolist())) == size
    taken, available = torch.bincount(all_labels[chosen], minlength=5), torch.bincount(all_labels, minlength=5)
    unexhausted = taken[taken < available]
    if len(unexhausted):
        assert taken.max() - unexhausted.min() <= 1


def test_500_digits_are_50_of_each() -> None:
    data = DataModule(lambda: mnist(str(PROJECT / "data")), train_size=500)
    assert torch.bincount(data.splits["train"].labels).tolist() == [50] * 10
    assert len(data.splits["validation"].x) == 5000


def test_splits_are_disjoint_and_a_matter_of_the_seed() -> None:
    first, again, other = (DataModule(toy(), validation_size=30, seed=seed) for seed in (1, 1, 2))
    train = set(first.splits["train"].x.flatten().tolist())
    assert train.isdisjoint(first.splits["validation"].x.flatten().tolist())
    assert torch.equal(first.splits["train"].x, again.splits["train"].x)
    assert not torch.equal(first.splits["train"].x, other.splits["train"].x)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"validation_size": 90}, "validation_size=90: invalid; accepted: whole numbers from 0 to 89"),
        ({"validation_size": -1}, "validation_size=-1: invalid; accepted: whole numbers from 0 to 89"),
        ({"validation_size": 0.999}, "validation_size=0.999: invalid; accepted: fractions from 0 to below 1"),
        *(
            ({"validation_size": value}, f"validation_size={value}: invalid; accepted: fractions from 0 to below 1")
            for value in (math.nan, math.inf, -math.inf, 1.5, 1.0, -0.1)
        ),
        ({"validation_size": 30, "train_size": 61}, "train_size=61: invalid; accepted: whole numbers from 1 to 60"),
        ({"validation_size": 30, "train_size": 0}, "train_size=0: invalid; accepted"),
        ({"validation_size": 30, "batch_size": 0}, "batch_size=0: invalid; accepted"),
    ],
)
def test_sizes_that_cannot_be_had_are_refused(arguments: dict[str, float], message: str) -> None:
    with pytest.raises(ArgumentError, match=message):
        DataModule(toy(), **arguments)  # type: ignore[arg-type]


@given(n=st.integers(1, 50), batch_size=st.integers(1, 60), seed=st.integers(0, 2**32 - 1))
@settings(deadline=None)
def test_evaluation_serves_each_example_once_in_even_batches(n: int, batch_size: int, seed: int) -> None:
    loader = _loader(n, batch_size, seed, shuffle=False)
    batches = list(loader)
    assert len(batches) == len(loader)
    sizes = [len(batch.x) for batch in batches]
    assert max(sizes) - min(sizes) <= 1
    assert max(sizes) <= batch_size
    assert sorted(label for batch in batches for label in batch.labels.tolist()) == list(range(n))


@given(n=st.integers(1, 50), batch_size=st.integers(1, 60), seed=st.integers(0, 2**32 - 1))
@settings(deadline=None)
def test_training_serves_full_batches_without_repetition(n: int, batch_size: int, seed: int) -> None:
    loader = _loader(n, batch_size, seed, shuffle=True)
    labels = [label for batch in loader for label in batch.labels.tolist()]
    assert {len(batch.x) for batch in loader} == {min(n, batch_size)}
    assert len(labels) == len(set(labels)) == n // min(n, batch_size) * min(n, batch_size)


def test_the_order_is_a_function_of_seed_and_epoch() -> None:
    def order(seed: int, epoch: int) -> list[int]:
        loader = _loader(50, 10, seed, shuffle=True)
        loader.sampler.set_epoch(epoch)
        torch.rand(epoch + 1)  # other draws in the program don't matter
        return [label for batch in loader for label in batch.labels.tolist()]

    assert order(1, 0) == order(1, 0)
    assert len({tuple(order(seed, epoch)) for seed in (1, 2) for epoch in (0, 1)}) == 4


def test_binarization() -> None:
    images = torch.linspace(0, 1, 10_000).view(1, 1, 100, 100)
    generator = torch.Generator().manual_seed(0)
    assert torch.equal(binarize(images, "none", generator), images)
    assert binarize(images, "threshold", generator).mean() == 0.5
    coins = binarize(images, "stochastic", generator)
    assert set(coins.unique().tolist()) == {0, 1}
    # The number of heads has variance sum p (1 - p), about n / 6.
    assert abs(coins.sum() - images.sum()) < 5 * (10_000 / 6) ** 0.5


def test_stochastic_binarization_is_new_each_epoch_and_fixed_for_evaluation() -> None:
    def pixels(shuffle: bool, epoch: int) -> torch.Tensor:
        loader = _loader(50, 50, 1, shuffle, binarization="stochastic")
        loader.sampler.set_epoch(epoch)
        batch = next(iter(loader))
        return batch.x[batch.labels.argsort()]

    assert not torch.equal(pixels(True, 0), pixels(True, 1))
    assert torch.equal(pixels(True, 1), pixels(True, 1))
    assert torch.equal(pixels(False, 0), pixels(False, 1))


def _loader(n: int, batch_size: int, seed: int, shuffle: bool, binarization: str = "none") -> Loader:
    images = torch.full((n, 1, 2, 2), 128, dtype=torch.uint8)
    dataset = Held(Examples(images, torch.arange(n)), torch.device("cpu"))
    return Loader(dataset, EpochOrder(n, seed, shuffle), batch_size, binarization, drop_last=shuffle)  # type: ignore[arg-type]
