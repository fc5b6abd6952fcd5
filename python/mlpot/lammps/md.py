"""Molecular dynamics in an in-process LAMMPS, sampled into ASE structures."""

from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np
from ase import Atoms
from ase.calculators.singlepoint import SinglePointCalculator
from ase.units import fs

from mlpot.errors import InputError, did_you_mean
from mlpot.lammps.box import Box
from mlpot.lammps.calculator import ase_results
from mlpot.lammps.engine import UNITS, LammpsEngine

FEMTOSECONDS = {"metal": 1000.0, "real": 1.0}  # in LAMMPS' unit of time
ENSEMBLES = ("nvt", "nve", "npt")
COUPLINGS = {"iso": "", "xy": "couple xy", "aniso": ""}
BAROSTAT = 10.0  # its damping in units of the thermostat's
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
    coupling: str = "iso",
    seed: int = 1,
    elements: list[str] | None = None,
    units: str = "metal",
) -> Iterator[tuple[Atoms, dict]]:
    """Yield (frame, thermo row) every `every` steps of an MD run with a LAMMPS potential.

    temperature in K; timestep and damping (of the thermostat: Langevin in "nvt", Nosé-Hoover in
    "npt", which holds zero pressure) in fs; coupling: "iso", "xy" where x and y change together, or
    "aniso" where x, y and z change each by itself; `equilibration` steps come first and are not
    sampled. The atoms' velocities are used when they have any, else drawn at `temperature`. A frame
    carries velocities and the energy, forces and stress of the potential; its positions are not
    wrapped. A row: step, time (ps), temperature (K), energy (potential, eV), kinetic (eV), pressure
    (eV/Å³, with its kinetic part).
    Raises InputError for settings that cannot be and for LAMMPS' errors (atoms lost, for one).
    """
    _check(temperature, steps, timestep, every, equilibration, ensemble, coupling, units)
    if ensemble == "npt" and not atoms.pbc.all():
        raise InputError("ensemble 'npt': the structure must be periodic in three directions")
    dt, damp = (float(time / FEMTOSECONDS[units]) for time in (timestep, damping))
    kelvin = float(temperature)
    elements = elements or sorted(set(atoms.symbols))
    velocity = fs * FEMTOSECONDS[units]  # ASE's unit of velocity -> LAMMPS'
    with LammpsEngine(commands, elements, units) as engine:
        moving = atoms.has("momenta")
        engine.load(atoms, MARGIN, atoms.get_velocities() * velocity if moving else None)
        loaded = replace(engine.box, positions=_unwrapped(engine))  # where LAMMPS has put them
        engine.command(f"timestep {dt!r}")
        if not moving:
            engine.command(f"velocity all create {kelvin!r} {seed} mom yes dist gaussian")
        bath = f"{kelvin!r} {kelvin!r} {damp!r}"
        if ensemble == "npt":
            kind = f"{'iso' if coupling == 'iso' else 'aniso'} 0.0 0.0 {BAROSTAT * damp!r}"
            engine.command(f"fix mlpot_move all npt temp {bath} {kind} {COUPLINGS[coupling]}")
        else:
            engine.command("fix mlpot_move all nve")
        if ensemble == "nvt":
            engine.command(f"fix mlpot_bath all langevin {bath} {seed} zero yes")
        engine.command(f"run {equilibration} post no")
        for _ in range(steps // every):
            engine.command(f"run {every} pre no post no")
            yield _frame(engine, loaded, atoms, velocity), _row(engine, timestep, equilibration)


def _frame(engine: LammpsEngine, loaded: Box, start: Atoms, velocity: float) -> Atoms:
    """The atoms now; `loaded` is the box, and where in it LAMMPS had them, at the beginning."""
    positions, box = _unwrapped(engine), engine.box
    v = np.array(engine.lammps.gather_atoms("v", 1, 3)).reshape(-1, 3)
    frame = start.copy()
    if np.array_equal(box.cell, loaded.cell):
        frame.positions += box.vectors_out(positions - loaded.positions)
    else:
        deformation = np.linalg.solve(loaded.cell, box.cell)
        wrapped = box.vectors_in(start.positions) - loaded.positions
        frame.set_cell(box.vectors_out(box.vectors_in(start.cell.array) @ deformation))
        frame.positions = box.vectors_out(positions + wrapped @ deformation)
    frame.set_velocities(box.vectors_out(v) / velocity)
    frame.calc = SinglePointCalculator(frame, **ase_results(frame, engine.results()))
    return frame


def _unwrapped(engine: LammpsEngine) -> np.ndarray:
    """(N, 3) Å from the corner of the box, in its axes; the engine's box is LAMMPS' own then."""
    low = engine.follow_box()
    images = np.array(engine.lammps.gather_atoms("image", 0, 3)).reshape(-1, 3)
    x = np.array(engine.lammps.gather_atoms("x", 1, 3)).reshape(-1, 3)
    return x - low + images @ engine.box.cell


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


def _check(temperature, steps, timestep, every, equilibration, ensemble, coupling, units) -> None:
    if units not in FEMTOSECONDS:
        raise InputError(f"units {units!r}: MD runs in {' or '.join(FEMTOSECONDS)}")
    if ensemble not in ENSEMBLES:
        hint = did_you_mean(ensemble, ENSEMBLES)
        raise InputError(f"ensemble {ensemble!r}: must be one of {', '.join(ENSEMBLES)}{hint}")
    if coupling not in COUPLINGS:
        hint = did_you_mean(coupling, COUPLINGS)
        raise InputError(f"coupling {coupling!r}: must be one of {', '.join(COUPLINGS)}{hint}")
    for name, value in (("temperature", temperature), ("timestep", timestep)):
        if not 0.0 < value < float("inf"):
            raise InputError(f"{name} {value}: must be a positive number")
    if every < 1 or steps < every or steps % every or equilibration < 0:
        raise InputError(f"steps {steps}: must be a positive multiple of every ({every})")
