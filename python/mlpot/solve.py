"""Least squares from a stream of rows: min |A c - b|, where A never exists as a whole.

Each block of rows B is folded into one upper triangular R of [A | b] by an orthogonal update
(tall-skinny QR, LAPACK tpqrt):  [R; B] = Q R'.  Q is dropped: |A c - b| = |R [c; -1]| for every c,
so R answers every question about the fit.  A^T A is never formed: it would square the condition
number, and a pair series in 1/r^k already has 1e12.

One R is kept per fold, so that cross validation needs no second pass over the structures: train on
the R of the other folds, measure on the R of the one left out.

Demmel, Grigori, Hoemmen, Langou, SIAM J. Sci. Comput. 34, A206 (2012).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.linalg import qr, solve_triangular
from scipy.linalg.lapack import dtpqrt

from mlpot.errors import InputError

Array = NDArray[np.float64]

BLOCK_ROWS = 256  # enough for BLAS 3: an update costs 2 m n^2 however short the block
PANEL = 32
EPSILON = float(np.finfo(np.float64).eps)
RIDGES = (0.0, *(float(f"{ridge:.3g}") for ridge in np.logspace(-12, -1, 23)))
CV_TOLERANCE = 1e-3


@dataclass(frozen=True)
class Solution:
    """Coefficients of a least-squares fit and what is known about them."""

    coefficients: Array  # (n,)
    ridge: float  # relative to the largest singular value of the scaled A
    rank: int  # of the scaled A
    condition: float  # largest over smallest singular value of the scaled A, zero columns left out
    rmse: float  # |A c - b| / sqrt(rows), in the units of the weighted rows
    n_rows: int
    cv_curve: list[tuple[float, float]] = field(default_factory=list)  # (ridge, RMSE left out)


def memory_needed(n_columns: int, n_folds: int = 5) -> int:
    """Bytes that collecting and solving take at most, however many rows are added."""
    width = n_columns + 1
    collecting = n_folds * (width + BLOCK_ROWS) * width
    solving = 10 * width * width + (BLOCK_ROWS + 6 * len(RIDGES)) * width
    return 8 * (collecting + solving)


class StreamingLeastSquares:
    """Collects rows block by block, then solves.

    n_columns: number of unknowns.  n_folds: groups for cross validation (1: none).
    penalised (n_columns,) bool: the columns a ridge acts on, default all.
    Memory is :func:`memory_needed` and does not grow with the number of rows.
    """

    def __init__(
        self, n_columns: int, n_folds: int = 5, penalised: ArrayLike | None = None
    ) -> None:
        if n_columns < 1 or n_folds < 1:
            raise InputError(f"least squares: {n_columns} columns, {n_folds} folds; need 1 or more")
        width = n_columns + 1
        self.n_columns = n_columns
        self.n_rows = np.zeros(n_folds, dtype=np.int64)
        self._penalised = np.broadcast_to(True if penalised is None else penalised, n_columns)
        self._triangles = [np.zeros((width, width), order="F") for _ in range(n_folds)]
        self._blocks = [np.empty((BLOCK_ROWS, width), order="F") for _ in range(n_folds)]
        self._waiting = [0] * n_folds

    def add(self, rows: ArrayLike, targets: ArrayLike, fold: int = 0) -> None:
        """Add the equations rows (m, n) @ c = targets (m,) to a fold.

        Raises InputError for wrong shapes, numbers that are not finite, or a fold out of range.
        """
        rows, targets = np.asarray(rows, dtype=float), np.asarray(targets, dtype=float)
        if rows.shape != (targets.size, self.n_columns) or targets.ndim != 1:
            raise InputError(
                f"least squares: rows {rows.shape} and targets {targets.shape}; "
                f"expected (m, {self.n_columns}) and (m,)"
            )
        if not 0 <= fold < len(self._triangles):
            raise InputError(f"least squares: fold {fold} is not below {len(self._triangles)}")
        if not (np.isfinite(rows).all() and np.isfinite(targets).all()):
            raise InputError("least squares: a row or a target is not finite")
        start = 0
        while start < len(rows):
            used = self._waiting[fold]
            take = min(BLOCK_ROWS - used, len(rows) - start)
            block = self._blocks[fold][used : used + take]
            block[:, :-1] = rows[start : start + take]
            block[:, -1] = targets[start : start + take]
            self._waiting[fold] += take
            start += take
            if self._waiting[fold] == BLOCK_ROWS:
                self._absorb(fold)
        self.n_rows[fold] += len(rows)

    def triangle(self, fold: int) -> Array:
        """R (n+1, n+1) of the [A | b] of one fold: |A c - b| = |R [c; -1]|."""
        self._absorb(fold)
        return self._triangles[fold]

    def whole(self) -> Array:
        """R (n+1, n+1) of all folds."""
        return merge(self.triangle(fold) for fold, count in enumerate(self.n_rows) if count)

    def leave_out(self, columns: ArrayLike) -> None:
        """Fix the coefficients of these columns (bool (n,) or indices) at zero."""
        for fold in range(len(self._triangles)):
            self.triangle(fold)[:, :-1][:, columns] = 0.0

    def solve(self, ridge: float | Literal["auto"] = "auto") -> Solution:
        """Minimise |A c - b|^2 + (ridge s)^2 |D c|^2.

        D holds the RMS norms of the penalised columns of A, and s is the largest singular value of
        A D^-1 (where some columns are not penalised, of its part orthogonal to them), so that ridge
        has no unit.  "auto" takes the largest of RIDGES whose cross-validated RMSE is within 0.1 %
        of the best.  Ridge 0 at full rank is solved by pivoted QR, the most accurate for exact
        data; all else by SVD (of least norm where the rank is deficient).

        Raises InputError where there are no rows, fewer than two folds with rows for "auto", or a
        ridge below 0.
        """
        folds = [fold for fold, count in enumerate(self.n_rows) if count]
        if not folds:
            raise InputError("least squares: no rows were added")
        if ridge != "auto" and not 0.0 <= ridge < np.inf:
            raise InputError(f"least squares: ridge {ridge} is not a number of 0 or more")
        curve = self._cross_validate(folds) if ridge == "auto" else []
        chosen = _choose(curve) if ridge == "auto" else float(ridge)
        whole = self.whole()
        problem = _Scaled(whole, self._penalised)
        coefficients = problem.solve([chosen])
        n_rows = int(self.n_rows.sum())
        rmse = float(residual_norms(whole, coefficients)[0] / np.sqrt(n_rows))
        return Solution(
            coefficients[:, 0], chosen, problem.rank, problem.condition(), rmse, n_rows, curve
        )

    def _absorb(self, fold: int) -> None:
        if count := self._waiting[fold]:
            update(self._triangles[fold], self._blocks[fold][:count])
            self._waiting[fold] = 0

    def _cross_validate(self, folds: list[int]) -> list[tuple[float, float]]:
        if len(folds) < 2:
            raise InputError(
                "ridge: auto needs structures in at least two folds; give a number instead"
            )
        squares = np.zeros(len(RIDGES))
        for left_out in folds:
            training = merge(self.triangle(fold) for fold in folds if fold != left_out)
            coefficients = _Scaled(training, self._penalised).solve(RIDGES)
            squares += residual_norms(self.triangle(left_out), coefficients) ** 2
        errors = np.sqrt(squares / self.n_rows.sum())
        return [(ridge, float(error)) for ridge, error in zip(RIDGES, errors, strict=True)]


def update(triangle: Array, block: Array) -> None:
    """Fold a block (m, n+1) into a triangle (n+1, n+1), column-major, in place.

    The contents of the block are lost.
    """
    panel = min(PANEL, len(triangle))
    _, _, _, info = dtpqrt(0, panel, triangle, block, overwrite_a=1, overwrite_b=1)
    if info:
        raise RuntimeError(f"LAPACK tpqrt: argument {-info} is wrong")


def merge(triangles: Iterable[Array]) -> Array:
    """One triangle for the rows of several."""
    first, *others = triangles
    merged = first.copy(order="F")
    for triangle in others:
        for start in range(0, len(merged), BLOCK_ROWS):
            # Rows of a triangle start at the diagonal: the columns before it are already done.
            rows = np.array(triangle[start : start + BLOCK_ROWS, start:], order="F")
            corner = np.asfortranarray(merged[start:, start:])
            update(corner, rows)
            merged[start:, start:] = corner
    return merged


def eliminate(triangle: Array, candidates: ArrayLike, exact: float = 0.0) -> Array:
    """bool (n,): the candidate columns that the fit can do without.

    Backward: the candidate of least |t| (coefficient over its standard error) goes, one at a time,
    as long as |A c - b| stays within 5 % of that of all columns, or below `exact`, or at rounding.
    triangle: R of [A | b]; candidates: bool (n,).
    """
    candidates = np.asarray(candidates, dtype=bool)
    chosen = np.flatnonzero(candidates)
    others = np.flatnonzero(~candidates)
    # What the other columns fit is rotated away: the rest is a problem of the candidates alone.
    rotated = qr(triangle[:, [*others, *chosen, len(candidates)]], mode="r")[0]
    rest = rotated[len(others) :, len(others) :]

    def measure(columns: list[int]) -> tuple[float, Array]:
        """|residual| and the |t| of each column."""
        if not columns:
            return float(np.linalg.norm(rest[:, -1])), np.empty(0)
        norms = np.linalg.norm(rest[:, columns], axis=0)
        scaled = rest[:, columns] / np.where(norms, norms, 1.0)
        u, s, vt = np.linalg.svd(scaled, full_matrices=False)
        s = np.maximum(s, EPSILON * s[0])
        projected = u.T @ rest[:, -1]
        t = np.abs(vt.T @ (projected / s)) / np.linalg.norm(vt.T / s, axis=1)
        return float(np.linalg.norm(rest[:, -1] - u @ projected)), t

    left = list(range(len(chosen)))
    residual, t = measure(left)
    rounding = 10.0 * EPSILON * np.linalg.norm(triangle[:, -1])
    limit = max(1.05 * residual, rounding, exact)
    while left:
        fewer = [column for column in left if column != left[int(np.argmin(t))]]
        residual, t = measure(fewer)
        if residual > limit:
            break
        left = fewer
    found = candidates.copy()
    found[chosen[left]] = False
    return found


def residual_norms(triangle: Array, coefficients: Array) -> Array:
    """|A c - b| (k,) for the k columns of coefficients (n, k)."""
    residual = triangle[:, :-1] @ coefficients - triangle[:, -1:]
    return np.linalg.norm(residual, axis=0)


def _choose(curve: list[tuple[float, float]]) -> float:
    best = min(error for _, error in curve)
    return max(ridge for ridge, error in curve if error <= best * (1.0 + CV_TOLERANCE))


class _Scaled:
    """The problem of one triangle, its columns scaled to norm 1, those that are zero left out."""

    def __init__(self, triangle: Array, penalised: Array) -> None:
        self.norms = np.linalg.norm(triangle[:, :-1], axis=0)
        self.active = np.flatnonzero(self.norms)
        self.matrix = triangle[:-1, self.active] / self.norms[self.active]
        self.target = triangle[:-1, -1:]
        self.penalised = penalised[self.active]
        self.tolerance = EPSILON * max(len(self.active), 1)
        self.rank = 0
        self.exact = np.zeros((len(self.active), 1))
        if len(self.active):
            self._solve_by_pivoted_qr()

    def condition(self) -> float:
        if not len(self.active):
            return 1.0
        values = np.linalg.svd(self.matrix, compute_uv=False)
        return float(values[0] / values[-1]) if values[-1] > 0 else float("inf")

    def solve(self, ridges: Sequence[float]) -> Array:
        """Coefficients (n, k) for the k ridges."""
        solutions = np.zeros((len(self.norms), len(ridges)))
        full_rank = self.rank == len(self.active)
        by_svd = [k for k, ridge in enumerate(ridges) if ridge > 0 or not full_rank]
        scaled = np.repeat(self.exact, len(ridges), axis=1)
        if by_svd:
            scaled[:, by_svd] = self._solve_by_svd(np.array([ridges[k] for k in by_svd]))
        solutions[self.active] = scaled / self.norms[self.active, None]
        return solutions

    def _solve_by_pivoted_qr(self) -> None:
        q, upper, order = qr(self.matrix, mode="economic", pivoting=True)
        diagonal = np.abs(np.diag(upper))
        self.rank = int(np.count_nonzero(diagonal > self.tolerance * diagonal[0]))
        if self.rank == len(order):
            self.exact[order] = solve_triangular(upper, q.T @ self.target)

    def _solve_by_svd(self, ridges: Array) -> Array:
        free = ~self.penalised
        # A rotation splits off what the free columns can fit: the ridge sees only the rest.
        rotation, s_free, vt_free = np.linalg.svd(self.matrix[:, free], full_matrices=True)
        k = int(np.count_nonzero(s_free > self.tolerance))
        top, rest = np.vsplit(rotation.T @ np.hstack([self.matrix[:, ~free], self.target]), [k])
        u, s, vt = np.linalg.svd(rest[:, :-1], full_matrices=False)
        s = s[:, None]
        damping = (ridges * s[0]) ** 2 if len(s) else 0.0
        keep = s > self.tolerance
        inverse = np.where(keep, s / np.where(keep, s * s + damping, 1.0), 0.0)
        solution = np.empty((len(self.active), len(ridges)))
        solution[~free] = vt.T @ (inverse * (u.T @ rest[:, -1:]))
        left = top[:, -1:] - top[:, :-1] @ solution[~free]
        solution[free] = vt_free[:k].T @ (left / s_free[:k, None])
        return solution
