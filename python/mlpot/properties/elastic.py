"""Elastic constants of any crystal and what follows from them.

σ(ε) at small strains about the relaxed crystal, its atoms relaxed at each strain;
C_ij = ∂σ_i/∂ε_j in Voigt's order xx yy zz yz xz xy (shear strains are angles, twice the tensor's).
Averages: R. Hill, Proc. Phys. Soc. A 65, 349 (1952). Stability: all eigenvalues of C positive,
M. Born and K. Huang (1954), F. Mouhat and F.-X. Coudert, Phys. Rev. B 90, 224104 (2014).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from ase import Atoms
from ase.calculators.calculator import BaseCalculator
from ase.stress import voigt_6_to_full_3x3_strain
from ase.units import GPa

from mlpot.generate.cells import rotations
from mlpot.properties.base import PropertyError, Result, SettingError, quantity
from mlpot.properties.relax import STRESS, relax_atoms

KINK = 0.005  # of the largest constant: what a smooth σ(ε) never deviates from its cubic
VOIGT = ((0, 0), (1, 1), (2, 2), (1, 2), (0, 2), (0, 1))


@dataclass(frozen=True, kw_only=True)
class Elastic(Result):
    """GPa, in the axes of the given crystal; the moduli are Voigt-Reuss-Hill averages.

    elastic: (6,6), symmetrised over ij and the crystal's point group; `asymmetry` is the largest
    change that made. c13, c33, c66 only where the crystal is not cubic. born_eigenvalue: the lowest
    of C; where it is negative, the crystal is unstable and has no moduli.
    """

    c11_GPa: float = quantity("c11", "GPa", 1)
    c12_GPa: float = quantity("c12", "GPa", 1)
    c13_GPa: float | None = quantity("c13", "GPa", 1)
    c33_GPa: float | None = quantity("c33", "GPa", 1)
    c44_GPa: float = quantity("c44", "GPa", 1)
    c66_GPa: float | None = quantity("c66", "GPa", 1)
    bulk_modulus_vrh_GPa: float | None = quantity("bulk modulus (VRH)", "GPa", 1)
    shear_modulus_vrh_GPa: float | None = quantity("shear modulus (VRH)", "GPa", 1)
    young_modulus_vrh_GPa: float | None = quantity("Young's modulus (VRH)", "GPa", 1)
    poisson_ratio: float | None = quantity("Poisson's ratio", "", 3)
    born_stable: bool = quantity("Born stable")
    born_eigenvalue_GPa: float
    elastic_GPa: np.ndarray
    elastic_asymmetry_GPa: float


def elastic(
    crystal: Atoms,
    calculator: BaseCalculator,
    *,
    strains: tuple = (-0.004, -0.002, 0.002, 0.004),
    fmax: float = 1e-5,
) -> Elastic:
    """Elastic constants by least squares over stresses at finite strains, atoms relaxed.

    A cubic is fitted to σ(ε) of each of the six strains, so that its slope at zero is free of third
    and fourth order elasticity. fmax: eV/Å left on atoms.
    """
    if len(set(strains)) < 3 or not all(0.0 < abs(strain) < 0.1 for strain in strains):
        raise SettingError("elastic.strains: must be three or more, not zero, below 0.1")
    rest = calculator.get_property("stress", crystal)
    if np.abs(rest).max() > 2 * STRESS:
        worst = np.abs(rest).max() / GPa
        raise PropertyError(f"the crystal is not relaxed: its stress is {worst:.2g} GPa")
    fits = [_slope(crystal, calculator, j, np.array(strains), fmax, rest) for j in range(6)]
    measured = np.column_stack([slope for slope, _ in fits]) / GPa
    constants = symmetrised(measured, crystal)
    found = from_constants(constants, float(np.abs(constants - measured).max()))
    kink = max(residual for _, residual in fits) / GPa
    if kink < KINK * np.abs(constants).max():
        return found
    kinked = f"the stress has a kink at rest: constants depend on the strains by {kink:.1g} GPa"
    return replace(found, problems=(*found.problems, kinked))


def from_constants(c: np.ndarray, asymmetry: float = 0.0) -> Elastic:
    """All that follows from (6,6) elastic constants in GPa."""
    lowest = float(np.linalg.eigvalsh(c)[0])
    named = {name: float(c[int(name[1]) - 1, int(name[2]) - 1]) for name in ("c11", "c12", "c44")}
    if not is_cubic(c):
        named |= {n: float(c[int(n[1]) - 1, int(n[2]) - 1]) for n in ("c13", "c33", "c66")}
    return Elastic(
        **{f"{name}_GPa": value for name, value in named.items()},
        **(moduli(c) if lowest > 0.0 else {}),
        born_stable=lowest > 0.0,
        born_eigenvalue_GPa=lowest,
        elastic_GPa=c,
        elastic_asymmetry_GPa=asymmetry,
        problems=() if lowest > 0.0 else (f"unstable: C has the eigenvalue {lowest:.1f} GPa",),
    )


def moduli(c: np.ndarray) -> dict[str, float]:
    """Isotropic moduli of a polycrystal by (6,6) positive definite C; GPa, Elastic's names."""
    s = np.linalg.inv(c)
    voigt = c[:3, :3].trace(), c[:3, :3].sum(), c[3:, 3:].trace()
    reuss = s[:3, :3].trace(), s[:3, :3].sum(), s[3:, 3:].trace()
    bulk = (voigt[1] / 9 + 1 / reuss[1]) / 2
    shear_voigt = (3 * voigt[0] - voigt[1] + 6 * voigt[2]) / 30
    shear_reuss = 15 / (6 * reuss[0] - 2 * reuss[1] + 3 * reuss[2])
    shear = (shear_voigt + shear_reuss) / 2
    young = 9 * bulk * shear / (3 * bulk + shear)
    return {
        "bulk_modulus_vrh_GPa": float(bulk),
        "shear_modulus_vrh_GPa": float(shear),
        "young_modulus_vrh_GPa": float(young),
        "poisson_ratio": float(young / (2 * shear) - 1),
    }


def symmetrised(c: np.ndarray, crystal: Atoms) -> np.ndarray:
    """The mean of C over ij = ji and over the point group of the crystal."""
    c = (c + c.T) / 2
    full = np.array([[c[_index(i, j)] for j in range(9)] for i in range(9)]).reshape(3, 3, 3, 3)
    cell = crystal.cell.array
    turns = [np.linalg.inv(cell) @ matrix @ cell for matrix in rotations(crystal)]
    mean = sum(np.einsum("ia,jb,kc,ld,ijkl->abcd", t, t, t, t, full) for t in turns) / len(turns)
    return np.array([[mean[one + other] for other in VOIGT] for one in VOIGT])


def is_cubic(c: np.ndarray) -> bool:
    """Whether C is that of a cubic crystal along the axes, to 1e-4 of its largest element."""
    c11, c12, c44 = c.diagonal()[:3].mean(), c[0, 1], c.diagonal()[3:].mean()
    cubic = np.diag([c11 - c12] * 3 + [c44] * 3)
    cubic[:3, :3] += c12
    return bool(np.abs(c - cubic).max() < 1e-4 * np.abs(c).max())


def _slope(crystal, calculator, j: int, strains, fmax: float, rest: np.ndarray) -> np.ndarray:
    """(6,) ∂σ/∂ε_j at zero, and the largest misfit of the cubic over the largest strain; eV/Å³."""
    stresses = []
    for strain in strains:
        deformation = voigt_6_to_full_3x3_strain(strain * np.eye(6)[j])  # 1 + ε
        atoms = crystal.copy()
        atoms.set_cell(crystal.cell.array @ deformation, scale_atoms=True)
        what = f"atoms at strain {strain:g} along {j + 1}"
        atoms = relax_atoms(atoms, calculator, fmax, what=what)
        stresses.append(atoms.get_stress())
    scale = np.abs(strains).max()
    x, stresses = np.append(strains, 0.0) / scale, np.array([*stresses, rest])
    powers = np.vander(x, min(4, len(x)), increasing=True)
    cubic = np.linalg.lstsq(powers, stresses, rcond=None)[0]
    return cubic[1] / scale, float(np.abs(stresses - powers @ cubic).max()) / scale


def _index(i: int, j: int) -> tuple[int, int]:
    """Voigt indices of the pairs i = 3a + b and j = 3c + d."""
    pairs = (0, 5, 4, 5, 1, 3, 4, 3, 2)
    return pairs[i], pairs[j]
