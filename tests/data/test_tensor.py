import pickle
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch

from infovae.data import memory
from infovae.data.examples import DataSet
from infovae.data.image_array import IMAGES_AT_A_TIME, ImageArray, to_bytes
from infovae.data.memory import Streaming
from infovae.data.tensor import channels_first, tensor
from infovae.errors import ArgumentError

PIXELS = np.random.default_rng(0).integers(0, 256, (10, 3, 5, 7), dtype=np.uint8)
LABELS = np.arange(10)


def ordered(sets: DataSet) -> tuple[np.ndarray, np.ndarray]:
    """Both splits, in the file's order, which the first pixels tell."""
    images = torch.cat([part.images[torch.arange(len(part.images))] for part in sets[:2]]).numpy()
    labels = torch.cat([part.labels for part in sets[:2]]).numpy()
    position = [[image.tobytes() for image in PIXELS].index(image.tobytes()) for image in images]
    order = np.argsort(position)
    return images[order], labels[order]


@pytest.mark.parametrize("suffix", ["npy", "npz", "pt"])
@pytest.mark.parametrize("layout", ["nchw", "nhwc"])
@pytest.mark.parametrize("dtype", ["uint8", "float32", "float64"])
@pytest.mark.parametrize("streaming", ["never", "always"])
def test_files_are_read_in_any_layout_and_type(
    tmp_path: Path, suffix: str, layout: str, dtype: str, streaming: Streaming
) -> None:
    path = tmp_path / f"images.{suffix}"
    array = PIXELS if layout == "nchw" else PIXELS.transpose(0, 2, 3, 1)
    array = array if dtype == "uint8" else array.astype(dtype) / 255
    if suffix == "npy":
        np.save(path, array)
    elif suffix == "npz":
        np.savez(path, images=array, labels=LABELS, other=np.zeros(3))
    else:
        torch.save({"images": torch.tensor(array), "labels": torch.tensor(LABELS)}, path)
    sets = tensor(str(path), streaming=streaming)
    assert (len(sets.train.images), len(sets.test.images)) == (9, 1)
    assert isinstance(sets.train.images, ImageArray) == (streaming == "always" and suffix != "npz")
    images, labels = ordered(sets)
    np.testing.assert_array_equal(images, PIXELS)
    np.testing.assert_array_equal(labels, LABELS * (suffix != "npy"))


def test_a_bare_tensor_of_grey_images(tmp_path: Path) -> None:
    torch.save(torch.tensor(PIXELS[:, 0]), tmp_path / "grey.pt")
    train, *_ = tensor(str(tmp_path / "grey.pt"))
    assert train.images.shape == (9, 1, 5, 7)


def test_booleans_are_black_and_white_and_rounding_is_to_the_nearest_byte() -> None:
    assert to_bytes(torch.tensor([True, False]).view(1, 1, 1, 2)).view(-1).tolist() == [255, 0]
    assert to_bytes(torch.tensor([0.0, 0.5, 0.999, 1.0]).view(1, 1, 1, 4)).view(-1).tolist() == [0, 128, 255, 255]


def test_the_layout_decides_where_shapes_do_not() -> None:
    images = torch.zeros(2, 3, 4, 3)
    assert channels_first(images, "nchw").shape == (2, 3, 4, 3)
    assert channels_first(images, "nhwc").shape == (2, 3, 3, 4)
    many = torch.zeros(2, 5, 7, 11)
    assert channels_first(many, "nchw").shape == (2, 5, 7, 11)
    assert channels_first(many, "nhwc").shape == (2, 11, 5, 7)
    with pytest.raises(ValueError, match=r"layout=auto finds two axes that could be the channels; accepted:"):
        channels_first(images, "auto")


@pytest.mark.parametrize(
    ("array", "told"),
    [
        (np.zeros((4, 5, 6, 7), np.uint8), "layout=auto finds no axis of 1 or 3 channels"),
        (np.zeros((4, 5), np.uint8), r"shape \(4, 5\); accepted:"),
        (np.zeros((0, 5, 5), np.uint8), r"shape \(0, 5, 5\); accepted:"),
        (np.zeros((4, 5, 5), np.int64), "its images have type torch.int64; accepted: uint8"),
        (np.full((4, 5, 5), 255.0), "values from 255 to 255; accepted: uint8, bool, floats in"),
        (np.full((4, 5, 5), -0.5), "values from -0.5"),
        (np.full((4, 5, 5), np.nan), "values from nan"),
        (np.array([None] * 4), "can't be read as .npy .*accepted: plain arrays"),
        (np.array(["a", "b"]), "can't be read as .npy"),
    ],
)
@pytest.mark.parametrize("streaming", ["never", "always"])
def test_other_arrays_are_refused(tmp_path: Path, array: np.ndarray, told: str, streaming: Streaming) -> None:
    path = tmp_path / "images.npy"
    np.save(path, array, allow_pickle=True)
    with pytest.raises(ArgumentError, match=told) as refusal:
        tensor(str(path), streaming=streaming)
    assert str(refusal.value).startswith(f"path={path}: ")
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize("labels", [np.arange(3), np.arange(4) - 1, np.arange(4) / 2, np.zeros((4, 1), int)])
def test_other_labels_are_refused(tmp_path: Path, labels: np.ndarray) -> None:
    np.savez(tmp_path / "images.npz", images=PIXELS[:4], labels=labels)
    with pytest.raises(ArgumentError, match=r"its labels have type .*; accepted: 4 whole numbers from 0 to "):
        tensor(str(tmp_path / "images.npz"))


@pytest.mark.parametrize("suffix", ["npy", "npz", "pt"])
@pytest.mark.parametrize("damage", ["empty", "text", "cut"])
@pytest.mark.parametrize("streaming", ["never", "always"])
def test_damaged_files_are_one_clear_line(tmp_path: Path, suffix: str, damage: str, streaming: Streaming) -> None:
    path = tmp_path / f"images.{suffix}"
    if suffix == "pt":
        torch.save(torch.tensor(PIXELS), path)
    else:
        (np.save if suffix == "npy" else np.savez)(path, PIXELS)
    content = path.read_bytes()
    path.write_bytes({"empty": b"", "text": b"not an array\n", "cut": content[: len(content) // 2]}[damage])
    with pytest.raises(ArgumentError, match=rf"can't be read as \.{suffix} \(.*accepted: plain arrays") as refusal:
        tensor(str(path), streaming=streaming)
    assert "\n" not in str(refusal.value)


class Payload:
    """Would create a file, if it were unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, tuple[str, str]]:
        return open, (str(self.path), "w")


@pytest.mark.parametrize("suffix", ["npy", "npz", "pt"])
@pytest.mark.parametrize("streaming", ["never", "always"])
def test_nothing_in_a_file_is_executed(tmp_path: Path, suffix: str, streaming: Streaming) -> None:
    path, trace = tmp_path / f"images.{suffix}", tmp_path / "executed"
    if suffix == "pt":
        torch.save({"images": Payload(trace)}, path)
    elif suffix == "npy":
        path.write_bytes(pickle.dumps(Payload(trace)))
    else:
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("images.npy", pickle.dumps(Payload(trace)))
    with pytest.raises(ArgumentError, match=r"^path="):
        tensor(str(path), streaming=streaming)
    assert not trace.exists()


def test_missing_and_foreign_names_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ArgumentError, match=r"nowhere.npy: no such file"):
        tensor(str(tmp_path / "nowhere.npy"))
    with pytest.raises(
        ArgumentError, match=r"images.txt: invalid; accepted: files named \.npy, \.npz, \.pt, \.h5, \.hdf5 or \.mat"
    ):
        tensor(str(tmp_path / "images.txt"))
    np.savez(tmp_path / "other.npz", x=PIXELS)
    with pytest.raises(ArgumentError, match="it holds x; accepted: an array named images"):
        tensor(str(tmp_path / "other.npz"))


@pytest.mark.parametrize("suffix", ["npy", "npz", "pt"])
def test_what_does_not_fit_in_memory_stays_in_its_file(
    tmp_path: Path, suffix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / f"images.{suffix}"
    if suffix == "pt":
        torch.save(torch.tensor(PIXELS), path)
    else:
        (np.save if suffix == "npy" else np.savez)(path, PIXELS)
    monkeypatch.setattr(memory, "free_memory", lambda: 1000)
    refused = "accepted: sets that fit in memory, or "
    if suffix == "npz":
        with pytest.raises(ArgumentError, match=refused + "an .npy or .pt file, which is streamed"):
            tensor(str(path))
    else:
        assert isinstance(tensor(str(path)).train.images, ImageArray)
        with pytest.raises(ArgumentError, match=refused + "streaming=auto"):
            tensor(str(path), streaming="never")


def test_a_late_number_out_of_range_is_found_before_a_streamed_run_starts(tmp_path: Path) -> None:
    array = np.zeros((IMAGES_AT_A_TIME + 2, 1, 1), np.float32)
    array[-1] = 7
    np.save(tmp_path / "images.npy", array)
    with pytest.raises(ArgumentError, match="have values from 0 to 7; accepted:"):
        tensor(str(tmp_path / "images.npy"), streaming="always")


def test_another_process_gets_the_place_and_not_the_array(tmp_path: Path) -> None:
    np.save(tmp_path / "images.npy", np.zeros((1000, 28, 28), np.uint8))
    images = tensor(str(tmp_path / "images.npy"), streaming="always").test.images
    sent = pickle.dumps(images)
    assert len(sent) < 5000
    assert pickle.loads(sent)[torch.arange(3)].shape == (3, 1, 28, 28)


@pytest.mark.parametrize("streaming", ["never", "always"])
def test_floats_in_a_small_range_are_warned_of_and_scaled_by_white(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, streaming: Streaming
) -> None:
    path = tmp_path / "images.npy"
    np.save(path, PIXELS.astype(np.float32) * (0.004 / 255))
    flat = tensor(str(path), streaming=streaming)
    (line,) = caplog.messages
    assert (
        "the brightest of 10 images is 0.004 of 1, which leaves 2 of 256 grey levels; data.source.white=0.004" in line
    )
    assert set(flat.train.images[torch.arange(9)].unique().tolist()) == {0, 1}
    caplog.clear()
    images, _ = ordered(tensor(str(path), streaming=streaming, white=0.004))
    np.testing.assert_array_equal(images, PIXELS)
    assert caplog.messages == []


def test_the_white_that_a_warning_advises_is_accepted(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "images.npy"
    for highest in np.random.default_rng(0).uniform(1e-6, 0.5, 20):
        np.save(path, np.linspace(0, highest, 40).reshape(10, 2, 2))
        caplog.clear()
        tensor(str(path))
        tensor(str(path), white=float(caplog.messages[0].rpartition("white=")[2].split()[0]))


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "int64", "float64", ">u2", ">f4"])
@pytest.mark.parametrize("streaming", ["never", "always"])
def test_with_white_any_numbers_are_images(tmp_path: Path, dtype: str, streaming: Streaming) -> None:
    path = tmp_path / "images.npy"
    top = 255 if dtype == "uint8" else 510
    np.save(path, (PIXELS.astype(np.int64) * (top // 255)).astype(dtype))
    if dtype.startswith(">") and streaming == "always":
        with pytest.raises(ArgumentError, match="in reverse order can't be streamed"):
            tensor(str(path), white=top, streaming=streaming)
        return
    images, _ = ordered(tensor(str(path), white=top, streaming=streaming))
    np.testing.assert_array_equal(images, PIXELS)
    with pytest.raises(ArgumentError, match=f"have values from 0 to {top}; accepted: numbers from 0 to white=100"):
        tensor(str(path), white=100, streaming=streaming)


@pytest.mark.parametrize("suffix", ["npz", "pt"])
@pytest.mark.parametrize("dtype", ["uint64", ">i4", "uint8", "int16"])
def test_labels_of_any_whole_numbers(tmp_path: Path, suffix: str, dtype: str) -> None:
    labels = LABELS.astype(dtype)
    if suffix == "npz":
        np.savez(tmp_path / "images.npz", images=PIXELS, labels=labels)
    else:
        native = torch.from_numpy(labels.astype(labels.dtype.newbyteorder("=")))
        torch.save({"images": torch.tensor(PIXELS), "labels": native}, tmp_path / "images.pt")
    np.testing.assert_array_equal(ordered(tensor(str(tmp_path / f"images.{suffix}")))[1], LABELS)


def test_labels_beyond_int64_are_refused(tmp_path: Path) -> None:
    np.savez(tmp_path / "images.npz", images=PIXELS[:2], labels=np.array([0, 2**63], np.uint64))
    with pytest.raises(
        ArgumentError, match=r"labels have type torch.uint64 .*; accepted: 2 whole numbers from 0 to 2\^63 - 1"
    ):
        tensor(str(tmp_path / "images.npz"))


@pytest.mark.parametrize("name", ["images", "labels"])
@pytest.mark.parametrize("kind", ["sparse", "on meta", "quantized"])
@pytest.mark.parametrize("streaming", ["never", "always"])
def test_tensors_without_plain_values_are_refused(tmp_path: Path, name: str, kind: str, streaming: Streaming) -> None:
    plain = {"images": torch.tensor(PIXELS), "labels": torch.tensor(LABELS)}
    odd = {
        "sparse": lambda tensor: tensor.to_sparse(),
        "on meta": lambda tensor: tensor.to("meta"),
        "quantized": lambda tensor: torch.quantize_per_tensor(tensor.float(), 1.0, 0, torch.quint8),
    }[kind]
    torch.save(plain | {name: odd(plain[name])}, tmp_path / "images.pt")
    with pytest.raises(
        ArgumentError, match=rf"^path=.*can't be read as \.pt .*{'' if kind == 'quantized' else kind}"
    ) as refusal:
        tensor(str(tmp_path / "images.pt"), streaming=streaming)
    assert "\n" not in str(refusal.value)


def test_a_compressed_file_is_measured_by_what_it_unpacks_to(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "images.npz"
    np.savez_compressed(path, images=np.zeros((1000, 20, 20), np.uint8))
    assert path.stat().st_size < 10_000
    monkeypatch.setattr(memory, "free_memory", lambda: 100_000)
    with pytest.raises(ArgumentError, match="accepted: sets that fit in memory"):
        tensor(str(path))
