"""Rows of the linear problem: what one structure says about the coefficients.

    energy   w_E (1/N) sum_k c_k dE/dc_k          = w_E (E - E_fixed) / N             eV/atom
    force    w_F sum_k c_k dF/dc_k                = w_F (F - F_fixed)                 eV/Å
    stress   w_S (1/V) sum_k c_k d(dE/de)/dc_k    = w_S (stress - stress_fixed)       GPa

The fixed part (given E0, repulsive core) is the energy of the potential whose coefficients are all
zero.  A fitted E0 is one more column per species, after the coefficients: N_s/N in energy rows,
zero in the others.
"""

from __future__ import annotations

import re
import time
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from queue import SimpleQueue
from typing import Any, Protocol

import numpy as np
from ase import Atoms
from numpy.typing import NDArray

from mlpot.errors import InputError
from mlpot.io import labels
from mlpot.metrics import species_of
from mlpot.solve import BLOCK_ROWS, Array, memory_needed, update

GPA = 160.2176634  # GPa in one eV/Å^3
KINDS = ("energy", "force", "stress")
VOIGT = ((0, 1, 2, 1, 0, 0), (0, 1, 2, 2, 2, 1))  # xx yy zz yz xz xy


class Weighting(Protocol):
    """Weights of (energy, force, stress) rows in a group of structures."""

    def of(self, group: str | None) -> tuple[float, float, float]: ...


@dataclass(frozen=True)
class Estimate:
    """What a fit will take: rows, columns, bytes (an upper bound), seconds (from a probe)."""

    rows: int
    columns: int
    bytes: int
    seconds: float


def name_of(atoms: Atoms) -> str:
    """The structure as a user finds it: its file and frame, or its formula."""
    return str(atoms.info.get("source", f"structure {atoms.get_chemical_formula()}"))


def references(atoms: Atoms, weights: Weighting) -> dict[str, tuple[float, Any]]:
    """kind -> (weight, reference) of what this structure is fitted to: present, weight not zero."""
    kinds = zip(KINDS, weights.of(atoms.info.get("group")), labels(atoms), strict=True)
    return {kind: (weight, label) for kind, weight, label in kinds if weight and label is not None}


def count_rows(atoms: Atoms, weights: Weighting) -> dict[str, int]:
    """Rows of each kind that :func:`design_rows` will return."""
    sizes = {"energy": 1, "force": 3 * len(atoms), "stress": 6}
    return {kind: sizes[kind] for kind in references(atoms, weights)}


def n_columns(potential: Any, fit_e0: bool) -> int:
    return potential.n_parameters + (len(potential.elements) if fit_e0 else 0)


def design_rows(
    potential: Any, atoms: Atoms, weights: Weighting, fit_e0: bool = False
) -> tuple[Array, Array, NDArray[np.int8]]:
    """Weighted rows (m, n), targets (m,) and kinds (m,), indices into KINDS, of one structure.

    potential: a Potential whose coefficients are all zero.  Rows of weight zero, and of kinds that
    the structure has no reference for, are left out.
    Raises InputError for an unknown element, atoms too close, or a stress without a volume.
    """
    wanted = references(atoms, weights)
    sizes = count_rows(atoms, weights)
    rows = np.zeros((sum(sizes.values()), n_columns(potential, fit_e0)))
    targets = np.empty(len(rows))
    kinds = np.repeat([KINDS.index(kind) for kind in sizes], list(sizes.values())).astype(np.int8)
    if not wanted:
        return rows, targets, kinds
    species, fixed, design = _differentiate(potential, atoms)
    p, n = potential.n_parameters, len(atoms)
    start = 0
    for kind, (weight, reference) in wanted.items():
        stop = start + sizes[kind]
        if kind == "energy":
            columns, target = design["energy"] / n, (reference - fixed["energy"]) / n
            if fit_e0:
                counts = np.bincount(species, minlength=len(potential.elements))
                rows[start, p:] = weight * counts / n
        elif kind == "force":
            columns = design["forces"].reshape(-1, p)
            target = np.ravel(reference - fixed["forces"])
        else:
            to_gpa = GPA / _volume(atoms)
            columns = design["dE_dstrain"][VOIGT] * to_gpa
            target = reference[VOIGT] * GPA - fixed["dE_dstrain"][VOIGT] * to_gpa
        np.multiply(columns, weight, out=rows[start:stop, :p])
        targets[start:stop] = weight * target
        start = stop
    return rows, targets, kinds


def stream_rows(
    potentials: Sequence[Any],
    frames: Iterable[Atoms],
    weights: Weighting,
    fit_e0: bool = False,
) -> Iterator[tuple[Array, Array, NDArray[np.int8]]]:
    """:func:`design_rows` of each structure in turn, as many at once as there are potentials.

    potentials: of one model.  A few structures are computed ahead of the one that is asked for.
    """
    if len(potentials) == 1:
        for atoms in frames:
            yield design_rows(potentials[0], atoms, weights, fit_e0)
        return
    idle: SimpleQueue[Any] = SimpleQueue()
    for potential in potentials:
        idle.put(potential)

    def work(atoms: Atoms) -> tuple[Array, Array, NDArray[np.int8]]:
        potential = idle.get()
        try:
            return design_rows(potential, atoms, weights, fit_e0)
        finally:
            idle.put(potential)

    with ThreadPoolExecutor(len(potentials)) as pool:
        ahead: deque[Future[tuple[Array, Array, NDArray[np.int8]]]] = deque()
        for atoms in frames:
            ahead.append(pool.submit(work, atoms))
            if len(ahead) > 2 * len(potentials):
                yield ahead.popleft().result()
        while ahead:
            yield ahead.popleft().result()


def estimate(
    potential: Any,
    frames: Sequence[Atoms],
    weights: Weighting,
    *,
    fit_e0: bool = False,
    n_folds: int = 5,
    max_bytes: int = 2**30,
) -> Estimate:
    """Size of the fit, from the numbers of atoms and a timed probe of one structure.

    Raises InputError where it needs more than max_bytes.
    """
    n = n_columns(potential, fit_e0)
    rows = sum(sum(count_rows(atoms, weights).values()) for atoms in frames)
    largest = max(len(atoms) for atoms in frames)
    needed = memory_needed(n, n_folds) + 3 * 8 * n * (3 * largest + 10)
    if needed > max_bytes:
        raise InputError(
            f"the fit needs {format_bytes(needed)} ({n} columns, {n_folds} folds, up to {largest} "
            f"atoms a structure), more than {format_bytes(max_bytes)}: "
            "take a smaller descriptor or fewer folds, or raise --max-memory"
        )
    mean = sum(len(atoms) for atoms in frames) / len(frames)
    probe = min(frames, key=lambda atoms: abs(len(atoms) - mean))
    started = time.perf_counter()
    design_rows(potential, probe, weights, fit_e0)
    design_seconds = (time.perf_counter() - started) * mean * len(frames) / len(probe)
    return Estimate(rows, n, needed, design_seconds + _solve_seconds(n, n_folds, rows))


def parse_bytes(text: str) -> int:
    """ "1GiB", "500 MB", "2e9" -> bytes.  Raises InputError for anything else."""
    powers = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9, "ki": 2**10, "mi": 2**20, "gi": 2**30}
    match = re.fullmatch(r"\s*([0-9.]+(?:e[0-9]+)?)\s*([kmg]i?)?b?\s*", text, re.IGNORECASE)
    try:
        value = float(match[1]) * powers[(match[2] or "").lower()] if match else 0.0
    except ValueError:
        value = 0.0
    if not 0 < value < 2**63:
        raise InputError(f"memory: {text!r} is not a size such as 1GiB or 500MB")
    return int(value)


def format_bytes(size: float) -> str:
    unit = next((u for u in ("GiB", "MiB", "KiB") if size >= _SIZES[u]), "KiB")
    return f"{size / _SIZES[unit]:.3g} {unit}"


_SIZES = {"GiB": 2**30, "MiB": 2**20, "KiB": 2**10}


def _differentiate(potential: Any, atoms: Atoms) -> tuple[NDArray[np.int32], Any, Any]:
    try:
        species = species_of(atoms, potential.elements)
        arguments = (atoms.positions, atoms.cell.array, atoms.pbc, species)
        return species, potential.evaluate(*arguments), potential.design(*arguments)
    except ValueError as error:
        raise InputError(f"{name_of(atoms)}: {error}") from None


def _volume(atoms: Atoms) -> float:
    if atoms.cell.rank < 3:
        raise InputError(f"{name_of(atoms)}: has a stress but no volume")
    return atoms.get_volume()


def _solve_seconds(n: int, n_folds: int, rows: int) -> float:
    triangle = np.zeros((n + 1, n + 1), order="F")
    for _ in range(2):  # the first is slow: pages are new and the library is cold
        block = np.ones((BLOCK_ROWS, n + 1), order="F")
        started = time.perf_counter()
        update(triangle, block)
    per_flop = (time.perf_counter() - started) / (2.0 * BLOCK_ROWS * n * n)
    return per_flop * (2.0 * rows * n * n + 25.0 * (n_folds + 1) * n**3)
