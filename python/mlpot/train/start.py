"""What a training starts from: E0, scaling, initial weights, and who trains and who validates."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Literal

import numpy as np
from ase import Atoms
from numpy.typing import NDArray

from mlpot.features import FeatureStatistics
from mlpot.io import Dataset, labels
from mlpot.metrics import predict, species_of
from mlpot.model import Model
from mlpot.solve import Array


def fit_e0(model: Model, frames: Sequence[Atoms]) -> Array:
    """(n_species,) eV: least squares of the energies per atom on composition, of least norm.

    model: one of zeros; its energy (repulsion at short range) is left out of the fit.
    """
    core = model.potential() if model.data["core"] else None
    rows, targets = [], []
    for atoms in frames:
        species = species_of(atoms, model.elements)
        known = predict(core, atoms).energy if core else 0.0
        rows.append(np.bincount(species, minlength=len(model.elements)) / len(atoms))
        targets.append((labels(atoms).energy - known) / len(atoms))
    return np.linalg.lstsq(np.array(rows), np.array(targets), rcond=None)[0]


def scaling(
    statistics: Sequence[FeatureStatistics], kind: Literal["standard", "range"]
) -> dict[str, list[list[float]]]:
    """The model file's block: the regressor sees (q - shift) * scale.

    standard: mean 0, deviation 1; range: between -1 and 1.  Features that never vary are scaled by
    0: their weights would be left as they were drawn.
    """
    shifts, scales = [], []
    for found in statistics:
        shift, width = found.mean, found.deviation
        if kind == "range":
            shift, width = (found.high + found.low) / 2.0, (found.high - found.low) / 2.0
        varies = ~found.constant()
        shifts.append(shift.tolist())
        scales.append((varies / np.where(varies, width, 1.0)).tolist())
    return {"shift": shifts, "scale": scales}


def initial_weights(n_features: int, layers: Sequence[int], rng: np.random.Generator) -> Array:
    """Flat coefficients of one species: weights of Glorot and Bengio (AISTATS 2010).

    Biases of hidden nodes spread where they bend over the inputs, -1 to 1; that of the output is 0.
    """
    widths = [n_features, *layers, 1]
    parts = []
    for n_in, n_out in pairwise(widths):
        reach = np.sqrt(6.0 / (n_in + n_out))
        parts += [rng.uniform(-reach, reach, n_in * n_out), rng.uniform(-1.0, 1.0, n_out)]
    parts[-1][:] = 0.0
    return np.concatenate(parts)


def split(
    data: Dataset, fraction: float, rng: np.random.Generator
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Indices of training and validation structures, sorted: `fraction` of every group validates.

    Copies of a structure stay together, and a group never validates as a whole.
    """
    first = np.arange(len(data))
    for original, copy in data.report.duplicates:
        first[copy] = first[original]
    families: dict[str, dict[int, list[int]]] = {}
    for index in range(len(data)):
        group = families.setdefault(data.frames[first[index]].info["group"], {})
        group.setdefault(int(first[index]), []).append(index)
    chosen: list[int] = []
    for members in families.values():
        wanted = round(fraction * sum(map(len, members.values())))
        taken: list[int] = []
        for family in rng.permutation(list(members))[:-1]:
            if len(taken) + len(members[family]) <= wanted:
                taken += members[family]
        chosen += taken
    validates = np.isin(np.arange(len(data)), chosen)
    return np.flatnonzero(~validates), np.flatnonzero(validates)
