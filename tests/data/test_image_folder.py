import logging
import os
import pickle
import struct
import zlib
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
import torch
from PIL import Image

from infovae.data.examples import DataSet
from infovae.data.fitting import read_image
from infovae.data.image_files import ImageFiles
from infovae.data.image_folder import image_folder
from infovae.data.module import DataModule
from infovae.errors import ArgumentError


def save(path: Path, array: np.ndarray, mode: str | None = None, **options: object) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    image = Image.fromarray(array)
    (image.convert(mode) if mode else image).save(path, **options)
    return path


def flat(value: int, height: int = 20, width: int = 30, channels: int = 3) -> np.ndarray:
    shape = (height, width) if channels == 1 else (height, width, channels)
    return np.full(shape, value, dtype=np.uint8)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Flat images that tell their number by their brightness, in two classes."""
    for i in range(10):
        save(tmp_path / ("b_cats" if i % 2 else "a_dogs") / "deeper" / f"{i}.png", flat(i * 20))
    return tmp_path


def broken(folder: Path) -> list[Path]:
    """A truncated image, an empty file and text with an image's name."""
    whole = save(folder / "a_dogs" / "whole.jpg", np.random.default_rng(0).integers(0, 256, (90, 90, 3), np.uint8))
    whole.write_bytes(whole.read_bytes()[:2000])
    (folder / "a_dogs" / "nothing.png").touch()
    (folder / "a_dogs" / "text.jpeg").write_text("not an image")
    return [whole, folder / "a_dogs" / "nothing.png", folder / "a_dogs" / "text.jpeg"]


def test_images_have_one_size_and_their_subfolder_s_class(folder: Path) -> None:
    train, test, *_ = image_folder(str(folder), size=(8, 16), test_fraction=0.3)
    assert train.x.shape == (7, 3, 8, 16)
    assert test.x.shape == (3, 3, 8, 16)
    values = torch.cat([train.x, test.x])[:, 0, 0, 0]
    assert sorted(values.tolist()) == [i * 20 for i in range(10)]
    assert torch.equal(torch.cat([train.labels, test.labels]), values.long() // 20 % 2)


def test_examples_keep_the_paths_of_their_files_and_the_names_of_their_classes(folder: Path) -> None:
    (folder / "a_dogs" / "bad.png").write_text("no image")
    data = DataModule(partial(image_folder, size=4, test_fraction=0.3), 2, validation_size=2, root=str(folder))
    assert data.class_names == ("a_dogs", "b_cats")
    for part in data.splits.values():
        for image, label, name in zip(part.x, part.labels.tolist(), part.names, strict=True):
            assert name == f"{data.class_names[label]}/deeper/{image[0, 0, 0].item() // 20}.png"
    batches = list(data.evaluation_loader("train", stored_order=True))
    assert torch.equal(torch.cat([batch.x for batch in batches]), data.splits["train"].x / 255)


def test_the_test_split_depends_on_its_own_seed_alone(folder: Path) -> None:
    first, again, other = (image_folder(str(folder), test_fraction=0.5, test_seed=seed) for seed in (1, 1, 2))
    assert torch.equal(first.test.x, again.test.x)
    assert not torch.equal(first.test.x, other.test.x)


def test_without_subfolders_there_is_one_class_and_loose_images_come_first(tmp_path: Path) -> None:
    for i in range(4):
        save(tmp_path / f"{i}.png", flat(i))
    train, test, *_ = image_folder(str(tmp_path), test_fraction=0.5)
    assert train.labels.tolist() + test.labels.tolist() == [0] * 4
    save(tmp_path / "a_dogs" / "dog.png", flat(100))
    parts = image_folder(str(tmp_path), test_fraction=0.5)[:2]
    images, labels = torch.cat([part.x for part in parts]), torch.cat([part.labels for part in parts])
    assert dict(zip((images[:, 0, 0, 0] // 100).tolist(), labels.tolist(), strict=True)) == {0: 0, 1: 1}


def test_crop_keeps_the_middle_and_stretch_keeps_all(tmp_path: Path) -> None:
    picture = flat(0, 10, 30, 1)
    picture[:, 10:20] = 255
    path = save(tmp_path / "stripe.png", picture)
    assert read_image(path, 10, 10, 1, "crop").unique().tolist() == [255]
    stretched = read_image(path, 10, 30, 1, "stretch")
    assert torch.equal(stretched[0], torch.from_numpy(picture))
    assert read_image(path, 5, 5, 1, "stretch")[0, 0].tolist()[::4] == [0, 0]


def test_images_are_not_transposed_and_colours_stay_in_order(tmp_path: Path) -> None:
    picture = np.random.default_rng(1).integers(0, 256, (6, 9, 3), dtype=np.uint8)
    read = read_image(save(tmp_path / "noise.png", picture), 6, 9, 3, "crop")
    np.testing.assert_array_equal(read.numpy(), picture.transpose(2, 0, 1))


@pytest.mark.parametrize("suffix", ["png", "jpg", "JPEG", "webp", "bmp", "gif", "tif", "tiff", "ppm", "pgm"])
def test_common_formats_are_read(tmp_path: Path, suffix: str) -> None:
    for i in range(4):
        save(tmp_path / f"{i}.{suffix}", flat(120), "L" if suffix == "pgm" else None)
    train, test, *_ = image_folder(str(tmp_path), size=8, test_fraction=0.5)
    assert len(train.x) == len(test.x) == 2
    assert bool(((train.x.int() - 120).abs() <= 3).all())


@pytest.mark.parametrize("mode", ["1", "L", "P", "RGB", "RGBA", "LA", "CMYK"])
@pytest.mark.parametrize("channels", [1, 3])
def test_any_mode_becomes_grey_or_colour(tmp_path: Path, mode: str, channels: int) -> None:
    suffix = "tif" if mode == "CMYK" else "png"
    path = save(tmp_path / f"white.{suffix}", flat(255), mode)
    read = read_image(path, 8, 8, channels, "crop")
    assert read.shape == (channels, 8, 8)
    assert read.unique().tolist() == [255]


def test_sixteen_bit_greys_are_scaled_not_clipped(tmp_path: Path) -> None:
    path = save(tmp_path / "deep.png", np.full((8, 8), 100 * 257 + 128, dtype=np.uint16))
    assert read_image(path, 8, 8, 1, "crop").unique().tolist() == [100]


def test_transparency_lies_on_white(tmp_path: Path) -> None:
    path = save(tmp_path / "clear.png", np.zeros((8, 8, 4), dtype=np.uint8))
    assert read_image(path, 8, 8, 3, "crop").unique().tolist() == [255]


def test_a_turned_photograph_is_set_upright(tmp_path: Path) -> None:
    picture = flat(0, 16, 16, 1)
    picture[:8] = 255  # white above; the camera was turned by a quarter, so that white belongs on the right
    exif = Image.Exif()
    exif[0x0112] = 6
    read = read_image(save(tmp_path / "turned.png", picture, exif=exif), 16, 16, 1, "crop")
    assert read[0, :, 8:].unique().tolist() == [255]
    assert read[0, :, :8].unique().tolist() == [0]


def test_unreadable_images_are_skipped_counted_and_told_once(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    broken(folder)
    with caplog.at_level(logging.WARNING):
        train, test, *_ = image_folder(str(folder), size=8)
    assert len(train.x) + len(test.x) == 10
    values = torch.cat([train.x, test.x])[:, 0, 0, 0]
    assert torch.equal(torch.cat([train.labels, test.labels]), values.long() // 20 % 2)
    (line,) = caplog.messages
    assert "skipped 3 of 13 images that can't be read; the first is " in line
    assert str(folder / "a_dogs" / "nothing.png") in line


@pytest.mark.parametrize("kind", [0, 1, 2])
def test_each_unreadable_image_is_refused_where_so_configured(folder: Path, kind: int) -> None:
    paths = broken(folder)
    for path in paths[:kind] + paths[kind + 1 :]:
        path.unlink()
    with pytest.raises(
        ArgumentError, match=f"1 of 11 images can't be read, the first is .*{paths[kind].name}"
    ) as refusal:
        image_folder(str(folder), unreadable="refuse")
    assert "\n" not in str(refusal.value)


def test_a_folder_of_nothing_readable_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a_dogs").mkdir()
    broken(tmp_path)
    with pytest.raises(ArgumentError, match="3 of 3 images can't be read"):
        image_folder(str(tmp_path))


def test_a_missing_or_empty_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ArgumentError, match=r"^root=.*/nowhere: no such folder; accepted: a folder of images"):
        image_folder(str(tmp_path / "nowhere"))
    (tmp_path / "notes.txt").write_text("no image")
    save(tmp_path / ".thumbnails" / "hidden.png", flat(0))
    with pytest.raises(ArgumentError, match=r"no images in it \(1 \.txt\); accepted: files named \."):
        image_folder(str(tmp_path))


def test_one_image_can_not_be_split(tmp_path: Path) -> None:
    save(tmp_path / "only.png", flat(0))
    with pytest.raises(
        ValueError, match=r"^test_fraction=0.1: it leaves none of 1 images to train on, or none to test on"
    ):
        image_folder(str(tmp_path))


@pytest.mark.parametrize("size", [0, (4, 0)])
def test_sizes_below_one_are_refused(folder: Path, size: int | tuple[int, int]) -> None:
    with pytest.raises(ArgumentError, match=r"^size=.*: invalid; accepted: a whole number of at least 1"):
        image_folder(str(folder), size=size)


def test_more_than_memory_holds_is_refused_before_reading_where_it_is_to_be_held(folder: Path) -> None:
    side = int((psutil.virtual_memory().total / 20) ** 0.5)
    with pytest.raises(
        ArgumentError, match=r"take .* GiB while they are split, and .* GiB of memory are free; accepted:"
    ):
        image_folder(str(folder), size=side, streaming="never")


@pytest.mark.parametrize(("free", "held"), [(2 * 10 * 3 * 64 * 64, True), (2 * 10 * 3 * 64 * 64 - 1, False)])
def test_what_fits_in_free_memory_is_held(folder: Path, monkeypatch: pytest.MonkeyPatch, free: int, held: bool) -> None:
    monkeypatch.setattr("infovae.data.memory.free_memory", lambda: free)
    assert isinstance(image_folder(str(folder)).train.x, torch.Tensor) is held


def test_held_and_streamed_images_are_the_same(folder: Path) -> None:
    broken(folder)
    held, streamed = (image_folder(str(folder), size=(8, 9), streaming=how) for how in ("never", "always"))
    for part, there in zip(streamed[:2], held[:2], strict=True):
        assert isinstance(part.x, ImageFiles)
        assert part.x.shape == there.x.shape
        assert part.x.nbytes == there.x.nbytes
        # As a worker gets them, where processes are not forked.
        sent = pickle.loads(pickle.dumps(part.x))
        assert torch.equal(sent[torch.arange(len(sent))], there.x)
        assert torch.equal(part.labels, there.labels)


def test_streamed_images_that_can_not_be_read_are_refused_before_training(folder: Path) -> None:
    broken(folder)
    with pytest.raises(ArgumentError, match=r"3 of 13 images can't be read, the first is .*nothing\.png"):
        image_folder(str(folder), unreadable="refuse", streaming="always")


def deep_folder(tmp_path: Path, highest: int) -> Path:
    """Greys of 16 bits, from 0 to ``highest``, and a grey of 8 bits."""
    for i in range(4):
        ramp = np.linspace(0, highest, 16 * 16).round().astype(np.uint16).reshape(16, 16)
        save(tmp_path / "deep" / f"{i}.png", ramp)
    save(tmp_path / "deep" / "flat.png", flat(9, channels=1))
    return tmp_path / "deep"


def test_twelve_bits_in_sixteen_are_warned_of_once_and_scaled_by_white(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = deep_folder(tmp_path, 4095)
    train, test, *_ = image_folder(str(folder), size=16, channels=1, test_fraction=0.4)
    assert int(torch.cat([train.x, test.x]).max()) == 4095 // 257
    (line,) = caplog.messages
    assert "4 images of 16 bits reach 4095 of 65535, which leaves 16 of 256 grey levels; data.source.white=4095" in line
    caplog.clear()
    parts = image_folder(str(folder), size=16, channels=1, white=4095, test_fraction=0.4)[:2]
    images = torch.cat([part.x for part in parts])
    assert caplog.messages == []
    assert len(images.unique()) == 256
    assert sorted(image.max().item() for image in images) == [9, 255, 255, 255, 255]  # 8 bits stay


def test_sixteen_bits_that_are_used_are_not_warned_of(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    image_folder(str(deep_folder(tmp_path, 40_000)), size=16, channels=1, test_fraction=0.4)
    assert caplog.messages == []


def test_colours_of_sixteen_bits_are_warned_of_too(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Pillow keeps the upper byte of each."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    rows = b"".join(b"\0" + np.full(8 * 3, 4095, ">u2").tobytes() for _ in range(8))
    header = struct.pack(">IIBBBBB", 8, 8, 16, 2, 0, 0, 0)
    parts = [chunk(b"IHDR", header), chunk(b"IDAT", zlib.compress(rows)), chunk(b"IEND", b"")]
    for i in range(2):
        (tmp_path / f"{i}.png").write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(parts))
    image_folder(str(tmp_path), size=8, test_fraction=0.5)
    assert "2 images of 16 bits reach 3855 of 65535" in caplog.text


def test_white_gives_32_bit_values_a_range(tmp_path: Path) -> None:
    path = save(tmp_path / "floats.tif", np.array([[0, 0.5], [1, 2]], dtype=np.float32))
    assert read_image(path, 2, 2, 1, "crop", white=2)[0].tolist() == [[0, 64], [128, 255]]
    with pytest.raises(ValueError, match="32-bit values have no known range; white=VALUE gives it"):
        read_image(path, 2, 2, 1, "crop")
    with pytest.raises(ValueError, match="its values go from 0 to 2, and white=1"):
        read_image(path, 2, 2, 1, "crop", white=1)


def test_a_pgm_states_its_own_range(tmp_path: Path) -> None:
    (tmp_path / "deep.pgm").write_bytes(b"P5 2 1 4095\n" + np.array([0, 4095], ">u2").tobytes())
    assert read_image(tmp_path / "deep.pgm", 1, 2, 1, "crop")[0].tolist() == [[0, 255]]


@pytest.mark.parametrize("white", [0.0, -1.0, float("nan"), float("inf")])
def test_impossible_whites_are_refused(folder: Path, white: float) -> None:
    with pytest.raises(ArgumentError, match=f"^white={white}: invalid; accepted: numbers above 0"):
        image_folder(str(folder), white=white)


def test_files_of_other_kinds_are_counted_in_one_warning(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    for name in ("a.dcm", "b.dcm", "c.DCM", "notes.txt", "README"):
        (folder / "a_dogs" / name).write_text("no image")
    (folder / ".hidden").write_text("not counted")
    image_folder(str(folder), size=8)
    (line,) = caplog.messages
    assert "skipped 5 of 15 files that aren't images: 3 .dcm, 1 without a suffix, 1 .txt" in line


def test_kinds_that_need_another_package_name_it(
    folder: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = {name: kind for name, kind in Image.registered_extensions().items() if name not in (".avif", ".heic")}
    monkeypatch.setattr(Image, "registered_extensions", lambda: known)
    for name in ("a.heic", "b.avif", "c.avif"):
        (folder / name).touch()
    image_folder(str(folder), size=8)
    told = "2 .avif (pip install 'pillow>=11.3' to read them), 1 .heic (pip install pillow-heif to read them)"
    assert told in caplog.text
    for path in folder.rglob("*.png"):
        path.unlink()
    with pytest.raises(ArgumentError, match=r"no images in it \(2 .avif .*; accepted: files named"):
        image_folder(str(folder), size=8)


@pytest.mark.parametrize("suffix", ["jfif", "jpe", "avif", "heic"])
def test_less_common_kinds_are_read(tmp_path: Path, suffix: str) -> None:
    if f".{suffix}" not in Image.registered_extensions():
        pytest.skip(f"this installation can't read .{suffix}")
    for i in range(4):
        Image.fromarray(flat(120)).save(tmp_path / f"{i}.{suffix}", "jpeg" if suffix.startswith("j") else None)
    train, test, *_ = image_folder(str(tmp_path), size=8, test_fraction=0.5)
    assert len(train.x) == len(test.x) == 2
    assert bool(((train.x.int() - 120).abs() <= 3).all())


def test_linked_classes_are_read_and_loops_are_not_followed(
    folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    save(elsewhere / "deep" / "far.png", flat(255))
    (folder / "c_birds").symlink_to(elsewhere)
    (folder / "a_dogs" / "up").symlink_to(folder)
    (folder / "a_dogs" / "here").symlink_to(folder / "a_dogs")
    train, test, *_ = image_folder(str(folder), size=8, test_fraction=0.3)
    images, labels = torch.cat([train.x, test.x]), torch.cat([train.labels, test.labels])
    assert len(images) == 11
    assert labels[images[:, 0, 0, 0] == 255].tolist() == [2]


@pytest.mark.parametrize("suffix", ["gif", "tif"])
def test_files_of_several_images_are_counted(folder: Path, caplog: pytest.LogCaptureFixture, suffix: str) -> None:
    frames = [Image.fromarray(flat(value)) for value in (250, 10, 20)]
    for name in ("c", "d"):
        frames[0].save(folder / f"{name}.{suffix}", save_all=True, append_images=frames[1:])
    train, test, *_ = image_folder(str(folder), size=8)
    (line,) = caplog.messages
    assert f"2 files hold several images, of which the first is read; one is {folder / f'c.{suffix}'}" in line
    assert int((torch.cat([train.x, test.x])[:, 0, 0, 0] >= 249).sum()) == 2


def test_a_folder_that_can_not_be_listed_is_told(
    folder: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    scan = os.scandir

    def denied(path: str) -> object:
        if Path(path).name == "b_cats":
            raise PermissionError(13, "Permission denied", path)
        return scan(path)

    monkeypatch.setattr("os.scandir", denied)
    image_folder(str(folder), size=8, test_fraction=0.4)
    assert "skipped 1 folders that can't be listed; the first: [Errno 13] Permission denied" in caplog.text


def test_a_table_of_labels_beside_the_images(squares: Path, tmp_path: Path) -> None:
    rows = [f"{kind}/{number:02}.png,{'odd' if number % 2 else 'even'},{number},{number % 3}"
            for kind in ("dogs", "cats") for number in range(20)]  # fmt: skip
    labels = tmp_path / "labels.csv"

    def read(lines: list[str], **arguments: Any) -> DataSet:
        labels.write_text("\n".join(["file,parity,number,rest", *lines]))
        return image_folder(str(squares), size=8, labels=str(labels), **arguments)

    for part in read([*rows, "spare.png,odd,3,3"], conditions=["number", "rest"], label="parity")[:2]:
        assert part.names is not None
        assert part.conditions is not None
        numbers = torch.tensor([int(name[-6:-4]) for name in part.names])
        assert torch.equal(part.labels, numbers % 2)
        assert part.conditions.tolist() == torch.stack([numbers, numbers % 3], 1).tolist()
    assert read(rows).train.classes == ("even", "odd")
    assert read(rows, conditions=["number"]).train.classes is None
    for lines, arguments, told in (
        (rows[1:], {}, r"labels=.*: 1 of 40 images have no row, the first is dogs/00.png; accepted: .* column file"),
        ([*rows, rows[0]], {}, "1 names come twice"),
        (rows, {"label": "class"}, "label=class: no such column; accepted: file, parity, number, rest"),
    ):
        with pytest.raises(ArgumentError, match=told):
            read(lines, **arguments)
    with pytest.raises(ArgumentError, match=r"labels=.*: no such file"):
        image_folder(str(squares), size=8, labels="nowhere.csv")
    with pytest.raises(ArgumentError, match="labels=None: label and conditions name its columns"):
        image_folder(str(squares), size=8, label="parity")
