"""The pair term (and E0) beside a network: columns that are linear in their coefficients, whitened.

The columns X_k of r^-k are nearly dependent (condition 1e12), and a descent in the coefficients
A_k does not move.  With the weighted rows M = U S V^T D of the columns, D their sizes, the descent
goes in z = S V^T D w: then M w = U z, and every direction has the same curvature.  Directions that
the data do not show (S below RCOND) are left out.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from ase import Atoms
from numpy.typing import NDArray

from mlpot.config import FitConfig
from mlpot.design import GPA, VOIGT, references
from mlpot.io import Dataset
from mlpot.lattice_sums import LatticeSums
from mlpot.metrics import species_of
from mlpot.model import Model
from mlpot.pair import with_pair
from mlpot.solve import Array, update

RCOND = 1e-9


@dataclass
class Columns:
    """Of one structure: energy (m,), forces (N, 3, m), dE_dstrain (3, 3, m)."""

    energy: Array
    forces: Array
    dE_dstrain: Array

    def times(self, matrix: Array) -> Columns:
        return Columns(self.energy @ matrix, self.forces @ matrix, self.dE_dstrain @ matrix)

    def rows(self, atoms: Atoms, config: FitConfig) -> Array:
        """(rows, m), weighted as in mlpot.design."""
        parts = []
        for kind, (weight, _) in references(atoms, config.weights).items():
            if kind == "energy":
                parts.append(weight * self.energy[None] / len(atoms))
            elif kind == "force":
                parts.append(weight * self.forces.reshape(-1, len(self.energy)))
            else:
                parts.append(weight * self.dE_dstrain[VOIGT] * GPA / atoms.get_volume())
        return np.concatenate(parts) if parts else np.empty((0, len(self.energy)))


class PairBlock:
    """Whitened columns of all structures, and the way back to coefficients."""

    def __init__(self, model: Model, train: Dataset, config: FitConfig) -> None:
        self._model, self._frames, self._config = model, train.frames, config
        self._fits_e0 = config.E0 == "fit"
        pair = model.data["pair"]
        cut = {key: pair[key] for key in ("r_cut", "taper") if key in pair}
        sums = LatticeSums(model.elements, pair["powers"], **cut)
        raw = [self._columns(sums, atoms) for atoms in train.frames]
        self._raw = np.array([columns.energy for columns in raw])
        n = self._raw.shape[1]
        triangle, n_rows = np.zeros((n, n), order="F"), 0
        for columns, atoms in zip(raw, train.frames, strict=True):
            rows = columns.rows(atoms, config)
            update(triangle, np.asfortranarray(rows))
            n_rows += len(rows)
        sizes = np.linalg.norm(triangle, axis=0)
        sizes = np.where(sizes > 0.0, sizes, 1.0)
        _, s, vt = np.linalg.svd(triangle / sizes)
        kept = s > RCOND * s[0]
        # Rows of size 1, as those of a network's features are.
        self._back = (vt[kept] / s[kept, None]).T / sizes[:, None] * np.sqrt(n_rows)
        self.columns = [columns.times(self._back) for columns in raw]
        self.n = int(kept.sum())

    def curvature(self, indices: NDArray[np.int64]) -> Array:
        """(n, n): the weighted squares of these structures are z^T curvature z + ..."""
        total = np.zeros((self.n, self.n))
        for k in indices:
            rows = self.columns[k].rows(self._frames[k], self._config)
            total += rows.T @ rows
        return total

    def minimum(self, z: Array, gradient: Array, curvature: Array) -> Array:
        """Where the loss is least in z, from its gradient at z."""
        return z - np.linalg.lstsq(curvature, 0.5 * gradient, rcond=1e-12)[0]

    def energies(self, z: Array) -> Array:
        """(structures,) eV of the pair term, without what z says of E0."""
        n = self._raw.shape[1] - self._n_e0
        return self._raw[:, :n] @ (self._back @ z)[:n]

    def model(self, z: Array, r_min: Array | None) -> Model:
        """The model with the pair term (and E0) that z stands for."""
        coefficients, data = self._back @ z, self._model.data
        n = len(coefficients) - self._n_e0
        if self._fits_e0:
            data = {**data, "E0": (np.array(data["E0"]) + coefficients[n:]).tolist()}
        return with_pair(Model(data), coefficients[:n], r_min)

    @property
    def _n_e0(self) -> int:
        return len(self._model.elements) if self._fits_e0 else 0

    def _columns(self, sums: LatticeSums, atoms: Atoms) -> Columns:
        found = sums.compute(atoms)
        columns = Columns(found.values, found.forces, found.dE_dstrain)
        if not self._fits_e0:
            return columns
        counts = np.bincount(
            species_of(atoms, self._model.elements), minlength=len(self._model.elements)
        )
        nothing = np.zeros((*columns.forces.shape[:2], len(counts)))
        return Columns(
            np.concatenate([columns.energy, counts]),
            np.concatenate([columns.forces, nothing], axis=2),
            np.concatenate([columns.dE_dstrain, np.zeros((3, 3, len(counts)))], axis=2),
        )
