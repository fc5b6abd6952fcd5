"""ASE calculator: a model file in every ASE tool, through the kernels that also run in LAMMPS."""

from __future__ import annotations

from os import PathLike

import numpy as np
from ase import Atoms
from ase.calculators.calculator import Calculator, all_changes

from mlpot.errors import InputError
from mlpot.grade import grade
from mlpot.lammps.calculator import ase_results
from mlpot.metrics import species_of
from mlpot.model import Model


class MLPotCalculator(Calculator):
    """energy, free_energy, energies (N,) eV, forces (N,3) eV/Å and, where the cell has a volume,
    stress (6,) eV/Å³ in ASE's order xx yy zz yz xz xy, tension positive; asked for by
    get_property, grades (N,): how far outside its training set the model is, at most 1 inside.

    model: path of a model file, or a `Model`. Keyword arguments are those of ASE's Calculator.
    Raises InputError: a file that is missing or not a model, an element not in the model, and a
    structure that cannot be evaluated (atoms too close, a position that is not finite, no volume).
    """

    implemented_properties = ("energy", "free_energy", "energies", "forces", "stress", "grades")

    def __init__(self, model: str | PathLike | Model, **kwargs):
        super().__init__(**kwargs)
        self.model = model if isinstance(model, Model) else Model.load(model)
        self.potential = self.model.potential()

    def calculate(
        self, atoms: Atoms | None = None, properties=("energy",), system_changes=all_changes
    ):
        """Fill `results` with all properties but grades from one evaluation."""
        super().calculate(atoms, properties, system_changes)
        species = species_of(self.atoms, self.model.elements)
        cell, pbc = self.atoms.cell.array, self.atoms.pbc
        try:
            evaluated = self.potential.evaluate(self.atoms.positions, cell, pbc, species)
        except ValueError as error:
            raise InputError(f"{self.model.name}: {error}") from None
        self.results = ase_results(self.atoms, evaluated)
        if "grades" in properties:
            self.results["grades"] = self._grades()

    def _grades(self) -> np.ndarray:
        rules = self.potential.rules  # an active set of structures is none for atoms
        return grade(self.model, self.atoms, rules[-1] if rules else "range").of_atoms
