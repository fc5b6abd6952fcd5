"""Relaxation of atoms and cell by a potential that may not know where it goes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from ase import Atoms
from ase.calculators.calculator import BaseCalculator
from ase.filters import UnitCellFilter
from ase.optimize import BFGS
from ase.units import GPa

from mlpot.errors import InputError
from mlpot.grade import Rule, grade
from mlpot.io import labels, with_labels
from mlpot.lattice_sums import pairs, shortest_distances
from mlpot.model import Model
from mlpot.search.config import Relax, Structures

CLOSEST = 0.9  # of the least distance of random structures: atoms are too close
SMALLEST, LARGEST = 0.5, 2.0  # of the volumes of random structures: the cell runs away


class Stopped(Exception):
    """Why a relaxation was stopped."""


@dataclass(frozen=True)
class Limits:
    """Where a relaxation is stopped; model, rule: whose grades may not exceed the settings'."""

    structures: Structures
    model: Model | None = None
    rule: Rule | None = None

    def check(self, atoms: Atoms) -> None:
        """Raises Stopped where the atoms are too close or the cell is too small or large."""
        low, high = self.structures.volume
        volume = atoms.get_volume() / len(atoms)
        if not SMALLEST * low <= volume <= LARGEST * high:
            raise Stopped(f"volume: {volume:.3g} Å³/atom")
        least = {pair: CLOSEST * r for pair, r in self.structures.least.items()}
        elements = self.structures.symbols
        near = shortest_distances([atoms], elements, max(least.values()) + 0.1)
        for (a, b), distance in zip(pairs(elements), near, strict=True):
            if distance < least[a, b]:
                raise Stopped(f"distance: {a}-{b} {distance:.3g} Å")

    def check_grade(self, atoms: Atoms, most: float | None) -> None:
        """Raises Stopped where the model is asked too far outside its training set."""
        if self.model is not None and self.rule is not None and most is not None:
            found = grade(self.model, atoms, self.rule).of_structure
            if found > most:
                raise Stopped(f"grade: {found:.3g}")


def relax(start: Atoms, calculator: BaseCalculator, settings: Relax, limits: Limits) -> list[Atoms]:
    """The way to the nearest minimum of the enthalpy: every so many steps, and the last one.

    All have labels by `calculator` and info enthalpy (eV/atom) and step; the last has info status:
    "relaxed", or why it was stopped.  A structure that cannot be evaluated, or is beyond the limits
    of volume or distances, is not part of the way; one with a grade too high is, for it should be
    labelled.  The way may so have the start alone, without labels.
    """
    way: list[Atoms] = []
    last: Atoms | None = None
    status = "relaxed"
    try:
        for last, whole in _descent(start, calculator, settings, limits):
            if whole or last.info["step"] % settings.every == 0:
                way.append(last)
                limits.check_grade(last, settings.stop_grade)
        if not whole:
            raise Stopped(f"steps: more than {settings.steps}")
    except Stopped as error:
        status = str(error)
    except (InputError, np.linalg.LinAlgError) as error:
        status = f"error: {error}"
    if last is None:
        last = start.copy()
    if not way or way[-1] is not last:
        way.append(last)
    last.info["status"] = status
    return way


def _descent(
    start: Atoms, calculator: BaseCalculator, settings: Relax, limits: Limits
) -> Iterator[tuple[Atoms, bool]]:
    """(structure with labels, whether it is relaxed) of each step."""
    atoms = start.copy()
    atoms.calc = calculator
    # FrechetCellFilter spends 8 ms a step on matrix logarithms: four times what small cells cost.
    moved = UnitCellFilter(atoms, scalar_pressure=settings.pressure * GPa)
    with BFGS(moved, logfile=None) as optimizer:
        for step, whole in enumerate(optimizer.irun(fmax=settings.fmax, steps=settings.steps)):
            limits.check(atoms)
            yield _snapshot(atoms, settings.pressure, step), bool(whole)


def _snapshot(atoms: Atoms, pressure: float, step: int) -> Atoms:
    found = Atoms(atoms.symbols, positions=atoms.positions, cell=atoms.cell, pbc=atoms.pbc)
    energy, forces = float(atoms.get_potential_energy()), atoms.get_forces()
    with_labels(found, energy, forces, atoms.get_stress(voigt=False))
    found.info = {**atoms.info, "step": step, "enthalpy": enthalpy(found, pressure)}
    return found


def enthalpy(atoms: Atoms, pressure: float) -> float:
    """eV/atom, of a structure with an energy; pressure: GPa."""
    return float(labels(atoms).energy + pressure * GPa * atoms.get_volume()) / len(atoms)
