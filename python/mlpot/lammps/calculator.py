"""ASE calculator over an in-process LAMMPS."""

from ase import Atoms
from ase.calculators.calculator import Calculator, all_changes
from ase.stress import full_3x3_to_voigt_6_stress

from mlpot.lammps.engine import LammpsEngine


class LammpsCalculator(Calculator):
    """energy, free_energy, energies, forces, and stress (eV/Å³, tension positive) given a volume.

    Arguments and errors are those of LammpsEngine.
    """

    implemented_properties = ("energy", "free_energy", "energies", "forces", "stress")

    def __init__(self, commands: list[str] | str, elements: list[str], units="metal", **kwargs):
        super().__init__(**kwargs)
        self.engine = LammpsEngine(commands, elements, units)

    def calculate(self, atoms=None, properties=("energy",), system_changes=all_changes) -> None:
        """Fill `results` from one LAMMPS evaluation."""
        super().calculate(atoms, properties, system_changes)
        self.results = ase_results(self.atoms, self.engine.evaluate(self.atoms))


def ase_results(atoms: Atoms, evaluated: dict) -> dict:
    """What LammpsEngine.evaluate returns, under ASE's names; stress where there is a volume."""
    results = {key: evaluated[key] for key in ("energy", "energies", "forces")}
    results["free_energy"] = results["energy"]
    if atoms.cell.rank == 3:
        stress = evaluated["dE_dstrain"] / atoms.get_volume()
        results["stress"] = full_3x3_to_voigt_6_stress(stress)
    return results
