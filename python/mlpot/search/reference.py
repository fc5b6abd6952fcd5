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


def calculator_of(
    reference: Reference, elements: list[str], where: str = "search"
) -> BaseCalculator:
    """Raises InputError where LAMMPS refuses, or there is no such calculator with these arguments.

    calculator: one of ASE's names (emt, gpaw, vasp, ...), or package.module.Class of any other.
    where: the file, for messages.
    """
    key = "lammps" if reference.lammps else "calculator"
    try:
        if reference.lammps:
            return _lammps(reference.lammps, elements)
        return _made(reference.calculator or "", reference.arguments)
    except InputError as error:
        raise InputError(f"{where}: reference.{key}: {error}") from None


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
        problem = _line(error).removeprefix(f"{atoms.info['label']}: ")
        bare.info = {**atoms.info, "problem": problem}
        return bare


def _lammps(commands: list[str], elements: list[str]) -> BaseCalculator:
    potentials = parse_potentials(commands, elements)
    if len(potentials) > 1:
        raise InputError("has more than one pair_style; join them by hybrid")
    return potentials[0].calculator()


def _made(name: str, arguments: dict[str, Any]) -> BaseCalculator:
    try:
        made = _class_of(name)(**arguments)
    except InputError:
        raise
    except Exception as error:  # each calculator has its own
        raise InputError(f"{name}: {_line(error)}") from None
    if not hasattr(made, "get_property"):
        raise InputError(f"{name}: is not a calculator of ASE")
    return made


def _class_of(name: str) -> Any:
    module, _, kind = name.rpartition(".")
    if module:
        return getattr(import_module(module), kind)
    if name not in names:
        raise InputError(
            f"ASE has no {name!r}{did_you_mean(name.lower(), names)} "
            "(or name a class: package.module.Class)"
        )
    return get_calculator_class(name)


def _line(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__
