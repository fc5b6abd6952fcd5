"""Cells made from a crystal: strained, cut into slabs, repeated, with a vacancy."""

from itertools import product
from math import ceil, gcd

import numpy as np
from ase import Atoms
from ase.build import surface
from ase.geometry.minkowski_reduction import minkowski_reduce

# One component of the deformation gradient F = 1 + strain e_i e_j at a time, as in the published
# data of Zuo et al.: modes 1-3 stretch an axis, modes 4-6 are simple shears and keep the volume.
MODES = {"xx": (0, 0), "yy": (1, 1), "zz": (2, 2), "xy": (0, 1), "yz": (1, 2), "xz": (0, 2)}


def strained(crystal: Atoms, mode: str, strain: float) -> Atoms:
    """The crystal under one of MODES; strain 0.1 is 10 % (of shear: the tangent of the angle)."""
    deformation = np.eye(3)
    deformation[MODES[mode]] += strain
    atoms = crystal.copy()
    atoms.set_cell(crystal.cell.array @ deformation, scale_atoms=True)
    return atoms


def supercell(crystal: Atoms, at_least: int) -> Atoms:
    """The crystal repeated to about a cube of `at_least` atoms or more.

    54 gives what the paper used: 54 atoms of bcc, 108 of fcc, 64 of diamond.
    """
    edge = (crystal.get_volume() * at_least / len(crystal)) ** (1 / 3)
    return crystal.repeat([max(1, ceil(edge / length - 1e-6)) for length in crystal.cell.lengths()])


def with_vacancy(crystal: Atoms, rng: np.random.Generator) -> Atoms:
    """The crystal without one atom."""
    atoms = crystal.copy()
    del atoms[int(rng.integers(len(atoms)))]
    return atoms


def facets(crystal: Atoms, max_index: int) -> list[tuple[int, int, int]]:
    """Miller indices (of the given cell) up to `max_index`, one of each set symmetry makes equal.

    hkl and -h-k-l are the two faces of one slab and count once.
    """
    symmetry = rotations(crystal)
    indices = range(-max_index, max_index + 1)
    left = {hkl for hkl in product(indices, repeat=3) if gcd(*hkl) == 1}
    chosen = []
    for hkl in sorted(left, reverse=True):
        if hkl in left:
            chosen.append(hkl)
            orbit = symmetry @ np.array(hkl)
            left -= {tuple(map(int, other)) for other in [*orbit, *-orbit]}
    return sorted(chosen, key=lambda hkl: (np.dot(hkl, hkl), hkl))


def rotations(crystal: Atoms, tolerance: float = 1e-4) -> np.ndarray:
    """(n,3,3) integer matrices M of the crystal's point group: cell vectors -> M @ cell vectors.

    Entries are -1, 0, 1, which is all of them for a reduced or a conventional cell. tolerance in Å.
    """
    cell = crystal.cell.array
    matrices = np.array(list(product((-1, 0, 1), repeat=9))).reshape(-1, 3, 3)
    turned = matrices @ cell
    error = np.abs(turned @ turned.transpose(0, 2, 1) - cell @ cell.T).max(axis=(1, 2))
    isometries = matrices[error < tolerance * crystal.cell.lengths().max()]
    return np.array([m for m in isometries if _maps_onto_itself(crystal, m, tolerance)])


def slab(crystal: Atoms, miller: tuple[int, int, int], thickness=10.0, vacuum=10.0) -> Atoms:
    """A slab of at least `thickness` Å and `vacuum` Å to its image, periodic, normal along z.

    Cut where the planes are farthest apart, so that fewest bonds break; not relaxed.
    """
    spacing = 1.0 / np.linalg.norm(miller @ crystal.cell.reciprocal())
    layers = ceil(thickness / spacing)
    atoms = surface(_with_gap_at_origin(crystal, miller), miller, layers)
    reduced, _ = minkowski_reduce(atoms.cell, pbc=[True, True, False])
    atoms.set_cell(reduced)
    atoms.wrap(pbc=[True, True, False])
    atoms.center(vacuum=vacuum / 2, axis=2)
    atoms.pbc = True
    del atoms.arrays["tags"]
    return atoms


def _with_gap_at_origin(crystal: Atoms, miller: tuple[int, int, int]) -> Atoms:
    """Shifted so that the widest gap between planes ends at the origin, where a slab begins."""
    hkl, fractional = np.array(miller), crystal.get_scaled_positions()
    heights = np.unique(np.round(fractional @ hkl % 1.0, 6) % 1.0)
    gaps = np.round(heights - np.roll(heights, 1) + (heights == heights[0]), 6)
    atoms = crystal.copy()
    atoms.set_scaled_positions(fractional - heights[np.argmax(gaps)] * hkl / (hkl @ hkl))
    return atoms


def _maps_onto_itself(crystal: Atoms, matrix: np.ndarray, tolerance: float) -> bool:
    fractional, numbers = crystal.get_scaled_positions(), crystal.numbers
    turned = fractional @ matrix
    rarest = min(set(numbers), key=lambda z: (numbers == z).sum())
    same = numbers[:, None] == numbers[None, :]
    origin = turned[np.argmax(numbers == rarest)]
    for target in fractional[numbers == rarest]:
        apart = (turned + target - origin)[:, None] - fractional[None, :]
        apart = (apart - np.round(apart)) @ crystal.cell.array
        hit = (np.linalg.norm(apart, axis=2) < tolerance) & same
        if hit.any(axis=1).all():
            return True
    return False
