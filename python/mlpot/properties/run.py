"""Measures properties of several methods side by side, and keeps what failed and why."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from ase import Atoms
from ase.calculators.calculator import BaseCalculator
from rich.progress import Progress

from mlpot.errors import InputError, did_you_mean
from mlpot.properties import PROPERTIES
from mlpot.properties.base import Property, PropertyError, Result, SettingError
from mlpot.properties.methods import Method


@dataclass
class Measured:
    """What one method gives: results, settings, failures and seconds by the property's name.

    between: quantity -> other method -> value, see Property.between.
    """

    name: str
    description: str = ""
    results: dict[str, Result] = field(default_factory=dict)
    settings: dict[str, dict[str, Any]] = field(default_factory=dict)
    failures: dict[str, str] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)
    between: dict[str, dict[str, float]] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """The values under their keys; potential, settings and failures under these words."""
        values: dict[str, Any] = {"potential": self.description}
        for result in self.results.values():
            values |= result.to_dict()
        values |= self.between
        return values | {"settings": self.settings, "failures": self.failures}


def choose(only: Iterable[str] = (), crystal: Atoms | None = None) -> list[Property]:
    """The properties of these names in the order of PROPERTIES; the usual ones without a name.

    A word may list several: "elastic,vacancy"; "all" is all. crystal: without a name, only what it
    can have. Raises InputError.
    """
    known = {p.name: p for p in PROPERTIES}
    asked = [name.strip() for words in only for name in words.split(",") if name.strip()]
    for name in asked:
        if name != "all" and name not in known:
            hint = did_you_mean(name, known)
            raise InputError(f"property {name!r}: must be among {', '.join(known)}{hint}")
    if not asked:
        mixed = crystal is not None and len(set(crystal.symbols)) > 1
        return [p for p in PROPERTIES if p.usual and not (mixed and p.of_elements)]
    return [p for p in PROPERTIES if p.name in asked or "all" in asked]


def measure(
    crystal: Atoms,
    methods: Sequence[Method],
    only: Iterable[str] = (),
    settings: dict[str, dict[str, Any]] | None = None,
    reference: BaseCalculator | None = None,
    progress: Progress | None = None,
) -> list[Measured]:
    """Each method's properties of the crystal, which it relaxes first.

    settings: {"vacancy": {"images": 9}}; see Property.settings. reference: the second method of
    properties that compare with one. What a potential does not have ends in `failures`. Raises
    InputError for names and settings that do not exist, before anything is computed, and
    SettingError for those that cannot be.
    """
    chosen = choose(only, crystal)
    lattice, settings = PROPERTIES[0], dict(settings or {})
    chosen = [lattice, *(p for p in chosen if p is not lattice)]
    complete = {p.name: p.with_defaults(settings.pop(p.name, {})) for p in chosen}
    for name in settings:
        choose([name])  # an unknown one has its error here
        raise InputError(f"settings of {name}, which is not computed")
    found = []
    for method in methods:
        measured = Measured(method.name, method.description)
        task = progress and progress.add_task(method.name, total=len(chosen))
        for p in chosen:
            show = _bar(progress, task, f"{method.name}: {p.name}")
            start = crystal if p is lattice else _relaxed(measured)
            _one(p, measured, start, method.calculator, complete[p.name], reference, show)
            if progress:
                progress.advance(task)
        found.append(measured)
    _compare(chosen, found)
    return found


def _one(
    p: Property,
    measured: Measured,
    crystal: Atoms | None,
    calculator: BaseCalculator,
    settings: dict[str, Any],
    reference: BaseCalculator | None,
    progress: Callable[[int, int], None] | None,
) -> None:
    started = time.perf_counter()
    given = {"reference": reference, "progress": progress}
    given = {name: value for name, value in given.items() if p.accepts(name)}
    measured.settings[p.name] = settings
    try:
        if crystal is None:
            raise PropertyError("there is no relaxed crystal")
        result = p.function(crystal, calculator, **settings, **given)
    except SettingError:
        raise
    except InputError as error:
        measured.failures[p.name] = str(error)
    else:
        measured.results[p.name] = result
        if result.problems:
            measured.failures[p.name] = "; ".join(result.problems)
    measured.seconds[p.name] = time.perf_counter() - started


def _relaxed(measured: Measured) -> Atoms | None:
    result = measured.results.get(PROPERTIES[0].name)
    return result and result.crystal


def _bar(progress: Progress | None, task: Any, description: str) -> Callable | None:
    if progress is None:
        return None
    progress.update(task, description=description)

    def show(done: int, total: int) -> None:
        progress.update(task, description=f"{description} {done}/{total}")

    return show


def _compare(chosen: list[Property], found: list[Measured]) -> None:
    for p in chosen:
        if p.between is None:
            continue
        there = [m for m in found if p.name in m.results]
        for one in there:
            for other in there:
                if one is not other:
                    values = p.between(one.results[p.name], other.results[p.name])
                    for key, value in values.items():
                        one.between.setdefault(key, {})[other.name] = value
