"""What a potential gives for bcc Mo, all of it by LAMMPS: crystal, vacancy, surface, dynamics."""

from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass

import numpy as np
from ase import Atoms
from ase.optimize import BFGS
from ase.units import GPa, J, m

from mlpot.generate import parse_structure, relax_lattice
from mlpot.generate.cells import slab
from mlpot.lammps import LammpsCalculator, run_md

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
        bulk = calculator.get_property("energy", crystal) / len(crystal)
        static = {
            "lattice constant": float(crystal.cell[0, 0]),
            **elastic_constants(crystal, calculator),
            "vacancy formation energy": vacancy_energy(crystal, bulk, calculator),
            "(110) surface energy": surface_energy(crystal, bulk, calculator),
        }
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


def elastic_constants(crystal: Atoms, calculator, strain: float = 0.002) -> dict[str, float]:
    """c11, c12, c44 of a cubic crystal in GPa, from its stress at ± strain."""

    def stress(i: int, j: int, amount: float) -> np.ndarray:
        deformation = np.eye(3)
        deformation[i, j] += amount
        atoms = crystal.copy()
        atoms.set_cell(crystal.cell.array @ deformation, scale_atoms=True)
        return calculator.get_property("stress", atoms) / GPa

    stretch, shear = (
        (stress(0, axis, strain) - stress(0, axis, -strain)) / (2 * strain) for axis in (0, 1)
    )
    return {"c11": float(stretch[0]), "c12": float(stretch[1]), "c44": float(shear[5])}


def vacancy_energy(crystal: Atoms, bulk: float, calculator) -> float:
    """Formation energy of a vacancy among 3x3x3 cells, relaxed at fixed volume; eV."""
    atoms = crystal.repeat(3)
    del atoms[0]
    return _relaxed_energy(atoms, calculator) - bulk * len(atoms)


def surface_energy(crystal: Atoms, bulk: float, calculator) -> float:
    """Energy of the relaxed (110) surface of a slab; J/m²."""
    atoms = slab(crystal, (1, 1, 0))
    area = 2 * float(np.linalg.norm(np.cross(*atoms.cell.array[:2])))
    return (_relaxed_energy(atoms, calculator) - bulk * len(atoms)) / area / (J / m**2)


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
    edge = float(frames[0].cell[0, 0])
    g = np.array([rdf(frame, edge) for frame in positions])
    r = (np.arange(BINS) + 0.5) * edge / 2 / BINS
    peaks = [_peak(r, block.mean(axis=0)) for block in np.array_split(g, BLOCKS)]
    energies = [row["energy"] / len(frames[0]) for row in thermo]
    values = {
        "potential energy": _mean(_blocks(energies)),
        "pressure": _mean(_blocks([row["pressure"] / GPa for row in thermo])),
        "mean-square displacement": _mean(_blocks(displacements)),
        "first peak of g(r)": _mean(peaks),
    }
    return values, np.array([r, g.mean(axis=0)])


def rdf(positions: np.ndarray, edge: float) -> np.ndarray:
    """(BINS,) radial distribution function up to half the edge (Å) of a periodic cube."""
    n = len(positions)
    first, second = np.triu_indices(n, 1)
    vectors = positions[first] - positions[second]
    vectors -= edge * np.rint(vectors / edge)
    counts, bounds = np.histogram(np.linalg.norm(vectors, axis=1), BINS, (0.0, edge / 2))
    shells = 4 / 3 * np.pi * np.diff(bounds**3)
    return counts / shells * edge**3 / (n * (n - 1) / 2)


def _relaxed_energy(atoms: Atoms, calculator) -> float:
    atoms.calc = calculator
    with BFGS(atoms, logfile=None) as optimizer:
        optimizer.run(fmax=0.01, steps=200)
    return atoms.get_potential_energy()


def _blocks(series) -> list[float]:
    # Neighbouring samples are correlated, means of blocks hardly.
    return [float(np.mean(block)) for block in np.array_split(np.asarray(series), BLOCKS)]


def _mean(blocks: list[float]) -> tuple[float, float]:
    return float(np.mean(blocks)), float(np.std(blocks, ddof=1) / np.sqrt(len(blocks)))


def _peak(r: np.ndarray, g: np.ndarray) -> float:
    top = slice(np.argmax(g) - 4, np.argmax(g) + 5)
    a, b, _ = np.polyfit(r[top], g[top], 2)
    return float(-b / (2 * a))
