"""Thermal expansion by dynamics at zero pressure (NPT), classical nuclei.

α = d ln L / dT with L³ the volume: the line through the crystal at 0 K that fits ln L(T) best.
Classical nuclei expand linearly from 0 K on; real ones do so above the Debye temperature.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from ase import Atoms
from ase.calculators.calculator import BaseCalculator

from mlpot.dynamics import stream, trajectory
from mlpot.figures import line_style, new_figure, png
from mlpot.generate.cells import supercell as repeated
from mlpot.properties.base import Kelvins, PropertyError, Result, SettingError, hidden, quantity
from mlpot.properties.checked import kelvins as checked_kelvins
from mlpot.properties.checked import of_dynamics, positive
from mlpot.properties.correlations import block_mean

EVERY = 20.0  # fs between samples
SAME = 1e-4  # Å: edges of the relaxed cell that differ less are equal by symmetry
FAR = 1.5  # times the volume at 0 K: no crystal any more


@dataclass(frozen=True, kw_only=True)
class ThermalExpansion(Result):
    """linear: α with its standard error; lattice: mean length of the first cell vector.

    cell: all three lengths; means (2, n): K and 100 (L/L0 - 1), with their standard errors, are for
    the plot.
    """

    linear_expansion_1e6_per_K: float = quantity("linear thermal expansion", "10⁻⁶/K", 2)
    linear_expansion_error_bar_1e6_per_K: float = quantity("its standard error", "10⁻⁶/K", 2)
    hot_lattice_constant_A: dict[str, float] = quantity("lattice constant a at {} K", "Å", 4)
    hot_cell_A: dict[str, list[float]] | None = None
    expansion_atoms: int | None = None
    means: np.ndarray = hidden()
    bars: np.ndarray = hidden()


def thermal_expansion(
    crystal: Atoms,
    calculator: BaseCalculator,
    *,
    temperatures: tuple = Kelvins((100.0, 200.0, 300.0)),
    time: float = 20.0,
    equilibration: float = 5.0,
    timestep: float = 1.0,
    supercell: int = 200,
    seed: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> ThermalExpansion:
    """Thermal expansion from molecular dynamics at zero pressure (NPT).

    temperatures in K, or "0.3Tm" of melting; time and equilibration in ps, timestep in fs;
    supercell: its atoms, at the least. Edges of the cell that differ change each by itself, its
    angles do not. Raises PropertyError where the crystal does not hold together, SettingError for
    settings that cannot be.
    """
    of_dynamics("thermal_expansion", time, equilibration, timestep, seed)
    positive("thermal_expansion", supercell=supercell)
    kelvins = np.array(checked_kelvins("thermal_expansion", temperatures, crystal))
    every = max(1, round(EVERY / timestep))
    steps, first = (round(1000.0 * t / timestep) // every * every for t in (time, equilibration))
    if steps < 10 * every:
        raise SettingError(
            f"thermal_expansion.time {time} ps: must be {10 * EVERY:g} fs at the least"
        )
    start = repeated(crystal, supercell)
    settings = {"steps": steps, "every": every, "timestep": timestep, "equilibration": first}
    settings |= {"ensemble": "npt", "coupling": _coupling(crystal)}
    lengths, bars, cells = [], [], {}
    for number, temperature in enumerate(kelvins.tolist()):
        own = stream(seed, number)
        run = trajectory(start, calculator, temperature=temperature, seed=own, **settings)
        sampled = []
        for frame, row in run:
            if frame.get_volume() > FAR * start.get_volume():
                raise PropertyError(f"NPT at {temperature:g} K: falls apart at {row['time']:g} ps")
            sampled.append(frame.cell.lengths())
            if progress:
                done = number * (steps // every) + len(sampled)
                progress(done, len(kelvins) * (steps // every))
        ratios = np.prod(np.array(sampled) / start.cell.lengths(), axis=1) ** (1 / 3)
        mean, bar = block_mean(np.log(ratios))
        lengths.append(mean)
        bars.append(bar)
        mean_cell = np.mean(sampled, axis=0) * crystal.cell.lengths() / start.cell.lengths()
        cells[f"{temperature:g}"] = mean_cell.tolist()
    weight = kelvins / (kelvins @ kelvins)
    return ThermalExpansion(
        linear_expansion_1e6_per_K=1e6 * float(weight @ lengths),
        linear_expansion_error_bar_1e6_per_K=1e6 * float(np.linalg.norm(weight * bars)),
        hot_lattice_constant_A={name: cell[0] for name, cell in cells.items()},
        hot_cell_A=cells,
        expansion_atoms=len(start),
        means=np.array([kelvins, 100.0 * np.expm1(lengths)]),
        bars=100.0 * np.array(bars),
    )


def _coupling(crystal: Atoms) -> str:
    """Which edges change together: those that are equal."""
    a, b, c = crystal.cell.lengths()
    if abs(a - b) > SAME:
        return "aniso"
    return "iso" if abs(a - c) <= SAME else "xy"


def plot(results: dict[str, ThermalExpansion]) -> bytes:
    """PNG: mean change of length over temperature with standard errors, and the fitted lines."""
    figure = new_figure(5.6, 4.2)
    axes = figure.subplots()
    for number, (name, found) in enumerate(results.items()):
        style, (kelvins, percent) = line_style(number), found.means
        alpha = found.linear_expansion_1e6_per_K
        grid = np.array([0.0, kelvins.max()])
        axes.plot(grid, 1e-4 * alpha * grid, label=f"{name}: {alpha:.1f}·10⁻⁶/K", **style)
        axes.errorbar(kelvins, percent, found.bars, fmt="o", markersize=4, color=style["color"])
    axes.set(xlabel="temperature (K)", ylabel="linear expansion (%)", xlim=(0.0, None))
    axes.legend(fontsize="small")
    return png(figure, "Thermal expansion at zero pressure")
