"""Slow twin of LAMMPS' pair_style zbl: screened nuclear repulsion, smoothly off between two radii.

    E(r) = e^2 Z_i Z_j / r  phi(r / a),  a = 0.46850 / (Z_i^0.23 + Z_j^0.23)
Ziegler, Biersack & Littmark, The Stopping and Range of Ions in Matter (1985). To it a polynomial is
added, C below r_inner and C + A/3 t^3 + B/4 t^4 above with t = r - r_inner, such that E, E' and E''
vanish at r_outer.
"""

from __future__ import annotations

import numpy as np

from .common import pairs

COULOMB = 14.399645  # e^2 / (4 pi eps0) in eV angstrom, LAMMPS' constant in metal units
COEFFICIENTS = (0.02817, 0.28022, 0.50986, 0.18175)
EXPONENTS = (0.20162, 0.40290, 0.94229, 3.19980)


def screened(r, z_i, z_j) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """E [eV], dE/dr and d2E/dr2 of the bare repulsion at r [angstrom]."""
    inverse_a = (z_i**0.23 + z_j**0.23) / 0.46850
    value = first = second = 0.0
    for c, d in zip(COEFFICIENTS, EXPONENTS, strict=True):
        k = d * inverse_a
        e = COULOMB * z_i * z_j * c * np.exp(-k * r) / r
        value = value + e
        first = first - e * (k + 1 / r)
        second = second + e * (k**2 + 2 * k / r + 2 / r**2)
    return value, first, second


def pair_energy(r, z_i, z_j, inner: float, outer: float) -> np.ndarray:
    """Energy of pairs at r < outer [eV]; r, z_i, z_j are (n,)."""
    e, d1, d2 = screened(outer, z_i, z_j)
    width = outer - inner
    # the cubic and quartic terms, whose sum cancels E' and E'' at the outer radius
    third = (width * d2 - 3 * d1) / (3 * width**2)
    fourth = (2 * d1 - width * d2) / (4 * width**3)
    constant = -e - third * width**3 - fourth * width**4
    t = np.where(r.real > inner, r - inner, 0.0)
    return screened(r, z_i, z_j)[0] + constant + third * t**3 + fourth * t**4


def energies(positions, cell, pbc, numbers, inner: float, outer: float) -> np.ndarray:
    """Half of every pair's energy on each of its atoms (N,) [eV]; numbers (N,) are atomic."""
    z = np.asarray(numbers, dtype=float)
    i, j, _, r = pairs(positions, cell, pbc, lambda i, j: np.full(i.shape, outer))
    e = 0.5 * pair_energy(r, z[i], z[j], inner, outer)
    out = np.zeros(len(z), dtype=e.dtype)
    np.add.at(out, i, e)
    return out
