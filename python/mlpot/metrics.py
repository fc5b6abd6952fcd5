"""Errors of a model: energy per atom, force components, six independent stress components."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from ase import Atoms
from ase.calculators.abc import GetPropertiesMixin
from ase.calculators.calculator import BaseCalculator
from ase.units import GPa
from rich.progress import Progress
from rich.table import Table

from mlpot.errors import InputError
from mlpot.io import as_matrix, labels

UPPER = np.triu_indices(3)
OFFSET = 0.05  # eV/atom: a smaller one is an error, not another zero of energy


class Prediction(NamedTuple):
    """What a model says of a structure."""

    energy: float  # eV
    forces: np.ndarray  # (N, 3) eV/Å
    stress: np.ndarray | None  # (3, 3) eV/Å³, (1/V) dE/dstrain; None without a volume


def species_of(atoms: Atoms, elements: Sequence[str]) -> np.ndarray:
    """(N,) int32 index of each atom's element in `elements`; InputError names one not in it."""
    index = {symbol: i for i, symbol in enumerate(elements)}
    for symbol in atoms.symbols.species():
        if symbol not in index:
            raise InputError(f"{symbol} is not among the model's elements ({' '.join(elements)})")
    return np.array([index[symbol] for symbol in atoms.symbols], dtype=np.int32)


def predict(model: object, atoms: Atoms) -> Prediction:
    """Energy, forces and stress by an ASE calculator, a Model or a _core.Potential.

    Constraints of `atoms` do not touch the forces. InputError for an element not in the model.
    """
    if isinstance(model, BaseCalculator | GetPropertiesMixin):
        return _by_calculator(model, atoms)
    potential = model.potential() if hasattr(model, "potential") else model
    found = potential.evaluate(
        atoms.positions, atoms.cell.array, atoms.pbc, species_of(atoms, potential.elements)
    )
    stress = found["dE_dstrain"] / atoms.get_volume() if atoms.cell.rank == 3 else None
    return Prediction(found["energy"], found["forces"], stress)


def evaluate(
    model: object,
    frames: Iterable[Atoms],
    progress: Progress | None = None,
    align: bool = False,
) -> "Metrics":
    """Compare a model (as in `predict`) with the labels of `frames` (from `mlpot.io.read`).

    `progress`: a running rich progress to show a bar in. A label that a frame lacks is left out of
    that error only. align: add to the energies the constant an element that fits them best, for a
    model with another zero of energy. InputError names a frame that the model cannot evaluate.
    """
    frames = list(frames)
    if not frames:
        raise InputError("no structures to evaluate on")
    rows = frames if progress is None else progress.track(frames, description="evaluating")
    energy, forces, stress = [], [], []
    for i, atoms in enumerate(rows):
        predicted, known = (
            _checked(model, atoms, atoms.info.get("source", f"frame {i}")),
            labels(atoms),
        )
        if known.energy is not None:
            energy.append((i, np.array([known.energy, predicted.energy])[:, None] / len(atoms)))
        if known.forces is not None:
            forces.append((i, np.array([known.forces, predicted.forces]).reshape(2, -1)))
        if known.stress is not None and predicted.stress is not None:
            stress.append((i, np.array([known.stress[UPPER], predicted.stress[UPPER]])))
    if align:
        energy = _aligned(energy, frames)
    return Metrics(
        groups=np.array([str(atoms.info.get("group", "all")) for atoms in frames]),
        sizes=np.array([len(atoms) for atoms in frames]),
        energy=Parity.of(energy),
        forces=Parity.of(forces),
        stress=Parity.of(stress),
    )


@dataclass(frozen=True)
class Parity:
    """Reference and predicted values of one quantity, for errors and parity plots."""

    reference: np.ndarray  # (M,)
    predicted: np.ndarray  # (M,)
    structure: np.ndarray  # (M,) index of the structure each value belongs to

    @classmethod
    def of(cls, parts: list[tuple[int, np.ndarray]]) -> "Parity":
        """From (structure, (2, m) reference and predicted values) of structures that have them."""
        values = np.concatenate([np.empty((2, 0)), *(pair for _, pair in parts)], axis=1)
        structure = np.repeat([i for i, _ in parts], [pair.shape[1] for _, pair in parts])
        return cls(*values, structure.astype(int))

    def errors(self, chosen: np.ndarray, unit: float) -> tuple[float | None, float | None]:
        """(MAE, RMSE), in `unit`, over the structures where `chosen` (n_structures,) is true."""
        error = (self.predicted - self.reference)[chosen[self.structure]] / unit
        if not error.size:
            return None, None
        return float(np.abs(error).mean()), float(np.sqrt((error**2).mean()))


@dataclass(frozen=True)
class Metrics:
    """Errors over structures and over each of their groups, with the values they come from."""

    groups: np.ndarray  # (n_structures,) str
    sizes: np.ndarray  # (n_structures,) atoms
    energy: Parity = field(repr=False)  # eV/atom
    forces: Parity = field(repr=False)  # eV/Å
    stress: Parity = field(repr=False)  # eV/Å³: xx xy xz yy yz zz

    def to_dict(self) -> dict:
        """Errors in meV/atom, eV/Å and GPa (None without a reference), overall and `per_group`."""
        names = dict.fromkeys(self.groups.tolist())
        per_group = {name: self._errors(self.groups == name) for name in names}
        return {**self._errors(np.ones(len(self.groups), bool)), "per_group": per_group}

    @property
    def offset(self) -> float:
        """Mean error of the energies, eV/atom, where it is most of their error; else 0."""
        error = self.energy.predicted - self.energy.reference
        if error.size < 2 or abs(error.mean()) < max(OFFSET, 0.9 * np.sqrt((error**2).mean())):
            return 0.0
        return float(error.mean())

    def table(self, title: str | None = None) -> Table:
        """The same as a rich table, a row a group and one for all."""
        table = _table(title, "group")
        overall = self.to_dict()
        rows = overall.pop("per_group")
        for name, row in rows.items():
            table.add_row(name, *_cells(row), end_section=name == list(rows)[-1])
        table.add_row("overall", *_cells(overall), style="bold")
        return table

    def _errors(self, chosen: np.ndarray) -> dict:
        energy_mae, energy_rmse = self.energy.errors(chosen, 1e-3)
        force_mae, force_rmse = self.forces.errors(chosen, 1.0)
        stress_mae, stress_rmse = self.stress.errors(chosen, GPa)
        return {
            "n_structures": int(chosen.sum()),
            "n_atoms": int(self.sizes[chosen].sum()),
            "energy_mae_meV_per_atom": energy_mae,
            "energy_rmse_meV_per_atom": energy_rmse,
            "force_mae_eV_per_A": force_mae,
            "force_rmse_eV_per_A": force_rmse,
            "stress_mae_GPa": stress_mae,
            "stress_rmse_GPa": stress_rmse,
        }


def comparison(methods: dict[str, Metrics], title: str | None = None) -> Table:
    """Errors of several methods on the same frames: a section a group, a row a method."""
    table = _table(title, "group", "method")
    errors = {name: metrics.to_dict() for name, metrics in methods.items()}
    for group in [*next(iter(errors.values()))["per_group"], None]:
        for name, row in errors.items():
            first, last = name == next(iter(errors)), name == list(errors)[-1]
            cells = _cells(row["per_group"][group] if group else row)
            head = (group or "overall") if first else ""
            table.add_row(head, name, *cells, end_section=last, style=None if group else "bold")
    return table


def _table(title: str | None, *names: str) -> Table:
    table = Table(title=title)
    for name in names:
        table.add_column(name)
    table.add_column("structures", justify="right")
    for quantity, unit in (("energy", "meV/atom"), ("force", "eV/Å"), ("stress", "GPa")):
        table.add_column(f"{quantity} MAE", justify="right")
        table.add_column(f"RMSE\n{unit}", justify="right")
    return table


def _by_calculator(calculator: BaseCalculator, atoms: Atoms) -> Prediction:
    energy = calculator.get_property("energy", atoms)
    forces = calculator.get_property("forces", atoms)
    stress = None
    if atoms.cell.rank == 3 and "stress" in calculator.implemented_properties:
        stress = as_matrix(calculator.get_property("stress", atoms))
    return Prediction(float(energy), forces, stress)


def _checked(model: object, atoms: Atoms, where: str) -> Prediction:
    try:
        found = predict(model, atoms)
    except ValueError as error:
        raise InputError(f"{where}: {error}") from None
    if not all(np.isfinite(value).all() for value in found if value is not None):
        raise InputError(f"{where}: the model gives numbers that are not finite")
    return found


def _aligned(energy: list[tuple[int, np.ndarray]], frames: list[Atoms]) -> list:
    """The (structure, (2, 1) reference and predicted eV/atom), shifted by least squares."""
    if not energy:
        return energy
    kinds = sorted({z for atoms in frames for z in atoms.numbers})
    parts = np.array([[np.mean(frames[i].numbers == z) for z in kinds] for i, _ in energy])
    missing = np.array([pair[0, 0] - pair[1, 0] for _, pair in energy])
    shifts = parts @ np.linalg.lstsq(parts, missing, rcond=None)[0]
    return [(i, pair + np.array([[0.0], [d]])) for (i, pair), d in zip(energy, shifts, strict=True)]


def _cells(row: dict) -> list[str]:
    digits = {"meV_per_atom": 2, "eV_per_A": 4, "GPa": 3}
    cells = [str(row["n_structures"])]
    for name, value in row.items():
        places = next((n for unit, n in digits.items() if name.endswith(unit)), None)
        if places is not None:
            cells.append("-" if value is None else f"{value:.{places}f}")
    return cells
