"""Slow twin of the pair term: sums of r^-k over pairs, inside a cutoff or over the whole lattice.

The lattice sum is split with another alpha than the core's and summed over all reciprocal vectors;
Gamma functions are SciPy's. Osychenko, Astrakharchik & Boronat, Mol. Phys. 110 (2012) 227.
"""

from __future__ import annotations

from itertools import combinations_with_replacement, product

import numpy as np
from scipy.special import digamma, erfc, exp1, gamma

from .common import pairs

ALPHA, ETA = 0.62, 6.2  # 1/Å; relative error about exp(-ETA^2)


def upper_gamma(k: int, x) -> np.ndarray:
    """Q(k/2, x), regularised."""
    q, a = (erfc(np.sqrt(x)), 0.5) if k % 2 else (np.exp(-x), 1.0)
    while a < k / 2:
        q, a = q + x**a * np.exp(-x) / gamma(a + 1), a + 1
    return q


def exponential_integral(p: float, x) -> np.ndarray:
    """E_p(x) for p = 0, 1/2, 1, 3/2 .."""
    if p == 0:
        return np.exp(-x) / x
    e, at = (np.sqrt(np.pi / x) * erfc(np.sqrt(x)), 0.5) if p % 1 else (exp1(x), 1.0)
    while at < p:
        e, at = (np.exp(-x) - x * e) / at, at + 1
    return e


def taper(r, r_cut: float, width: float) -> np.ndarray:
    """1 up to r_cut - width, a polynomial of fifth order to 0 at r_cut."""
    if not width:
        return np.ones_like(r)
    x = (r - r_cut + width) / width
    return np.where(x.real > 0, 1 - 10 * x**3 + 15 * x**4 - 6 * x**5, 1.0)


def potential(r, powers, coefficients) -> list[np.ndarray]:
    """V(r), V'(r), V''(r) of sum_k A_k r^-k."""
    a, k = np.array(coefficients)[:, None], np.array(powers)[:, None]
    r = np.atleast_1d(r)[None, :]
    return [
        np.sum(a * f * r**-n, axis=0) for f, n in ((1, k), (-k, k + 1.0), (k * (k + 1), k + 2.0))
    ]


def wall(r, r_min: float, powers, coefficients) -> np.ndarray:
    """What stands in V's place below r_min: its Taylor polynomial and a repulsion."""
    v, dv, d2v = (value[0] for value in potential(r_min, powers, coefficients))
    strength = max(1.0, abs(dv) * r_min, abs(d2v) * r_min**2)
    s = r - r_min
    return v + dv * s + d2v * s**2 / 2 + strength * (r_min / r - 1) ** 3


def energies(positions, cell, pbc, species, block: dict) -> np.ndarray:
    """Energies of the atoms (N,) [eV]; half of every pair's on each of its atoms."""
    species = np.asarray(species)
    n_pairs = len(block["coefficients"])
    n_species = int((np.sqrt(8 * n_pairs + 1) - 1) / 2 + 0.5)
    kinds = list(combinations_with_replacement(range(n_species), 2))
    of_kind = np.array(
        [[kinds.index((min(a, b), max(a, b))) for b in range(n_species)] for a in range(n_species)]
    )
    ewald = block["sum"] == "ewald"
    reach = ETA / ALPHA if ewald else block["r_cut"]
    i, j, _, r = pairs(positions, cell, pbc, lambda i, j: np.full(i.shape, reach))
    kind = of_kind[species[i], species[j]]
    e = np.zeros(len(r), dtype=r.dtype)
    for which, coefficients in enumerate(block["coefficients"]):
        mine = kind == which
        x = r[mine]
        for k, a in zip(block["powers"], coefficients, strict=True):
            damping = upper_gamma(k, ALPHA**2 * x**2) if ewald else taper(x, reach, block["taper"])
            e[mine] += a * damping * x**-k
        near = np.flatnonzero(mine)[x.real < block["r_min"][which]]
        if not near.size:
            continue
        e[near] += wall(r[near], block["r_min"][which], block["powers"], coefficients)
        e[near] -= potential(r[near], block["powers"], coefficients)[0]
    out = np.zeros(len(species), dtype=r.dtype)
    np.add.at(out, i, 0.5 * e)
    return out + _far(positions, cell, species, block, of_kind) if ewald else out


def _far(positions, cell, species, block, of_kind) -> np.ndarray:
    inverse = np.linalg.inv(cell)
    volume = abs(np.linalg.det(cell.real)) * np.linalg.det(cell) / np.linalg.det(cell.real)
    g_cut = 2 * ALPHA * ETA
    most = [int(g_cut * np.linalg.norm(row.real) / (2 * np.pi)) for row in cell]
    integers = np.array([n for n in product(*(range(-m, m + 1) for m in most)) if any(n)])
    g = 2 * np.pi * integers @ inverse.T
    g = g[np.sum(g.real**2, axis=1) < g_cut**2]
    x = np.sum(g * g, axis=1) / (4 * ALPHA**2)
    # cos and sin apart: the complex step needs functions that are analytic without conjugation
    cosines, sines = np.cos(positions @ g.T), np.sin(positions @ g.T)
    present = np.eye(len(of_kind))[species]
    s_cos, s_sin = present.T @ cosines, present.T @ sines
    out = np.zeros(len(species), dtype=cosines.dtype)
    for column, k in enumerate(block["powers"]):
        a = np.array(block["coefficients"])[:, column][of_kind]  # (S, S)
        c = np.pi**1.5 * ALPHA ** (k - 3) / gamma(k / 2)
        phi = c * exponential_integral((k - 1) / 2, x)
        zero = 4 * np.pi * (np.log(ALPHA) - digamma(1.5) / 2) if k == 3 else 2 * c / (k - 3)
        weighted = a @ s_cos, a @ s_sin
        out += np.sum(
            phi * (cosines * weighted[0][species] + sines * weighted[1][species]), axis=1
        ) / (2 * volume)
        out += zero / (2 * volume) * (a @ present.sum(axis=0))[species]
        out -= a[species, species] * ALPHA**k / (2 * gamma(k / 2 + 1))
    return out
