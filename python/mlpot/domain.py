"""What a model has seen so far, by one of the rules of mlpot.grade: it grades, and it grows.

All domains have `rule`, `grade(atoms)`, `extend(atoms, number)`, `holds(number)`: whether it still
needs that structure, and `block()`, the model file's value of KEYS[rule].  Their potential is their
own: others do not see it change.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
from ase import Atoms

from mlpot.design import name_of
from mlpot.errors import InputError
from mlpot.grade import Grade, of_atoms, of_components, structure_row
from mlpot.maxvol import ActiveSet
from mlpot.metrics import species_of
from mlpot.model import Model
from mlpot.solve import Array

MARGIN = 1e-9  # of the largest feature, and of components: rounding is no extrapolation
NOWHERE = 1e9, 1e9 + 1.0  # the range of features where there was no atom


def widened(low: Array, high: Array) -> tuple[Array, Array]:
    """Ranges (n_species, n_features) as in the model file, from those of atoms (infinite: none)."""
    seen = np.isfinite(low)
    sizes = np.where(seen, np.maximum(np.abs(low), np.abs(high)), 0.0)
    largest = sizes.max(axis=1, keepdims=True, initial=0.0)
    margin = MARGIN * np.where(largest > 0.0, largest, 1.0)
    return (
        np.where(seen, low - margin, NOWHERE[0]),
        np.where(seen, high + margin, NOWHERE[1]),
    )


class Domain:
    """The potential of a domain, and errors that name the structure."""

    def __init__(self, model: Model) -> None:
        from mlpot import _core

        self.potential = _core.Potential(model.to_text(), where=model.name)

    def ask(self, work: Callable[..., Any], atoms: Atoms) -> tuple[Any, np.ndarray]:
        """work(positions, cell, pbc, species), and the species (N,)."""
        try:
            species = species_of(atoms, self.potential.elements)
            return work(atoms.positions, atoms.cell.array, atoms.pbc, species), species
        except ValueError as error:
            raise InputError(f"{name_of(atoms)}: {error}") from None


class Ranges(Domain):
    """Least and greatest value (n_species, n_features) of every feature among the atoms so far."""

    rule = "range"

    def __init__(self, model: Model, continued: bool = False) -> None:
        """continued: from the ranges of the model, where it has some."""
        super().__init__(model)
        shape = len(model.elements), self.potential.n_features
        self.low, self.high = np.full(shape, np.inf), np.full(shape, -np.inf)
        if continued and (known := model.data["ranges"]):
            seen = np.array(known["low"]) != NOWHERE[0]
            self.low = np.where(seen, known["low"], np.inf)
            self.high = np.where(seen, known["high"], -np.inf)
        self._tell()

    def extend(self, atoms: Atoms, number: int = 0) -> None:
        features, species = self.ask(self.potential.features, atoms)
        for s in set(species.tolist()):
            own = features[species == s]
            self.low[s] = np.minimum(self.low[s], own.min(axis=0))
            self.high[s] = np.maximum(self.high[s], own.max(axis=0))
        self._tell()

    def holds(self, number: int) -> bool:
        return True

    def grade(self, atoms: Atoms) -> Grade:
        return self.ask(lambda *known: of_atoms(self.potential, "range", *known), atoms)[0]

    def block(self) -> dict[str, list]:
        low, high = self._widened()
        return {"low": low.tolist(), "high": high.tolist()}

    def _widened(self) -> tuple[Array, Array]:
        return widened(self.low, self.high)

    def _tell(self) -> None:
        self.potential.set_ranges(*self._widened())


class StructureRanges(Domain):
    """Least and greatest value of every sum over a structure, per atom, among those so far.

    The sums are what the energy is linear in: fractions of the species, features, and powers of the
    pair term.  Only for selection; the model file has no place for it.
    """

    rule = "range"

    def __init__(self, model: Model) -> None:
        super().__init__(model)
        n = len(model.elements) + self.potential.n_parameters
        self.low, self.high = np.full(n, np.inf), np.full(n, -np.inf)

    def extend(self, atoms: Atoms, number: int = 0) -> None:
        means = self._means(atoms)
        self.low, self.high = np.minimum(self.low, means), np.maximum(self.high, means)

    def holds(self, number: int) -> bool:
        return True

    def grade(self, atoms: Atoms) -> Grade:
        means = self._means(atoms)
        if not np.isfinite(self.low).all():
            return Grade("range", np.inf, None, -1, 0, float(means[0]), *NOWHERE)
        sizes = np.maximum(np.abs(self.low), np.abs(self.high))
        half = (self.high - self.low) / 2.0 + MARGIN * np.where(sizes > 0.0, sizes, 1.0)
        grades = np.abs(means - (self.low + self.high) / 2.0) / half
        k = int(grades.argmax())
        known = (float(values[k]) for values in (grades, means, self.low, self.high))
        of_structure, value, low, high = known
        return Grade("range", of_structure, None, -1, k, value, low, high)

    def block(self) -> None:
        return None

    def _means(self, atoms: Atoms) -> Array:
        row = self.ask(lambda *known: structure_row(self.potential, *known), atoms)[0]
        return row / len(atoms)


class ActiveSets(Domain):
    """Active sets of rows of the linear problem, by MaxVol."""

    rule = "d_optimal"
    of: str  # what the rows are of

    def __init__(self, model: Model, sizes: Iterable[Array], continued: bool = False) -> None:
        """sizes: of each set, the unit of its columns.  continued: from those of the model."""
        super().__init__(model)
        self.sets = [ActiveSet(own) for own in sizes]
        known = model.data["active_set"] if continued else None
        if known and known["rows"] == self.of:
            for own, flat in zip(self.sets, known["inverse"], strict=True):
                own.resume(np.array(flat).reshape(own.rows.shape).T)
        self.tell()

    def rows(self, atoms: Atoms) -> list[Array]:
        """For each set (m, n)."""
        raise NotImplementedError

    def extend(self, atoms: Atoms, number: int = 0) -> None:
        for own, rows in zip(self.sets, self.rows(atoms), strict=True):
            own.absorb(rows, np.full(len(rows), number))
        self.tell()

    def holds(self, number: int) -> bool:
        """Whether rows of the structure that came with this number are active."""
        return any(number in own.origins for own in self.sets)

    def tell(self) -> None:
        """Let the potential know of changes in the sets."""

    def block(self) -> dict[str, Any]:
        return {"rows": self.of, "inverse": [own.ravel().tolist() for own in self.inverses()]}

    def inverses(self) -> list[Array]:
        """Of each set (n, n), as the core takes them: [j, k] is (A^-1)_kj, a hair smaller."""
        return [(1.0 - 2.0 * MARGIN) * own.inverse.T for own in self.sets]


class AtomSets(ActiveSets):
    """One for each species, of the rows of its atoms: its columns are E0 and the coefficients."""

    of = "atoms"

    def rows(self, atoms: Atoms) -> list[Array]:
        rows, species = self.ask(self.potential.rows, atoms)
        return [rows[species == s] for s in range(len(self.sets))]

    def grade(self, atoms: Atoms) -> Grade:
        return self.ask(lambda *known: of_atoms(self.potential, "d_optimal", *known), atoms)[0]

    def tell(self) -> None:
        self.potential.set_active_set(np.array(self.inverses()))


class StructureSet(ActiveSets):
    """One, of the rows of structures: its columns are E0 and the coefficients of all species."""

    of = "structures"

    def rows(self, atoms: Atoms) -> list[Array]:
        row = self.ask(lambda *known: structure_row(self.potential, *known), atoms)[0]
        return [row[None]]

    def grade(self, atoms: Atoms) -> Grade:
        return of_components(self.inverses()[0] @ self.rows(atoms)[0][0])


SETS = {"atoms": AtomSets, "structures": StructureSet}
