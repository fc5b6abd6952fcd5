"""The pair term (and E0) beside a network: columns that are linear in their coefficients, whitened.

The columns X_k of r^-k are nearly dependent (condition 1e12), and a descent in the coefficients
A_k does not move.  With the weighted rows M = U S V^T D of the columns, D their sizes, the descent
goes in z = S V^T D w: then M w = U z, and every direction has the same curvature.  Directions that
the data hardly show (S below RCOND) are left out: they would cost digits, by coefficients that are
huge and cancel.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from ase import Atoms
from numpy.typing import NDArray

from mlpot.config import FitConfig
from mlpot.design import GPA, VOIGT, references
from mlpot.io import Dataset, labels
from mlpot.lattice_sums import LatticeSums
from mlpot.metrics import species_of
from mlpot.model import Model
from mlpot.pair import walls, with_pair
from mlpot.solve import Array, update
from mlpot.train.optimisers import Loss

RCOND = 1e-7


@dataclass
class Columns:
    """Of one structure: energy (m,), forces (N, 3, m), dE_dstrain (3, 3, m)."""

    energy: Array
    forces: Array
    dE_dstrain: Array

    def arrays(self) -> tuple[Array, Array, Array]:
        return self.energy, self.forces, self.dE_dstrain

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
        self._r_min = walls(config.pair, model.elements, train.frames)
        pair = model.data["pair"]
        cut = {key: pair[key] for key in ("r_cut", "taper") if key in pair}
        sums = LatticeSums(model.elements, pair["powers"], **cut)
        raw = [self._columns(sums, atoms) for atoms in train.frames]
        self._raw = np.array([columns.energy for columns in raw])
        n = self._raw.shape[1]
        triangle, n_rows = np.zeros((n, n), order="F"), 0
        for columns, atoms in zip(raw, train.frames, strict=True):
            rows = columns.rows(atoms, config)
            n_rows += len(rows)
            if len(rows):
                update(triangle, np.asfortranarray(rows))
        sizes = np.linalg.norm(triangle, axis=0)
        sizes = np.where(sizes > 0.0, sizes, 1.0)
        _, s, vt = np.linalg.svd(triangle / sizes)
        kept = s > RCOND * s[0]
        # Rows of size 1, as those of a network's features are.
        self._back = (vt[kept] / s[kept, None]).T / sizes[:, None] * np.sqrt(n_rows)
        self.columns = [columns.times(self._back) for columns in raw]
        self.n = int(kept.sum())

    def minimiser(self, indices: NDArray[np.int64]) -> Callable[[Array, Array], Array]:
        """(z, gradient at z of a loss on these structures) -> the z where it is least."""
        curvature = np.zeros((self.n, self.n))
        for k in indices:
            rows = self.columns[k].rows(self._frames[k], self._config)
            curvature += 2.0 * rows.T @ rows
        return lambda z, gradient: z - np.linalg.lstsq(curvature, gradient, rcond=1e-12)[0]

    def append(self, network: Array, loss: Loss, indices: NDArray[np.int64]) -> Array:
        """Parameters to start from: the pair term alone, by least squares.

        The network's last layer is 0, so that it says nothing yet.
        """
        start = np.concatenate([network, np.zeros(self.n)])
        regressor = self._model.data["regressor"]
        n_last = 1 + [self._model.potential().n_features, *regressor["layers"]][-1]
        stop = 0
        for weights in regressor["coefficients"]:  # the descriptor's parameters come after them
            stop += len(weights)
            start[stop - n_last : stop] = 0.0
        _, gradient = loss(start, indices)
        start[-self.n :] = self.minimiser(indices)(np.zeros(self.n), gradient[-self.n :])
        return start

    def measures(self, first: Array, final: Array) -> dict[str, Any]:
        """What the pair term tells of the training energies: alone, and in the final model.

        r2: part of their variance that the pair term alone explains.  eta_2body: the mean part of
        the energy that is the pair term's; it depends on E0, which is given with it.
        """
        known = [(k, labels(atoms).energy) for k, atoms in enumerate(self._frames)]
        chosen = [k for k, energy in known if energy is not None]
        energy = np.array([energy for _, energy in known if energy is not None])
        n = np.array([len(self._frames[k]) for k in chosen])

        def of(z: Array) -> dict[str, Any]:
            e0 = dict(zip(self._model.elements, self.model(z).data["E0"], strict=True))
            shares = self._energies(z)[chosen][energy != 0.0] / energy[energy != 0.0]
            return {"E0": e0, "eta_2body": float(shares.mean()) if len(shares) else None}

        composition = np.array([self._counts(self._frames[k]) for k in chosen])
        e0 = composition @ np.array(self.model(first).data["E0"])
        rest = (energy - e0 - self._energies(first)[chosen]) / n
        spread = energy / n - np.mean(energy / n)
        r2 = 1.0 - np.sum(rest**2) / np.sum(spread**2) if spread.any() else None
        alone = of(first) | {"r2": r2, "rmse_meV_per_atom": 1e3 * float(np.sqrt(np.mean(rest**2)))}
        return {"alone": alone, "in_the_model": of(final)}

    def report(self, measures: dict[str, Any]) -> list[str]:
        """The same as lines of a log."""

        def of(found: dict[str, Any]) -> str:
            e0 = ", ".join(f"{symbol} {e:.6g}" for symbol, e in found["E0"].items())
            return f"eta_2body {_number(found['eta_2body'], 3)} with E0 {e0} eV"

        alone = measures["alone"]
        fit = f"R2 {_number(alone['r2'], 4)}, RMSE {alone['rmse_meV_per_atom']:.4g} meV/atom"
        return [
            f"pair term alone: {fit}, {of(alone)}",
            f"pair term in the model: {of(measures['in_the_model'])}",
        ]

    def model(self, z: Array) -> Model:
        """The model with the pair term (and E0) that z stands for."""
        coefficients, data = self._back @ z, self._model.data
        n = len(coefficients) - self._n_e0
        if self._fits_e0:
            data = {**data, "E0": (np.array(data["E0"]) + coefficients[n:]).tolist()}
        return with_pair(Model(data), coefficients[:n], self._r_min)

    def _energies(self, z: Array) -> Array:
        """(structures,) eV of the pair term, without what z says of E0."""
        n = self._raw.shape[1] - self._n_e0
        return self._raw[:, :n] @ (self._back @ z)[:n]

    def _counts(self, atoms: Atoms) -> NDArray[np.int64]:
        species = species_of(atoms, self._model.elements)
        return np.bincount(species, minlength=len(self._model.elements))

    @property
    def _n_e0(self) -> int:
        return len(self._model.elements) if self._fits_e0 else 0

    def _columns(self, sums: LatticeSums, atoms: Atoms) -> Columns:
        derivatives = bool(references(atoms, self._config.weights).keys() - {"energy"})
        found = sums.compute(atoms, derivatives)
        n = len(found.values)
        columns = Columns(found.values, np.zeros((len(atoms), 3, n)), np.zeros((3, 3, n)))
        if derivatives:
            columns = Columns(found.values, found.forces, found.dE_dstrain)
        if not self._fits_e0:
            return columns
        counts = self._counts(atoms)
        nothing = np.zeros((*columns.forces.shape[:2], len(counts)))
        return Columns(
            np.concatenate([columns.energy, counts]),
            np.concatenate([columns.forces, nothing], axis=2),
            np.concatenate([columns.dE_dstrain, np.zeros((3, 3, len(counts)))], axis=2),
        )


def _number(value: float | None, digits: int) -> str:
    return "undefined" if value is None else f"{value:.{digits}f}"
