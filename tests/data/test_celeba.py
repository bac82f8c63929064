from pathlib import Path

import formats
import pytest
import torch
from formats import CELEBA_ATTRIBUTES, Written

from infovae.data.celeba import celeba
from infovae.data.digits import digits
from infovae.data.image_files import ImageFiles
from infovae.data.module import DataModule
from infovae.errors import ArgumentError


@pytest.fixture
def written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Written:
    return formats.celeba(tmp_path, monkeypatch)


@pytest.mark.usefixtures("written")
def test_splits_are_the_set_s_own(tmp_path: Path) -> None:
    data = DataModule(lambda: celeba(str(tmp_path), label="identity", size=8), validation_size=None, batch_size=5)
    labels = {name: part.labels.sort().values.tolist() for name, part in data.splits.items()}
    assert labels == {"train": [*range(12)], "validation": [*range(12, 16)], "test": [*range(16, 21)]}
    assert data.shape == (3, 8, 8)


@pytest.mark.usefixtures("written")
def test_a_validation_split_can_be_cut_from_the_training_part_instead(tmp_path: Path) -> None:
    data = DataModule(lambda: celeba(str(tmp_path), label="identity", size=8), validation_size=3)
    both = torch.cat([data.splits["train"].labels, data.splits["validation"].labels])
    assert len(data.splits["validation"].labels) == 3
    assert both.sort().values.tolist() == [*range(12)]


@pytest.mark.usefixtures("written")
def test_streamed_faces_are_the_held_ones(tmp_path: Path) -> None:
    held, streamed = (celeba(str(tmp_path), size=9, crop=178, streaming=how) for how in ("never", "always"))
    for one, other in zip(held[:3], streamed[:3], strict=True):
        assert one is not None
        assert other is not None
        assert isinstance(other.x, ImageFiles)
        assert torch.equal(other.x[torch.arange(len(other.x))], one.x)
        assert torch.equal(other.labels, one.labels)


def test_the_archive_may_be_gone_once_unpacked_and_what_is_missing_is_unpacked_again(
    written: Written, tmp_path: Path
) -> None:
    before = celeba(str(tmp_path), size=8)
    (tmp_path / "celeba" / "img_align_celeba" / "000003.jpg").unlink()
    assert torch.equal(celeba(str(tmp_path), size=8).train.x, before.train.x)
    written.files[0].unlink()
    assert torch.equal(celeba(str(tmp_path), size=8, download=False).train.x, before.train.x)
    (tmp_path / "celeba" / "img_align_celeba" / "000003.jpg").unlink()
    with pytest.raises(ArgumentError, match=r"CelebA is damaged in .*1 images are missing in .* first is 000003.jpg"):
        celeba(str(tmp_path), size=8, download=False)


@pytest.mark.usefixtures("written")
def test_a_truncated_face_is_damage(tmp_path: Path) -> None:
    celeba(str(tmp_path), size=8)
    face = tmp_path / "celeba" / "img_align_celeba" / "000020.jpg"
    face.write_bytes(face.read_bytes()[:900])
    with pytest.raises(ArgumentError, match=r"^root=.*CelebA is damaged .*1 of 5 images can't be read, .*000020.jpg"):
        celeba(str(tmp_path), size=8)


@pytest.mark.usefixtures("written")
@pytest.mark.parametrize(
    ("argument", "value", "accepted"),
    [
        ("label", "Tall", f"identity, {', '.join(CELEBA_ATTRIBUTES)}$"),
        ("size", 0, "whole numbers of at least 1$"),
        ("crop", 179, "whole numbers from 1 to 178"),
    ],
)
def test_what_a_face_has_not_is_refused(tmp_path: Path, argument: str, value: str | int, accepted: str) -> None:
    with pytest.raises(ArgumentError, match=rf"^{argument}={value}: (invalid|too small); accepted: {accepted}"):
        celeba(str(tmp_path), **{argument: value})  # type: ignore[arg-type]


def test_a_set_without_a_validation_split_says_so() -> None:
    with pytest.raises(ArgumentError, match="validation_size=null: this set has no validation split of its own"):
        DataModule(digits, validation_size=None)
