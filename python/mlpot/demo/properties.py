"""What a potential gives for bcc Mo, all of it by LAMMPS: crystal, vacancy, surface, dynamics."""

from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass

import numpy as np
from ase import Atoms
from ase.units import GPa

from mlpot.generate import parse_structure, relax_lattice
from mlpot.generate.cells import slab
from mlpot.lammps import LammpsCalculator, run_md
from mlpot.properties import elastic, vacancy
from mlpot.properties.correlations import block_mean, mean_rdf, peak
from mlpot.properties.relax import relax_atoms
from mlpot.properties.surfaces import energy as surface_energy

PROPERTIES = {  # name: unit, digits
    "lattice constant": ("Å", 4),
    "c11": ("GPa", 1),
    "c12": ("GPa", 1),
    "c44": ("GPa", 1),
    "vacancy formation energy": ("eV", 3),
    "(110) surface energy": ("J/m²", 3),
    "potential energy": ("eV/atom", 4),
    "pressure": ("GPa", 2),
    "mean-square displacement": ("Å²", 4),
    "first peak of g(r)": ("Å", 4),
}
STATIC = list(PROPERTIES)[:6]  # at 0 K
LATTICE = 3.147  # Å, of dynamics: of one cell for all potentials, or pressures would not compare
FMAX = 0.01  # eV/Å left on a relaxed surface
BINS = 160
BLOCKS = 5


@dataclass(frozen=True)
class Measured:
    """values: PROPERTIES with their standard errors; curves are (2, n) arrays."""

    values: dict[str, tuple[float, float]]
    energy_curve: np.ndarray  # volume Å³/atom, energy eV/atom, of the perfect crystal
    rdf: np.ndarray  # r Å, g(r)


def measure(
    commands: list[str],
    temperature: float,
    repeat: int,
    steps: int,
    seed: int,
    progress: Callable[[int, int], None] | None = None,
) -> Measured:
    """Measure a potential given as LAMMPS commands.

    Dynamics is NVT at `temperature` K of `repeat`³ cells, `steps` of 1 fs after a quarter of them
    to equilibrate; progress(done, total) follows it. Raises InputError with LAMMPS' message.
    """
    calculator = LammpsCalculator(commands, ["Mo"])
    with closing(calculator.engine):
        crystal = relax_lattice(parse_structure("bcc:Mo", LATTICE), calculator)
        static = at_rest(crystal, calculator)
        curve = energy_curve(calculator)
    frames, thermo = run_md(
        parse_structure("bcc:Mo", LATTICE).repeat(repeat),
        commands,
        temperature=temperature,
        steps=steps,
        every=20,
        equilibration=steps // 4,
        seed=seed,
        progress=progress,
    )
    exact = {name: (value, 0.0) for name, value in static.items()}
    values, g = averages(frames, thermo)
    return Measured(exact | values, curve, g)


def at_rest(crystal: Atoms, calculator) -> dict[str, float]:
    """STATIC of the relaxed crystal."""
    bulk = calculator.get_property("energy", crystal) / len(crystal)
    constants = elastic(crystal, calculator)
    surface = relax_atoms(slab(crystal, (1, 1, 0)), calculator, FMAX)
    found = (
        float(crystal.cell[0, 0]),
        constants.c11_GPa,
        constants.c12_GPa,
        constants.c44_GPa,
        vacancy(crystal, calculator, images=0).vacancy_formation_eV,
        surface_energy(surface, bulk, calculator),
    )
    return dict(zip(STATIC, found, strict=True))


def energy_curve(calculator) -> np.ndarray:
    """(2, n): volume Å³/atom and energy eV/atom, the lattice constant ± 8 %."""
    cells = [parse_structure("bcc:Mo", a) for a in LATTICE * np.linspace(0.92, 1.08, 33)]
    energies = [calculator.get_property("energy", cell) for cell in cells]
    return np.array([[cell.get_volume() for cell in cells], energies]) / 2


def averages(
    frames: list[Atoms], thermo: list[dict]
) -> tuple[dict[str, tuple[float, float]], np.ndarray]:
    """(mean, standard error) of each property of dynamics in a cube, and (2, BINS) r and g(r)."""
    positions = np.array([frame.positions for frame in frames])
    displacements = ((positions - positions.mean(axis=0)) ** 2).sum(axis=2).mean(axis=1)
    reach = float(frames[0].cell[0, 0]) / 2
    parts = np.array_split(np.arange(len(frames)), BLOCKS)
    curves = [mean_rdf([frames[i] for i in part], reach, BINS) for part in parts]
    energies = [row["energy"] / len(frames[0]) for row in thermo]
    values = {
        "potential energy": block_mean(energies, BLOCKS),
        "pressure": block_mean([row["pressure"] / GPa for row in thermo], BLOCKS),
        "mean-square displacement": block_mean(displacements, BLOCKS),
        "first peak of g(r)": block_mean([peak(*curve) for curve in curves], BLOCKS),
    }
    return values, np.mean(curves, axis=0)
