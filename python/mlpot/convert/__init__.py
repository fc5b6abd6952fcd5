"""Other programs' potentials to model files and back."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from os import PathLike
from pathlib import Path
from typing import NamedTuple

from mlpot.convert.mtp import read_mtp
from mlpot.convert.mtp_write import write_mtp
from mlpot.convert.n2p2 import read_n2p2
from mlpot.convert.n2p2_write import write_n2p2
from mlpot.convert.snap import read_snap
from mlpot.convert.snap_write import write_snap
from mlpot.errors import InputError, did_you_mean
from mlpot.model import Model


class Format(NamedTuple):
    """One program's files: the endings they are known by, their reader and their writer."""

    endings: tuple[str, ...]
    read: Callable[..., Model]  # (paths), then units or elements where the files do not say theirs
    write: Callable[[Model, Path], list[Path]]
    units: bool = False
    elements: bool = False


FORMATS = {
    "mtp": Format((".mtp", ".almtp"), read_mtp, write_mtp, elements=True),
    "n2p2": Format((".nn", ".data"), read_n2p2, write_n2p2, units=True),
    "snap": Format((".snapcoeff", ".snapparam", ".snap"), read_snap, write_snap),
}


def convert(
    files: Iterable[str | PathLike], elements: list[str] | None = None, units: str | None = None
) -> Model:
    """Model of another program's files, in any order; the format is known by their names.

    elements: the symbols the model must have, in its order; checked where the files name them, and
    needed where they do not (MTP).
    units: 'length,energy' of the files, for formats that do not say theirs (read_n2p2).
    Raises InputError naming the file and the line.
    """
    paths = [Path(f) for f in files]
    for known in FORMATS.values():
        if paths and all(p.suffix in known.endings for p in paths):
            if units and not known.units:
                raise InputError(f"{paths[0]}: the units of its format are fixed; leave them out")
            if known.elements and not elements:
                raise InputError(f"{paths[0]}: does not name its elements; give --elements")
            unsaid = [units] if known.units else [elements] if known.elements else []
            model = known.read(paths, *unsaid)
            break
    else:
        endings = sorted(e for f in FORMATS.values() for e in f.endings)
        odd = next((p for p in paths if p.suffix not in endings), None)
        what = f"{odd}: unknown format" if odd else "no file to convert"
        raise InputError(f"{what}; the files of one potential end in {', '.join(endings)}")
    if elements is not None and list(elements) != model.elements:
        asked, held = " ".join(elements), " ".join(model.elements)
        raise InputError(f"{paths[0]}: elements are {held} in this order, not {asked}")
    return model


def export(model: Model, format: str, stem: str | PathLike) -> list[Path]:
    """Writes a model as another program's files, named stem.* or in a folder stem; returns them.

    Raises InputError for an unknown format and for what the format cannot express.
    """
    if format not in FORMATS:
        known = ", ".join(FORMATS)
        raise InputError(
            f"unknown format {format!r}{did_you_mean(format, FORMATS)}; known: {known}"
        )
    return FORMATS[format].write(model, Path(stem))
