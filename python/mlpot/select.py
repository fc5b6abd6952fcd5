"""Selection: the structures of a stream that hold something new, each of which widens the domain.

As in a structure search (Oganov and Glass, USPEX): a structure is taken where its grade, against
the model's domain and all that was taken before it, is above a threshold, and is then part of both.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Literal

from ase import Atoms
from rich.progress import Progress

from mlpot.coverage import sizes_of
from mlpot.domain import SETS, ActiveSets, Ranges
from mlpot.grade import KEYS, Rule, known_rule, rule_of
from mlpot.model import Model


@dataclass
class Selection:
    """What was taken, in the order of the stream, and what is known then."""

    taken: list[Atoms] = field(default_factory=list)
    indices: list[int] = field(default_factory=list)  # in the stream
    grades: list[float] = field(default_factory=list)  # of all structures, when they came
    model: Model | None = None  # with the wider ranges or active set


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

    rule: default the sharper one the model has.  rows: of the active set; the model's own where it
    has one.  afresh: as if nothing had been seen; the first structure is taken then.
    Raises InputError where the model has no such rule (unless afresh) or naming a bad structure.
    """
    chosen = known_rule(rule or "range") if afresh else rule_of(model, rule)
    known = [] if afresh else [name for name, key in KEYS.items() if model.data[key]]
    domains = {
        name: _domain(model, frames, name, rows, not afresh)
        for name in {chosen: None, **dict.fromkeys(known)}
    }
    found = Selection()
    for index, atoms in enumerate(_shown(frames, progress)):
        grade = domains[chosen].grade(atoms).of_structure
        found.grades.append(grade)
        if grade > threshold:
            for domain in domains.values():
                domain.extend(atoms)
            found.taken.append(atoms)
            found.indices.append(index)
            if len(found.taken) == at_most:
                break
    blocks = {KEYS[name]: domain.block() for name, domain in domains.items()}
    found.model = Model({**model.data, **dict.fromkeys(KEYS.values()), **blocks})
    return found


def _domain(
    model: Model, frames: Sequence[Atoms], rule: Rule, rows: str, continued: bool
) -> Ranges | ActiveSets:
    if rule == "range":
        return Ranges(model, continued)
    if continued:
        rows = model.data["active_set"]["rows"]
    return SETS[rows](model, sizes_of(model, frames, rows), continued)


def _shown(frames: Sequence[Atoms], progress: Progress | None) -> Iterable[Atoms]:
    return frames if progress is None else progress.track(frames, description="selecting")
