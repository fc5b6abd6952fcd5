"""What `mlpot evaluate` compares: model files and LAMMPS potentials, told from files of data."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from ase import Atoms

from mlpot.errors import InputError
from mlpot.lammps import parse_potentials
from mlpot.model import Model

HEAD = 4096  # bytes: a model file says what it is in its first line


def split_files(files: Sequence[Path], others: bool) -> tuple[list[Model], list[Path]]:
    """The models and the files of data among `files`, models first.

    others: there are methods beside the files. Raises InputError for a file that is not there or
    damaged, and where no method or no data is left.
    """
    count = next((i for i, path in enumerate(files) if not _is_model(path)), len(files))
    if count == 0 and not others:
        if files[0].is_file():
            raise InputError(f"{files[0]}: is no model; name one first, or a potential by --lammps")
        count = 1  # the reader of models says what is near
    models, data = [Model.load(path) for path in files[:count]], list(files[count:])
    if not data:
        raise InputError("no file of structures: name one after the models")
    return models, data


def methods_of(
    models: Sequence[Model], lammps: Sequence[str], frames: Sequence[Atoms]
) -> Iterator[tuple[str, object]]:
    """(name, what `metrics.evaluate` takes) of each; equal names get a number.

    A LAMMPS potential is closed when the next one is asked for.
    """
    taken: set[str] = set()
    for model in models:
        yield unique_name(model.name, taken), model
    symbols = {symbol for atoms in frames for symbol in atoms.symbols}
    for potential in parse_potentials(lammps, sorted(symbols)) if lammps else ():
        calculator = potential.calculator()
        try:
            yield unique_name(potential.name, taken), calculator
        finally:
            calculator.engine.close()


def _is_model(path: Path) -> bool:
    try:
        with open(path, "rb") as file:
            return b'"format": "mlpot"' in file.read(HEAD)
    except OSError:
        return False


def unique_name(name: str, taken: set[str]) -> str:
    """The name, with a number where it is among those taken, to which it is added."""
    number, unique = 1, name
    while unique in taken:
        number += 1
        unique = f"{name} ({number})"
    taken.add(unique)
    return unique
