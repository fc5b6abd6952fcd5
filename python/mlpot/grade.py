"""Extrapolation grades: how far outside its training set a model is asked, at most 1 inside.

range      max_d |q_d - middle_d| / half_d: features q of an atom, and their ranges in training.
           A box (Botu and Ramprasad, Phys. Rev. B 92, 094306 (2015)).
d_optimal  max_j |(b A^-1)_j|: b the row of an atom, or of a whole structure, in the linear problem
           (with E0), A the active set of such rows.  Podryabinkin and Shapeev, Comput. Mater. Sci.
           140, 171 (2017), eqs. 8 and 11.

The grades of atoms are the core's, the same in LAMMPS.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from ase import Atoms

from mlpot.errors import InputError, did_you_mean
from mlpot.metrics import species_of
from mlpot.model import Model
from mlpot.solve import Array

if TYPE_CHECKING:
    from mlpot import _core

Rule = Literal["range", "d_optimal"]
KEYS = {"d_optimal": "active_set", "range": "ranges"}  # where the model file holds what they need


@dataclass(frozen=True)
class Grade:
    """The grade of a structure, by one rule, and what it comes from.

    of_atoms: (N,); None where the active set is one of structures.  value: the component whose
    grade this is, which was between low and high in training; of the range rule, a feature.
    """

    rule: Rule
    of_structure: float
    of_atoms: Array | None
    atom: int  # the one with the greatest grade; -1 where of_atoms is None
    component: int
    value: float
    low: float
    high: float

    def __str__(self) -> str:
        what = "feature" if self.rule == "range" else "component"
        of = f"atom {self.atom}: " if self.atom >= 0 else ""
        return (
            f"{of}{what} {self.component} is {self.value:.6g}, "
            f"in training {self.low:.6g} to {self.high:.6g}"
        )


def known_rule(rule: str) -> Rule:
    """InputError where it is none."""
    if rule not in KEYS:
        raise InputError(f"rule {rule!r}: must be range or d_optimal{did_you_mean(rule, KEYS)}")
    return rule


def rule_of(model: Model, rule: str | None = None) -> Rule:
    """The rule asked for, or else the sharper one the model has.  InputError where it has none."""
    if rule is not None:
        known_rule(rule)
    for name, key in KEYS.items():
        if model.data[key] is not None and rule in (name, None):
            return name
    lacks = f'"{KEYS[rule]}"' if rule else '"ranges" nor "active_set"'
    raise InputError(
        f"{model.name}: has no {lacks}, so it cannot tell what is new; "
        "mlpot cover adds it from the training set"
    )


def grade(model: Model, atoms: Atoms, rule: str | None = None) -> Grade:
    """Of one structure.  Raises InputError where the model has no such rule, or on what evaluating
    it would."""
    chosen = rule_of(model, rule)
    arguments = (atoms.positions, atoms.cell.array, atoms.pbc, species_of(atoms, model.elements))
    potential = model.potential()
    try:
        if chosen == "d_optimal" and model.data["active_set"]["rows"] == "structures":
            return of_components(structure_row(potential, *arguments) @ _inverse(model))
        return of_atoms(potential, chosen, *arguments)
    except ValueError as error:
        raise InputError(f"{model.name}: {error}") from None


def of_atoms(potential: _core.Potential, rule: Rule, *arguments: Any) -> Grade:
    """From the core; arguments: positions, cell, pbc, species."""
    found = potential.grades(*arguments, rule=rule)
    grades = found.pop("grades")
    return Grade(rule, float(grades.max(initial=0.0)), grades, **found)


def of_components(components: Array) -> Grade:
    """Of a whole structure, from its components (P,) in the active set."""
    worst = int(np.abs(components).argmax())
    value = float(components[worst])
    return Grade("d_optimal", abs(value), None, -1, worst, value, -1.0, 1.0)


def structure_row(potential: _core.Potential, *arguments: Any) -> Array:
    """Derivatives of the structure's energy: by E0 and the coefficients of each species in turn,
    then by those of the pair term."""
    rows, species = potential.rows(*arguments), arguments[-1]
    n_species = len(potential.elements)
    parts = [rows[species == s].sum(axis=0) for s in range(n_species)]
    first_of_pair = n_species * (rows.shape[1] - 1)
    if first_of_pair < potential.n_parameters:
        parts.append(potential.design(*arguments)["energy"][first_of_pair:])
    return np.concatenate(parts)


def _inverse(model: Model) -> Array:
    """(P, P), its columns belong to the active structures."""
    flat = np.array(model.data["active_set"]["inverse"][0])
    return flat.reshape(round(np.sqrt(flat.size)), -1).T
