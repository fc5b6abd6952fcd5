"""Slow twin of the symmetry functions of Behler, J. Chem. Phys. 134 (2011) 074106.

Of an atom i, over its neighbours j and its pairs of neighbours j < k of the wanted species:
    radial (G2)          sum_j exp(-eta (r_ij - r_s)^2) f_c(r_ij)
    angular, wide (G5)   2^(1-zeta) sum_jk (1 + lambda cos)^zeta
                         exp(-eta [(r_ij - r_s)^2 + (r_ik - r_s)^2]) f_c(r_ij) f_c(r_ik)
    angular, narrow (G4) the same with (r_jk - r_s)^2 in the exponent and f_c(r_jk) as a factor
with the cutoff functions of n2p2 (Singraber et al., J. Chem. Theory Comput. 15 (2019) 1827).
"""

from __future__ import annotations

import numpy as np

from .common import pairs


def cutoff_function(r, r_cut: float, block: dict) -> np.ndarray:
    """f_c(r): one up to inner r_cut, zero from r_cut on."""
    inner = block["inner"] * r_cut
    x = (r - inner) / (r_cut - inner)
    f = {
        "cosine": lambda: 0.5 * (np.cos(np.pi * x) + 1),
        "tanh3": lambda: np.tanh(1 - x) ** 3,
        "polynomial": lambda: ((15 - 6 * x) * x - 10) * x**3 + 1,
    }[block["cutoff"]]()
    if block["cutoff"] != "tanh3":
        f = np.where(x.real <= 0, 1.0, f)
    return np.where(x.real >= 1, 0.0, f)


def triplets(i) -> tuple[np.ndarray, np.ndarray]:
    """Every two of the pairs that share their first atom, once: indices (m,), (m,) into i (n,)."""
    first, second = [], []
    for atom in np.unique(i):
        of_atom = np.flatnonzero(i == atom)
        a, b = np.triu_indices(len(of_atom), 1)
        first.append(of_atom[a])
        second.append(of_atom[b])
    none = [np.empty(0, dtype=int)]
    return np.concatenate(first or none), np.concatenate(second or none)


def radial(r, function, block: dict) -> np.ndarray:
    """The terms of one radial function, one per pair of length r."""
    _, _, eta, r_s, r_cut = function
    return np.exp(-eta * (r - r_s) ** 2) * cutoff_function(r, r_cut, block)


def angular(r_ij, r_ik, r_jk, cos, function, block: dict) -> np.ndarray:
    """The terms of one angular function, one per triplet."""
    _, _, _, eta, lambda_, zeta, r_s, r_cut, wide = function
    sides = [r_ij, r_ik] if wide else [r_ij, r_ik, r_jk]
    base = 1 + lambda_ * cos
    positive = base.real > 0  # rounding at 180 degrees must not give the root of a negative number
    term = np.where(positive, np.where(positive, base, 1.0) ** zeta, 0.0) * 2.0 ** (1 - zeta)
    for r in sides:
        term = term * np.exp(-eta * (r - r_s) ** 2) * cutoff_function(r, r_cut, block)
    return term


def features(positions, cell, pbc, species, block: dict) -> np.ndarray:
    """Symmetry functions (N, n) of a model file's descriptor block; complex in, complex out.

    An atom's radial functions come first; atoms of species with fewer functions end with zeros.
    """
    species = np.asarray(species)
    reach = max(f[4] for f in block["radial"]) if block["radial"] else 0.0
    reach = max([reach, *(f[7] for f in block["angular"])])
    i, j, r_ij, r = pairs(positions, cell, pbc, lambda i, j: np.full(i.shape, reach))
    a, b = triplets(i)
    third = r_ij[b] - r_ij[a]
    # two images of one atom are two neighbours: r_jk is never zero
    r_jk = np.sqrt(np.sum(third * third, axis=1))
    cos = np.sum(r_ij[a] * r_ij[b], axis=1) / (r[a] * r[b])

    columns: dict[int, list] = {s: [] for s in range(1 + species.max())}

    def add(centre, atoms, chosen, terms):
        total = np.zeros(len(species), dtype=r.dtype)
        np.add.at(total, atoms[chosen], terms)
        columns.setdefault(centre, []).append(total)

    for f in block["radial"]:
        chosen = (species[i] == f[0]) & (species[j] == f[1])
        add(f[0], i, chosen, radial(r[chosen], f, block))
    for f in block["angular"]:
        kinds = np.sort([species[j[a]], species[j[b]]], axis=0)
        chosen = (species[i[a]] == f[0]) & (kinds[0] == f[1]) & (kinds[1] == f[2])
        args = (x[chosen] for x in (r[a], r[b], r_jk, cos))
        add(f[0], i[a], chosen, angular(*args, f, block))

    out = np.zeros((len(species), max(map(len, columns.values()))), dtype=r.dtype)
    for centre, rows in columns.items():
        for k, column in enumerate(rows):
            out[species == centre, k] = column[species == centre]
    return out
