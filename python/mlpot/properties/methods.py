"""What is measured: mlpot models and LAMMPS' own styles, each with a name and a calculator."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from ase.calculators.calculator import BaseCalculator

from mlpot.calculator import MLPotCalculator
from mlpot.errors import InputError
from mlpot.evaluation import unique_name
from mlpot.lammps import LammpsCalculator, parse_potentials
from mlpot.model import Model


@dataclass(frozen=True)
class Method:
    """A potential (or any other ASE calculator) under the name it has in tables and files."""

    name: str
    calculator: BaseCalculator
    description: str = ""


@contextmanager
def opened(
    models: Sequence[Path], lammps: Sequence[str], elements: list[str], names: Sequence[str] = ()
) -> Iterator[list[Method]]:
    """Methods of model files, then of LAMMPS commands (see `parse_potentials`).

    elements: those of the structures. names: of the first methods; the others have the model's or
    pair style's. Raises InputError for what cannot be loaded, and where there is nothing.
    """
    potentials = parse_potentials(lammps, elements) if lammps else []
    if not models and not potentials:
        raise InputError("nothing to measure: name a model file, or give --lammps commands")
    if len(names) > len(models) + len(potentials):
        raise InputError(f"{len(names)} names for {len(models) + len(potentials)} potentials")
    with ExitStack() as stack:
        found = []
        for path in models:
            calculator = MLPotCalculator(path)
            _covers(calculator.model.elements, elements, str(path))
            found.append(Method(calculator.model.name, calculator, str(path)))
        for potential in potentials:
            _covers(potential.elements, elements, f"--lammps {potential.name}")
            calculator = potential.calculator()
            stack.callback(calculator.engine.close)
            found.append(Method(potential.name, calculator, "; ".join(potential.commands)))
        taken: set[str] = set()
        wanted = [*names, *(method.name for method in found[len(names) :])]
        pairs = zip(found, wanted, strict=True)
        yield [replace(method, name=unique_name(name, taken)) for method, name in pairs]


def element_of(models: Sequence[Path], lammps: Sequence[str]) -> str | None:
    """The one element of the first potential, None if it has several or does not say."""
    if models:
        elements = Model.load(models[0]).elements
    else:
        elements = parse_potentials(lammps, [])[0].elements if lammps else []
    return elements[0] if len(elements) == 1 else None


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


def _covers(known: list[str], needed: list[str], where: str) -> None:
    if missing := sorted(set(needed) - set(known)):
        raise InputError(f"{where}: of {', '.join(known)}, has not {', '.join(missing)}")
