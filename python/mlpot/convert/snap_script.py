"""The .snap beside a SNAP potential: a LAMMPS script of variables, pair_style and pair_coeff.

Its `hybrid/overlay zbl inner outer snap` is part of the potential: the model's core.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path
from typing import NoReturn

from ase.data import atomic_numbers

from mlpot.errors import InputError
from mlpot.files import read_text
from mlpot.model import Model

ALL = 0  # '*', every atom type


@dataclass
class Script:
    """The pair styles of a .snap and the atom types they are given for."""

    path: Path
    zbl: tuple[float, float] | None = None  # inner and outer radius, angstrom
    files: tuple[str, str] | None = None  # .snapcoeff and .snapparam
    elements: list[str] = field(default_factory=list)  # of the atom types
    charges: dict[tuple[int, int], tuple[float, float]] = field(
        default_factory=dict
    )  # by type pair

    @classmethod
    def of(cls, model: Model, name: str) -> Script:
        """The script that runs name.snapcoeff and name.snapparam, with the model's core."""
        core = model.data["core"]
        z = [atomic_numbers[e] for e in model.elements] if core else []
        charges = {
            (i, j): (z[i - 1], z[j - 1]) for j in range(1, len(z) + 1) for i in range(1, j + 1)
        }
        zbl = (core["inner"], core["outer"]) if core else None
        files = (f"{name}.snapcoeff", f"{name}.snapparam")
        return cls(Path(f"{name}.snap"), zbl, files, model.elements, charges)

    def text(self) -> str:
        """The LAMMPS commands, as read_script reads them."""
        style, which = "snap", ""
        if self.zbl:
            style, which = f"hybrid/overlay zbl {self.zbl[0]!r} {self.zbl[1]!r} snap", "snap "
        lines = [f"# {' '.join(self.elements)} are the atom types 1 to {len(self.elements)}"]
        lines += [f"pair_style {style}"]
        lines += [f"pair_coeff {i} {j} zbl {a} {b}" for (i, j), (a, b) in self.charges.items()]
        lines += [f"pair_coeff * * {which}{' '.join(self.files or ())} {' '.join(self.elements)}"]
        return "\n".join(lines) + "\n"

    def core(self, elements: list[str], ordered: bool, *files: Path) -> dict | None:
        """The model file's core for these elements and files, or None; InputError if they disagree.

        ordered: the meaning of the coefficients depends on the order of the elements (chemflag).
        """
        for named, given in zip(self.files or (), files, strict=True):
            if Path(named).name != given.name:
                self._refuse(f"it is written for {named}, not for {given.name}")
        if set(self.elements) != set(elements):
            self._refuse(
                f"its elements are {' '.join(self.elements)}, {files[0]} has {' '.join(elements)}"
            )
        if ordered and list(dict.fromkeys(self.elements)) != elements:
            self._refuse(
                f"with chemflag the elements must stand in the file's order: {' '.join(elements)}"
            )
        if self.zbl is None:
            return None
        self._check_charges()
        return {"type": "zbl", "inner": self.zbl[0], "outer": self.zbl[1]}

    def _check_charges(self) -> None:
        types = range(1, len(self.elements) + 1)
        given = set()
        for pair, charges in self.charges.items():
            for i, j in product(*(types if kind == ALL else [kind] for kind in pair)):
                given |= {(i, j), (j, i)}
                self._check_charge(i, charges[0])
                self._check_charge(j, charges[1])
        for i, j in product(types, types):
            # LAMMPS mixes what is not given from the two like pairs
            if (i, j) not in given and not {(i, i), (j, j)} <= given:
                self._refuse(f"pair_coeff {i} {j} zbl is missing")

    def _check_charge(self, kind: int, charge: float) -> None:
        if not 0 < kind <= len(self.elements):
            self._refuse(f"zbl of atom type {kind}, but there are {len(self.elements)} types")
        element = self.elements[kind - 1]
        if atomic_numbers.get(element) != charge:
            self._refuse(
                f"zbl of atom type {kind}: {charge:g} is not the atomic number of {element}"
            )

    def _refuse(self, why: str) -> NoReturn:
        raise InputError(f"{self.path}: {why}")


def read_script(path: Path) -> Script:
    """Reads a .snap; raises InputError naming the line for a command it does not understand."""
    script, variables = Script(path), {}
    for number, words in _commands(path):

        def refuse(why: str, number: int = number) -> NoReturn:
            raise InputError(f"{path}: line {number}: {why}")

        words = [_substitute(word, variables, refuse) for word in words]
        match words:
            case ["variable", name, "equal" | "index" | "string", value]:
                variables[name] = value
            case ["pair_style", *style]:
                script.zbl = _style(style, refuse)
            case ["pair_coeff", i, j, "zbl", z_i, z_j]:
                pair = (_type(i, refuse), _type(j, refuse))
                script.charges[pair] = (_number(z_i, refuse), _number(z_j, refuse))
            case ["pair_coeff", "*", "*", "snap", coeff, param, *elements] if elements:
                script.files, script.elements = (coeff, param), elements
            case ["pair_coeff", "*", "*", coeff, param, *elements] if elements:
                script.files, script.elements = (coeff, param), elements
            case _:
                refuse(f"cannot be part of a model: {' '.join(words)}")
    if script.files is None:
        raise InputError(
            f"{path}: there is no 'pair_coeff * * [snap] coefficients parameters elements'"
        )
    return script


def _commands(path: Path) -> Iterator[tuple[int, list[str]]]:
    """(line number, words) of each command; '&' at the end of a line continues it."""
    start, text = 0, ""
    for number, line in enumerate(read_text(path, errors="replace").splitlines(), 1):
        line = line.partition("#")[0].rstrip()
        start = start or number
        text += line.removesuffix("&") + " "
        if line.endswith("&"):
            continue
        if words := re.sub("[\"']", " ", text).split():
            yield start, words
        start, text = 0, ""
    if text.strip():
        raise InputError(f"{path}: line {start}: the command ends with '&'")


def _substitute(word: str, variables: dict[str, str], refuse: Callable) -> str:
    def value(match: re.Match) -> str:
        name = match[1] or match[2]
        if name not in variables:
            refuse(f"the variable {name!r} is not defined above")
        return variables[name]

    return re.sub(r"\$\{(\w+)\}|\$(\w)", value, word)


def _style(words: list[str], refuse: Callable) -> tuple[float, float] | None:
    match words:
        case ["snap"] | ["hybrid/overlay", "snap"]:
            return None
        case ["hybrid/overlay", "zbl", inner, outer, "snap"] | [
            "hybrid/overlay",
            "snap",
            "zbl",
            inner,
            outer,
        ]:
            return _number(inner, refuse), _number(outer, refuse)
    refuse(
        f"pair_style {' '.join(words)}: known are 'snap' and 'hybrid/overlay zbl inner outer snap'"
    )


def _type(word: str, refuse: Callable) -> int:
    return ALL if word == "*" else _number(word, refuse, int)


def _number(word: str, refuse: Callable, kind: type = float) -> float:
    if not re.fullmatch(r"\d+" if kind is int else r"(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", word):
        refuse(f"{word!r} is not a {'whole ' if kind is int else ''}number")
    return kind(word)
