"""Tiny image sets in their real formats on disk."""

import bz2
import hashlib
import io
import pickle
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
from PIL import Image
from scipy.io import savemat
from torchvision.datasets import CIFAR10, CIFAR100, STL10, SVHN, CelebA, Omniglot

IDX_TYPES = {"uint8": 8, "int32": 12}


class Part(NamedTuple):
    """What reading a split should give."""

    images: np.ndarray
    labels: np.ndarray


class Written(NamedTuple):
    """The splits of a set, and its files."""

    train: Part
    test: Part
    files: list[Path]


def noise(n: int, channels: int, side: int, seed: int) -> np.ndarray:
    """No such image equals its transpose or mirror image."""
    return np.random.default_rng(seed).integers(0, 256, (n, channels, side, side), dtype=np.uint8)


def write_idx(path: Path, array: np.ndarray) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    header = struct.pack(f">{1 + array.ndim}i", IDX_TYPES[array.dtype.name] * 256 + array.ndim, *array.shape)
    path.write_bytes(header + array.astype(array.dtype.newbyteorder(">")).tobytes())
    return path


def md5(path: Path) -> str:
    return hashlib.md5(path.read_bytes()).hexdigest()


def idx_set(folder: str, names: list[str], first_label: int = 0, transposed: bool = False) -> Callable[..., Written]:
    def write(root: Path, patch: pytest.MonkeyPatch) -> Written:
        del patch
        raw, parts, files = root / folder / "raw", [], []
        for n, images_name, labels_name in ((12, *names[:2]), (5, *names[2:])):
            images, labels = noise(n, 1, 28, n), np.arange(n, dtype=np.uint8) % 10
            stored = images[:, 0].transpose(0, 2, 1) if transposed else images[:, 0]
            files.append(write_idx(raw / images_name, stored))
            files.append(write_idx(raw / labels_name, (labels + first_label).astype(np.uint8)))
            parts.append(Part(images, labels))
        return Written(*parts, files)

    return write


MNIST_NAMES = [f"{part}-{kind}" for part in ("train", "t10k") for kind in ("images-idx3-ubyte", "labels-idx1-ubyte")]


def emnist_names(split: str) -> list[str]:
    return [f"emnist-{split}-{name}" for name in MNIST_NAMES[:2]] + [
        f"emnist-{split}-{name.replace('t10k', 'test')}" for name in MNIST_NAMES[2:]
    ]


def qmnist(root: Path, patch: pytest.MonkeyPatch) -> Written:
    del patch
    raw, parts, files = root / "QMNIST" / "raw", [], []
    for n, part in ((12, "train"), (5, "test")):
        images = noise(n, 1, 28, n)
        # Class, series, writer, ...: only the first column counts.
        labels = np.arange(n * 8, dtype=np.int32).reshape(n, 8) * 1000
        labels[:, 0] = np.arange(n) % 10
        files.append(write_idx(raw / f"qmnist-{part}-images-idx3-ubyte", images[:, 0]))
        files.append(write_idx(raw / f"qmnist-{part}-labels-idx2-int", labels))
        parts.append(Part(images, labels[:, 0]))
    return Written(*parts, files)


def usps(root: Path, patch: pytest.MonkeyPatch) -> Written:
    del patch
    parts, files = [], []
    (root / "usps").mkdir(parents=True)
    for n, name in ((12, "usps.bz2"), (5, "usps.t.bz2")):
        # Bytes whose float in [-1, 1] comes back exactly, with torchvision's rounding down.
        images = noise(n, 1, 16, n) // 255 * 255
        images[:, :, 0, 1:] = 255
        images[:, :, 0, 0] = 0
        labels = np.arange(n) % 10
        lines = [
            f"{label + 1} " + " ".join(f"{i + 1}:{pixel / 127.5 - 1:.4f}" for i, pixel in enumerate(image.ravel()))
            for image, label in zip(images, labels, strict=True)
        ]
        path = root / "usps" / name
        path.write_bytes(bz2.compress("\n".join(lines).encode()))
        files.append(path)
        parts.append(Part(images, labels))
    return Written(*parts, files)


def mnist_binarized(root: Path, patch: pytest.MonkeyPatch) -> Written:
    folder = root / "binarized_mnist"
    folder.mkdir(parents=True)
    sizes = {"train": 12, "test": 5, "valid": 4}
    patch.setattr("infovae.data.mnist_binarized.SIZES", sizes)
    parts, files = [], []
    for split, n in sizes.items():
        images = noise(n, 1, 28, n) // 128
        path = folder / f"binarized_mnist_{split}.amat"
        path.write_text("".join(" ".join(map(str, image.ravel())) + " \n" for image in images))
        files.append(path)
        parts.append(Part(images * 255, np.zeros(n, dtype=np.int64)))
    return Written(parts[0], parts[1], files)


def omniglot(root: Path, patch: pytest.MonkeyPatch) -> Written:
    folder = root / "omniglot-py"
    folder.mkdir(parents=True)
    parts, files, sums, first_label = [], [], {}, 0
    for name, alphabets in (("images_background", ("Latin", "Greek")), ("images_evaluation", ("Ge_ez",))):
        images, labels = [], []
        path = folder / f"{name}.zip"
        with zipfile.ZipFile(path, "w") as archive:
            for alphabet in sorted(alphabets):
                # Written backwards: labels must not depend on the order of files.
                for character in ("character02", "character01"):
                    drawing = np.random.default_rng(len(images)).integers(0, 2, (105, 105), dtype=np.uint8) * 255
                    content = io.BytesIO()
                    Image.fromarray(drawing).convert("1", dither=Image.Dither.NONE).save(content, "png")
                    archive.writestr(f"{name}/{alphabet}/{character}/0001_01.png", content.getvalue())
                    images.append(drawing)
                labels += [first_label + len(labels) + 1, first_label + len(labels)]
        order = np.argsort(labels)
        parts.append(Part(np.stack(images)[order][:, None], np.array(labels)[order]))
        first_label += len(labels)
        files.append(path)
        sums[name] = md5(path)
    patch.setattr(Omniglot, "zips_md5", sums)
    return Written(*parts, files)


def svhn(root: Path, patch: pytest.MonkeyPatch) -> Written:
    (root / "svhn").mkdir(parents=True)
    parts, files, splits = [], [], {}
    for n, split in ((12, "train"), (5, "test"), (3, "extra")):
        images = noise(n, 3, 32, n)
        # 10 stands for the digit 0.
        labels = np.arange(n, dtype=np.uint8) % 10 + 1
        path = root / "svhn" / f"{split}_32x32.mat"
        savemat(path, {"X": images.transpose(2, 3, 1, 0), "y": labels[:, None]})
        splits[split] = ["https://nowhere.invalid", path.name, md5(path)]
        files.append(path)
        parts.append(Part(images, labels % 10))
    patch.setattr(SVHN, "split_list", splits)
    return Written(parts[0], parts[1], files[:2])


def cifar(dataset: type[CIFAR10], labels_key: str) -> Callable[..., Written]:
    def write(root: Path, patch: pytest.MonkeyPatch) -> Written:
        folder = root / dataset.base_folder
        folder.mkdir(parents=True)
        parts, files = [], []
        for seed, listed in enumerate(("train_list", "test_list")):
            batches, sums = [], []
            for number, (name, _) in enumerate(getattr(dataset, listed)):
                images, labels = noise(4, 3, 32, 10 * seed + number), np.arange(4)
                entry = {"data": images.reshape(4, -1), labels_key: labels.tolist()}
                (folder / name).write_bytes(pickle.dumps(entry))
                files.append(folder / name)
                batches.append(Part(images, labels))
                sums.append([name, md5(folder / name)])
            patch.setattr(dataset, listed, sums)
            parts.append(Part(*(np.concatenate(arrays) for arrays in zip(*batches, strict=True))))
        meta = folder / dataset.meta["filename"]
        meta.write_bytes(pickle.dumps({dataset.meta["key"]: list("abcd")}))
        patch.setattr(dataset, "meta", dataset.meta | {"md5": md5(meta)})
        return Written(*parts, [*files, meta])

    return write


def stl10(root: Path, patch: pytest.MonkeyPatch) -> Written:
    folder = root / "stl10_binary"
    folder.mkdir(parents=True)
    arrays = {name: noise(n, 3, 96, n) for name, n in (("train", 6), ("test", 4), ("unlabeled", 3))}
    labels = {name: np.arange(len(arrays[name]), dtype=np.uint8) % 10 for name in ("train", "test")}
    for name, images in arrays.items():
        # Column by column.
        (folder / f"{name}_X.bin").write_bytes(images.transpose(0, 1, 3, 2).tobytes())
    for name, classes in labels.items():
        (folder / f"{name}_y.bin").write_bytes((classes + 1).tobytes())
    for listed in ("train_list", "test_list"):
        patch.setattr(STL10, listed, [[name, md5(folder / name)] for name, _ in getattr(STL10, listed)])
    parts = (Part(arrays[name], labels[name]) for name in ("train", "test"))
    return Written(*parts, [folder / name for name, _ in STL10.train_list + STL10.test_list])


CELEBA_SPLITS = [0] * 12 + [1] * 4 + [2] * 5
CELEBA_ATTRIBUTES = ["5_o_Clock_Shadow", "Male", "Smiling"]


def celeba(root: Path, patch: pytest.MonkeyPatch) -> Written:
    """The archive and the five lists, with their spaces where the real ones have them."""
    folder = root / "celeba"
    folder.mkdir(parents=True)
    names = [f"{i + 1:06d}.jpg" for i in range(len(CELEBA_SPLITS))]
    males = [i % 3 == 0 for i in range(len(names))]
    seen = []
    with zipfile.ZipFile(folder / "img_align_celeba.zip", "w") as archive:
        for i, name in enumerate(names):
            face = np.random.default_rng(i).integers(0, 256, (218, 178, 3), dtype=np.uint8)
            content = io.BytesIO()
            Image.fromarray(face).save(content, "jpeg", quality=95)
            archive.writestr(f"img_align_celeba/{name}", content.getvalue())
            middle = Image.open(content).crop((19, 39, 159, 179)).resize((64, 64), Image.Resampling.BICUBIC)
            seen.append(np.asarray(middle).transpose(2, 0, 1))
    attributes = [f"{name}  1 {' 1' if male else '-1'} -1" for name, male in zip(names, males, strict=True)]
    boxes = [f"{name}    95  71 226 313" for name in names]
    parts = ("lefteye", "righteye", "nose", "leftmouth", "rightmouth")
    points = " ".join(f"{part}_{axis}" for part in parts for axis in "xy")
    landmarks = [f"{name} 69  109  106  113   77  142   73  152  108  154" for name in names]
    lists = {
        "list_attr_celeba.txt": [str(len(names)), " ".join(CELEBA_ATTRIBUTES) + " ", *attributes],
        "identity_CelebA.txt": [f"{name} {i + 1}" for i, name in enumerate(names)],
        "list_bbox_celeba.txt": [str(len(names)), "image_id x_1 y_1 width height", *boxes],
        "list_landmarks_align_celeba.txt": [str(len(names)), f"{points} ", *landmarks],
        "list_eval_partition.txt": [f"{name} {split}" for name, split in zip(names, CELEBA_SPLITS, strict=True)],
    }
    for name, lines in lists.items():
        (folder / name).write_text("\n".join(lines) + "\n")
    files = [folder / name for *_, name in CelebA.file_list]
    patch.setattr(CelebA, "file_list", [("nowhere", md5(file), file.name) for file in files])
    labels = np.array(males, dtype=np.int64)
    chosen = [[i for i, split in enumerate(CELEBA_SPLITS) if split == part] for part in (0, 2)]
    return Written(*(Part(np.stack([seen[i] for i in rows]), labels[rows]) for rows in chosen), files)


WRITERS: dict[str, Callable[[Path, pytest.MonkeyPatch], Written]] = {
    "fashion_mnist": idx_set("FashionMNIST", MNIST_NAMES),
    "kmnist": idx_set("KMNIST", MNIST_NAMES),
    "emnist": idx_set("EMNIST", emnist_names("balanced"), transposed=True),
    "qmnist": qmnist,
    "usps": usps,
    "mnist_binarized": mnist_binarized,
    "omniglot": omniglot,
    "svhn": svhn,
    "cifar10": cifar(CIFAR10, "labels"),
    "cifar100": cifar(CIFAR100, "fine_labels"),
    "stl10": stl10,
    "celeba": celeba,
}
