"""What is measured: mlpot models and LAMMPS' own styles, each with a name and a calculator."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from ase.calculators.calculator import BaseCalculator
from ase.data import atomic_numbers

from mlpot.calculator import MLPotCalculator
from mlpot.errors import InputError
from mlpot.lammps import LammpsCalculator
from mlpot.model import Model


@dataclass(frozen=True)
class Method:
    """A potential (or any other ASE calculator) under the name it has in tables and files."""

    name: str
    calculator: BaseCalculator
    description: str = ""

    def close(self) -> None:
        """End the LAMMPS instance it may have."""
        if isinstance(self.calculator, LammpsCalculator):
            self.calculator.engine.close()


@contextmanager
def opened(
    models: Sequence[Path], lammps: Sequence[str], elements: list[str], names: Sequence[str] = ()
) -> Iterator[list[Method]]:
    """Methods of model files, then of LAMMPS commands: each `pair_style` begins another.

    elements: symbols of LAMMPS' types. names: of the first ones; the others are called after their
    file or pair style. Raises InputError for what cannot be loaded, and where there is nothing.
    """
    groups = potentials(lammps)
    if not models and not groups:
        raise InputError("nothing to measure: name a model file, or give --lammps commands")
    if len(names) > len(models) + len(groups):
        raise InputError(f"{len(names)} names for {len(models) + len(groups)} potentials")
    found = []
    for path in models:
        calculator = MLPotCalculator(path)
        if missing := sorted(set(elements) - set(calculator.model.elements)):
            known = ", ".join(calculator.model.elements)
            raise InputError(f"{path}: a model of {known}, which has not {', '.join(missing)}")
        found.append(Method(Path(path).stem, calculator, str(path)))
    for commands in groups:
        calculator = LammpsCalculator(commands, elements)
        found.append(Method(_called(commands), calculator, "; ".join(commands)))
    wanted = [*names, *(method.name for method in found[len(names) :])]
    unique = _unique(wanted, [method.description for method in found])
    try:
        yield [replace(method, name=name) for name, method in zip(unique, found, strict=True)]
    finally:
        for method in found:
            method.close()


def element_of(models: Sequence[Path], lammps: Sequence[str]) -> str | None:
    """The one element of the first potential, None if it has several or does not say."""
    if models:
        elements = Model.load(models[0]).elements
        return elements[0] if len(elements) == 1 else None
    last = [line.split()[-1] for line in lammps if line.split()[:1] == ["pair_coeff"]]
    return last[0] if last and last[0] in atomic_numbers else None


def potentials(lines: Sequence[str]) -> list[list[str]]:
    """LAMMPS commands, divided where a pair_style begins another potential."""
    groups: list[list[str]] = []
    for line in (line.strip() for line in lines if line.strip()):
        started = groups and any(other.startswith("pair_style") for other in groups[-1])
        if not groups or (started and line.split()[0] == "pair_style"):
            groups.append([])
        groups[-1].append(line)
    for commands in groups:
        if not any(line.split()[0] == "pair_style" for line in commands):
            raise InputError(f"--lammps {commands[0]!r}: there is no pair_style")
    return groups


def as_commands(calculator: BaseCalculator, elements: list[str], folder: Path) -> list[str]:
    """LAMMPS commands of the calculator's potential, to be run in the empty `folder`.

    A model is written into it; files of LAMMPS commands are named in full. Raises InputError for
    a calculator that is neither a model nor LAMMPS.
    """
    if isinstance(calculator, MLPotCalculator):
        calculator.model.save(folder / "model.json")
        return ["pair_style mlpot", f"pair_coeff * * model.json {' '.join(elements)}"]
    if isinstance(calculator, LammpsCalculator):
        return calculator.engine.absolute_commands()
    raise InputError(f"{type(calculator).__name__} cannot run in LAMMPS")


def _called(commands: list[str]) -> str:
    line = next(line for line in commands if line.startswith("pair_style"))
    return [*line.split(), "?"][1]


def _unique(names: list[str], descriptions: list[str]) -> list[str]:
    """The names, those that are there twice with a file of their description, or a number."""
    unique: list[str] = []
    for i, name in enumerate(names):
        if names.count(name) > 1:
            files = re.findall(r"[^\s/\"]+(?=\.\w+)", descriptions[i])
            name = f"{name} {files[0]}" if files else name
        first, number = name, 1
        while name in unique:
            number += 1
            name = f"{first} ({number})"
        unique.append(name)
    return unique
