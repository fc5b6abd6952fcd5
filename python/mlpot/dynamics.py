"""Molecular dynamics by any ASE calculator: by LAMMPS where it can, by ASE's integrators else."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from ase import Atoms, units
from ase.calculators.calculator import BaseCalculator
from ase.calculators.singlepoint import SinglePointCalculator
from ase.md.langevin import Langevin
from ase.md.nptberendsen import Inhomogeneous_NPTBerendsen, NPTBerendsen
from ase.md.verlet import VelocityVerlet

from mlpot.calculator import MLPotCalculator
from mlpot.lammps import LammpsCalculator, iter_md

DAMPING = 100.0  # fs, of thermostats
BAROSTAT = 1000.0  # fs
COMPRESSIBILITY = 1e-2  # Å³/eV, of a typical solid; it only scales the time of ASE's barostat


def trajectory(
    atoms: Atoms,
    calculator: BaseCalculator,
    *,
    temperature: float,
    steps: int,
    every: int,
    equilibration: int = 0,
    timestep: float = 1.0,
    ensemble: str = "nvt",
    coupling: str = "iso",
    seed: int = 0,
) -> Iterator[tuple[Atoms, dict]]:
    """Yield (frame, row) as `mlpot.lammps.iter_md` does, which runs models and LAMMPS' potentials.

    Other calculators are moved by ASE: Verlet in "nve", Langevin in "nvt", Berendsen's barostat in
    "npt", whose mean volume is right and whose fluctuations are not. temperature K, times fs. The
    same seed gives the same frames.
    """
    settings = {"temperature": temperature, "steps": steps, "every": every, "timestep": timestep}
    settings |= {"equilibration": equilibration, "ensemble": ensemble, "coupling": coupling}
    with _in_lammps(atoms, calculator) as potential:
        if potential is None:
            yield from _by_ase(atoms, calculator, seed=seed, **settings)
        else:
            more = {"damping": DAMPING, "seed": seed + 1}  # LAMMPS' seeds start at one
            yield from iter_md(atoms, **potential, **settings, **more)


def stream(*seeds: int) -> int:
    """A seed for one of several runs: the same one in two runs would correlate their noise."""
    return int(np.random.default_rng(seeds).integers(10**8))


@contextmanager
def _in_lammps(atoms: Atoms, calculator: BaseCalculator) -> Iterator[dict | None]:
    """commands, elements and units of a calculator that LAMMPS can run, else None."""
    if isinstance(calculator, LammpsCalculator):
        engine = calculator.engine
        yield {"commands": engine.commands, "elements": engine.elements, "units": engine.units}
    elif isinstance(calculator, MLPotCalculator):
        elements = sorted(set(atoms.symbols))
        with TemporaryDirectory() as folder:
            file = calculator.model.save(Path(folder) / "model.json")
            coefficients = f'pair_coeff * * "{file}" {" ".join(elements)}'
            yield {"commands": ["pair_style mlpot", coefficients], "elements": elements}
    else:
        yield None


def _by_ase(
    atoms,
    calculator,
    *,
    temperature,
    steps,
    every,
    timestep,
    equilibration,
    ensemble,
    coupling,
    seed,
) -> Iterator[tuple[Atoms, dict]]:
    moving, rng = atoms.copy(), np.random.default_rng(seed)
    moving.calc = calculator
    if not moving.has("momenta"):
        width = np.sqrt(moving.get_masses() * units.kB * temperature)
        moving.set_momenta(width[:, None] * rng.standard_normal((len(moving), 3)))
    dynamics = _integrator(moving, temperature, timestep * units.fs, ensemble, coupling, rng)
    dynamics.run(equilibration)
    for number in range(1, steps // every + 1):
        dynamics.run(every)
        yield _frame(moving), _row(moving, number * every, timestep)


def _integrator(moving: Atoms, temperature, timestep, ensemble, coupling, rng):
    if ensemble == "nve":
        return VelocityVerlet(moving, timestep)
    if ensemble == "nvt":
        bath = {"temperature_K": temperature, "friction": 1.0 / (DAMPING * units.fs)}
        return Langevin(moving, timestep, **bath, fixcm=False, rng=rng)
    barostat = NPTBerendsen if coupling == "iso" else Inhomogeneous_NPTBerendsen
    return barostat(
        moving,
        timestep,
        temperature_K=temperature,
        pressure_au=0.0,
        taut=DAMPING * units.fs,
        taup=BAROSTAT * units.fs,
        compressibility_au=COMPRESSIBILITY,
    )


def _frame(moving: Atoms) -> Atoms:
    frame = moving.copy()
    names = [name for name in ("energy", "forces", "stress") if name in moving.calc.results]
    frame.calc = SinglePointCalculator(frame, **{name: moving.calc.results[name] for name in names})
    return frame


def _row(moving: Atoms, step: int, timestep: float) -> dict:
    return {
        "step": step,
        "time": step * timestep / 1000.0,
        "temperature": moving.get_temperature(),
        "energy": moving.get_potential_energy(),
        "kinetic": moving.get_kinetic_energy(),
        "pressure": _pressure(moving),
    }


def _pressure(moving: Atoms) -> float:
    """eV/Å³ with its kinetic part; nan for a calculator without stress."""
    if "stress" not in moving.calc.implemented_properties or moving.cell.rank < 3:
        return float("nan")
    return float(-np.trace(moving.get_stress(voigt=False, include_ideal_gas=True)) / 3.0)
