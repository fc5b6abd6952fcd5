"""Sums of r^-k over all pairs of a structure, by one generalised Ewald formula or inside a cutoff.

    X_k^ab = 1/2 sum_{i,j,L}' [{s_i, s_j} = {a, b}] |r_j - r_i + L|^-k,   k = 1 .. 15

Each physical pair counts once.  For k < 3 the sum over the lattice is that in a neutralising
background, for k = 3 its finite part (lengths in Å): the analytic continuation in k.
Osychenko, Astrakharchik, Boronat, Mol. Phys. 110, 227 (2012).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import combinations_with_replacement

import numpy as np
from ase import Atoms

from mlpot.errors import InputError
from mlpot.metrics import species_of
from mlpot.solve import Array

POWERS = tuple(range(1, 16))
ETA = 5.5  # relative error about exp(-eta^2)


@dataclass(frozen=True)
class Sums:
    """Of one structure; P columns, in the order of LatticeSums.columns."""

    values: Array  # (P,) Å^-k
    forces: Array | None  # (N, 3, P) -dX/dr
    dE_dstrain: Array | None  # (3, 3, P)


class LatticeSums:
    """X_k^ab of structures of `elements` for the given powers.

    r_cut (Å): only pairs inside it, tapered to zero over the last `taper` Å; None: the whole
    lattice.  The power 0, the number of pairs, is for sums with a cutoff.
    Raises InputError for powers, a cutoff or a structure that make no sense.
    """

    def __init__(
        self,
        elements: Sequence[str],
        powers: Iterable[int] = POWERS,
        r_cut: float | None = None,
        taper: float = 0.0,
    ) -> None:
        from mlpot import _core

        block = {"sum": "ewald", "powers": list(powers)}
        if r_cut is not None:
            block |= {"sum": "cut", "r_cut": r_cut, "taper": taper}
        self.elements, self.lattice = list(elements), r_cut is None
        try:
            self._core = _core.PairSums(json.dumps(block), len(self.elements))
        except ValueError as error:
            raise InputError(f"lattice sums: {error}") from None

    @property
    def columns(self) -> list[tuple[str, str, int]]:
        """(a, b, k) of each column."""
        return [(a, b, k) for a, b in pairs(self.elements) for k in self._core.powers]

    def compute(
        self, atoms: Atoms, derivatives: bool = True, alpha: float | None = None, eta: float = ETA
    ) -> Sums:
        """The sums of one structure; alpha (1/Å): of the Ewald split, else chosen for speed.

        InputError for an element that is not among ours, atoms without a cell or, without a cutoff,
        a direction that is not periodic.
        """
        options = {"alpha": alpha, "eta": eta} if self.lattice else {}
        species = species_of(atoms, self.elements)
        try:
            found = self._core.compute(
                atoms.positions, atoms.cell.array, atoms.pbc, species,
                derivatives=derivatives, **options,
            )  # fmt: skip
        except ValueError as error:
            raise InputError(f"lattice sums: {error}") from None
        return Sums(found["values"], found.get("forces"), found.get("dE_dstrain"))


def pairs(elements: Sequence[str]) -> list[tuple[str, str]]:
    """Unordered pairs of elements, in the order of columns and of a model's coefficients."""
    return list(combinations_with_replacement(elements, 2))


def shortest_distances(
    frames: Iterable[Atoms], elements: Sequence[str], r_most: float = 6.0
) -> Array:
    """(pairs,) Å: of every pair of elements in the structures, r_most where none is below it."""
    from mlpot import _core

    shortest = np.full(len(pairs(elements)), r_most)
    for atoms in frames:
        place = atoms.positions, atoms.cell.array, atoms.pbc, species_of(atoms, elements)
        found = _core.shortest_distances(*place, len(elements), r_most)
        shortest = np.minimum(shortest, found)
    return shortest
