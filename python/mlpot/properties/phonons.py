"""Phonons by finite displacements (phonopy): frequencies along the standard path, DOS, heat.

A. Togo, J. Phys. Soc. Jpn. 92, 012001 (2023). The path is that of W. Setyawan and S. Curtarolo,
Comput. Mater. Sci. 49, 299 (2010), as ASE has it. Frequencies in THz, imaginary ones negative.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from math import ceil
from typing import Any

import numpy as np
from ase import Atoms
from ase.calculators.calculator import BaseCalculator
from ase.cell import Cell
from ase.dft.kpoints import parse_path_string
from ase.units import kB

from mlpot.figures import line_style, new_figure, png
from mlpot.properties.base import Result, SettingError, hidden, quantity

SEGMENT = 51  # q points on the longest segment
MESH = 60.0  # Å, phonopy's measure of the density of q points
ROOM = 300.0  # K
SOFT = 0.05  # THz: what numerical noise may make of an acoustic phonon
PLANCK = 4.135667696923859e-3  # eV/THz, CODATA 2018


@dataclass(frozen=True, kw_only=True)
class Phonons(Result):
    """min: over the path and the mesh; an unstable crystal has a negative one.

    acoustic: largest frequency at Γ of the three acoustic branches, 0 by the sum rule.
    frequencies: at the special points of the path, in rising order.
    path (segments, each of distances (n,) in 1/Å and frequencies (n, branches)), ticks and dos
    (2, n: THz, states per THz and primitive cell) are for the plot.
    """

    phonon_max_THz: float = quantity("highest phonon", "THz", 3)
    phonon_min_THz: float = quantity("lowest phonon", "THz", 3)
    zero_point_energy_meV_per_atom: float | None = quantity("zero-point energy", "meV/atom", 2)
    heat_capacity_300K_kB_per_atom: float | None = quantity("C_V at 300 K", "k_B/atom", 3)
    phonon_acoustic_THz: float | None = None
    phonon_frequencies_THz: dict[str, list[float]] | None = None
    phonon_supercell_atoms: int | None = None
    path: list[tuple[np.ndarray, np.ndarray]] = hidden()
    ticks: list[tuple[float, str]] = hidden()
    dos: np.ndarray = hidden()


def phonons(
    crystal: Atoms,
    calculator: BaseCalculator,
    *,
    length: float = 10.0,
    displacement: float = 0.003,
    progress: Callable[[int, int], None] | None = None,
) -> Phonons:
    """Phonon dispersion and density of states, from displaced atoms in a supercell.

    displacement in Å: large enough for the noise of the forces, which a potential has not and DFT
    has (0.01 is usual then); the error grows with its square. The edges of the supercell are
    `length` Å or longer. Raises InputError where phonopy is not installed.
    """
    phonopy = _force_constants(crystal, calculator, length, displacement, progress)
    band = Cell(phonopy.primitive.cell).bandpath()
    at_gamma = _frequencies(phonopy, [[0.0] * 3])[0]
    path, ticks = _along(phonopy, band)
    phonopy.run_mesh(MESH)
    phonopy.run_total_dos(use_tetrahedron_method=True)
    dos, mesh = phonopy.total_dos, phonopy.mesh
    everywhere = np.concatenate([mesh.frequencies.ravel(), *(f.ravel() for _, f in path)])
    lowest = float(everywhere.min())
    stable = lowest > -SOFT
    zero_point, heat_capacity = _heat(mesh.frequencies, mesh.weights)
    special = {name: q for name, q in band.special_points.items() if name in band.path}
    return Phonons(
        phonon_max_THz=float(everywhere.max()),
        phonon_min_THz=lowest,
        zero_point_energy_meV_per_atom=zero_point if stable else None,
        heat_capacity_300K_kB_per_atom=heat_capacity if stable else None,
        phonon_acoustic_THz=float(np.sort(np.abs(at_gamma))[:3].max()),
        phonon_frequencies_THz={
            name: _frequencies(phonopy, [q])[0].tolist() for name, q in special.items()
        },
        phonon_supercell_atoms=len(phonopy.supercell),
        path=path,
        ticks=ticks,
        dos=np.array([dos.frequency_points, dos.dos]),
        problems=() if stable else (f"unstable: the lowest phonon has {lowest:.2f} THz",),
    )


def plot(results: dict[str, Phonons]) -> bytes:
    """PNG: frequencies along the path, imaginary ones below zero, and densities of states.

    Each method's path is stretched to the length of the first one's.
    """
    figure = new_figure(8.4, 4.6)
    axes, side = figure.subplots(1, 2, sharey=True, width_ratios=(4, 1))
    first = next(iter(results.values()))
    for number, (name, found) in enumerate(results.items()):
        scale, style = first.ticks[-1][0] / found.ticks[-1][0], line_style(number)
        for part, (distance, frequencies) in enumerate(found.path):
            lines = axes.plot(scale * distance, frequencies, **style)
            if part == 0:
                lines[0].set_label(name)
        side.plot(found.dos[1], found.dos[0], **style)
    places, names = zip(*first.ticks, strict=True)
    axes.set_xticks(places, names)
    lowest = min(found.phonon_min_THz for found in results.values())
    highest = max(found.phonon_max_THz for found in results.values())
    axes.set(xlim=(0.0, places[-1]), ylabel="frequency (THz)")
    axes.set_ylim(1.1 * min(lowest, -0.01 * highest), 1.05 * highest)
    axes.grid(axis="x", color="0.8")
    axes.axhline(0.0, color="0.6", linewidth=0.8)
    figure.legend(fontsize="small", loc="outside lower center", ncols=3)
    side.set(xlabel="DOS (1/THz/cell)", xlim=(0.0, None))
    return png(figure, "Phonons")


def _heat(frequencies: np.ndarray, weights: np.ndarray) -> tuple[float, float]:
    """Zero-point energy (meV/atom) and C_V at ROOM (k_B/atom) of (n, branches) THz.

    Half of h ν, and (h ν / k T)² e^(h ν / k T) / (e^(h ν / k T) - 1)² a mode, the limit 1 of which
    the acoustic ones have at Γ.
    """
    share = weights / weights.sum() / (frequencies.shape[1] / 3)
    quanta = PLANCK * np.maximum(frequencies, 0.0)
    x = np.maximum(quanta / (kB * ROOM), 1e-6)
    modes = (x / (2.0 * np.sinh(x / 2.0))) ** 2
    return 1e3 * float(share @ quanta.sum(axis=1)) / 2, float(share @ modes.sum(axis=1))


def _force_constants(crystal, calculator, length, displacement, progress) -> Any:
    """phonopy with the force constants of the crystal's supercell."""
    try:
        from phonopy import Phonopy
        from phonopy.structure.atoms import PhonopyAtoms
        from phonopy.structure.cells import guess_primitive_matrix
    except ImportError:
        raise SettingError("phonons need phonopy: pip install 'mlpot[properties]'") from None
    repeat = [max(1, ceil(length / edge - 1e-6)) for edge in crystal.cell.lengths()]
    cell = PhonopyAtoms(
        symbols=list(crystal.symbols),
        cell=crystal.cell.array,
        scaled_positions=crystal.get_scaled_positions(),
        masses=crystal.get_masses(),
    )
    phonopy = Phonopy(cell, np.diag(repeat), guess_primitive_matrix(cell))
    phonopy.generate_displacements(distance=displacement)
    displaced = phonopy.supercells_with_displacements
    forces = []
    for number, moved in enumerate(displaced, 1):
        atoms = Atoms(moved.symbols, positions=moved.positions, cell=moved.cell, pbc=True)
        forces.append(calculator.get_property("forces", atoms))
        if progress:
            progress(number, len(displaced))
    phonopy.forces = forces
    phonopy.produce_force_constants()
    return phonopy


def _frequencies(phonopy: Any, q: Any) -> np.ndarray:
    """(n, branches) at q points (n, 3) in units of the primitive cell's reciprocal vectors."""
    phonopy.run_qpoints(q)
    return np.sort(phonopy.qpoints.frequencies, axis=1)


def _along(phonopy: Any, band: Any) -> tuple[list, list[tuple[float, str]]]:
    """Segments of the path and where its special points are."""
    reciprocal = Cell(phonopy.primitive.cell).reciprocal().array
    pieces = [list(pairwise(part)) for part in parse_path_string(band.path)]
    points = band.special_points
    lengths = {
        (a, b): np.linalg.norm((points[b] - points[a]) @ reciprocal)
        for piece in pieces
        for a, b in piece
    }
    path, ticks, start = [], [], 0.0
    for piece in pieces:
        for a, b in piece:
            n = max(2, ceil(SEGMENT * lengths[a, b] / max(lengths.values())))
            q = np.linspace(points[a], points[b], n)
            path.append((start + np.linspace(0.0, lengths[a, b], n), _frequencies(phonopy, q)))
            _tick(ticks, start, a)
            start += lengths[a, b]
            _tick(ticks, start, b)
    return path, ticks


def _tick(ticks: list[tuple[float, str]], x: float, name: str) -> None:
    """Add a special point; where the path jumps, both names stand at one place."""
    name = re.sub(r"(\d+)", r"$_{\1}$", name.replace("G", "Γ"))
    if not ticks or x > ticks[-1][0] + 1e-9:
        ticks.append((x, name))
    elif name not in ticks[-1][1].split("|"):
        ticks[-1] = (x, f"{ticks[-1][1]}|{name}")
