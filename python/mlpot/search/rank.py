"""Which structures are the same, how far each is above the convex hull, and their order.

Two structures are the same where their compositions are, their enthalpies are within 2 meV/atom,
and their fingerprints (mlpot.order: distances of all pairs of elements) are within 0.008, of a
cosine distance (1 - cos)/2.  The fingerprint does not depend on the choice of the cell nor on how
often it is repeated, so that a crystal found in 2 and in 8 atoms is one; comparing lattices or
space groups would depend on both, and on a tolerance for each.  It is taken at one volume an atom,
as what a relaxation leaves undone is mostly that.

Measured on 120 random cells of NiAl relaxed to 0.05 eV/Å: distances of the same crystal are below
0.006; those of different ones of equal energy, where there were any, above 0.009.  Of 60 others,
with as many atoms, 59 pairs are the same by this rule; ASE's SymmetryEquivalenceCheck finds 39 of
them (the rest have other reduced cells) and none beside them.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from ase import Atoms
from scipy.optimize import linprog

from mlpot.order import fingerprint
from mlpot.solve import Array

ENTHALPY = 2e-3  # eV/atom
DISTANCE = 0.008
VOLUME = 16.0  # Å³ an atom, at which structures are compared
R_MAX, SIGMA = 8.0, 0.1  # Å, at that volume


@dataclass
class Found:
    """A structure, how often it came, and its enthalpies (eV/atom) by potential and reference."""

    atoms: Atoms
    enthalpy: float
    times: int = 1
    reference: float | None = None
    problem: str | None = None  # why the reference has none
    above_hull: float = 0.0  # eV/atom: by the reference, where it is known

    @property
    def best(self) -> float:
        """By the reference, where it is known."""
        return self.enthalpy if self.reference is None else self.reference


def relaxed(frames: Iterable[Atoms]) -> list[Found]:
    """Those that a relaxation led to an end."""
    ends = [atoms for atoms in frames if atoms.info.get("status") == "relaxed"]
    return [Found(atoms, atoms.info["enthalpy"]) for atoms in ends]


def distinct(found: Iterable[Found]) -> list[Found]:
    """Those that differ, of lowest enthalpy first; each counts those it stands for."""
    kept: list[tuple[Found, Array]] = []
    for one in sorted(found, key=lambda one: one.best):
        direction = _direction(one.atoms)
        same = next((other for other, f in kept if _same(one, other, direction, f)), None)
        if same is None:
            kept.append((one, direction))
        else:
            same.times += one.times
    return [one for one, _ in kept]


def ranked(found: Sequence[Found]) -> list[Found]:
    """By distance from the hull: what the reference knows first, then what the potential does."""
    known = [one for one in found if one.reference is not None]
    others = [one for one in found if one.reference is None]
    _set_heights(found, [one.enthalpy for one in found])
    _set_heights(known, [one.best for one in known])
    return [
        one
        for group in (known, others)
        for one in sorted(group, key=lambda one: (one.above_hull, one.best))
    ]


def above_hull(enthalpies: Sequence[float], frames: Sequence[Atoms]) -> list[float]:
    """eV/atom over the cheapest mixture of these structures with the same composition.

    Where all have one composition, that is the lowest of them.
    """
    symbols = sorted({symbol for atoms in frames for symbol in atoms.symbols})
    fractions = np.array([[np.mean(a.symbols == s) for s in symbols] for a in frames])
    heights = []
    for enthalpy, own in zip(enthalpies, fractions, strict=True):
        mixture = linprog(enthalpies, A_eq=fractions.T, b_eq=own)
        heights.append(max(0.0, float(enthalpy - mixture.fun)))
    return heights


def space_group(atoms: Atoms, tolerance: float = 0.1) -> str:
    """Such as "Fm-3m (225)"; "" where spglib is not installed or finds none.  tolerance: Å."""
    try:
        import spglib
    except ImportError:
        return ""
    cell = atoms.cell.array, atoms.get_scaled_positions(), atoms.numbers
    with warnings.catch_warnings():
        # spglib is on its way from None to an exception of its own where it finds none.
        warnings.simplefilter("ignore", DeprecationWarning)
        try:
            return spglib.get_spacegroup(cell, symprec=tolerance) or ""
        except Exception:
            return ""


def _set_heights(found: Sequence[Found], enthalpies: Sequence[float]) -> None:
    heights = above_hull(enthalpies, [one.atoms for one in found])
    for one, height in zip(found, heights, strict=True):
        one.above_hull = height


def _same(one: Found, other: Found, f: Array, g: Array) -> bool:
    alike = _formula(one.atoms) == _formula(other.atoms)
    return alike and abs(one.best - other.best) < ENTHALPY and (1.0 - f @ g) / 2.0 < DISTANCE


def _formula(atoms: Atoms) -> str:
    return atoms.symbols.formula.reduce()[0].format("hill")


def _direction(atoms: Atoms) -> Array:
    scaled = Atoms(atoms.symbols, positions=atoms.positions, cell=atoms.cell, pbc=True)
    stretch = (VOLUME * len(atoms) / atoms.get_volume()) ** (1.0 / 3.0)
    scaled.set_cell(atoms.cell.array * stretch, scale_atoms=True)
    f = fingerprint(scaled, R_MAX, sigma=SIGMA)
    return f / np.linalg.norm(f)
