"""Reference labels on a structure: the one place where ASE's six stresses become 3x3 and back."""

from typing import NamedTuple

import numpy as np
from ase import Atoms
from ase.calculators.singlepoint import SinglePointCalculator
from ase.stress import full_3x3_to_voigt_6_stress, voigt_6_to_full_3x3_stress


class Labels(NamedTuple):
    """Reference values of a structure; None where there is none."""

    energy: float | None  # eV
    forces: np.ndarray | None  # (N, 3) eV/Å
    stress: np.ndarray | None  # (3, 3) eV/Å³, (1/V) dE/dstrain


def labels(atoms: Atoms) -> Labels:
    """The labels stored with `atoms`, as computed: constraints do not touch them."""
    results = getattr(atoms.calc, "results", {})
    stress = results.get("stress")
    if stress is not None:
        stress = as_matrix(stress)
    return Labels(results.get("energy"), results.get("forces"), stress)


def with_labels(
    atoms: Atoms,
    energy: float | None = None,
    forces: np.ndarray | None = None,
    stress: np.ndarray | None = None,
) -> Atoms:
    """`atoms` with a SinglePointCalculator holding these labels (eV, eV/Å, eV/Å³ as 3x3)."""
    six = None if stress is None else full_3x3_to_voigt_6_stress(stress)
    results = {"energy": energy, "forces": forces, "stress": six}
    given = {name: value for name, value in results.items() if value is not None}
    atoms.calc = SinglePointCalculator(atoms, **given)
    return atoms


def as_matrix(stress: np.ndarray) -> np.ndarray:
    """(3, 3) stress from ASE's six (xx yy zz yz xz xy) or from 3x3."""
    stress = np.asarray(stress, dtype=float)
    return stress if stress.shape == (3, 3) else voigt_6_to_full_3x3_stress(stress)
