"""Several models of the same data as one ASE calculator: where they differ, none is sure."""

from __future__ import annotations

from collections.abc import Sequence
from os import PathLike

import numpy as np
from ase import Atoms
from ase.calculators.calculator import Calculator, all_changes

from mlpot.calculator import MLPotCalculator
from mlpot.errors import InputError
from mlpot.model import Model


class Committee(Calculator):
    """Means over the members, as of MLPotCalculator, and their standard deviations:
    energy_std (eV, of the whole structure) and force_std (N,) eV/Å, the root of the mean square
    length of the members' deviations from the mean force of each atom.

    models: paths or `Model`s, such as NAME.1.json ... of a fit with training.committee.
    Raises InputError for fewer than two, and what MLPotCalculator raises.
    """

    implemented_properties = (*MLPotCalculator.implemented_properties, "energy_std", "force_std")

    def __init__(self, models: Sequence[str | PathLike | Model], **kwargs):
        super().__init__(**kwargs)
        self.members = [MLPotCalculator(model) for model in models]
        if len(self.members) < 2:
            raise InputError(f"a committee has two or more models, not {len(self.members)}")

    def calculate(
        self, atoms: Atoms | None = None, properties=("energy",), system_changes=all_changes
    ):
        """Fill `results` with all properties from one evaluation of each member."""
        super().calculate(atoms, properties, system_changes)
        for member in self.members:
            member.calculate(self.atoms)
        found = [member.results for member in self.members]
        self.results = {key: np.mean([each[key] for each in found], axis=0) for key in found[0]}
        if "grades" in properties:  # of the data, which all share
            self.results["grades"] = self.members[0].get_property("grades", self.atoms)
        deviations = np.array([each["forces"] for each in found]) - self.results["forces"]
        self.results["energy_std"] = float(np.std([each["energy"] for each in found]))
        self.results["force_std"] = np.sqrt((deviations**2).sum(axis=2).mean(axis=0))
