import pytest
import torch

from infovae.data.augmentation import Augmentation
from infovae.data.examples import DataSet, Examples
from infovae.data.module import DataModule
from infovae.errors import ArgumentError


def image_sets() -> DataSet:
    images = torch.zeros(220, 1, 2, 2, dtype=torch.uint8)
    return DataSet(Examples(images, torch.arange(220) % 10), Examples(images, torch.arange(220) % 10))


def data(batch_size: int, train_size: int) -> DataModule:
    return DataModule(image_sets, batch_size=batch_size, train_size=train_size, validation_size=10)


@pytest.mark.parametrize(("batch_size", "train_size"), [(128, 101), (127, 200), (128, 200), (128, 128)])
def test_one_process_takes_any_batch(batch_size: int, train_size: int) -> None:
    data(batch_size, train_size).check_world_size(1)


@pytest.mark.parametrize(("batch_size", "train_size"), [(128, 200), (128, 128), (128, 100), (100, 101)])
def test_batches_that_can_be_shared_evenly(batch_size: int, train_size: int) -> None:
    data(batch_size, train_size).check_world_size(4)


@pytest.mark.parametrize(
    ("batch_size", "train_size", "told"),
    [
        (126, 200, "batch_size=126: it is over all 4 devices together; accepted: multiples of 4"),
        (128, 102, "train_size=102: it makes one batch, which 4 devices can't share evenly; accepted: multiples"),
    ],
)
def test_batches_that_can_not(batch_size: int, train_size: int, told: str) -> None:
    with pytest.raises(ArgumentError, match=told):
        data(batch_size, train_size).check_world_size(4)


def test_a_fraction_is_held_out_for_validation() -> None:
    module = DataModule(image_sets, validation_size=0.1)
    assert {name: len(part.x) for name, part in module.splits.items()} == {
        "train": 198,
        "validation": 22,
        "test": 220,
    }


def test_it_prints_what_it_holds() -> None:
    assert str(data(128, 200)) == "images of 1x2x2: train 200, validation 10, test 220"


def test_training_alone_sees_augmented_images() -> None:
    def source() -> DataSet:
        images = torch.arange(12 * 64, dtype=torch.float64).mul(256 / (12 * 64)).to(torch.uint8).view(12, 1, 8, 8)
        return DataSet(Examples(images, torch.arange(12) % 2), Examples(images, torch.arange(12) % 2))

    plain = DataModule(source, validation_size=4)
    moved = DataModule(source, validation_size=4, augmentation=Augmentation())
    for name in ("train", "validation", "test"):
        one, other = (next(iter(module.evaluation_loader(name))) for module in (plain, moved))
        assert torch.equal(one.x, other.x)
    loaders = [module.train_dataloader() for module in (plain, moved, moved)]
    one, other, again = (next(iter(loader)) for loader in loaders)
    assert torch.equal(one.labels, other.labels)
    assert not torch.equal(one.x, other.x)
    assert torch.equal(other.x, again.x)
    loaders[1].sampler.set_epoch(1)
    later = next(iter(loaders[1]))
    order = [batch.labels.argsort(stable=True) for batch in (other, later)]
    assert not torch.equal(other.x[order[0]], later.x[order[1]])


def test_a_part_of_the_training_examples_is_measured() -> None:
    """The same in each epoch, and the first of the order in which all would be."""

    def source() -> DataSet:
        images = Examples(torch.arange(40, dtype=torch.uint8).view(40, 1, 1, 1), torch.arange(40))
        return DataSet(images, images)

    def labels(measured: int | None) -> list[int]:
        data = DataModule(source, validation_size=10, batch_size=4, measured_train_size=measured)
        loader = data.measured_train_loader()
        passes = [torch.cat([batch.labels for batch in loader]).tolist() for _ in range(2)]
        assert passes[0] == passes[1]
        return passes[0]

    assert sorted(labels(None)) == sorted(labels(30)) == sorted(labels(31))
    assert len(set(labels(None))) == 30
    assert labels(9) == labels(None)[:9]


@pytest.mark.parametrize("name", ["root", "path"])
def test_a_source_gets_its_place_with_the_home_folder_spelt_out(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/ada")
    given: dict[str, str] = {}

    def source(**places: str) -> DataSet:
        given.update(places)
        return image_sets()

    DataModule(source, validation_size=10, **{name: "~/photos"})  # type: ignore[arg-type]
    assert given == {name: "/home/ada/photos"}


def test_labels_are_numbered_from_zero_and_their_values_are_kept() -> None:
    """A label near 10^12 would take 8 TB where something counts up to the largest."""

    def part(*labels: int) -> Examples:
        return Examples(torch.arange(len(labels), dtype=torch.uint8).view(-1, 1, 1, 1), torch.tensor(labels))

    large = 10**12
    data = DataModule(
        lambda: DataSet(part(7, large, 7, large), part(large, 3), part(3, 7)), validation_size=None, train_size=2
    )
    assert data.classes.tolist() == [3, 7, large]
    assert data.splits["test"].labels.tolist() == [2, 0]
    assert data.splits["validation"].labels.tolist() == [0, 1]
    assert sorted(data.splits["train"].labels.tolist()) == [1, 2]


def test_labels_that_count_from_zero_stay() -> None:
    sets = image_sets()
    data = DataModule(lambda: sets, validation_size=0)
    assert data.splits["test"].labels is sets.test.labels


@pytest.mark.parametrize(("argument", "told"), [("colours", "source.colours=7"), ("root", "root=7")])
def test_an_argument_that_a_source_refuses_is_named_as_the_sources(argument: str, told: str) -> None:
    def source(root: str) -> DataSet:
        raise ArgumentError(argument, 7, "1", "too many")

    with pytest.raises(ArgumentError) as refusal:
        DataModule(source, root="there")
    assert str(refusal.value) == f"{told}: too many; accepted: 1"


@pytest.mark.parametrize("raised", [OSError(28, "No space left on device"), ValueError("colours=7")])
def test_other_errors_of_a_source_pass_through(raised: Exception) -> None:
    def source() -> DataSet:
        raise raised

    with pytest.raises(type(raised)) as refusal:
        DataModule(source)
    assert refusal.value is raised


def test_the_validation_split_alone_is_evaluated_unless_the_config_or_a_caller_says_more() -> None:
    assert DataModule(image_sets, validation_size=10).evaluation_splits == ("validation",)
