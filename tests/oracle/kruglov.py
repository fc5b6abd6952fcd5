"""Slow twin of the many-body features of the Kruglov potential.

Symmetry functions (acsf.py) in columns of their own for each species, then V/N, then the order
parameter of Oganov and Valle (J. Chem. Phys. 130 (2009) 104504) with a cutoff function:
    F_B(b) = V / (4 pi delta N_B) sum_{j in B} f_c(r) g_b(r) / r^2 - f_c(delta (b - 1/2))
    g_b(r) = (erf((delta b - r) / (sqrt(2) sigma)) - erf((delta (b - 1) - r) / (sqrt(2) sigma))) / 2
    P = sqrt(sum_B N_B/N delta (N/V)^(1/3) sum_b F_B(b)^2),   b = 2 .. r_cut / delta
where 1 / r^2 stays finite at the smallest r.
"""

from __future__ import annotations

import numpy as np
from scipy.special import erf

from . import acsf
from .common import pairs


def analytic_erf(x) -> np.ndarray:
    """erf of x + ih with a tiny h; SciPy's is not exact to the last digits there."""
    real = np.asarray(x).real
    if not np.iscomplexobj(x):
        return erf(real)
    return erf(real) + 1j * x.imag * 2 / np.sqrt(np.pi) * np.exp(-(real**2))


def inverse_square(r) -> np.ndarray:
    """1/r^2; below 0.5 angstrom its Taylor series in r^2 there, to the square."""
    d = r**2 / 0.25 - 1
    return np.where(r.real < 0.5, 4 * (1 - d + d**2), 1 / r**2)


def order_parameters(positions, cell, species, block: dict) -> np.ndarray:
    """P of every atom (N,), periodic in all directions."""
    r_cut, sigma, delta = block["r_cut"], block["sigma"], block["delta"]
    n, volume = len(species), np.linalg.det(cell)
    volume = volume * np.sign(volume.real)
    i, j, _, r = pairs(positions, cell, (True,) * 3, lambda i, j: np.full(i.shape, r_cut))
    edges = delta * np.arange(1, round(r_cut / delta) + 1)  # of bins 2 and up
    step = analytic_erf((edges - r[:, None]) / (np.sqrt(2) * sigma)) / 2
    g = np.diff(step, axis=1)
    middle = (edges[1:] + edges[:-1]) / 2
    background = np.where(middle < r_cut, 0.5 * (np.cos(np.pi * middle / r_cut) + 1), 0.0)
    terms = (0.5 * (np.cos(np.pi * r / r_cut) + 1) * inverse_square(r))[:, None] * g
    total = 0.0
    for s, count in zip(*np.unique(species, return_counts=True), strict=True):
        f = np.zeros((n, len(middle)), dtype=terms.dtype)
        np.add.at(f, i[species[j] == s], terms[species[j] == s])
        f = volume / (4 * np.pi * delta * count) * f - background
        total = total + count / n * np.sum(f * f, axis=1)
    return np.sqrt(delta * (n / volume) ** (1 / 3) * total)


def features(positions, cell, pbc, species, block: dict) -> np.ndarray:
    """Features (N, n) of a model file's descriptor block; complex in, complex out."""
    assert np.all(pbc)
    species = np.asarray(species)
    own = acsf.features(positions, cell, pbc, species, block)
    n_species = 1 + max(f[0] for kind in ("radial", "angular") for f in block[kind])
    order = order_parameters(positions, cell, species, block)
    out = np.zeros((len(species), n_species * own.shape[1] + 2), dtype=order.dtype)
    for s in range(n_species):
        columns = slice(s * own.shape[1], (s + 1) * own.shape[1])
        out[species == s, columns] = own[species == s]
    volume = np.linalg.det(cell)
    out[:, -2] = volume * np.sign(volume.real) / len(species)
    out[:, -1] = order
    return out
