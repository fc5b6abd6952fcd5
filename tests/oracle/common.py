"""Pairs of a periodic structure by brute force, and exact derivatives by the complex step.

All functions here and in the twins are analytic in the positions and the cell: fed with x + ih they
return f + ih f', so that Im f(x + ih) / h is the derivative, with no difference taken.
Squire & Trapp, SIAM Rev. 40 (1998) 110.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import product

import numpy as np

STEP = 1e-40


def pairs(positions, cell, pbc, cutoff) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Every ordered pair closer than a cutoff, each periodic image on its own.

    positions (N, 3), cell (3, 3), pbc (3,) bool; cutoff: callable (i, j) -> (n,) of distances.
    Returns i (n,), j (n,), r_j - r_i (n, 3) and its length (n,); positions and cell may be complex.
    """
    positions, cell = np.asarray(positions), np.asarray(cell)
    n = len(positions)
    real_cell, real = cell.real, positions.real
    i, j = (a.ravel() for a in np.indices((n, n)))
    largest = np.max(cutoff(i, j))
    reach = [0, 0, 0]
    if np.any(pbc):
        inverse = np.linalg.inv(real_cell)
        spread = np.ptp(real @ inverse, axis=0)
        height = 1.0 / np.linalg.norm(inverse, axis=0)
        reach = [
            int(np.ceil(largest / h + s)) if p else 0
            for h, s, p in zip(height, spread, pbc, strict=True)
        ]
    found = []
    for image in product(*(range(-k, k + 1) for k in reach)):
        distance = np.linalg.norm(real[j] - real[i] + np.array(image) @ real_cell, axis=1)
        keep = distance < cutoff(i, j)
        if image == (0, 0, 0):
            keep &= i != j
        found.append((i[keep], j[keep], np.tile(image, (keep.sum(), 1))))
    i, j, image = (np.concatenate(a) for a in zip(*found, strict=True))
    r = positions[j] - positions[i] + image @ cell
    return i, j, r, np.sqrt(np.sum(r * r, axis=1))


def complex_step(function: Callable, x) -> np.ndarray:
    """df/dx of an analytic function, shape f.shape + x.shape, exact to rounding."""
    x = np.asarray(x, dtype=float)
    columns = []
    for k in np.ndindex(x.shape):
        moved = x.astype(complex)
        moved[k] += 1j * STEP
        columns.append(np.asarray(function(moved)).imag / STEP)
    columns = np.array(columns)
    return np.moveaxis(columns, 0, -1).reshape(columns.shape[1:] + x.shape)


def forces(energy: Callable, positions, cell) -> np.ndarray:
    """-dE/dr (N, 3) of energy(positions, cell)."""
    return -complex_step(lambda x: np.sum(energy(x, cell)), positions)


def dE_dstrain(energy: Callable, positions, cell) -> np.ndarray:
    """dE/dstrain (3, 3) of energy(positions, cell); r -> r (1 + strain)."""

    def strained(strain):
        return np.sum(energy(positions @ (np.eye(3) + strain), cell @ (np.eye(3) + strain)))

    return complex_step(strained, np.zeros((3, 3)))
