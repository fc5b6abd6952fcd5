"""Molecular dynamics in an in-process LAMMPS, sampled into ASE structures."""

from collections.abc import Callable, Iterator

import numpy as np
from ase import Atoms
from ase.calculators.singlepoint import SinglePointCalculator
from ase.units import fs

from mlpot.errors import InputError, did_you_mean
from mlpot.lammps.calculator import ase_results
from mlpot.lammps.engine import UNITS, LammpsEngine

FEMTOSECONDS = {"metal": 1000.0, "real": 1.0}  # in LAMMPS' unit of time
ENSEMBLES = ("nvt", "nve")
MARGIN = 20.0  # Å of room for atoms where a direction is not periodic


def run_md(
    atoms: Atoms,
    commands: list[str] | str,
    *,
    progress: Callable[[int, int], None] | None = None,
    **settings,
) -> tuple[list[Atoms], list[dict]]:
    """All frames and thermo rows of `iter_md`; `progress(done, total)` is called at each sample."""
    frames, rows = [], []
    total = settings["steps"] // max(1, settings.get("every", 100))
    for frame, row in iter_md(atoms, commands, **settings):
        frames.append(frame)
        rows.append(row)
        if progress:
            progress(len(frames), total)
    return frames, rows


def iter_md(
    atoms: Atoms,
    commands: list[str] | str,
    *,
    temperature: float,
    steps: int,
    timestep: float = 1.0,
    every: int = 100,
    equilibration: int = 0,
    ensemble: str = "nvt",
    damping: float = 100.0,
    seed: int = 1,
    elements: list[str] | None = None,
    units: str = "metal",
) -> Iterator[tuple[Atoms, dict]]:
    """Yield (frame, thermo row) every `every` steps of an MD run with a LAMMPS potential.

    temperature in K; timestep and damping (of the Langevin thermostat of "nvt") in fs;
    `equilibration` steps come first and are not sampled. The atoms' velocities are used when they
    have any, else drawn at `temperature`. A frame carries velocities and the energy, forces and
    stress of the potential; its positions are not wrapped. A row: step, time (ps), temperature (K),
    energy (potential, eV), kinetic (eV), pressure (eV/Å³, with its kinetic part).
    Raises InputError for settings that cannot be and for LAMMPS' errors (atoms lost, for one).
    """
    _check(temperature, steps, timestep, every, equilibration, ensemble, units)
    dt, damp = (float(time / FEMTOSECONDS[units]) for time in (timestep, damping))
    kelvin = float(temperature)
    elements = elements or sorted(set(atoms.symbols))
    velocity = fs * FEMTOSECONDS[units]  # ASE's unit of velocity -> LAMMPS'
    with LammpsEngine(commands, elements, units) as engine:
        moving = atoms.has("momenta")
        engine.load(atoms, MARGIN, atoms.get_velocities() * velocity if moving else None)
        engine.command(f"timestep {dt!r}", "fix mlpot_nve all nve")
        if not moving:
            engine.command(f"velocity all create {kelvin!r} {seed} mom yes dist gaussian")
        if ensemble == "nvt":
            bath = f"{kelvin!r} {kelvin!r} {damp!r} {seed} zero yes"
            engine.command(f"fix mlpot_bath all langevin {bath}")
        engine.command(f"run {equilibration} post no")
        for _ in range(steps // every):
            engine.command(f"run {every} pre no post no")
            yield _frame(engine, atoms, velocity), _row(engine, timestep, equilibration)


def _frame(engine: LammpsEngine, start: Atoms, velocity: float) -> Atoms:
    box = engine.box
    images = np.array(engine.lammps.gather_atoms("image", 0, 3)).reshape(-1, 3)
    x, v = (np.array(engine.lammps.gather_atoms(n, 1, 3)).reshape(-1, 3) for n in "xv")
    frame = start.copy()
    frame.positions += box.vectors_out(x + images @ box.cell - box.positions)
    frame.set_velocities(box.vectors_out(v) / velocity)
    frame.calc = SinglePointCalculator(frame, **ase_results(frame, engine.results()))
    return frame


def _row(engine: LammpsEngine, timestep: float, equilibration: int) -> dict:
    thermo, in_ev = engine.lammps.get_thermo, UNITS[engine.units]
    step = int(thermo("step")) - equilibration
    return {
        "step": step,
        "time": step * timestep / 1000.0,
        "temperature": thermo("temp"),
        "energy": thermo("pe") * in_ev,
        "kinetic": thermo("ke") * in_ev,
        "pressure": thermo("press") / engine.nktv2p * in_ev,
    }


def _check(temperature, steps, timestep, every, equilibration, ensemble, units) -> None:
    if units not in FEMTOSECONDS:
        raise InputError(f"units {units!r}: MD runs in {' or '.join(FEMTOSECONDS)}")
    if ensemble not in ENSEMBLES:
        hint = did_you_mean(ensemble, ENSEMBLES)
        raise InputError(f"ensemble {ensemble!r}: must be one of {', '.join(ENSEMBLES)}{hint}")
    for name, value in (("temperature", temperature), ("timestep", timestep)):
        if not 0.0 < value < float("inf"):
            raise InputError(f"{name} {value}: must be a positive number")
    if every < 1 or steps < every or steps % every or equilibration < 0:
        raise InputError(f"steps {steps}: must be a positive multiple of every ({every})")
