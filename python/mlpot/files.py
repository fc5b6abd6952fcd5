"""Text read in one piece; files that are either the old ones or the new ones, never half of one."""

import hashlib
import os
import tempfile
from pathlib import Path

from mlpot.errors import InputError, did_you_mean


def read_text(path: str | os.PathLike, errors: str = "strict") -> str:
    """Text of a UTF-8 file, newlines untouched; InputError with a near name where there is none."""
    path = Path(path)
    try:
        return path.read_bytes().decode("utf-8", errors)
    except FileNotFoundError:
        near = [p.name for p in path.parent.iterdir()] if path.parent.is_dir() else []
        raise InputError(f"{path}: no such file{did_you_mean(path.name, near)}") from None
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: byte {error.start}: not UTF-8 text") from None
    except OSError as error:
        raise InputError(f"{path}: cannot read: {error.strerror}") from None


def write_atomic(path: str | os.PathLike, content: str | bytes) -> Path:
    """Write `content` (text as UTF-8, newlines kept); a crash leaves the old or the new one.

    A temporary file in the same folder is flushed to the disk and renamed over `path`; a symbolic
    link is followed, permissions of an existing file are kept. Returns the path written.
    Raises InputError when the folder does not exist or cannot be written.
    """
    target = Path(path).resolve()
    data = content.encode() if isinstance(content, str) else content
    try:
        handle, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.", suffix=".tmp")
    except OSError as error:
        raise InputError(f"{path}: cannot write in {target.parent}: {error.strerror}") from None
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fchmod(file.fileno(), _mode(target))
            os.fsync(file.fileno())
        os.replace(name, target)
    except BaseException as error:
        Path(name).unlink(missing_ok=True)
        if isinstance(error, OSError):
            raise InputError(f"{path}: cannot write: {error.strerror}") from None
        raise
    _sync_folder(target.parent)
    return Path(path)


def sha256_of(path: str | os.PathLike) -> str:
    """SHA-256 of the file's bytes, 64 hexadecimal digits. Raises InputError if unreadable."""
    digest = hashlib.sha256()
    try:
        with open(path, "rb") as file:
            while block := file.read(1 << 20):
                digest.update(block)
    except OSError as error:
        raise InputError(f"{path}: cannot read: {error.strerror}") from None
    return digest.hexdigest()


def _mode(target: Path) -> int:
    # mkstemp makes files private; a new file should look like any other the user writes.
    if target.exists():
        return target.stat().st_mode & 0o777
    mask = os.umask(0)
    os.umask(mask)
    return 0o666 & ~mask


def _sync_folder(folder: Path) -> None:
    # The rename itself is on the disk only when the folder is.
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
