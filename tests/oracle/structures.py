"""Small crowded structures to try a potential on."""

from __future__ import annotations

import numpy as np

CELL = np.array([[5.2, 0.0, 0.0], [0.7, 5.6, 0.0], [-0.4, 0.9, 6.1]])


def crowd(seed: int = 1, n: int = 7, scale: float = 1.0, n_species: int = 2) -> tuple:
    """positions (n, 3), triclinic cell (3, 3), species (n,) of up to 8 atoms 2 angstrom apart."""
    rng = np.random.default_rng(seed)
    sites = np.stack(np.meshgrid(*[[0.15, 0.65]] * 3), axis=-1).reshape(8, 3)[:n]
    cell = scale * CELL
    positions = (sites + rng.uniform(-0.08, 0.08, (n, 3))) @ cell
    return positions, cell, np.arange(n) % n_species
