"""Structures in MLIP's .cfg files: Novikov et al., Mach. Learn.: Sci. Technol. 2, 025002 (2021).

A file names the types 0, 1, ... of atoms, not their elements.  PlusStress is minus the volume times
the stress, in eV.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import chain
from os import PathLike
from pathlib import Path

import numpy as np
from ase import Atoms

from mlpot.errors import InputError
from mlpot.files import write_atomic
from mlpot.io.labels import labels, with_labels

UNITS = "energy eV, forces eV/Å, PlusStress eV and positive under compression"
STRESSES = {"xx": (0, 0), "yy": (1, 1), "zz": (2, 2), "yz": (1, 2), "xz": (0, 2), "xy": (0, 1)}
POSITIONS = ("cartes_x", "cartes_y", "cartes_z")
DIRECT = ("direct_x", "direct_y", "direct_z")
FORCES = ("fx", "fy", "fz")


def is_cfg(path: Path) -> bool:
    """Whether a file begins as MLIP's do (AtomEye's end in .cfg, too)."""
    with open(path, "rb") as file:
        return file.read(200).lstrip().startswith(b"BEGIN_CFG")


def frames_of(text: str, where: str, elements: Sequence[str] | None) -> list[Atoms]:
    """Structures with labels in eV, Å, eV/Å³; elements: of the types 0, 1, ...

    Raises InputError naming `where` and the line.
    """
    if not elements:
        raise InputError(f"{where}: does not name its elements; give them: elements: [Mo, ...]")
    rows = _Rows(text, where)
    frames = []
    for _, words in rows:
        if words != ["BEGIN_CFG"]:
            rows.refuse(f"{words[0]!r}; expected BEGIN_CFG")
        frames.append(_frame(rows, elements))
    return frames


def write_cfg(path: str | PathLike, frames: Sequence[Atoms], elements: Sequence[str]) -> Path:
    """Write structures with their labels; type k is elements[k].  Returns the path.

    The group of a structure is its feature `group`.  Raises InputError for other elements.
    """
    return write_atomic(path, "".join(_text(atoms, list(elements)) for atoms in frames))


class _Rows:
    """The words of each line that is not blank, and a place for messages."""

    def __init__(self, text: str, where: str) -> None:
        split = ((n, line.split()) for n, line in enumerate(text.splitlines(), 1))
        self._rows = iter([(n, words) for n, words in split if words])
        self._where, self._number = where, 0

    def __iter__(self) -> Iterator[tuple[int, list[str]]]:
        return self

    def __next__(self) -> tuple[int, list[str]]:
        self._number, words = next(self._rows)
        return self._number, words

    def refuse(self, why: str) -> None:
        raise InputError(f"{self._where}: line {self._number}: {why}")

    def words(self) -> list[str]:
        if (row := next(self, None)) is None:
            self.refuse("the file ends inside a configuration")
        return row[1]

    def numbers(self, n: int) -> list[float]:
        words = self.words()
        try:
            values = [float(word) for word in words]
        except ValueError:
            values = []
        if len(values) != n:
            self.refuse(f"expected {n} numbers, got {' '.join(words)[:40]!r}")
        return values


def _frame(rows: _Rows, elements: Sequence[str]) -> Atoms:
    size, cell, energy, stress, info = 0, None, None, None, {}
    columns: list[str] = []
    table = np.empty((0, 0))
    while (words := rows.words()) != ["END_CFG"]:
        key = words[0].rstrip(":").lower()
        if key == "size":
            size = int(rows.numbers(1)[0])
        elif key == "supercell":
            cell = np.array([rows.numbers(3) for _ in range(3)])
        elif key == "atomdata":
            columns = words[1:]
            table = np.array([rows.numbers(len(columns)) for _ in range(size)])
        elif key == "energy":
            energy = rows.numbers(1)[0]
        elif key == "plusstress":
            if set(words[1:]) != set(STRESSES):
                rows.refuse(f"expected PlusStress of {' '.join(STRESSES)}")
            stress = dict(zip(words[1:], rows.numbers(6), strict=True))
        elif key == "feature":
            name, *value = words[1:] or [""]
            info[name] = " ".join(value)
        else:
            rows.refuse(f"{words[0]!r} is not known in a configuration")
    column = {name: table[:, k] for k, name in enumerate(columns)} if size else {}
    return _atoms(rows, column, cell, energy, stress, info, elements)


def _atoms(rows, column, cell, energy, stress, info, elements) -> Atoms:
    def together(names: tuple[str, ...]) -> np.ndarray | None:
        found = [column[name] for name in names if name in column]
        return np.array(found).T if len(found) == len(names) else None

    types = column.get("type", np.empty(0)).astype(int)
    if not len(types) or types.min() < 0 or types.max() >= len(elements):
        rows.refuse(f"expected atoms of types 0 to {len(elements) - 1} ({' '.join(elements)})")
    cartesian, direct = together(POSITIONS), together(DIRECT)
    if cartesian is None and (direct is None or cell is None):
        rows.refuse(f"expected columns {' '.join(POSITIONS)}")
    place = {"positions": cartesian} if cartesian is not None else {"scaled_positions": direct}
    atoms = Atoms([elements[t] for t in types], cell=cell, pbc=cell is not None, **place)
    if stress is not None:
        if not atoms.cell.volume:
            rows.refuse("PlusStress of a structure without a volume")
        matrix = np.empty((3, 3))
        for name, (a, b) in STRESSES.items():
            matrix[a, b] = matrix[b, a] = -stress[name] / atoms.cell.volume
        stress = matrix
    atoms.info.update(info)
    return with_labels(atoms, energy, together(FORCES), stress)


def _text(atoms: Atoms, elements: list[str]) -> str:
    if unknown := sorted(set(atoms.symbols) - set(elements)):
        raise InputError(f"write_cfg: {unknown[0]} is not one of {' '.join(elements)}")
    known = labels(atoms)
    lines = ["BEGIN_CFG", "Size", str(len(atoms))]
    if atoms.pbc.any():
        lines += ["Supercell", *(_numbers(row) for row in atoms.cell.array)]
    with_forces = known.forces is not None
    lines += [" ".join(["AtomData: id type", *POSITIONS, *(FORCES if with_forces else ())])]
    for k, (symbol, r) in enumerate(zip(atoms.symbols, atoms.positions, strict=True)):
        numbers = chain(r, known.forces[k] if with_forces else ())
        lines.append(f"{k + 1} {elements.index(symbol)} {_numbers(numbers)}")
    if known.energy is not None:
        lines += ["Energy", _numbers([known.energy])]
    if known.stress is not None:
        plus = [-atoms.cell.volume * known.stress[at] for at in STRESSES.values()]
        lines += [f"PlusStress: {' '.join(STRESSES)}", _numbers(plus)]
    if "group" in atoms.info:
        lines.append(f"Feature group {atoms.info['group']}")
    return "\n".join([*lines, "END_CFG", "", ""])


def _numbers(values) -> str:
    return " ".join(repr(float(value)) for value in values)
