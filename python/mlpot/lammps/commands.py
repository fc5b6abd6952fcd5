"""LAMMPS potentials as a user writes them on a command line: one --lammps for each command."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ase.data import atomic_numbers

from mlpot.errors import InputError
from mlpot.lammps.calculator import LammpsCalculator
from mlpot.lammps.engine import potentials_folder


@dataclass(frozen=True)
class LammpsPotential:
    """Commands of one potential; name: its style and its first file; elements: of types 1, 2, .."""

    name: str
    commands: list[str]
    elements: list[str]
    units: str = "metal"

    def calculator(self) -> LammpsCalculator:
        """Raises InputError with LAMMPS' message where it refuses the commands."""
        return LammpsCalculator(self.commands, self.elements, self.units)


def parse_potentials(lines: Sequence[str], elements: Sequence[str]) -> list[LammpsPotential]:
    """The potentials of some commands: each pair_style after the first begins another one.

    Elements of the types are the last words of a `pair_coeff * *`; where it names none, those given
    (of the structures) in alphabetical order. A `units` command is honoured.
    Raises InputError where a potential has no pair_style.
    """
    groups: list[list[str]] = [[]]
    for line in (line.strip() for line in lines if line.strip()):
        if line.split()[0] == "pair_style" and _first(groups[-1], "pair_style"):
            groups.append([])
        groups[-1].append(line)
    return [_potential(group, sorted(set(elements))) for group in groups]


def _potential(lines: list[str], elements: list[str]) -> LammpsPotential:
    style, units = _first(lines, "pair_style"), _first(lines, "units")
    if len(style) < 2:
        raise InputError("LAMMPS commands: begin with a pair_style, such as 'pair_style eam/alloy'")
    words = [line.split() for line in lines if line.startswith("pair_coeff")]
    file = next((Path(w).name for line in words for w in line if _is_file(w)), "")
    named = next((found for line in words if (found := _elements(line))), elements)
    commands = [line for line in lines if line.split()[0] != "units"]
    name = f"{style[1]} {file}".strip()
    return LammpsPotential(name, commands, named, units[1] if len(units) > 1 else "metal")


def _first(lines: list[str], command: str) -> list[str]:
    return next((line.split() for line in lines if line.split()[0] == command), [])


def _is_file(word: str) -> bool:
    return Path(word).is_file() or (potentials_folder() / word).is_file()


def _elements(pair_coeff: list[str]) -> list[str]:
    found: list[str] = []
    for word in reversed(pair_coeff):
        if pair_coeff[1:3] != ["*", "*"] or word not in atomic_numbers:
            break
        found.insert(0, word)
    return found
