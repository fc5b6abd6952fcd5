"""Snapshots of NVT molecular dynamics, by LAMMPS in this process or by any ASE calculator."""

from collections.abc import Iterator

from ase import Atoms
from ase.calculators.calculator import BaseCalculator

from mlpot.dynamics import trajectory


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
    """Yield `count` structures `interval` apart, after `equilibration`; times fs, temperature K."""
    every = max(1, round(interval / timestep))
    run = trajectory(
        atoms,
        calculator,
        temperature=temperature,
        steps=every * count,
        every=every,
        equilibration=round(equilibration / timestep),
        timestep=timestep,
        seed=seed,
    )
    for frame, _ in run:
        frame.arrays.pop("momenta", None)
        yield frame
