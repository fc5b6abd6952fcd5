"""Dynamics at constant volume and temperature: is it stable, what does it average to, how wrong.

The snapshots can be compared with a second method, as in Y. Zuo et al., J. Phys. Chem. A 124, 731
(2020): there 1300 K, 54 atoms of Mo, 0.25 ns and 40 snapshots against DFT.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields

import numpy as np
from ase import Atoms
from ase.calculators.calculator import BaseCalculator
from ase.units import GPa

from mlpot.dynamics import stream, trajectory
from mlpot.errors import InputError
from mlpot.figures import line_style, new_figure, png
from mlpot.generate.cells import supercell as repeated
from mlpot.metrics import predict
from mlpot.properties.base import Kelvins, PropertyError, Result, SettingError, hidden, quantity
from mlpot.properties.checked import kelvins, of_dynamics, positive
from mlpot.properties.correlations import (
    block_mean,
    displacement,
    mean_rdf,
    peak,
    unwrapped,
    vibration,
)

FRAMES = 500  # sampled at the most
NEAREST = 0.6  # of the crystal's nearest distance: atoms closer than this have collapsed
BINS = 200


@dataclass(frozen=True, kw_only=True)
class Dynamics(Result):
    """Averages of each temperature (K), those with _error with their standard errors.

    displacement: mean square, from the mean positions; diffusion: slope of the mean square
    displacement over time, by 6. nearest: the shortest distance of all frames, in units of the
    crystal's. energy_error: mean absolute error of the snapshots' energies against the second
    method, and energy_scatter the same after a constant is taken off (another zero of energy).
    snapshots: with energies, forces and stresses, to be labelled by another program; rdf (2, bins)
    and displacements (2, n: ps, Å²) are for the plot.
    """

    md_temperature_K: dict[str, float] = quantity("mean temperature of NVT at {} K", "K", 1)
    md_energy_eV_per_atom: dict[str, float] = quantity("potential energy at {} K", "eV/atom", 4)
    md_pressure_GPa: dict[str, float] = quantity("pressure at {} K", "GPa", 2)
    md_displacement_A2: dict[str, float] = quantity("mean square displacement at {} K", "Å²", 4)
    md_rdf_peak_A: dict[str, float] = quantity("first peak of g(r) at {} K", "Å", 3)
    md_nearest: dict[str, float] = quantity("nearest distance at {} K, of the crystal's", "", 3)
    md_energy_error_meV_per_atom: dict[str, float] | None = quantity(
        "energy MAE at {} K", "meV/atom", 2
    )
    md_energy_scatter_meV_per_atom: dict[str, float] | None = quantity(
        "energy MAE at {} K, aligned", "meV/atom", 2
    )
    md_force_error_eV_per_A: dict[str, float] | None = quantity("force MAE at {} K", "eV/Å", 4)
    md_energy_error_bar_eV_per_atom: dict[str, float] | None = None
    md_pressure_error_bar_GPa: dict[str, float] | None = None
    md_diffusion_A2_per_ps: dict[str, float] | None = None
    md_atoms: int | None = None
    snapshots: dict[str, list[Atoms]] = hidden()
    rdf: dict[str, np.ndarray] = hidden()
    displacements: dict[str, np.ndarray] = hidden()


def md(
    crystal: Atoms,
    calculator: BaseCalculator,
    *,
    temperatures: tuple = Kelvins((300.0,)),
    time: float = 20.0,
    equilibration: float = 2.0,
    timestep: float = 1.0,
    supercell: int = 54,
    snapshots: int = 40,
    seed: int = 0,
    reference: BaseCalculator | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Dynamics:
    """Molecular dynamics (NVT) of a supercell: stability, averages, errors of snapshots.

    temperatures in K, or "0.9Tm" of melting; time and equilibration in ps, timestep in fs.
    supercell: its atoms, at the least; its volume is that of the crystal at 0 K. snapshots: how
    many to keep, evenly spaced, and to compare with `reference`. LAMMPS integrates (Langevin) where
    it can, ASE else. A run that collapses or loses atoms is a problem of its own; PropertyError
    where all do. Raises SettingError for settings that cannot be.
    """
    of_dynamics("md", time, equilibration, timestep, seed)
    positive("md", snapshots=snapshots, supercell=supercell)
    chosen_kelvins = kelvins("md", temperatures, crystal)
    start, steps = repeated(crystal, supercell), round(1000.0 * time / timestep)
    every = max(1, round(steps / FRAMES))
    settings = {"steps": steps // every * every, "every": every, "timestep": timestep}
    settings |= {"equilibration": round(1000.0 * equilibration / timestep)}
    if steps // every < 10:
        raise SettingError(f"md.time {time} ps: must be ten time steps at the least")
    found: dict[str, dict] = {}
    problems = []
    for number, chosen in enumerate(chosen_kelvins):
        own = stream(seed, number)
        run = trajectory(start, calculator, temperature=chosen, seed=own, **settings)
        done = number * (steps // every), len(chosen_kelvins) * (steps // every)
        try:
            frames, rows = _sampled(run, start, done, progress)
            spaced = np.linspace(0, len(frames) - 1, min(snapshots, len(frames))).round()
            few = [frames[i] for i in spaced.astype(int)]
            averages = _averages(frames, rows) | _errors(few, reference)
            found[f"{chosen:g}"] = averages | {"snapshots": few}
        except (PropertyError, InputError) as error:
            problems.append(f"NVT at {chosen:g} K: {error}")
    if not found:
        raise PropertyError("; ".join(problems))
    names = {f.name for f in fields(Dynamics)}
    columns = {
        key: {t: values[key] for t, values in found.items()}
        for key in next(iter(found.values()))
        if key in names
    }
    return Dynamics(md_atoms=len(start), problems=tuple(problems), **columns)


def plot(results: dict[str, Dynamics]) -> bytes:
    """PNG: g(r), and the mean square displacement over time; a row a temperature."""
    temperatures = list(dict.fromkeys(t for found in results.values() for t in found.rdf))
    figure = new_figure(8.4, 0.8 + 2.9 * len(temperatures))
    panels = figure.subplots(len(temperatures), 2, squeeze=False)
    for (left, right), temperature in zip(panels, temperatures, strict=True):
        for number, (name, found) in enumerate(results.items()):
            if temperature in found.rdf:
                left.plot(*found.rdf[temperature], label=name, **line_style(number))
                right.plot(*found.displacements[temperature], **line_style(number))
        left.set(xlabel="r (Å)", ylabel="g(r)", title=f"{temperature} K")
        r, g = left.get_lines()[0].get_data()
        left.set_xlim(0.8 * r[np.argmax(g > 0.0)], r[-1])
        right.set(xlabel="time (ps)", ylabel="mean square displacement (Å²)")
        right.set(title=f"{temperature} K", ylim=(0.0, None), xlim=(0.0, None))
    panels[0][0].legend(fontsize="small")
    return png(figure, "Dynamics at constant volume")


def _sampled(
    run: Iterator[tuple[Atoms, dict]],
    start: Atoms,
    done: tuple[int, int],
    progress: Callable[[int, int], None] | None,
) -> tuple[list[Atoms], list[dict]]:
    """All frames and rows of a run; PropertyError where two atoms come too close."""
    frames: list[Atoms] = []
    rows: list[dict] = []
    bound = NEAREST * _nearest(start)
    for frame, row in run:
        shortest = _nearest(frame)
        if not shortest > bound:
            raise PropertyError(
                f"collapsed: two atoms {shortest:.2f} Å apart at {row['time']:g} ps"
            )
        frames.append(frame)
        rows.append(row | {"nearest": shortest / bound * NEAREST})
        if progress:
            progress(done[0] + len(frames), done[1])
    return frames, rows


def _averages(frames: list[Atoms], rows: list[dict]) -> dict:
    n, x, every = len(frames[0]), unwrapped(frames), rows[1]["time"] - rows[0]["time"]
    energy, energy_bar = block_mean([row["energy"] / n for row in rows])
    pressure, pressure_bar = block_mean([row["pressure"] / GPa for row in rows])
    reach = min(8.0, 0.999 * float(frames[0].cell.lengths().min()))
    curve, squares = mean_rdf(frames, reach, BINS), displacement(x)
    times = every * np.arange(len(squares))
    late = slice(len(times) // 4, 3 * len(times) // 4 + 1)
    return {
        "md_temperature_K": block_mean([row["temperature"] for row in rows])[0],
        "md_energy_eV_per_atom": energy,
        "md_energy_error_bar_eV_per_atom": energy_bar,
        "md_pressure_GPa": pressure,
        "md_pressure_error_bar_GPa": pressure_bar,
        "md_displacement_A2": vibration(x),
        "md_diffusion_A2_per_ps": float(np.polyfit(times[late], squares[late], 1)[0] / 6.0),
        "md_rdf_peak_A": peak(*curve),
        "md_nearest": min(row["nearest"] for row in rows),
        "rdf": curve,
        "displacements": np.array([times, squares])[:, : 3 * len(times) // 4 + 1],
    }


def _errors(frames: list[Atoms], reference: BaseCalculator | None) -> dict:
    """Mean absolute errors of frames against the second method."""
    if reference is None:
        return {}
    energies, forces = [], []
    for frame in frames:
        truth = predict(reference, frame)
        energies.append((frame.get_potential_energy() - truth.energy) / len(frame))
        forces.append(np.abs(frame.get_forces() - truth.forces).mean())
    return {
        "md_energy_error_meV_per_atom": 1e3 * float(np.abs(energies).mean()),
        "md_energy_scatter_meV_per_atom": 1e3 * float(np.abs(energies - np.mean(energies)).mean()),
        "md_force_error_eV_per_A": float(np.mean(forces)),
    }


def _nearest(atoms: Atoms) -> float:
    """Å of the shortest distance between two atoms; nan where positions are not finite."""
    i, j = np.triu_indices(len(atoms), 1)
    apart = (atoms.positions[i] - atoms.positions[j]) @ np.linalg.inv(atoms.cell.array)
    apart -= np.rint(apart)
    return float(np.linalg.norm(apart @ atoms.cell.array, axis=1).min())
