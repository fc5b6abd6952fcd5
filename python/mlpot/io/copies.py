"""Copies of a structure: up to rotation, reflection, translation and order, of equal energy."""

from collections import defaultdict
from collections.abc import Sequence
from functools import cached_property

import numpy as np
from ase import Atoms
from ase.neighborlist import neighbor_list

from mlpot.io.labels import labels

ENERGY = 1e-5  # eV/atom: copies computed twice agree to this, neighbours of an MD run rarely do
FORCE = 0.02  # eV/Å, on the sorted lengths of the forces
GEOMETRY = 1e-4  # relative, on the volume and on the surroundings
R_CUT = 5.0  # Å, reach of the surroundings compared


def duplicates(frames: Sequence[Atoms]) -> list[tuple[int, int]]:
    """Pairs (first, copy) of frame indices, one for every frame that repeats an earlier one."""
    catalogue = _Catalogue(frames)
    found = (
        (catalogue.first(outline, before=i), i) for i, outline in enumerate(catalogue.outlines)
    )
    return [(first, i) for first, i in found if first is not None]


def leaks(train: Sequence[Atoms], test: Sequence[Atoms]) -> list[tuple[int, int]]:
    """Pairs (i, j): test frame j copies training frame i (the earliest); one pair a test frame.

    Found by energy, volume, lengths of the forces and surroundings of every atom to 5 Å, so that
    copies by symmetry (the same strain along another axis) count too. Frames need energies.
    """
    catalogue = _Catalogue(train)
    found = ((catalogue.first(_Outline(atoms)), j) for j, atoms in enumerate(test))
    return [(i, j) for i, j in found if i is not None]


def conflicts(frames: Sequence[Atoms]) -> list[tuple[int, int]]:
    """Pairs (first, other) with the same positions and cell, energies over 0.1 meV/atom apart."""
    seen, found = {}, []
    for i, atoms in enumerate(frames):
        grid = np.round(np.vstack([atoms.positions, atoms.cell]), 4) + 0.0  # -0.0 is 0.0
        first = seen.setdefault(atoms.numbers.tobytes() + grid.tobytes(), i)
        if abs(labels(atoms).energy - labels(frames[first]).energy) >= 1e-4 * len(atoms):
            found.append((first, i))
    return found


class _Outline:
    """What rotation, reflection, translation and the order of atoms leave alone."""

    def __init__(self, atoms: Atoms) -> None:
        self.atoms = atoms
        self.kind = (atoms.get_chemical_formula(), tuple(sorted(atoms.pbc)))
        self.energy = labels(atoms).energy / len(atoms)
        self.volume = abs(np.linalg.det(atoms.cell)) if atoms.pbc.any() else 0.0
        forces = labels(atoms).forces
        self.force_lengths = None if forces is None else np.sort(np.linalg.norm(forces, axis=1))

    @cached_property
    def surroundings(self) -> np.ndarray:
        """(N, 4) sums over neighbours that fade to zero at R_CUT, each column sorted."""
        i, j, distance = neighbor_list("ijd", self.atoms, R_CUT)
        z, fade = self.atoms.numbers, 1 - (distance / R_CUT) ** 2
        columns = [np.bincount(i, z[j] * fade**power, len(z)) for power in (2, 4, 8, 16)]
        return np.sort(np.transpose(columns) * z[:, None], axis=0)

    def same(self, other: "_Outline") -> bool:
        if not np.isclose(self.volume, other.volume, rtol=GEOMETRY, atol=0):
            return False
        known = self.force_lengths is not None and other.force_lengths is not None
        if known and np.abs(self.force_lengths - other.force_lengths).max() > FORCE:
            return False
        return np.allclose(self.surroundings, other.surroundings, rtol=GEOMETRY, atol=1e-6)


class _Catalogue:
    """Outlines by composition and energy, so that only near energies are compared."""

    def __init__(self, frames: Sequence[Atoms]) -> None:
        self.outlines = [_Outline(atoms) for atoms in frames]
        kinds = defaultdict(list)
        for i, outline in enumerate(self.outlines):
            kinds[outline.kind].append(i)
        self.shelves = {}
        for kind, members in kinds.items():
            members.sort(key=lambda i: self.outlines[i].energy)
            self.shelves[kind] = (
                np.array(members),
                np.array([self.outlines[i].energy for i in members]),
            )

    def first(self, outline: _Outline, before: int | None = None) -> int | None:
        """Index of the earliest copy of `outline` (of those before frame `before`), or None."""
        members, energies = self.shelves.get(outline.kind, (np.array([], int), np.array([])))
        low, high = np.searchsorted(energies, [outline.energy - ENERGY, outline.energy + ENERGY])
        for i in sorted(members[low:high]):
            if before is not None and i >= before:
                break
            if outline.same(self.outlines[i]):
                return int(i)
        return None
