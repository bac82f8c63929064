import pytest
import torch

from infovae.data.images import ImageSets, LabelledImages
from infovae.data.module import ImageData


def image_sets() -> ImageSets:
    images = torch.zeros(220, 1, 2, 2, dtype=torch.uint8)
    return ImageSets(LabelledImages(images, torch.arange(220) % 10), LabelledImages(images, torch.arange(220) % 10))


def data(batch_size: int, train_size: int) -> ImageData:
    return ImageData(image_sets, batch_size=batch_size, train_size=train_size, validation_size=10)


@pytest.mark.parametrize(("batch_size", "train_size"), [(128, 101), (127, 200), (128, 200), (128, 128)])
def test_one_process_takes_any_batch(batch_size: int, train_size: int) -> None:
    data(batch_size, train_size).check_world_size(1)


@pytest.mark.parametrize(("batch_size", "train_size"), [(128, 200), (128, 128), (128, 100), (100, 101)])
def test_batches_that_can_be_shared_evenly(batch_size: int, train_size: int) -> None:
    data(batch_size, train_size).check_world_size(4)


@pytest.mark.parametrize(
    ("batch_size", "train_size", "told"),
    [
        (126, 200, "batch_size=126: it is over all 4 devices together; accepted are multiples of 4"),
        (128, 102, "train_size=102: it makes one batch, which 4 devices can't share evenly; accepted are multiples"),
    ],
)
def test_batches_that_can_not(batch_size: int, train_size: int, told: str) -> None:
    with pytest.raises(ValueError, match=told):
        data(batch_size, train_size).check_world_size(4)


def test_a_fraction_is_held_out_for_validation() -> None:
    module = ImageData(image_sets, validation_size=0.1)
    assert {name: len(part.images) for name, part in module.splits.items()} == {
        "train": 198,
        "validation": 22,
        "test": 220,
    }


@pytest.mark.parametrize("name", ["root", "path"])
def test_a_source_gets_its_place_with_the_home_folder_spelt_out(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/ada")
    given: dict[str, str] = {}

    def source(**places: str) -> ImageSets:
        given.update(places)
        return image_sets()

    ImageData(source, validation_size=10, **{name: "~/photos"})  # type: ignore[arg-type]
    assert given == {name: "/home/ada/photos"}
