"""Equation of state E(V), and the distance Δ of two of them.

E(V) = E0 + 9 V0 B0 / 16 [(x - 1)³ B0' + (x - 1)² (6 - 4 x)], x = (V0/V)^(2/3):
F. Birch, Phys. Rev. 71, 809 (1947).
Δ = sqrt(∫ [E_a(V) - E_b(V)]² dV / (0.12 V0)) over 0.94 V0 .. 1.06 V0: K. Lejaeghere et al., Crit.
Rev. Solid State 39, 1 (2014); Y. Zuo et al., J. Phys. Chem. A 124, 731 (2020), equation 10.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from ase import Atoms
from ase.calculators.calculator import BaseCalculator
from ase.units import GPa
from scipy.optimize import curve_fit

from mlpot.figures import line_style, new_figure, png
from mlpot.properties.base import PropertyError, Result, SettingError, quantity
from mlpot.properties.relax import relax_atoms


@dataclass(frozen=True, kw_only=True)
class EquationOfState(Result):
    """The Birch-Murnaghan fit (volumes and energies an atom), its points and its RMS residual."""

    eos_volume_A3_per_atom: float = quantity("V0 (equation of state)", "Å³/atom", 3)
    eos_energy_eV_per_atom: float
    eos_bulk_modulus_GPa: float = quantity("B0 (equation of state)", "GPa", 1)
    eos_bulk_modulus_derivative: float = quantity("B0' (equation of state)", "", 2)
    eos_residual_meV_per_atom: float
    eos_volumes_A3_per_atom: np.ndarray
    eos_energies_eV_per_atom: np.ndarray

    def energy(self, volume: np.ndarray) -> np.ndarray:
        """E(V) - E0 of the fit; eV/atom at Å³/atom."""
        bulk = self.eos_bulk_modulus_GPa * GPa
        return birch_murnaghan(
            volume, 0.0, self.eos_volume_A3_per_atom, bulk, self.eos_bulk_modulus_derivative
        )


def eos(
    crystal: Atoms,
    calculator: BaseCalculator,
    *,
    span: float = 0.06,
    points: int = 13,
    fmax: float = 1e-3,
) -> EquationOfState:
    """Energy over volume within 1 ± span of the relaxed crystal's, and its Birch-Murnaghan fit.

    The shape of the cell is kept, atoms are relaxed to fmax (eV/Å).
    """
    if not 0.0 < span < 0.5 or points < 5:
        raise SettingError("eos: span must be within 0 and 0.5, points at least 5")
    volumes, energies = [], []
    for ratio in np.linspace(1 - span, 1 + span, points):
        atoms = crystal.copy()
        atoms.set_cell(crystal.cell * ratio ** (1 / 3), scale_atoms=True)
        atoms = relax_atoms(atoms, calculator, fmax, what=f"atoms at {ratio:.3f} V0")
        volumes.append(atoms.get_volume() / len(atoms))
        energies.append(atoms.get_potential_energy() / len(atoms))
    return fitted(np.array(volumes), np.array(energies))


def fitted(volumes: np.ndarray, energies: np.ndarray) -> EquationOfState:
    """The Birch-Murnaghan fit of points in Å³/atom and eV/atom.

    Raises PropertyError where they have no minimum among them.
    """
    a, b, c = np.polyfit(volumes, energies, 2)
    lowest = -b / (2 * a)
    if a <= 0.0 or not volumes.min() < lowest < volumes.max():
        raise PropertyError("the energy has no minimum over these volumes")
    start = [c - b**2 / (4 * a), lowest, 2 * a * lowest, 4.0]
    try:
        found, _ = curve_fit(birch_murnaghan, volumes, energies, start, xtol=1e-12, ftol=1e-12)
    except RuntimeError:
        raise PropertyError("no Birch-Murnaghan equation fits the energies") from None
    e0, v0, bulk, derivative = found.tolist()
    residual = energies - birch_murnaghan(volumes, *found)
    return EquationOfState(
        eos_volume_A3_per_atom=v0,
        eos_energy_eV_per_atom=e0,
        eos_bulk_modulus_GPa=bulk / GPa,
        eos_bulk_modulus_derivative=derivative,
        eos_residual_meV_per_atom=1e3 * float(np.sqrt(np.mean(residual**2))),
        eos_volumes_A3_per_atom=volumes,
        eos_energies_eV_per_atom=energies,
    )


def birch_murnaghan(v, e0: float, v0: float, bulk: float, derivative: float):
    """E(V) in units of its arguments; bulk: B0 in energy by volume, derivative: B0'."""
    x = (v0 / v) ** (2 / 3)
    return e0 + 9 * v0 * bulk / 16 * ((x - 1) ** 3 * derivative + (x - 1) ** 2 * (6 - 4 * x))


def delta_eos(one: EquationOfState, other: EquationOfState) -> float:
    """Δ in meV/atom, each energy from its own minimum, V0 the mean of the two."""
    v0 = (one.eos_volume_A3_per_atom + other.eos_volume_A3_per_atom) / 2
    nodes, weights = np.polynomial.legendre.leggauss(40)
    difference = (one.energy(v0 * (1 + 0.06 * nodes)) - other.energy(v0 * (1 + 0.06 * nodes))) ** 2
    return 1e3 * float(np.sqrt(weights @ difference / 2))


def between(one: EquationOfState, other: EquationOfState) -> dict[str, float]:
    """What a report says of two methods' equations of state."""
    return {"delta_eos_meV_per_atom": delta_eos(one, other)}


def plot(results: dict[str, EquationOfState]) -> bytes:
    """PNG: points and fits over volume, each energy from its own minimum."""
    figure = new_figure(5.6, 4.2)
    axes = figure.subplots()
    for i, (name, result) in enumerate(results.items()):
        volumes, style = result.eos_volumes_A3_per_atom, line_style(i)
        grid = np.linspace(volumes.min(), volumes.max(), 200)
        energies = result.eos_energies_eV_per_atom - result.eos_energy_eV_per_atom
        axes.plot(grid, 1e3 * result.energy(grid), label=name, **style)
        axes.plot(volumes, 1e3 * energies, "o", markersize=3.5, color=style["color"])
    axes.set(xlabel="volume (Å³/atom)", ylabel="energy (meV/atom)")
    axes.legend(fontsize="small")
    return png(figure, "Equation of state")
