"""Does a model obey physics, in Python and in LAMMPS: the checks of `mlpot verify`.

What each measures stands in its module, and is what the tests of the project measure, too.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from itertools import product
from pathlib import Path

import numpy as np

from mlpot.calculator import MLPotCalculator
from mlpot.errors import InputError, did_you_mean
from mlpot.generate import relax_lattice
from mlpot.generate.cells import supercell
from mlpot.model import Model
from mlpot.verify import checks
from mlpot.verify.contacts import wrong_contacts
from mlpot.verify.in_lammps import Tallies, commands
from mlpot.verify.measures import difference, evaluate
from mlpot.verify.nve import conservation
from mlpot.verify.ranks import differences
from mlpot.verify.rounding import rounding_of_pairs
from mlpot.verify.structures import boxed, crowded, crystal_of, radii_of

__all__ = ["Check", "choose", "verify"]

STEP = 2.5e-3  # Å, of numerical derivatives, or less where a radius is nearer
ROUNDING = 2e-14  # of an energy that is a sum of some large ones
ATOMS = 54  # of the cells for ranks and dynamics


@dataclass(frozen=True)
class Check:
    """What one check found: values and bounds by what they are; problem: why there are none, or
    what is wrong in words."""

    name: str
    values: dict[str, tuple[float, float, float]]  # what: value, lower and upper bound
    problem: str = ""

    @property
    def ok(self) -> bool:
        """Every value is within its bounds, and there is no problem."""
        inside = all(low <= value <= high for value, low, high in self.values.values())
        return inside and not self.problem


def choose(only: Iterable[str] = ()) -> list[str]:
    """Names of checks in the order of CHECKS, all of them without a name.

    A word may list several: "forces,virial". Raises InputError for a name that is no check.
    """
    asked = [name.strip() for words in only for name in words.split(",") if name.strip()]
    for name in asked:
        if name not in CHECKS:
            hint = did_you_mean(name, CHECKS)
            raise InputError(f"check {name!r}: must be among {', '.join(CHECKS)}{hint}")
    return [name for name in CHECKS if not asked or name in asked]


def verify(
    model: Model, structure: str | None = None, only: tuple[str, ...] = ()
) -> Iterator[Check]:
    """Run the checks of `choose(only)` on a model, each given when it is done.

    structure: its crystal, "bcc:Mo" or a file; default: the first element's. Raises InputError
    where the model has no such crystal and for a name that is no check.
    """
    chosen = choose(only)
    with ExitStack() as stack:
        subject = _Subject(model, structure, stack)
        for name in chosen:
            subject.problem = ""
            try:
                yield Check(name, CHECKS[name](subject), subject.problem)
            except (InputError, ValueError) as error:
                yield Check(name, {}, str(error))


class _Subject:
    """A model with its structures, its potential and an engine of LAMMPS.

    problem: what a check has to say besides its values.
    """

    problem = ""

    def __init__(self, model: Model, structure: str | None, stack: ExitStack):
        self.model, self.potential = model, model.potential()
        self.calculator, self.restless = MLPotCalculator(model), ""
        self.crystal = crystal_of(model, structure)
        try:
            self.crystal = relax_lattice(self.crystal, self.calculator)
        except InputError:
            self.restless = "no volume near this crystal's is a minimum of the energy: -s another"
        self.radii = radii_of(model)
        self.atoms, clearance = crowded(self.crystal, self.radii)
        self.step = min(STEP, 0.9 * clearance)
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        file = model.save(Path(folder) / "model.json")
        self.lammps = stack.enter_context(Tallies(commands(file, model.elements), model.elements))

    @property
    def boundaries(self) -> list[tuple[bool, bool, bool]]:
        """All seven, or only the periodic one for a potential that is for nothing else."""
        cluster = self.atoms.copy()
        cluster.pbc = False
        try:
            evaluate(self.potential, cluster)
        except ValueError:
            return [(True, True, True)]
        return [pbc for pbc in product((True, False), repeat=3) if any(pbc)]


def _forces(s: _Subject) -> dict:
    rounding = rounding_of_pairs(s.model, s.atoms)["energy"]
    error = checks.forces(s.potential, s.atoms, s.step, rounding)
    return _below(("relative |F + dE/dx|", error, 1e-9))


def _virial(s: _Subject) -> dict:
    rounding = rounding_of_pairs(s.model, s.atoms)["energy"]
    error = checks.virial(s.potential, s.atoms, s.step / 5, rounding)
    return _below(("relative |virial - dE/dstrain|", error, 1e-7))


def _ranks(s: _Subject) -> dict:
    atoms = supercell(s.crystal, ATOMS)
    atoms.rattle(0.1, seed=1)
    energy, force = differences(s.model, atoms)
    return _below(("relative dE on 2, 3, 4 ranks", energy, 1e-13), ("|dF|, eV/Å", force, 1e-12))


def _sums(s: _Subject) -> dict:
    energies, virials = checks.sums(s.potential, s.atoms, s.lammps)
    return _below(("energies of atoms", energies, 1e-12), ("stresses of atoms", virials, 1e-11))


def _periodicity(s: _Subject) -> dict:
    unit, _ = crowded(s.crystal, s.radii, seed=1)
    evaluators = [partial(evaluate, s.potential), s.lammps.evaluate]
    energy, force = checks.periodicity(evaluators, s.potential, unit, s.boundaries)
    rounding = rounding_of_pairs(s.model, unit)
    energy = max(energy - rounding["energy"], 0.0)
    force = max(force - rounding["forces"], 0.0)
    return _below(("|dE| of a cell, eV", energy, 1e-11), ("|dF|, eV/Å", force, 1e-11))


def _agreement(s: _Subject) -> dict:
    inside, core = s.lammps.evaluate(s.atoms), evaluate(s.potential, s.atoms)
    error = difference(inside, core, rounding=rounding_of_pairs(s.model, s.atoms))
    return _below(("LAMMPS - Python, relative", error, 1e-11))


def _contacts(s: _Subject) -> dict:
    wrong = wrong_contacts(s.potential)
    s.problem = "; ".join(wrong)
    return _below(("silent answers", float(len(wrong)), 0.0))


def _nve(s: _Subject) -> dict:
    if s.restless:
        raise InputError(s.restless)
    ratio, drift = conservation(supercell(s.crystal, ATOMS), s.calculator)
    values = _below(("drift at 1 fs, meV/atom/ps", drift, 5e-3))
    return {"rms(2 fs) / rms(1 fs)": (ratio, 3.8, 4.2), **values}


def _frame(s: _Subject) -> dict:
    rounding = rounding_of_pairs(s.model, s.atoms)
    frame = checks.frame(s.potential, s.atoms, rounding)
    ids = checks.gaps_in_ids(s.lammps, s.atoms)
    return _below(("frame and order, relative", frame, 1e-12), ("ids with gaps", ids, 1e-12))


def _cutoff(s: _Subject) -> dict:
    box = partial(boxed, cutoff=s.potential.r_cut)
    energy = force = 0.0
    for atoms, j, along in checks.crossings(s.model.elements, s.radii, s.atoms, box):
        of_energy, of_force = checks.jump(s.potential, atoms, j, along)
        here = evaluate(s.potential, atoms)
        rounding, largest = rounding_of_pairs(s.model, atoms), np.abs(here["forces"]).max()
        of_energy -= ROUNDING * abs(here["energy"]) + rounding["energy"]
        of_force -= 10 * ROUNDING * largest + rounding["forces"]
        energy, force = max(energy, of_energy), max(force, of_force)
    return _below(("jump of E, eV", energy, 1e-12), ("jump of F, eV/Å", float(force), 1e-9))


def _below(*values: tuple[str, float, float]) -> dict:
    return {what: (value, 0.0, bound) for what, value, bound in values}


CHECKS: dict[str, Callable[[_Subject], dict]] = {
    "forces": _forces,
    "virial": _virial,
    "sums": _sums,
    "periodicity": _periodicity,
    "agreement": _agreement,
    "ranks": _ranks,
    "contacts": _contacts,
    "frame": _frame,
    "cutoff": _cutoff,
    "nve": _nve,
}
