"""Conservation of energy: velocity Verlet's error is of second order in the time step, and a
potential whose forces are its derivatives drifts no further.

X. Fu et al., Forces are not enough, arXiv 2210.07237 (2022).
"""

from __future__ import annotations

import numpy as np
from ase import Atoms

from mlpot.dynamics import trajectory


def conservation(
    atoms: Atoms,
    calculator,
    *,
    temperature: float = 300.0,
    timestep: float = 1.0,
    time: float = 5.0,
) -> tuple[float, float]:
    """(rms(2 dt) / rms(dt), |drift| in meV/atom/ps) of the total energy; dt fs, time ps.

    The ratio, which is 4, is that of two runs from the same start over two picoseconds, in which
    they stay together; the drift is the slope of a longer run with dt.
    """
    short = 2.0
    fine = _energies(atoms, calculator, temperature, timestep, short, 2)
    coarse = _energies(atoms, calculator, temperature, 2.0 * timestep, short, 1)
    long = _energies(atoms, calculator, temperature, timestep, time, 5)
    times = 5e-3 * timestep * np.arange(len(long))
    drift = 1e3 * np.polyfit(times, long, 1)[0] / len(atoms)
    return float(np.std(coarse) / np.std(fine)), abs(float(drift))


def _energies(atoms, calculator, temperature, timestep, time, every) -> np.ndarray:
    """Total energies, eV, every so many steps; the atoms start from their sites."""
    steps = round(1000.0 * time / timestep) // every * every
    settings = {"temperature": temperature, "timestep": timestep, "steps": steps, "every": every}
    run = trajectory(atoms, calculator, ensemble="nve", **settings)
    return np.array([row["energy"] + row["kinetic"] for _, row in run])
