"""Training data: structures with energies, forces and stresses, checked before learning from them.

Nothing is dropped: all frames are read, or the file is refused, naming it, the frame and what would
be right.
"""

import os
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from ase import Atoms

from mlpot.errors import InputError
from mlpot.io.checks import leftovers, problems, suspicions
from mlpot.io.copies import conflicts, duplicates, leaks
from mlpot.io.labels import Labels, as_matrix, labels, with_labels
from mlpot.io.mlip import write_cfg
from mlpot.io.reading import File, read_file

__all__ = [
    "Dataset", "File", "Labels", "Report", "labels", "leaks", "read", "structures", "with_labels",
    "write_cfg",
]  # fmt: skip


@dataclass(frozen=True)
class Report:
    """What was read, and what looks odd in it."""

    files: list[File]
    elements: list[str]  # alphabetical, or as asked for
    n_frames: int
    n_atoms: int
    n_forces: int  # frames with forces
    n_stress: int  # frames with a stress
    groups: dict[str, int]
    duplicates: list[tuple[int, int]]  # (first, copy)
    warnings: list[str]

    def to_dict(self) -> dict:
        """Plain lists, dictionaries, numbers and strings."""
        return asdict(self)

    def lines(self) -> list[str]:
        """The report for a person, one fact a line."""
        files = [f"{f.path}: {f.frames} frames ({f.format}); {f.units}" for f in self.files]
        groups = ", ".join(f"{name} {count}" for name, count in self.groups.items())
        return [
            *files,
            f"{self.n_frames} structures, {self.n_atoms} atoms of {' '.join(self.elements)}",
            f"energy of {self.n_frames}, forces of {self.n_forces}, stress of {self.n_stress}",
            f"groups: {groups}",
            *(f"warning: {text}" for text in self.warnings),
        ]


@dataclass(frozen=True)
class Dataset:
    """Structures (eV, Å) with a SinglePointCalculator holding their labels, and the report on them.

    atoms.info has group, source ("file: frame k") and, where the file has it, split, label, index.
    """

    frames: list[Atoms]
    report: Report

    def __len__(self) -> int:
        return len(self.frames)

    def __iter__(self) -> Iterator[Atoms]:
        return iter(self.frames)


def read(
    paths: str | os.PathLike | Iterable[str | os.PathLike], *, elements: Sequence[str] | None = None
) -> Dataset:
    """Read files of labelled structures.

    Formats: extended XYZ, VASP's OUTCAR and vasprun.xml, mlearn JSON, MLIP's .cfg and all that ASE
    reads, each also as .xz, .gz or .bz2. `elements`: the only ones allowed, in the model's order
    (default: any, alphabetical); MLIP's files number them in this order. Missing forces and
    stresses, copies and odd units are reported, not refused.
    Raises InputError for a file that cannot be read and for frames that cannot be learned from:
    numbers not finite, no energy, wrong shapes, no volume, no cell, unknown elements.
    """
    frames, files, warnings = _read_files(paths, elements)
    _refuse(frames, elements)
    warnings += _unread(frames)
    frames = [_tidy(atoms) for atoms in frames]
    return Dataset(frames, _report(frames, files, warnings, elements))


def structures(
    paths: str | os.PathLike | Iterable[str | os.PathLike], *, elements: Sequence[str] | None = None
) -> list[Atoms]:
    """Structures of files as for `read`, with the labels they have; they need none.

    Raises InputError as `read` does, except for an energy that is missing.
    """
    frames, _, _ = _read_files(paths, elements)
    _refuse(frames, elements, labelled=False)
    return frames


def _read_files(
    paths: str | os.PathLike | Iterable[str | os.PathLike], elements: Sequence[str] | None
) -> tuple[list[Atoms], list[File], list[str]]:
    """Frames as stored that know their source, the files, warnings of the readers."""
    paths = [paths] if isinstance(paths, str | os.PathLike) else list(paths)
    if not paths:
        raise InputError("no data files given")
    frames, files, warnings = [], [], []
    for path in map(Path, paths):
        found, file, said = read_file(path, elements)
        files.append(file)
        for index, atoms in enumerate(found):
            atoms.info["source"] = f"{path}: frame {index}"
        frames += found
        warnings += said
    return frames, files, warnings


def _refuse(frames: Sequence[Atoms], elements: Sequence[str] | None, labelled: bool = True) -> None:
    wrong = [
        (atoms.info["source"], next(problems(atoms, elements, labelled), None)) for atoms in frames
    ]
    wrong = [f"{source}: {problem}" for source, problem in wrong if problem]
    if wrong:
        more = f" ({len(wrong) - 1} more frames are refused)" if len(wrong) > 1 else ""
        raise InputError(wrong[0] + more)


def _unread(frames: Sequence[Atoms]) -> list[str]:
    """What the files hold that is not learned from."""
    names = Counter(name for atoms in frames for name in leftovers(atoms) if name != "free_energy")
    gaps = [_free_energy_gap(atoms) for atoms in frames]
    fixed = sum(bool(atoms.constraints) for atoms in frames)
    unused = sum(atoms.cell.rank > 0 and not atoms.pbc.any() for atoms in frames)
    found = [f"{name!r} of {count} frames is not used" for name, count in names.items()]
    if max(gaps) > 1e-4:
        found.append(
            f"free_energy differs from energy by up to {1e3 * max(gaps):.3g} meV/atom: "
            "energy is learned, forces may belong to free_energy"
        )
    if fixed:
        found.append(f"{fixed} frames have constraints: removed, forces taken as computed")
    if unused:
        found.append(f"{unused} frames have a cell but are not periodic")
    return found


def _free_energy_gap(atoms: Atoms) -> float:
    results = atoms.calc.results
    return abs(results.get("free_energy", results["energy"]) - results["energy"]) / len(atoms)


def _tidy(atoms: Atoms) -> Atoms:
    """Labels alone in the calculator, no constraints, a group."""
    results = atoms.calc.results
    stress = results.get("stress")
    atoms.set_constraint()
    with_labels(
        atoms,
        float(results["energy"]),
        results.get("forces"),
        None if stress is None else as_matrix(stress),
    )
    atoms.info["group"] = str(atoms.info.get("group", atoms.info.get("config_type", "all")))
    return atoms


def _report(
    frames: list[Atoms], files: list[File], warnings: list[str], elements: Sequence[str] | None
) -> Report:
    sources = [atoms.info["source"] for atoms in frames]
    present = sorted({symbol for atoms in frames for symbol in atoms.symbols})
    copies = duplicates(frames)
    repeats = {
        "copies of earlier frames": copies,
        "earlier structures with another energy": conflicts(frames),
    }
    warnings = [*warnings, *suspicions(frames, sources)]
    for what, pairs in repeats.items():
        if pairs:
            i, j = pairs[0]
            warnings.append(f"{len(pairs)} frames are {what} (first: {sources[j]} of {sources[i]})")
    if absent := sorted(set(elements or ()) - set(present)):
        warnings.append(f"no atoms of {' '.join(absent)}")
    return Report(
        files=files,
        elements=list(elements) if elements is not None else present,
        n_frames=len(frames),
        n_atoms=sum(map(len, frames)),
        n_forces=sum(labels(atoms).forces is not None for atoms in frames),
        n_stress=sum(labels(atoms).stress is not None for atoms in frames),
        groups=dict(Counter(atoms.info["group"] for atoms in frames)),
        duplicates=copies,
        warnings=warnings,
    )
