"""Lattice constants and cohesive energy of a relaxed crystal."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from ase import Atoms
from ase.calculators.calculator import BaseCalculator

from mlpot.errors import InputError
from mlpot.properties.base import Result, hidden, quantity
from mlpot.properties.relax import relax_cell


@dataclass(frozen=True, kw_only=True)
class Lattice(Result):
    """a, b, c of the cell that was given (b and c only where they differ), energies an atom.

    cohesive: of isolated atoms less that of the crystal; it means something only for a potential
    that knows isolated atoms. crystal: the relaxed one.
    """

    lattice_constant_A: float = quantity("lattice constant a", "Å", 4)
    lattice_constant_b_A: float | None = quantity("lattice constant b", "Å", 4)
    lattice_constant_c_A: float | None = quantity("lattice constant c", "Å", 4)
    volume_A3_per_atom: float = quantity("volume", "Å³/atom", 3)
    energy_eV_per_atom: float = quantity("energy", "eV/atom", 4)
    cohesive_energy_eV: float | None = quantity("cohesive energy", "eV/atom", 3)
    crystal: Atoms = hidden()


def lattice(crystal: Atoms, calculator: BaseCalculator, *, fmax: float = 1e-4) -> Lattice:
    """Relax volume, shape and atoms to fmax (eV/Å; stresses to 1e-3 GPa)."""
    relaxed = relax_cell(crystal, calculator, fmax)
    energy = calculator.get_property("energy", relaxed) / len(relaxed)
    cohesive, problems = None, ()
    try:
        cohesive = _isolated(relaxed, calculator) - energy
    except InputError as error:
        problems = (f"cohesive energy: an isolated atom: {error}",)
    a, b, c = relaxed.cell.lengths()
    return Lattice(
        lattice_constant_A=float(a),
        lattice_constant_b_A=None if np.isclose(a, b, rtol=1e-5) else float(b),
        lattice_constant_c_A=None if np.isclose(a, c, rtol=1e-5) else float(c),
        volume_A3_per_atom=float(relaxed.get_volume()) / len(relaxed),
        energy_eV_per_atom=energy,
        cohesive_energy_eV=cohesive,
        crystal=relaxed,
        problems=problems,
    )


def _isolated(crystal: Atoms, calculator: BaseCalculator) -> float:
    """Mean energy of the crystal's atoms, each alone; eV."""
    energies = {}
    for symbol in set(crystal.symbols):
        atom = Atoms(symbol, positions=[[10.0] * 3], cell=[20.0] * 3, pbc=False)
        energies[symbol] = calculator.get_property("energy", atom)
    return float(np.mean([energies[symbol] for symbol in crystal.symbols]))
