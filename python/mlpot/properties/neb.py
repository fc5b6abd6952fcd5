"""Climbing-image nudged elastic bands: in this process by ASE, or by LAMMPS' `neb` under mpiexec.

G. Henkelman, B. P. Uberuaga, H. Jónsson, J. Chem. Phys. 113, 9901 (2000); tangents of
G. Henkelman and H. Jónsson, ibid. 9978.
"""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from ase import Atoms
from ase.calculators.calculator import BaseCalculator
from ase.data import atomic_masses, atomic_numbers
from ase.mep.neb import NEB, NEBOptimizer
from ase.optimize import LBFGS

from mlpot.errors import InputError
from mlpot.lammps import LammpsCalculator
from mlpot.lammps.box import Box
from mlpot.lammps.processes import data_text, run_script
from mlpot.properties.base import PropertyError
from mlpot.properties.methods import as_commands

SECONDS = 4 * 3600  # reached by a hang only


@dataclass(frozen=True)
class Band:
    """Images from end to end: energies (n,) eV, coordinates (n,) Å along the path."""

    energies: np.ndarray
    coordinates: np.ndarray


def by_ase(
    start: Atoms, end: Atoms, calculator: BaseCalculator, images: int, fmax: float, steps: int
) -> Band:
    """The band of `images`, ends included, from the straight line, relaxed to fmax (eV/Å).

    The ends are taken as they are. Raises PropertyError where it does not relax within `steps`.
    """
    chain = [start.copy() for _ in range(images - 1)] + [end.copy()]
    for image in chain:
        image.calc = calculator
    settings = {"method": "improvedtangent", "allow_shared_calculator": True}
    band = NEB(chain, climb=False, **settings)
    band.interpolate(mic=True)
    # The climbing image needs a band that has already found its way roughly. Adaptive steps along
    # the forces need a third of the evaluations of quasi-Newton methods, which stand in for them.
    for climb, bound in ((False, max(10 * fmax, 0.1)), (True, fmax)):
        band.climb = climb
        for optimizer in (NEBOptimizer, LBFGS):
            optimizer(band, logfile=None).run(fmax=bound, steps=steps)
            if (left := _force_left(band)) <= bound:
                break
    if left > fmax:
        raise PropertyError(f"the band is not relaxed after {steps} steps: {left:.2g} eV/Å is left")
    energies = np.array([image.get_potential_energy() for image in chain])
    steps = np.diff([image.positions for image in chain], axis=0)
    return Band(energies, np.append(0.0, np.cumsum(np.linalg.norm(steps, axis=(1, 2)))))


def by_lammps(
    start: Atoms, end: Atoms, calculator: BaseCalculator, images: int, fmax: float, steps: int
) -> Band:
    """The same by LAMMPS, a process for each image (mpiexec -partition), `calculator`'s potential.

    steps: of each of the two stages, without and with climbing, at 10 a step of `by_ase`.
    """
    elements = sorted(set(start.symbols))
    if isinstance(calculator, LammpsCalculator):
        elements = calculator.engine.elements
        if calculator.engine.units != "metal":
            raise PropertyError("route lammps: needs units metal")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        commands = as_commands(calculator, elements, folder)
        (folder / "start.data").write_text(_data(start, elements))
        (folder / "end.coords").write_text(_coordinates(start, end))
        script = SCRIPT.format(potential="\n".join(commands), fmax=fmax, steps=10 * steps)
        options = ["-partition", f"{images}x1", "-screen", "none"]
        try:
            run_script(script, folder, images, options, SECONDS)
        except InputError as e:
            raise PropertyError(f"route lammps: {e}") from None
        return _read(folder / "log.lammps", fmax, images)


def _force_left(band: NEB) -> float:
    """eV/Å. What optimizers return is no sign of it: one says yes when its steps are used up."""
    return float(np.linalg.norm(band.get_forces(), axis=1).max())


ROUTES = {"ase": by_ase, "lammps": by_lammps}

SCRIPT = """\
units metal
atom_modify map array sort 0 0.0
box tilt large
read_data start.data
{potential}
fix band all neb 1.0
timestep 0.01
min_style quickmin
thermo 100
neb 0.0 {fmax} {steps} {steps} 10 final end.coords
"""


def _read(log: Path, fmax: float, images: int) -> Band:
    """The last line of a multi-replica log: RDi along the path, in parts of it, and PEi."""
    lines = [line.split() for line in log.read_text().splitlines()]
    heads = [i for i, words in enumerate(lines) if words[:2] == ["Step", "MaxReplicaForce"]]
    if not heads:
        raise PropertyError("route lammps: its log has no band")
    last = [words for words in lines[heads[-1] + 1 :] if words and words[0].isdigit()][-1]
    row = dict(zip(lines[heads[-1]], map(float, last), strict=False))
    if row["MaxReplicaForce"] > fmax:
        raise PropertyError(f"the band is not relaxed: {row['MaxReplicaForce']:.2g} eV/Å is left")
    energies = np.array([row[f"PE{i}"] for i in range(1, images + 1)])
    parts = np.array([row[f"RD{i}"] for i in range(1, images + 1)])
    return Band(energies, parts * row["RDT"])


def _data(atoms: Atoms, elements: list[str]) -> str:
    box = Box.around(atoms, 0.0)
    types = [elements.index(symbol) + 1 for symbol in atoms.symbols]
    masses = atomic_masses[[atomic_numbers[symbol] for symbol in elements]]
    return data_text(box.cell, box.positions, types, masses)


def _coordinates(start: Atoms, end: Atoms) -> str:
    """The last image as `neb ... final` wants it: relative to the first one, not wrapped."""
    box = Box.around(start, 0.0)
    moved = box.positions + box.vectors_in(end.positions - start.positions)
    rows = (f"{i} {' '.join(map(repr, x))}" for i, x in enumerate(moved.tolist(), 1))
    return "\n".join([str(len(end)), *rows, ""])
