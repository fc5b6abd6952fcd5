"""Statistics of descriptor features over the atoms of a data set: ranges and linear dependence."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from ase import Atoms
from numpy.typing import ArrayLike

from mlpot.design import name_of
from mlpot.errors import InputError
from mlpot.metrics import species_of
from mlpot.solve import Array, update


class FeatureStatistics:
    """Of the features (m, n) of the atoms of one species, added in any number of pieces.

    The triangle R of [1 | features] (as in :mod:`mlpot.solve`) holds the mean, the spread, all
    correlations and, on its diagonal, what the features before a feature do not tell of it.
    """

    def __init__(self, n_features: int) -> None:
        self.n_atoms = 0
        self.low = np.full(n_features, np.inf)
        self.high = np.full(n_features, -np.inf)
        self._triangle = np.zeros((n_features + 1, n_features + 1), order="F")

    def add(self, features: ArrayLike) -> None:
        features = np.asarray(features, dtype=float)
        if not len(features):
            return
        self.n_atoms += len(features)
        self.low = np.minimum(self.low, features.min(axis=0))
        self.high = np.maximum(self.high, features.max(axis=0))
        rows = np.empty((len(features), features.shape[1] + 1), order="F")
        rows[:, 0], rows[:, 1:] = 1.0, features
        update(self._triangle, rows)

    @property
    def mean(self) -> Array:
        """(n,)"""
        return self._triangle[0, 1:] / self._triangle[0, 0]

    @property
    def deviation(self) -> Array:
        """(n,) standard deviations."""
        return np.linalg.norm(self._triangle[1:, 1:], axis=0) / np.sqrt(self.n_atoms)

    def constant(self) -> np.ndarray:
        """(n,) bool: the same for all atoms, to rounding."""
        return self.deviation <= 1e-12 * np.maximum(np.abs(self.mean), 1e-300)

    def unexplained(self) -> Array:
        """(n,) part of the deviation that is no linear function of the features before, 0 to 1."""
        norms = np.where(self.constant(), np.inf, self.deviation) * np.sqrt(self.n_atoms)
        return np.abs(np.diag(self._triangle)[1:]) / norms

    def correlations(self) -> Array:
        """(n, n) between -1 and 1; 0 with constant features."""
        norms = np.where(self.constant(), np.inf, self.deviation) * np.sqrt(self.n_atoms)
        columns = self._triangle[1:, 1:] / norms
        return columns.T @ columns


def feature_statistics(potential: Any, frames: Iterable[Atoms]) -> list[FeatureStatistics]:
    """Statistics of a potential's features for each species; InputError names a bad structure."""
    found = [FeatureStatistics(potential.n_features) for _ in potential.elements]
    for atoms in frames:
        features = _features(potential, atoms)
        species = species_of(atoms, potential.elements)
        for s, statistics in enumerate(found):
            statistics.add(features[species == s])
    return found


def mean_statistics(potential: Any, frames: Iterable[Atoms]) -> FeatureStatistics:
    """The same of the mean features of each structure, with atoms of all species."""
    found = FeatureStatistics(potential.n_features)
    for atoms in frames:
        found.add(_features(potential, atoms).mean(axis=0, keepdims=True))
    return found


def _features(potential: Any, atoms: Atoms) -> Array:
    species = species_of(atoms, potential.elements)
    try:
        return potential.features(atoms.positions, atoms.cell.array, atoms.pbc, species)
    except ValueError as error:
        raise InputError(f"{name_of(atoms)}: {error}") from None
