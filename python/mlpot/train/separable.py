"""Least squares of an MTP with its coefficients eliminated: a problem of its radial functions.

At given radial functions c the coefficients a(c), and E0 where it is fitted, are those of least
squares: min |A(c) a - b|.  What is left of the residual by a change dc, once the coefficients have
followed, is |K dc - t|: with A and the slopes J of its predictions by c in one triangle,

    [A J b] = Q [R11 R12 R13; 0 K t; 0 0 rest],

K and t are its lower right corner (the projection of Kaufman, BIT 15, 49 (1975)).
Golub, Pereyra, SIAM J. Numer. Anal. 10, 413 (1973).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.linalg import qr, solve_triangular

from mlpot.config import FitConfig
from mlpot.design import GPA, VOIGT, count_rows, n_columns, references, stream_rows
from mlpot.io import Dataset
from mlpot.model import Model
from mlpot.solve import Array, StreamingLeastSquares
from mlpot.train import n_threads, training_set, with_radial

DAMPING = 1e-7  # of the coefficients, as a ridge of StreamingLeastSquares.solve
DIFFERENCE = 1e-5  # of a radial parameter
CHUNK = 32  # structures whose slopes are found at once


@dataclass(frozen=True)
class Point:
    """Radial parameters (n_radial,) with the coefficients of least squares."""

    radial: Array
    coefficients: Array  # E0 last
    square: float  # |A a - b|^2, with the damping's part
    damping: Array  # (n_columns,) that part is |damping a|^2


class Separable:
    """The problem of the training structures; memory (bytes): for rows that are needed twice."""

    def __init__(self, config: FitConfig, zero: Model, train: Dataset, memory: int) -> None:
        self._config, self._zero, self._train = config, zero, train
        self._fit_e0 = config.E0 == "fit"
        potential = zero.potential()
        self.n = n_columns(potential, self._fit_e0)
        self._n_inner = potential.n_parameters - potential.n_pair_parameters
        self._n_penalised = potential.n_parameters
        self.n_rows = sum(sum(count_rows(atoms, config.weights).values()) for atoms in train)
        self._keep = 8 * self.n_rows * (self.n + 1) <= memory
        self._kept: list[tuple[Array, Array]] = []
        self._kept_at: Array | None = None
        self._predict = training_set(zero, train, config).predict

    def model(self, radial: Array) -> Model:
        """That of zero coefficients, with these radial functions."""
        return Model({**self._zero.data, "descriptor": with_radial(self._zero, radial)})

    def solve(self, radial: Array) -> Point:
        problem = StreamingLeastSquares(self.n, n_folds=1)
        for rows, targets in self._rows(radial):
            problem.add(rows, targets)
        triangle = problem.triangle(0)
        damping = self._damping(triangle[:, :-1])
        damped = _damped(triangle, damping)
        coefficients = solve_triangular(damped[:-1, :-1], damped[:-1, -1])
        return Point(radial, coefficients, float(damped[-1, -1] ** 2), damping)

    def linearise(self, at: Point) -> tuple[Array, Array]:
        """K (n_radial, n_radial) and t (n_radial,): see above."""
        problem = StreamingLeastSquares(self.n + len(at.radial), n_folds=1)
        slopes = self._slopes(at)
        for rows, targets in self._rows(at.radial):
            problem.add(np.hstack([rows, next(slopes)]), targets)
        damping = np.concatenate([at.damping, np.zeros(len(at.radial))])
        damped = _damped(problem.triangle(0), damping)
        return damped[self.n : -1, self.n : -1], damped[self.n : -1, -1]

    def release(self) -> None:
        """Free the memory of the rows."""
        self._kept, self._kept_at = [], None

    def _rows(self, radial: Array) -> Iterator[tuple[Array, Array]]:
        """Rows and targets of each structure; those found last are kept, if they may be."""
        if self._kept_at is not None and np.array_equal(self._kept_at, radial):
            yield from self._kept
            return
        self.release()
        model, weights = self.model(radial), self._config.weights
        potentials = [model.potential() for _ in range(n_threads())]
        for found in stream_rows(potentials, self._train.frames, weights, self._fit_e0):
            rows, targets, _ = found
            if self._keep:
                self._kept.append((rows, targets))
            yield rows, targets
        self._kept_at = radial if self._keep else None

    def _slopes(self, at: Point) -> Iterator[Array]:
        """The derivatives of each structure's rows times a by the radial parameters (m, n_radial).

        Energies, forces and stresses of the pair term and E0 do not depend on them.
        """
        x = np.concatenate([at.coefficients[: self._n_inner], at.radial])
        for first in range(0, len(self._train), CHUNK):
            chosen = list(range(len(self._train)))[first : first + CHUNK]
            still = self._predictions(x, chosen)
            found = [np.empty((len(rows), len(at.radial))) for rows in still]
            for i in range(len(at.radial)):
                moved = x.copy()
                moved[self._n_inner + i] += DIFFERENCE
                for k, rows in enumerate(self._predictions(moved, chosen)):
                    found[k][:, i] = (rows - still[k]) / DIFFERENCE
            yield from found

    def _predictions(self, x: Array, chosen: list[int]) -> list[Array]:
        """Predictions of the chosen structures, weighted as their rows are."""
        found = self._predict(x, chosen)
        return [self._weighted(said, k) for k, said in zip(chosen, found, strict=True)]

    def _weighted(self, found: dict[str, Any], k: int) -> Array:
        atoms = self._train.frames[k]
        parts = []
        for kind, (weight, _) in references(atoms, self._config.weights).items():
            if kind == "energy":
                values = np.array([found["energy"] / len(atoms)])
            elif kind == "force":
                values = found["forces"].ravel()
            else:
                values = found["dE_dstrain"][VOIGT] * GPA / atoms.get_volume()
            parts.append(weight * values)
        return np.concatenate(parts) if parts else np.empty(0)

    def _damping(self, matrix: Array) -> Array:
        """DAMPING s D as in StreamingLeastSquares.solve, or the ridge of the configuration."""
        sizes = np.linalg.norm(matrix, axis=0)
        sizes = np.where(sizes > 0, sizes, 1.0)
        ridge = DAMPING if self._config.ridge == "auto" else max(self._config.ridge, DAMPING)
        penalised = np.arange(self.n) < self._n_penalised
        return np.linalg.norm(matrix / sizes, 2) * sizes * np.where(penalised, ridge, DAMPING)


def _damped(triangle: Array, damping: Array) -> Array:
    """The triangle with the rows of the damping, whose targets are 0."""
    rows = np.zeros((len(damping), len(damping) + 1))
    np.fill_diagonal(rows, damping)
    return qr(np.vstack([triangle, rows]), mode="r", overwrite_a=True, check_finite=False)[0][
        : len(triangle)
    ]
