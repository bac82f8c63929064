"""Files of tensors and plain values that hold a digest of their own bytes."""

import hashlib
import io
import os
import pickle
import struct
import zipfile
from pathlib import Path
from typing import Any

import torch

MARK = b"infovae sha256 "
SEAL_LENGTH = len(MARK) + 2 * hashlib.sha256().digest_size

DAMAGED = (
    pickle.UnpicklingError, zipfile.BadZipFile, EOFError, KeyError, TypeError, AttributeError, OSError, RuntimeError,
    ValueError, NotImplementedError, IndexError,
)  # fmt: skip
"""What reading a damaged file may raise."""


def sealed(content: dict[str, Any]) -> memoryview:
    """Return what ``torch.save`` writes, with the SHA-256 of the bytes as the comment that ends the zip archive.

    The digest is part of the file, so it survives renaming, moving and copying. Other readers ignore it.
    """
    packed = io.BytesIO()  # torch writing to a full disk itself ends the process in C++
    torch.save(content, packed)
    packed.seek(-2, os.SEEK_END)  # an archive's last two bytes say how long its comment is
    packed.write(struct.pack("<H", SEAL_LENGTH))
    packed.write(MARK + hashlib.sha256(packed.getbuffer()).hexdigest().encode())
    return packed.getbuffer()


def read_sealed(path: Path) -> dict[str, Any]:
    """Return the tensors and plain values of a file; raise one of :data:`DAMAGED` if its bytes have changed."""
    packed = path.read_bytes()
    check_seal(packed)
    return torch.load(io.BytesIO(packed), map_location="cpu", weights_only=True)


def check_seal(content: bytes) -> None:
    """Check that a file's bytes are those that were written.

    A file without a seal, from version 0.1 or from torch alone, is checked by the archive's own checksums. They
    don't cover the archive's directory.

    Raises:
        ValueError: some bytes have changed.
        zipfile.BadZipFile: the file isn't a whole archive.
    """
    body, end = content[:-SEAL_LENGTH], content[-SEAL_LENGTH:]
    if end.startswith(MARK):
        if MARK + hashlib.sha256(body).hexdigest().encode() != end:
            raise ValueError("its bytes have changed since it was written")
        return
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        if archive.testzip() is not None:
            raise ValueError("its bytes have changed since it was written")
