"""Labels: energy, forces and stress of the reference; one that fails is a reason, not an end."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Any

from ase import Atoms
from ase.calculators.calculator import BaseCalculator, get_calculator_class, names

from mlpot.errors import InputError, did_you_mean
from mlpot.generate.frames import labelled
from mlpot.lammps import parse_potentials
from mlpot.search.config import Reference, Relax, Structures
from mlpot.search.relax import Limits, relax


def calculator_of(reference: Reference, elements: list[str]) -> BaseCalculator:
    """Raises InputError where LAMMPS refuses, or there is no such calculator with these arguments.

    calculator: one of ASE's names (emt, gpaw, vasp, ...), or package.module.Class of any other.
    """
    if reference.lammps:
        potentials = parse_potentials(reference.lammps, elements)
        if len(potentials) > 1:
            raise InputError("reference.lammps: has more than one pair_style; join them by hybrid")
        return potentials[0].calculator()
    name = reference.calculator or ""
    try:
        return _class_of(name)(**reference.arguments)
    except InputError:
        raise
    except Exception as error:  # each calculator has its own
        raise InputError(f"reference.calculator: {name}: {_line(error)}") from None


def label(atoms: Atoms, calculator: BaseCalculator) -> Atoms:
    """A copy with labels; where there are none, info["problem"] says why."""

    def work() -> Atoms:
        found = labelled(atoms, calculator, atoms.info)
        if getattr(calculator, "converged", True) is False:
            raise InputError("not converged")
        return found

    return attempt(atoms, work)


def label_relaxed(
    atoms: Atoms, calculator: BaseCalculator, settings: Relax, structures: Structures
) -> Atoms:
    """The same after a relaxation by the calculator itself."""

    def work() -> Atoms:
        last = relax(atoms, calculator, settings, Limits(structures))[-1]
        if last.info["status"] != "relaxed":
            raise InputError(last.info["status"])
        return last

    return attempt(atoms, work)


def attempt(atoms: Atoms, work: Callable[[], Atoms]) -> Atoms:
    """What work gives; where it raises anything, a copy of atoms without labels that says so."""
    try:
        return work()
    except Exception as error:  # a failed calculation must not end the search
        bare = Atoms(atoms.symbols, positions=atoms.positions, cell=atoms.cell, pbc=atoms.pbc)
        bare.info = {**atoms.info, "problem": _line(error)}
        return bare


def _class_of(name: str) -> Any:
    module, _, kind = name.rpartition(".")
    if not module:
        if name not in names:
            raise InputError(
                f"reference.calculator: ASE has no {name!r}{did_you_mean(name, names)} "
                "(or name a class: package.module.Class)"
            )
        return get_calculator_class(name)
    try:
        return getattr(import_module(module), kind)
    except (ImportError, AttributeError) as error:
        raise InputError(f"reference.calculator: {error}") from None


def _line(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__
