"""Results by the core, slopes by Richardson, and how far two results agree."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from ase import Atoms

from mlpot.metrics import species_of

RESULTS = ("energy", "energies", "forces", "dE_dstrain")


def arguments(atoms: Atoms, elements: list[str]) -> tuple:
    """positions, cell, pbc, species: what every method of _core.Potential takes."""
    return atoms.positions, atoms.cell.array, atoms.pbc, species_of(atoms, elements)


def evaluate(potential, atoms: Atoms) -> dict:
    return potential.evaluate(*arguments(atoms, potential.elements))


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


def relative(found, truth, rounding: float = 0.0) -> float:
    """Largest difference beyond rounding, relative to the largest value."""
    most = np.max(np.abs(np.asarray(found) - truth))
    return float(np.maximum(most - rounding, 0.0) / np.max(np.abs(truth)))


def difference(
    found: dict, truth: dict, keys=RESULTS, rounding: dict[str, float] | None = None
) -> float:
    """The largest relative difference of any of these results, each beyond its rounding."""
    allowed = rounding or dict.fromkeys(keys, 0.0)
    return max(relative(found[key], truth[key], allowed[key]) for key in keys)
