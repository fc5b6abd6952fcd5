"""Relaxation of atoms, and of atoms with their cell, to a residual that is then certain."""

from __future__ import annotations

import numpy as np
from ase import Atoms
from ase.calculators.calculator import BaseCalculator
from ase.filters import FrechetCellFilter
from ase.optimize import BFGS, LBFGS
from ase.units import GPa

from mlpot.generate import relax_lattice
from mlpot.properties.base import PropertyError

STRESS = 1e-3 * GPa  # of a relaxed cell, eV/Å³


def relax_atoms(
    atoms: Atoms, calculator: BaseCalculator, fmax: float, steps: int = 500, what: str = "atoms"
) -> Atoms:
    """A copy in its cell with no force above fmax (eV/Å), `calculator` attached.

    Raises PropertyError where that takes more than `steps`.
    """
    relaxed = atoms.copy()
    relaxed.calc = calculator
    _descend(relaxed, relaxed, fmax, steps, what)
    return relaxed


def relax_cell(
    crystal: Atoms, calculator: BaseCalculator, fmax: float = 1e-4, steps: int = 500
) -> Atoms:
    """A copy of the crystal at the nearest minimum of its energy: volume, shape and atoms.

    The volume first, which is all there is to find for a cubic crystal, so that the search starts
    near; stresses end below `STRESS`. Forces keep the symmetry the crystal has.
    Raises PropertyError where there is no such minimum within 25 % of the lattice constant.
    """
    relaxed = relax_lattice(crystal, calculator)
    relaxed.calc = calculator
    if not _at_rest(relaxed, fmax):
        # The filter's forces are -dE/dstrain / atoms: what is asked of stresses, in these terms.
        bound = min(fmax, STRESS * relaxed.get_volume() / len(relaxed))
        _descend(relaxed, FrechetCellFilter(relaxed), bound, steps, "cell")
    relaxed.calc = None
    return relaxed


def _at_rest(atoms: Atoms, fmax: float) -> bool:
    forces = np.linalg.norm(atoms.get_forces(), axis=1).max()
    return forces < fmax and np.abs(atoms.get_stress()).max() < STRESS


def _descend(atoms: Atoms, moved, fmax: float, steps: int, what: str) -> None:
    # BFGS is the sturdier, but diagonalises a matrix of all coordinates in each step.
    with (BFGS if len(atoms) < 30 else LBFGS)(moved, logfile=None) as optimizer:
        if optimizer.run(fmax=fmax, steps=steps):
            return
    force = np.linalg.norm(atoms.get_forces(), axis=1).max()
    raise PropertyError(f"{what} not relaxed after {steps} steps: force {force:.2g} eV/Å is left")
