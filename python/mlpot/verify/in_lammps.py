"""A model in an in-process LAMMPS, with what LAMMPS tallies for each atom."""

from __future__ import annotations

import numpy as np
from ase import Atoms

from mlpot.lammps import LammpsEngine

COMPUTES = [
    "compute stress all stress/atom NULL virial",
    "compute stress_sum all reduce sum c_stress[1]",
    "compute kinetic all ke/atom",
]
CENTROID = [
    "compute centroid all centroid/stress/atom NULL virial",
    "compute centroid_sum all reduce sum c_centroid[1]",
    "compute flux all heat/flux kinetic mlpot_energies centroid",
]
COLUMNS = "custom step pe c_mlpot_sum c_mlpot_virial[1] c_stress_sum"
SIX = ([0, 1, 2, 0, 0, 1], [0, 1, 2, 1, 2, 2])  # xx yy zz xy xz yz, LAMMPS' order
NINE = ([0, 1, 2, 0, 0, 1, 1, 2, 2], [0, 1, 2, 1, 2, 2, 0, 0, 1])  # .. yx zx zy


class Tallies(LammpsEngine):
    """LammpsEngine that also tallies; centroid: with the styles that only some pair styles have.

    `tally(atoms, velocities)` adds to the results: virials (N,6) and centroid_virials (N,9) in eV,
    and flux (3,), the potential part of the heat flux times the volume, eV Å/ps (in LAMMPS' axes).
    """

    def __init__(self, commands: list[str], elements: list[str], centroid: bool = True):
        super().__init__(commands, elements)
        self.centroid = centroid
        self.command(*COMPUTES, *(CENTROID if centroid else []))
        columns = f"{COLUMNS} c_centroid_sum c_flux[1]" if centroid else COLUMNS
        self.command(f"thermo_style {columns}", "thermo_modify norm no lost error")

    def tally(self, atoms: Atoms, velocities: np.ndarray | None = None) -> dict:
        self.load(atoms, velocities=velocities)
        self.command("run 0 post no")
        results, arrays = self.results(), self.lammps.numpy
        order = np.argsort(arrays.extract_atom("id")[: len(atoms)])
        wanted = [("stress", "virials"), ("centroid", "centroid_virials")]
        for name, key in wanted if self.centroid else wanted[:1]:
            stress = arrays.extract_compute(name, 1, 2)[: len(atoms)][order]
            results[key] = -stress / self.nktv2p
        if self.centroid:
            flux = arrays.extract_compute("flux", 0, 1)
            results["flux"] = flux[:3] - flux[3:]  # without the convective part
        return results


def commands(model_file, elements: list[str], *more: str, kernels: str = "auto") -> list[str]:
    """For LammpsEngine; without a skin, so that a neighbour list too short is noticed."""
    style, names = f"pair_style mlpot kernels {kernels}", " ".join(elements)
    return [style, f"pair_coeff * * {model_file} {names}", "neighbor 0.0 bin", *more]


def virial_of(results: dict, box) -> np.ndarray:
    """Sum of r_a f_b (3,3) in LAMMPS' axes, from an engine's results."""
    return -box.rotation @ results["dE_dstrain"] @ box.rotation.T
