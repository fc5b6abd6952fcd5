"""Results by the core and by the slow twins, slopes by Richardson, and how far two agree."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from unittest.mock import patch

import numpy as np
from ase import Atoms

import oracle
from mlpot.metrics import species_of
from oracle import common

RESULTS = ("energy", "energies", "forces", "dE_dstrain")


def arguments(atoms: Atoms, elements: list[str]) -> tuple:
    """positions, cell, pbc, species: what every method of _core.Potential takes."""
    return atoms.positions, atoms.cell.array, atoms.pbc, species_of(atoms, elements)


def evaluate(potential, atoms: Atoms) -> dict:
    return potential.evaluate(*arguments(atoms, potential.elements))


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


def slope(function: Callable, step: float) -> np.ndarray:
    """d function(t)/dt at 0: central differences at step, /2, /4 extrapolated (Richardson)."""
    tableau = [
        (np.asarray(function(h)) - function(-h)) / (2 * h) for h in (step, step / 2, step / 4)
    ]
    for order in (1, 2):
        pairs = zip(tableau[1:], tableau, strict=False)
        tableau = [fine + (fine - coarse) / (4**order - 1) for fine, coarse in pairs]
    return tableau[0]


def moved(atoms: Atoms, displacement) -> Atoms:
    atoms = atoms.copy()
    atoms.positions += displacement
    return atoms


def deformed(atoms: Atoms, strain) -> Atoms:
    """r -> r (1 + strain), cell and atoms."""
    atoms = atoms.copy()
    atoms.set_cell(atoms.cell.array @ (np.eye(3) + strain), scale_atoms=True)
    return atoms


def relative(found, truth) -> float:
    """Largest difference, relative to the largest value."""
    return float(np.max(np.abs(np.asarray(found) - truth)) / np.max(np.abs(truth)))


def assert_agree(found: dict, truth: dict, tolerance: float, keys=RESULTS) -> None:
    for key in keys:
        assert relative(found[key], truth[key]) <= tolerance, key
