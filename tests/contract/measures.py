"""Results by the slow twins, beside the measures of mlpot.verify."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from unittest.mock import patch

import numpy as np
from ase import Atoms

import oracle
from mlpot.lammps import LammpsEngine
from mlpot.verify.in_lammps import commands
from mlpot.verify.measures import (
    RESULTS,
    arguments,
    deformed,
    difference,
    evaluate,
    moved,
    relative,
    slope,
)
from oracle import common

__all__ = [
    "RESULTS",
    "arguments",
    "assert_agree",
    "by_oracle",
    "deformed",
    "difference",
    "evaluate",
    "grades_by_lammps",
    "grades_by_oracle",
    "moved",
    "relative",
    "slope",
]


def by_oracle(data: dict, atoms: Atoms) -> dict:
    """RESULTS by the slow twins, derivatives by the complex step."""
    positions, cell, pbc, species = arguments(atoms, data["elements"])

    def energies(x, c):
        return oracle.energies(data, x, c, pbc, species)

    remembering = {name: _remembering(slow) for name, slow in oracle.DESCRIPTORS.items()}
    with patch.dict(oracle.DESCRIPTORS, remembering):
        own = energies(positions, cell)
        return {
            "energy": own.sum(),
            "energies": own,
            "forces": common.forces(energies, positions, cell),
            "dE_dstrain": common.dE_dstrain(energies, positions, cell),
        }


def grades_by_oracle(data: dict, atoms: Atoms, rule: str) -> np.ndarray:
    """(N,) extrapolation grades by the slow twins; rows of a model linear in its coefficients."""
    positions, cell, pbc, species = arguments(atoms, data["elements"])
    q = oracle.DESCRIPTORS[data["descriptor"]["type"]](
        positions, cell, pbc, species, data["descriptor"]
    )
    if rule == "range":
        low, high = (np.array(data["ranges"][key])[species] for key in ("low", "high"))
        return np.abs((q - (low + high) / 2) / ((high - low) / 2)).max(axis=1)
    if data["scaling"] is not None:
        shift, scale = (np.array(data["scaling"][key])[species] for key in ("shift", "scale"))
        q = (q - shift) * scale
    components = []
    for s in range(len(data["elements"])):
        inverse = np.array(data["active_set"]["inverse"][s])
        n = round(np.sqrt(inverse.size))  # 1, for E0, and the coefficients
        units = [
            {**data["regressor"], "coefficients": np.tile(unit, (len(data["elements"]), 1))}
            for unit in np.eye(n - 1)
        ]
        rows = [np.ones(len(q)), *(oracle.regress(q, species, unit) for unit in units)]
        components.append(np.transpose(rows) @ inverse.reshape(n, n).T)
    return np.abs(np.array(components)[species, np.arange(len(species))]).max(axis=1)


def grades_by_lammps(model_file, rule: str, atoms: Atoms, elements: list[str]) -> dict:
    """LammpsEngine's results, and grades (N,) that fix pair has asked for on the way."""
    style, *rest = commands(model_file, elements)
    lines = [f"{style} grade {rule}", *rest, "fix grades all pair 1 mlpot grade 1"]
    with LammpsEngine(lines, elements) as engine:
        results, arrays = engine.evaluate(atoms), engine.lammps.numpy
        order = np.argsort(arrays.extract_atom("id")[: len(atoms)])
        return results | {"grades": arrays.extract_fix("grades", 1, 1)[order].copy()}


@cache
def _remembering(features: Callable) -> Callable:
    """features, computed once for all regressors and cores of a block."""
    known: dict[tuple, np.ndarray] = {}

    def remembered(positions, cell, pbc, species, block):
        key = (*(np.asarray(a).tobytes() for a in (positions, cell, pbc, species)), repr(block))
        if key not in known:
            known[key] = features(positions, cell, pbc, species, block)
        return known[key]

    return remembered


def assert_agree(found: dict, truth: dict, tolerance: float, keys=RESULTS) -> None:
    for key in keys:
        assert relative(found[key], truth[key]) <= tolerance, key
