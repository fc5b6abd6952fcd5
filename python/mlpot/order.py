"""Order parameters of crystal structures: how far the distances are from those of a gas.

Of the fingerprint F, a histogram of distances over that of a gas, less 1 (Oganov, Valle, J. Chem.
Phys. 130, 104504 (2009); Lyakhov, Oganov, Valle, Comput. Phys. Commun. 181, 1623 (2010), eq. 5), as
the program USPEX has it:

    F_iB(b) = V/(4 pi delta N_B) sum_{j in B} g_b(r_ij)/r_ij^2 - 1,   b = 2 .. r_max/delta
    P_i     = sqrt(sum_B N_B/N delta/(V/N)^(1/3) sum_b F_iB^2)        of an atom, and their mean
    F_AB(b) = V/(4 pi delta N_A N_B) sum_{i in A, j in B} g_b(r_ij)/r_ij^2 - 1,   F_AB(1) = -1
    S       = sqrt(sum_AB w_AB delta/(V/N)^(1/3) sum_b F_AB^2)        of the structure

with w_AB = N_A N_B / sum N_A N_B, and g_b the part in bin b of a Gaussian with a deviation of
sigma / sqrt(2 ln 2).  The form that potentials use is smooth (docs/model_format.md).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from ase import Atoms
from ase.neighborlist import neighbor_list
from scipy.special import erf

from mlpot.design import name_of
from mlpot.errors import InputError
from mlpot.metrics import species_of
from mlpot.model import Model
from mlpot.solve import Array

R_MAX, DELTA, SIGMA = 10.0, 0.08, 0.03  # USPEX' RmaxFing, deltaFing, sigmaFing, Å


@dataclass(frozen=True)
class Order:
    """Order parameters of one structure."""

    atoms: Array  # (N,) P
    structure: float | None  # S; None in the smooth form

    @property
    def mean(self) -> float:
        """USPEX' A_order."""
        return float(self.atoms.mean())


def order(atoms: Atoms, r_max: float = R_MAX, delta: float = DELTA, sigma: float = SIGMA) -> Order:
    """By the definition of USPEX.  Lengths in Å.

    Raises InputError for a structure that is not periodic in all directions.
    """
    _check(atoms, r_max, delta, sigma)
    species, counts, f = _fingerprints(atoms, r_max, delta, sigma)
    scale = delta * (len(atoms) / atoms.get_volume()) ** (1.0 / 3.0)
    of_atoms = f[:, :, 1:]
    p = np.sqrt(scale * np.einsum("s,isb->i", counts / len(atoms), of_atoms**2))
    s = np.sqrt(scale) * np.linalg.norm(_of_structure(species, counts, f))
    return Order(p, float(s))


def fingerprint(
    atoms: Atoms, r_max: float = R_MAX, delta: float = DELTA, sigma: float = SIGMA
) -> Array:
    """(pairs * bins,) F_AB sqrt(w_AB) of a structure: the same of every cell that repeats it.

    The cosine of two tells how alike they are.  Raises InputError as `order` does.
    """
    _check(atoms, r_max, delta, sigma)
    return _of_structure(*_fingerprints(atoms, r_max, delta, sigma)).ravel()


def _fingerprints(
    atoms: Atoms, r_max: float, delta: float, sigma: float
) -> tuple[np.ndarray, np.ndarray, Array]:
    """Species (N,) by number, atoms of each (S,), and F_iB (N, S, bins)."""
    symbols, species, counts = np.unique(atoms.numbers, return_inverse=True, return_counts=True)
    i, j, r = neighbor_list("ijd", atoms, r_max)
    edges = delta * np.arange(round(r_max / delta) + 1)
    width = sigma / np.sqrt(2.0 * np.log(2.0))
    total = np.zeros((len(atoms), len(symbols), len(edges) - 1))  # of g/r^2 around each atom
    for chunk in np.array_split(np.arange(len(r)), len(r) // 100_000 + 1):
        steps = erf((edges - r[chunk, None]) / (np.sqrt(2.0) * width)) / 2.0
        np.add.at(total, (i[chunk], species[j[chunk]]), np.diff(steps) / r[chunk, None] ** 2)
    norm = atoms.get_volume() / (4.0 * np.pi * delta * counts[:, None])
    return species, counts, norm * total - 1.0


def _of_structure(species: np.ndarray, counts: np.ndarray, f: Array) -> Array:
    """(S, S, bins) F_AB sqrt(w_AB)."""
    of_pairs = np.array([f[species == a].mean(axis=0) for a in range(len(counts))])
    of_pairs[:, :, 0] = -1.0
    return of_pairs * np.sqrt(np.outer(counts, counts) / len(species) ** 2)[:, :, None]


def smooth_order(
    atoms: Atoms, r_cut: float = 6.0, delta: float = 0.08, sigma: float = 0.1
) -> Order:
    """The form of potentials, by their kernels; sigma is the deviation of the Gaussian itself."""
    _check(atoms, r_cut, delta, sigma)
    elements = list(atoms.symbols.species())
    block = {"type": "kruglov", "cutoff": "cosine", "inner": 0.0, "angular": []}
    block["radial"] = [[0, 0, 0.0, 0.0, r_cut]]  # a descriptor has at least one
    block |= {"r_cut": r_cut, "sigma": sigma, "delta": delta}
    zeros = [[0.0] * (len(elements) + 2) for _ in elements]
    regressor = {"type": "linear", "coefficients": zeros}
    data = {"elements": elements, "E0": [0.0] * len(elements)}
    potential = Model({**data, "descriptor": block, "regressor": regressor}).potential()
    species = species_of(atoms, elements)
    try:
        q = potential.features(atoms.positions, atoms.cell.array, atoms.pbc, species)
    except ValueError as error:
        raise InputError(f"{name_of(atoms)}: {error}") from None
    return Order(q[:, -1], None)


def _check(atoms: Atoms, r_max: float, delta: float, sigma: float) -> None:
    if atoms.cell.rank < 3 or not atoms.pbc.all():
        raise InputError(f"{name_of(atoms)}: is not periodic in all three directions")
    finite = np.isfinite([r_max, delta, sigma]).all()
    if not (finite and sigma > 0.0 and delta > 0.0 and r_max >= 2.0 * delta):
        raise InputError(
            "sigma and delta must be above 0, r_max hold at least two delta, and all be finite"
        )
