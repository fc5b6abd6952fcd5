"""Snapshots of NVT molecular dynamics, by LAMMPS in this process or by any ASE calculator."""

from collections.abc import Iterator

import numpy as np
from ase import Atoms, units
from ase.calculators.calculator import BaseCalculator
from ase.md.langevin import Langevin

from mlpot.lammps import LammpsCalculator, iter_md

DAMPING = 100.0  # fs


def snapshots(
    atoms: Atoms,
    calculator: BaseCalculator,
    *,
    temperature: float,
    count: int,
    interval: float = 100.0,
    equilibration: float = 1000.0,
    timestep: float = 1.0,
    seed: int = 0,
) -> Iterator[Atoms]:
    """Yield `count` structures `interval` fs apart, after `equilibration` fs, at `temperature` K.

    LAMMPS integrates where the calculator is a LammpsCalculator, ASE's Langevin otherwise.
    """
    run = _by_lammps if isinstance(calculator, LammpsCalculator) else _by_ase
    every, first = max(1, round(interval / timestep)), round(equilibration / timestep)
    for frame in run(atoms, calculator, temperature, count, every, first, timestep, seed):
        frame.arrays.pop("momenta", None)
        yield frame


def _by_lammps(atoms, calculator, temperature, count, every, first, timestep, seed):
    engine = calculator.engine
    run = iter_md(
        atoms,
        engine.commands,
        temperature=temperature,
        steps=every * count,
        every=every,
        equilibration=first,
        timestep=timestep,
        damping=DAMPING,
        seed=seed + 1,  # LAMMPS' seeds start at one
        elements=engine.elements,
        units=engine.units,
    )
    for frame, _ in run:
        yield frame


def _by_ase(atoms, calculator, temperature, count, every, first, timestep, seed):
    moving, rng = atoms.copy(), np.random.default_rng(seed)
    moving.calc = calculator
    width = np.sqrt(moving.get_masses() * units.kB * temperature)
    moving.set_momenta(width[:, None] * rng.standard_normal((len(moving), 3)))
    friction = 1.0 / (DAMPING * units.fs)
    bath = {"temperature_K": temperature, "friction": friction, "fixcm": False, "rng": rng}
    dynamics = Langevin(moving, timestep * units.fs, **bath)
    dynamics.run(first)
    for _ in range(count):
        dynamics.run(every)
        yield moving.copy()
