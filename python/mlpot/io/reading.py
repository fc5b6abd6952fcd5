"""One file to structures: whatever ASE reads, mlearn JSON, MLIP's .cfg, each also compressed."""

import bz2
import gzip
import json
import lzma
import os
import shutil
import tempfile
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from ase import Atoms
from ase.data import atomic_numbers
from ase.io import iread
from ase.io.formats import UnknownFileTypeError, filetype

from mlpot.errors import InputError, did_you_mean
from mlpot.files import sha256_of
from mlpot.io import mlearn, mlip
from mlpot.io.extxyz import must_be_whole

UNITS = "energy eV, forces eV/Å, stress eV/Å³ and positive under tension"
OPENERS = {".xz": lzma.open, ".gz": gzip.open, ".bz2": bz2.open}
LAST_WORDS = {"vasp-xml": b"</modeling>", "vasp-out": b"General timing and accounting"}
DAMAGED = (OSError, EOFError, lzma.LZMAError)


@dataclass(frozen=True)
class File:
    """A file that was read: its SHA-256, format, number of frames and the units assumed."""

    path: str
    sha256: str
    format: str
    frames: int
    units: str


def read_file(
    path: Path, elements: Sequence[str] | None = None
) -> tuple[list[Atoms], File, list[str]]:
    """(structures with labels as stored, the file, warnings of the reader) of one file.

    elements: of the types of atoms in formats that only number them.

    Raises InputError if the file is missing, empty, damaged, of unknown format or has a bad frame.
    """
    _must_be_file(path)
    digest = sha256_of(path)
    with _plain(path) as plain, warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        if plain.stat().st_size == 0:
            raise InputError(f"{path}: the file is empty; expected structures")
        entries = _json(plain)
        if mlearn.is_mlearn(entries):
            frames, name, units = mlearn.frames_of(entries, str(path)), "mlearn", mlearn.UNITS
        elif mlip.is_cfg(plain):
            text = plain.read_text(errors="replace")
            frames, name, units = mlip.frames_of(text, str(path), elements), "MLIP", mlip.UNITS
        else:
            name, units = _format_of(plain, path), UNITS
            frames = _frames(plain, path, name)
        said = {str(warning.message): None for warning in caught} | _unfinished(plain, name)
    if not frames:
        raise InputError(f"{path}: no structures in it")
    file = File(str(path), digest, name, len(frames), units)
    return frames, file, [f"{path}: {text}" for text in said]


def _must_be_file(path: Path) -> None:
    if path.is_dir():
        raise InputError(f"{path}: is a folder; name the files in it")
    if not path.exists():
        beside = [other.name for other in path.parent.iterdir()] if path.parent.is_dir() else []
        raise InputError(f"{path}: no such file{did_you_mean(path.name, beside)}")


@contextmanager
def _plain(path: Path) -> Iterator[Path]:
    # ASE seeks in what it reads, which is 50 times slower inside an xz stream: unpack it first.
    opener = OPENERS.get(path.suffix)
    if opener is None:
        yield path
        return
    with tempfile.TemporaryDirectory(prefix="mlpot-") as folder:
        plain = Path(folder, path.stem)
        try:
            with opener(path) as packed, open(plain, "wb") as file:
                shutil.copyfileobj(packed, file)
        except DAMAGED as error:
            raise InputError(f"{path}: cannot unpack: {error}") from None
        yield plain


def _json(plain: Path) -> object:
    if plain.suffix != ".json":
        return None
    try:
        return json.loads(plain.read_bytes())
    except ValueError:
        return None


def _format_of(plain: Path, path: Path) -> str:
    try:
        return filetype(str(plain))
    except UnknownFileTypeError:
        raise InputError(
            f"{path}: unknown format; expected extended XYZ, OUTCAR, vasprun.xml, mlearn JSON "
            "or another that ASE knows by its name"
        ) from None


def _frames(plain: Path, path: Path, name: str) -> list[Atoms]:
    frames = []
    # parallel=False: under MPI a reader on one rank must not wait for the others.
    options = {"format": name, "parallel": False, "do_not_split_by_at_sign": True}
    try:
        if name == "extxyz":
            must_be_whole(plain.read_text())
        for atoms in iread(str(plain), ":", **options):
            frames.append(atoms)
    except InputError as error:
        raise InputError(f"{path}: {error}") from None
    except Exception as error:  # readers raise anything; whatever it is, the file is not readable
        place = f"frame {len(frames)}: " if name == "extxyz" or frames else ""
        raise InputError(f"{path}: {place}cannot read as {name}: {_meaning(error)}") from None
    return frames


def _unfinished(plain: Path, name: str) -> dict[str, None]:
    # ASE leaves out a step that was cut short without a word.
    if name not in LAST_WORDS:
        return {}
    with open(plain, "rb") as file:
        file.seek(-min(plain.stat().st_size, 1 << 16), os.SEEK_END)
        finished = LAST_WORDS[name] in file.read()
    return {} if finished else {"unfinished run: a last step without results is left out": None}


def _meaning(error: Exception) -> str:
    symbol = error.args[0] if isinstance(error, KeyError) and error.args else ""
    if isinstance(symbol, str) and symbol.isalpha() and symbol not in atomic_numbers:
        return f"unknown element {symbol}"
    return f"{type(error).__name__}: {error}"
