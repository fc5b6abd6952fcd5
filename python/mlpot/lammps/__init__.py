"""LAMMPS in this process: energies, forces and strain derivatives of any of its styles, and MD."""

from mlpot.lammps.calculator import LammpsCalculator
from mlpot.lammps.commands import LammpsPotential, parse_potentials
from mlpot.lammps.engine import UNITS, LammpsEngine, potentials_folder
from mlpot.lammps.md import iter_md, run_md

__all__ = [
    "UNITS",
    "LammpsCalculator",
    "LammpsEngine",
    "LammpsPotential",
    "iter_md",
    "parse_potentials",
    "potentials_folder",
    "run_md",
]
