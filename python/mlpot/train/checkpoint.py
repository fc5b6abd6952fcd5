"""The state of a training in one file: arrays only, replaced as a whole."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from io import BytesIO
from pathlib import Path

import numpy as np

from mlpot.errors import InputError
from mlpot.files import write_atomic


def save(path: Path, fingerprint: str, arrays: Mapping[str, np.ndarray]) -> None:
    """fingerprint: of all that decides the result; only the same training can go on from it."""
    buffer = BytesIO()
    np.savez(buffer, fingerprint=np.array(fingerprint), **arrays)
    write_atomic(path, buffer.getvalue())


def load(path: Path, fingerprint: str) -> dict[str, np.ndarray]:
    """The arrays; none where there is no file.  InputError for another training's checkpoint."""
    if not path.is_file():
        return {}
    try:
        with np.load(BytesIO(path.read_bytes()), allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
            found = str(arrays.pop("fingerprint"))
    except (OSError, EOFError, ValueError, KeyError, zipfile.BadZipFile):
        raise InputError(f"{path}: not a checkpoint; remove it or fit without --resume") from None
    if found != fingerprint:
        raise InputError(
            f"{path}: is of another configuration or other data; restore those, or fit without "
            "--resume"
        )
    return arrays
