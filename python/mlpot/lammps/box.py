"""A structure as LAMMPS wants it: a restricted triclinic box, and the rotation back.

LAMMPS' first box vector lies along x and its second in the xy plane, all three right-handed
(https://docs.lammps.org/Howto_triclinic.html).
"""

from dataclasses import dataclass

import numpy as np
from ase import Atoms
from ase.geometry import complete_cell

from mlpot.errors import InputError


@dataclass(frozen=True)
class Box:
    """cell (3,3) Å, lower triangular; positions (N,3) Å in it; rotation (3,3), its axes as rows."""

    cell: np.ndarray
    rotation: np.ndarray
    positions: np.ndarray
    boundary: str

    @classmethod
    def around(cls, atoms: Atoms, margin: float) -> "Box":
        """Periodic vectors are kept; the others become normals that leave `margin` Å on both sides.

        Raises InputError for a position or cell that is not finite, or a cell without volume.
        """
        cell, pbc = atoms.cell.array.copy(), atoms.pbc
        _check(atoms.positions, cell[pbc])
        cell[~pbc] = 0.0
        cell = complete_cell(cell)
        if np.linalg.det(cell) < 0.0:
            cell[2] *= -1.0  # the same lattice, right-handed
        fractional = np.linalg.solve(cell.T, atoms.positions.T).T
        fractional[:, pbc] %= 1.0
        low = fractional[:, ~pbc].min(axis=0) - margin
        extent = fractional[:, ~pbc].max(axis=0) + margin - low
        fractional[:, ~pbc] = (fractional[:, ~pbc] - low) / extent
        cell[~pbc] *= extent[:, None]
        q, r = np.linalg.qr(cell.T)
        sign = np.sign(np.diag(r))
        lower = np.tril(r.T * sign)
        return cls(lower, (q * sign).T, fractional @ lower, " ".join("fp"[int(p)] for p in pbc))

    @property
    def volume(self) -> float:
        """Å³."""
        return float(np.prod(self.cell.diagonal()))

    @property
    def tilts(self) -> tuple[float, float, float]:
        """xy, yz, xz in Å, the order of LAMMPS' reset_box."""
        return self.cell[1, 0], self.cell[2, 1], self.cell[2, 0]

    def vectors_in(self, vectors: np.ndarray) -> np.ndarray:
        """(N,3) vectors of the structure in the axes of the box."""
        return vectors @ self.rotation.T

    def vectors_out(self, vectors: np.ndarray) -> np.ndarray:
        """(N,3) vectors of the box in the axes of the structure."""
        return vectors @ self.rotation

    def tensor_out(self, six: np.ndarray) -> np.ndarray:
        """LAMMPS' six (xx yy zz xy xz yz) as a (3,3) tensor in the axes of the structure."""
        xx, yy, zz, xy, xz, yz = six
        tensor = np.array([[xx, xy, xz], [xy, yy, yz], [xz, yz, zz]])
        return self.rotation.T @ tensor @ self.rotation


def _check(positions: np.ndarray, periodic: np.ndarray) -> None:
    finite = np.isfinite(positions).all(axis=1)
    if len(finite) == 0:
        raise InputError("the structure has no atoms")
    if not finite.all():
        raise InputError(f"atom {int(np.argmin(finite))}: its position is not finite")
    # Gram determinant: the squared length, area or volume the periodic vectors span.
    if not np.isfinite(periodic).all() or np.linalg.det(periodic @ periodic.T) < 1e-12:
        raise InputError("the periodic cell vectors span no volume: mend the cell or pbc")
