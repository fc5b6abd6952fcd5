"""Active sets: n rows of a stream that span a volume no other n of its rows can much exceed.

With A the (n, n) matrix of the active rows, every row b has components c = b A^-1, and replacing
row j of A by b multiplies |det A| by |c_j|.  MaxVol replaces until no |c_j| of any row exceeds 1:
Goreinov, Oseledets, Savostyanov, Tyrtyshnikov, Zamarashkin, "How to find a good submatrix" (2010);
for potentials: Podryabinkin and Shapeev, Comput. Mater. Sci. 140, 171 (2017).

Directions that the rows do not span are those of `floor` times the unit rows, so that A has an
inverse and a row with something new in it has large components.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np
from numpy.typing import ArrayLike
from scipy.linalg import qr

from mlpot.solve import EPSILON, Array

FLOOR = 1e-6
TOLERANCE = 1e-9
TOLERANCES = (1.0, 0.1, 1e-3, TOLERANCE)  # one after the other: most replacements are large ones
MOST_PASSES = 100  # through the stream; a few are needed
REFRESH = 100  # replacements, before the inverse is computed anew

NOT_SPANNED, BEFORE = -1, -2  # origins: a direction without a row, a row that was there before


class ActiveSet:
    """The active rows of the n columns seen so far.

    sizes (n,): the unit in each column, such as the RMS of the rows; 0 counts as 1.
    rows: (n, n); inverse: (n, n), its columns belong to the rows; origins (n,): what `absorb` was
    told of the rows, BEFORE or NOT_SPANNED.
    Memory: the two matrices, and what is absorbed at a time twice.
    """

    def __init__(self, sizes: ArrayLike, floor: float = FLOOR) -> None:
        sizes = np.asarray(sizes, dtype=float)
        self.rows = np.diag(floor * np.where(sizes > 0.0, sizes, 1.0))
        self.origins = np.full(len(sizes), NOT_SPANNED)
        self._sizes = np.where(sizes > 0.0, sizes, 1.0)
        self._refresh()

    def resume(self, inverse: ArrayLike) -> None:
        """Go on from the inverse (n, n) of a set that was there before."""
        self.rows, self.origins = np.linalg.inv(inverse), np.full(len(self.origins), BEFORE)
        self._refresh()

    def start(self, rows: ArrayLike, origins: ArrayLike | None = None) -> None:
        """The best n of the active and the given rows (m, n) by QR with pivoting.

        A start for `absorb`: each pivot is the row farthest from the span of those before it.
        """
        candidates = np.concatenate([self.rows, np.asarray(rows, dtype=float)])
        origins = np.concatenate([self.origins, self._named(rows, origins)])
        _, pivots = qr((candidates / self._sizes).T, mode="r", pivoting=True)
        chosen = np.sort(pivots[: len(self.rows)])
        self.rows, self.origins = candidates[chosen], origins[chosen]
        self._refresh()

    def absorb(
        self, rows: ArrayLike, origins: ArrayLike | None = None, tolerance: float = TOLERANCE
    ) -> int:
        """Replace active rows by the given ones (m, n) until no component exceeds 1 + tolerance.

        Returns the number of replacements.  origins (m,): what the rows are known by.
        """
        rows = np.asarray(rows, dtype=float)
        origins = self._named(rows, origins)
        components, count = rows @ self.inverse, 0
        while len(rows):
            i, j = np.unravel_index(np.abs(components).argmax(), components.shape)
            rounding = 10.0 * EPSILON * (np.abs(rows[i]) @ np.abs(self.inverse[:, j]))
            if not abs(components[i, j]) > 1.0 + tolerance + rounding:
                break
            self.rows[j], self.origins[j] = rows[i], origins[i]
            count += 1
            if count % REFRESH == 0:
                self._refresh()
                components = rows @ self.inverse
                continue
            # Sherman and Morrison: row j of A becomes another one.
            change = components[i].copy()
            change[j] -= 1.0
            change /= components[i, j]
            self.inverse -= np.outer(self.inverse[:, j], change)
            components -= np.outer(components[:, j], change)
        if count:
            self._refresh()
        return count

    def grades(self, rows: ArrayLike) -> Array:
        """(m,) greatest |component| of rows (m, n)."""
        return np.abs(np.asarray(rows, dtype=float) @ self.inverse).max(axis=1, initial=0.0)

    @property
    def n_spanned(self) -> int:
        """How many of the active rows are rows of the stream."""
        return int(np.sum(self.origins != NOT_SPANNED))

    def _refresh(self) -> None:
        self.inverse = np.linalg.inv(self.rows / self._sizes) / self._sizes[:, None]

    def _named(self, rows: ArrayLike, origins: ArrayLike | None) -> np.ndarray:
        return np.full(len(rows), BEFORE) if origins is None else np.asarray(origins)


def active_set(
    blocks: Callable[[], Iterable[tuple[Array, Array]]], sizes: ArrayLike, floor: float = FLOOR
) -> ActiveSet:
    """Active set of all rows of a stream that can be run through again: blocks() starts it.

    Its items are (rows (m, n), origins (m,)).  In the end no component of any row exceeds
    1 + TOLERANCE.
    """
    found = ActiveSet(sizes, floor)
    for rows, origins in blocks():
        found.start(rows, origins)
    for tolerance in TOLERANCES:
        for _ in range(MOST_PASSES):
            if not sum(found.absorb(rows, origins, tolerance) for rows, origins in blocks()):
                break
    return found
