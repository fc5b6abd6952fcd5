"""Selection: the structures of a stream that hold something new, each of which widens the domain.

As in a structure search: a structure is taken where its grade, against the model's domain and all
that was taken before it, is above a threshold, and is part of the domain from then on.  An active
set that grows may grade what it passed over higher, and let go what it took: the stream is gone
through again until nothing more is taken, and what is still active is the selection.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from ase import Atoms
from rich.progress import Progress

from mlpot.coverage import require_rows, sizes_of
from mlpot.domain import SETS, ActiveSets, Ranges, StructureRanges
from mlpot.grade import KEYS, Rule, known_rule, rule_of
from mlpot.model import Model

MOST_PASSES = 100


@dataclass(frozen=True)
class Selection:
    """What was taken, and the model with the domain that is then known."""

    indices: list[int]  # of the structures taken
    grades: list[float]  # of all structures, the first time they came
    model: Model


def select(
    model: Model,
    frames: Sequence[Atoms],
    rule: str | None = None,
    threshold: float = 1.0,
    *,
    rows: Literal["atoms", "structures"] = "atoms",
    afresh: bool = False,
    at_most: int | None = None,
    progress: Progress | None = None,
) -> Selection:
    """Select from frames those with a grade above the threshold.

    rule: default the sharper one the model has.  afresh: as if nothing had been seen, so that the
    first structure is taken; rows: atom by atom, or sums over structures.  at_most: stop after
    so many.
    Raises InputError where the model has no such rule (unless afresh), and naming a bad structure.
    """
    chosen = known_rule(rule or "range") if afresh else rule_of(model, rule)
    others = [] if afresh else [name for name, key in KEYS.items() if model.data[key]]
    domains = {
        name: _domain(model, frames, name, rows, not afresh)
        for name in dict.fromkeys([chosen, *others])
    }
    grades: list[float] = []
    taken: list[int] = []
    for _ in range(MOST_PASSES):
        before = len(taken)
        for index, atoms in enumerate(_shown(frames, progress)):
            if len(taken) == at_most:
                break
            found = domains[chosen].grade(atoms).of_structure
            if len(grades) == index:
                grades.append(found)
            if found > threshold:
                taken.append(index)
                for domain in domains.values():
                    domain.extend(atoms, index)
        if chosen == "range" or len(taken) in (before, at_most):
            break
    blocks = {KEYS[name]: domain.block() for name, domain in domains.items()}
    kept = [index for index in sorted(set(taken)) if domains[chosen].holds(index)]
    return Selection(kept, grades, Model({**model.data, **dict.fromkeys(KEYS.values()), **blocks}))


def _domain(
    model: Model, frames: Sequence[Atoms], rule: Rule, rows: str, continued: bool
) -> Ranges | StructureRanges | ActiveSets:
    if rule == "range" and (continued or rows == "atoms"):
        return Ranges(model, continued)
    require_rows(model)
    if rule == "range":
        return StructureRanges(model)
    if continued:
        rows = model.data["active_set"]["rows"]
    return SETS[rows](model, sizes_of(model, frames, rows), continued)


def _shown(frames: Sequence[Atoms], progress: Progress | None) -> Sequence[Atoms]:
    return frames if progress is None else progress.track(frames, description="selecting")
