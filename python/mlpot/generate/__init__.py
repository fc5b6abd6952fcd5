"""Training structures after the recipe of Zuo et al., J. Phys. Chem. A 124, 731 (2020).

Five groups: the crystal in its ground state; cells strained by -10 to 10 %; slabs of all facets up
to a Miller index of three; snapshots of NVT dynamics of the crystal, and of it with a vacancy.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, fields

import numpy as np
from ase import Atoms
from ase.calculators.calculator import BaseCalculator

from mlpot.dynamics import stream
from mlpot.errors import InputError, did_you_mean
from mlpot.generate.cells import MODES, facets, slab, strained, supercell, with_vacancy
from mlpot.generate.crystals import check_crystal, kelvin, parse_structure, relax_lattice
from mlpot.generate.frames import assign_splits, labelled, summary, write
from mlpot.generate.random_cells import random_structure, random_structures, volume_scan
from mlpot.generate.thermal import snapshots
from mlpot.lammps import LammpsCalculator

__all__ = [
    "GROUPS",
    "Recipe",
    "generate",
    "parse_structure",
    "random_structure",
    "random_structures",
    "relax_lattice",
    "summary",
    "volume_scan",
    "write",
]

GROUPS = ("Ground", "Elastic", "Surface", "AIMD-NVT", "Vacancy")
Commands = str | Sequence[str]
Piece = tuple[Atoms, str, str]  # structure, group, label


@dataclass(frozen=True)
class Recipe:
    """What is made; defaults as in the paper. Lengths Å, times fs, temperatures K or "0.5Tm".

    strains are fractions; supercell is the least number of atoms for dynamics; one of `snapshots`
    is taken every `interval` at each temperature. One conventional cell is strained, which says the
    same as the paper's supercell of it.
    """

    groups: Sequence[str] = GROUPS
    strains: Sequence[float] = tuple(i / 100 for i in range(-10, 11) if i)
    max_miller: int = 3
    thickness: float = 10.0
    vacuum: float = 10.0
    supercell: int = 54
    temperatures: Sequence[float | str] = (300, "0.5Tm", "0.9Tm", "1.5Tm", "2.0Tm")
    snapshots: int = 20
    vacancy_temperatures: Sequence[float | str] = (300, "2.0Tm")
    vacancy_snapshots: int = 40
    melting_point: float | None = None
    interval: float = 100.0
    equilibration: float = 1000.0
    timestep: float = 1.0
    test_fraction: float = 0.1

    def __post_init__(self) -> None:
        for group in self.groups:
            if group not in GROUPS:
                hint = did_you_mean(group, GROUPS)
                raise InputError(f"group {group!r}: must be one of {', '.join(GROUPS)}{hint}")
        for name in ("supercell", "thickness", "vacuum", "interval", "timestep", "max_miller"):
            if not getattr(self, name) > 0:
                raise InputError(f"{name} {getattr(self, name)}: must be positive")
        if not 0.0 <= self.test_fraction < 1.0:
            raise InputError(f"test_fraction {self.test_fraction}: must be within 0 and 1")
        if not all(-0.9 < strain < 10.0 for strain in self.strains):
            raise InputError("strains: must be fractions, 0.1 for 10 %")


def generate(
    structure: str | Atoms,
    *,
    calculator: BaseCalculator | Commands,
    md: BaseCalculator | Commands | None = None,
    a: float | None = None,
    seed: int = 0,
    progress: Callable[[int, int, str], None] | None = None,
    **recipe,
) -> list[Atoms]:
    """Labelled training structures of one crystal, in the order of GROUPS.

    structure: "bcc:Mo" (see `parse_structure`), a file, or a periodic ase.Atoms. calculator: an ASE
    calculator, or LAMMPS commands; it relaxes the lattice constant and labels every frame (energy
    eV, forces eV/Å, stress eV/Å³). md: what moves the atoms, where that should be another (cheaper)
    one. a: Å, to start the relaxation from. recipe: fields of Recipe. progress(done, total, label).
    Each frame has info group, split (train, test), label, index. The same seed gives the same
    frames. Raises InputError for what the user can mend.
    """
    plan = _recipe(recipe)
    given = isinstance(structure, Atoms)
    crystal = check_crystal(structure, "structure") if given else parse_structure(structure, a)
    labeller = _calculator(calculator, crystal)
    mover = labeller if md is None else _calculator(md, crystal)
    heat = {
        "AIMD-NVT": [kelvin(t, crystal, plan.melting_point) for t in plan.temperatures],
        "Vacancy": [kelvin(t, crystal, plan.melting_point) for t in plan.vacancy_temperatures],
    }
    total = _count(plan, crystal)
    crystal = relax_lattice(crystal, labeller)
    frames: list[Atoms] = []
    for atoms, group, label in _pieces(plan, crystal, mover, heat, seed):
        info = {"group": group, "split": "train", "label": label, "index": len(frames)}
        frames.append(labelled(atoms, labeller, info))
        if progress:
            progress(len(frames), total, label)
    assign_splits(frames, plan.test_fraction, seed)
    return frames


def _pieces(plan: Recipe, crystal: Atoms, mover, heat: dict, seed: int) -> Iterator[Piece]:
    if "Ground" in plan.groups:
        yield crystal, "Ground", "ground state"
    if "Elastic" in plan.groups:
        for number, mode in enumerate(MODES, 1):
            for strain in plan.strains:
                label = f"mode {number} ({mode}), strain {strain:+.4f}"
                yield strained(crystal, mode, strain), "Elastic", label
    if "Surface" in plan.groups:
        for miller in facets(crystal, plan.max_miller):
            label = f"slab ({' '.join(map(str, miller))})"
            yield slab(crystal, miller, plan.thickness, plan.vacuum), "Surface", label
    large = supercell(crystal, plan.supercell)
    if "AIMD-NVT" in plan.groups:
        yield from _thermal(plan, large, mover, "AIMD-NVT", heat, plan.snapshots, seed)
    if "Vacancy" in plan.groups:
        defect = with_vacancy(large, np.random.default_rng(seed))
        yield from _thermal(plan, defect, mover, "Vacancy", heat, plan.vacancy_snapshots, seed)


def _thermal(plan, atoms, mover, group: str, heat: dict, count: int, seed: int) -> Iterator[Piece]:
    for run, temperature in enumerate(heat[group] if count else ()):
        settings = {
            "temperature": temperature,
            "count": count,
            "interval": plan.interval,
            "equilibration": plan.equilibration,
            "timestep": plan.timestep,
            "seed": stream(seed, GROUPS.index(group), run),
        }
        for i, frame in enumerate(snapshots(atoms, mover, **settings), 1):
            yield frame, group, f"NVT at {temperature:.0f} K, snapshot {i} of {count}"


def _count(plan: Recipe, crystal: Atoms) -> int:
    sizes = {
        "Ground": 1,
        "Elastic": len(MODES) * len(plan.strains),
        "Surface": len(facets(crystal, plan.max_miller)) if "Surface" in plan.groups else 0,
        "AIMD-NVT": len(plan.temperatures) * plan.snapshots,
        "Vacancy": len(plan.vacancy_temperatures) * plan.vacancy_snapshots,
    }
    return sum(sizes[group] for group in set(plan.groups))


def _recipe(given: dict) -> Recipe:
    known = [field.name for field in fields(Recipe)]
    for name in given:
        if name not in known:
            hint = did_you_mean(name, known)
            raise InputError(f"recipe: no setting {name!r}{hint} (of {', '.join(known)})")
    return Recipe(**given)


def _calculator(calculator: BaseCalculator | Commands, crystal: Atoms) -> BaseCalculator:
    if isinstance(calculator, BaseCalculator):
        return calculator
    if not isinstance(calculator, Sequence) or not all(isinstance(c, str) for c in calculator):
        raise InputError("calculator: must be an ASE calculator or a list of LAMMPS commands")
    return LammpsCalculator(calculator, sorted(set(crystal.symbols)))
