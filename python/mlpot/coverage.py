"""What a training set covers, for the model file: ranges of the features, and an active set."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Literal

import numpy as np
from ase import Atoms
from rich.progress import Progress

from mlpot.domain import SETS, ActiveSets, Ranges
from mlpot.errors import InputError
from mlpot.maxvol import active_set
from mlpot.model import Model
from mlpot.solve import Array

Rows = Literal["auto", "atoms", "structures", "none"]
LINEAR = ("linear", "quadratic")
MOST_NUMBERS = 100_000  # in an active set that was not asked for: 2 MB in the file
BLOCK_ROWS = 1024
CACHE = 2**28  # bytes of rows that are kept; more are computed again in every pass


def coverage(
    model: Model, frames: Sequence[Atoms], rows: Rows = "auto", progress: Progress | None = None
) -> dict[str, Any]:
    """The model file's "ranges" and "active_set" after a training set.

    rows: of the active set; auto: atoms, where the regressor is linear in its coefficients and the
    set would be small.  No structure of the training set has a grade above 1 (by rounding, 1e-9).
    Raises InputError for a regressor that is not linear, and naming a bad structure.
    """
    if rows in SETS:
        require_rows(model)
    ranges, n_features = Ranges(model), model.potential().n_features
    for atoms in _shown(frames, progress, "ranges") if n_features else []:
        ranges.extend(atoms)
    if rows == "auto":
        n_species, n = _shape_of_rows(model)
        small = has_rows(model) and n_features and n_species * n**2 <= MOST_NUMBERS
        rows = "atoms" if small else "none"
    found = None if rows == "none" else _active_sets(model, frames, rows, progress).block()
    return {"ranges": ranges.block() if n_features else None, "active_set": found}


def has_rows(model: Model) -> bool:
    """Whether its atoms have rows of a linear problem, which do not depend on its coefficients."""
    return model.data["regressor"]["type"] in LINEAR and model.data["pooling"] == "atom"


def require_rows(model: Model) -> None:
    if not has_rows(model):
        raise InputError(
            f"{model.name}: an active set needs a regressor that is linear in its coefficients "
            f'({", ".join(LINEAR)}) and pooling "atom"; take rule range'
        )


def sizes_of(
    model: Model, frames: Sequence[Atoms], rows: Literal["atoms", "structures"]
) -> list[Array]:
    """Root mean squares of the columns of each active set."""
    n_species, n = _shape_of_rows(model)
    n_structure = n_species + model.potential().n_parameters
    empty = np.zeros((n_species, n) if rows == "atoms" else (1, n_structure))
    domain, squares, counts = SETS[rows](model, empty), empty.copy(), np.zeros((len(empty), 1))
    for atoms in frames:
        for s, own in enumerate(domain.rows(atoms)):
            squares[s] += (own**2).sum(axis=0)
            counts[s] += len(own)
    return list(np.sqrt(squares / np.maximum(counts, 1)))


def _active_sets(
    model: Model,
    frames: Sequence[Atoms],
    rows: Literal["atoms", "structures"],
    progress: Progress | None,
) -> ActiveSets:
    sizes = sizes_of(model, frames, rows)
    domain = SETS[rows](model, sizes)
    for s, size in enumerate(sizes):
        domain.sets[s] = active_set(_Blocks(domain, frames, s, progress), size)
    domain.tell()
    return domain


class _Blocks:
    """The rows of one active set, in blocks, again and again."""

    def __init__(
        self,
        domain: ActiveSets,
        frames: Sequence[Atoms],
        s: int,
        progress: Progress | None,
    ) -> None:
        self.domain, self.frames, self.s, self.progress = domain, frames, s, progress
        self.kept: list[tuple[Array, np.ndarray]] | None = None

    def __call__(self) -> Iterator[tuple[Array, np.ndarray]]:
        if self.kept is not None:
            yield from self.kept
            return
        kept: list[tuple[Array, np.ndarray]] | None = []
        for block in self._computed():
            if kept is not None and sum(rows.nbytes for rows, _ in [*kept, block]) <= CACHE:
                kept.append(block)
            else:
                kept = None
            yield block
        self.kept = kept

    def _computed(self) -> Iterator[tuple[Array, np.ndarray]]:
        waiting: list[Array] = []
        origins: list[int] = []
        for k, atoms in enumerate(_shown(self.frames, self.progress, "active set")):
            own = self.domain.rows(atoms)[self.s]
            waiting.append(own)
            origins += [k] * len(own)
            if len(origins) >= BLOCK_ROWS:
                yield np.concatenate(waiting), np.array(origins)
                waiting, origins = [], []
        if origins:
            yield np.concatenate(waiting), np.array(origins)


def _shown(frames: Sequence[Atoms], progress: Progress | None, name: str) -> Any:
    return frames if progress is None else progress.track(frames, description=name)


def _shape_of_rows(model: Model) -> tuple[int, int]:
    """Species; E0 and the regressor's coefficients of each."""
    n_species, n = np.shape(model.data["regressor"]["coefficients"])
    return n_species, 1 + n
