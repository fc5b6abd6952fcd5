"""Labelled frames: their labels, their split into training and test, their file, their table."""

import gzip
import json
import lzma
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from ase import Atoms
from ase.calculators.calculator import BaseCalculator, PropertyNotImplementedError
from ase.units import GPa
from rich.table import Table

from mlpot.errors import InputError
from mlpot.files import write_atomic
from mlpot.io.copies import duplicates
from mlpot.io.labels import as_matrix, labels, with_labels

PACKERS = {"": bytes, ".xz": lzma.compress, ".gz": lambda data: gzip.compress(data, mtime=0)}


def labelled(atoms: Atoms, calculator: BaseCalculator, info: dict) -> Atoms:
    """A copy with this info and with energy, forces and, where the calculator has it, stress.

    Raises InputError, naming the label, for values that are not finite and what else is wrong.
    """
    frame = Atoms(atoms.symbols, positions=atoms.positions, cell=atoms.cell, pbc=atoms.pbc)
    frame.info.update(info)
    try:
        energy, forces = (calculator.get_property(name, frame) for name in ("energy", "forces"))
    except InputError as error:
        raise InputError(f"{info['label']}: {error}") from None
    try:
        stress = as_matrix(calculator.get_property("stress", frame))
    except PropertyNotImplementedError:
        stress = None
    if not np.isfinite(energy) or not np.isfinite(forces).all():
        raise InputError(f"{info['label']}: the calculator's energy or forces are not finite")
    return with_labels(frame, float(energy), np.array(forces), stress)


def assign_splits(frames: Sequence[Atoms], test_fraction: float = 0.1, seed: int = 0) -> None:
    """Set info["split"] to train or test, at random within each info["group"].

    Copies of a structure by symmetry (the same strain along another axis) stay together, so that
    the test set holds no copy of a training structure.
    """
    first = {copy: original for original, copy in duplicates(frames)}
    families = defaultdict(lambda: defaultdict(list))
    for i, frame in enumerate(frames):
        families[frame.info["group"]][first.get(i, i)].append(frame)
    rng = np.random.default_rng(seed)
    for group in families.values():
        members = list(group.values())
        room = int(test_fraction * sum(map(len, members)) + 0.5)
        for i in rng.permutation(len(members)):
            is_test = len(members[i]) <= room
            room -= len(members[i]) * is_test
            for frame in members[i]:
                frame.info["split"] = "test" if is_test else "train"


def write(frames: Sequence[Atoms], path: str | Path) -> None:
    """Write extended XYZ, packed where `path` ends in .xz or .gz, whole or not at all.

    Numbers are written with all their digits: what is read back is equal. Raises InputError for
    another file name, or a place that cannot be written.
    """
    path = Path(path)
    packer = path.suffix if path.suffix in PACKERS else ""
    if Path(path.name.removesuffix(packer)).suffix not in (".xyz", ".extxyz"):
        raise InputError(f"{path}: the name must end in .xyz, .xyz.xz or .xyz.gz")
    text = "".join(map(_extended_xyz, frames))
    write_atomic(path, PACKERS[packer](text.encode()))


def summary(frames: Sequence[Atoms]) -> Table:
    """A table of the groups: frames, atoms, range of energy, largest force and stress."""
    table = Table(title=f"{len(frames)} structures")
    table.add_column("group")
    for name in ("train", "test", "atoms", "energy, eV/atom", "max |F|, eV/Å", "max |σ|, GPa"):
        table.add_column(name, justify="right")
    groups = defaultdict(list)
    for frame in frames:
        groups[frame.info["group"]].append(frame)
    for group, members in groups.items():
        table.add_row(group, *_row(members))
    return table


def _row(frames: list[Atoms]) -> list[str]:
    train = sum(frame.info["split"] == "train" for frame in frames)
    energy = [labels(frame).energy / len(frame) for frame in frames]
    force = max(np.linalg.norm(labels(frame).forces, axis=1).max() for frame in frames)
    stress = [labels(frame).stress for frame in frames]
    known = [np.abs(s).max() / GPa for s in stress if s is not None]
    return [
        str(train),
        str(len(frames) - train),
        str(sum(map(len, frames))),
        f"{min(energy):.3f} .. {max(energy):.3f}",
        f"{force:.2f}",
        f"{max(known):.1f}" if known else "-",
    ]


def _extended_xyz(frame: Atoms) -> str:
    known = labels(frame)
    head = {"Lattice": _row_of(frame.cell.array)} if frame.cell.rank else {}
    head["Properties"] = "species:S:1:pos:R:3" + ":forces:R:3" * (known.forces is not None)
    if known.energy is not None:
        head["energy"] = float(known.energy)
    if known.stress is not None:
        head["stress"] = _row_of(known.stress)
    head |= {key: value for key, value in frame.info.items() if np.isscalar(value)}
    head["pbc"] = " ".join("FT"[int(p)] for p in frame.pbc)
    columns = [frame.positions] + ([known.forces] if known.forces is not None else [])
    rows = zip(frame.symbols, np.hstack(columns).tolist(), strict=True)
    lines = [f"{symbol} {' '.join(map(repr, row))}" for symbol, row in rows]
    first = " ".join(f"{key}={_value(value)}" for key, value in head.items())
    return "\n".join([str(len(frame)), first, *lines, ""])


def _row_of(matrix: np.ndarray) -> str:
    return " ".join(map(repr, matrix.ravel().tolist()))


def _value(value) -> str:
    text = value if isinstance(value, str) else str(np.asarray(value).item())
    if text and all(c.isalnum() or c in ":.+-_" for c in text):
        return text
    return json.dumps(text, ensure_ascii=False)  # readers know no escapes but of quotes
