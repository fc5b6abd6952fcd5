"""Random crystals A_x B_y: any cell, atoms anywhere that leaves room, or a random space group.

As in crystal structure prediction, such structures sample what a potential must tell apart.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import product

import numpy as np
from ase import Atoms
from numpy.typing import NDArray

from mlpot.errors import InputError
from mlpot.lattice_sums import pairs, shortest_distances

TRIES = 200  # of a cell, and of the place of an atom in it
SHIFTS = np.array(list(product((-1.0, 0.0, 1.0), repeat=3)))
MinDistances = float | Mapping[tuple[str, str], float]


def random_cell(
    rng: np.random.Generator,
    volume: float,
    angles: tuple[float, float] = (60.0, 120.0),
    elongation: float = 2.0,
) -> NDArray[np.float64]:
    """(3, 3) Å: angles (degrees) and ratios of the edges (up to `elongation`) uniform, any such
    cell of the volume (Å³) that is not flat."""
    for _ in range(TRIES):
        a, b, c = rng.uniform(1.0, elongation, 3)
        alpha, beta, gamma = np.cos(np.radians(rng.uniform(*angles, 3)))
        sine = np.sqrt(1.0 - gamma**2)
        x = (alpha - beta * gamma) / sine
        if (height := 1.0 - beta**2 - x**2) > 0.1:
            cell = np.array([[a, 0, 0], [b * gamma, b * sine, 0], [c * beta, c * x, 0]])
            cell[2, 2] = c * np.sqrt(height)
            return cell * (volume / np.linalg.det(cell)) ** (1.0 / 3.0)
    raise InputError(f"random cell: no cell with angles of {angles[0]:g} to {angles[1]:g} degrees")


def random_structure(
    composition: Mapping[str, int],
    rng: np.random.Generator,
    *,
    volume: float,
    min_distance: MinDistances,
    angles: tuple[float, float] = (60.0, 120.0),
    space_group: int | None = None,
) -> Atoms | None:
    """A random periodic structure, or None where no place was found for its atoms.

    composition: atoms of each element in the cell.  volume (Å³) of an atom.  min_distance (Å): one
    for all, or one for each pair {("Mo", "Al"): 2.1, ...}.  space_group (1 to 230): atoms on its
    positions, by pyxtal (pip install 'mlpot[random]'), whose structures are scaled to the volume.
    Raises InputError for a composition, distance or group that makes no sense.
    """
    symbols = [symbol for symbol, count in composition.items() for _ in range(count)]
    if not symbols or min(composition.values()) < 0 or not volume > 0.0:
        raise InputError(f"random structure: {dict(composition)} in {volume:g} Å³ an atom")
    least = _least(sorted(composition), min_distance)
    if space_group is not None:
        atoms = _symmetric(composition, space_group, rng)
        if atoms is None:
            return None
        stretch = (volume * len(atoms) / atoms.get_volume()) ** (1.0 / 3.0)
        atoms.set_cell(atoms.cell.array * stretch, scale_atoms=True)
    else:
        cell = random_cell(rng, volume * len(symbols), angles)
        if (places := _place(symbols, cell, least, rng)) is None:
            return None
        atoms = Atoms(symbols, scaled_positions=places, cell=cell, pbc=True)
    order = sorted(composition)
    wanted = np.array([least[pair] for pair in pairs(order)])
    near = shortest_distances([atoms], order, float(wanted.max()) + 0.1)
    return atoms if np.all(near >= wanted) else None


def random_structures(
    elements: Sequence[str],
    count: int,
    *,
    atoms: tuple[int, int] = (2, 10),
    compositions: Sequence[Mapping[str, int]] | None = None,
    volume: tuple[float, float],
    min_distance: MinDistances,
    symmetric: bool = False,
    seed: int | Sequence[int] = 0,
) -> Iterator[Atoms]:
    """`count` random structures of any composition of `elements`, from as many atoms to as many.

    compositions: draw from these instead.  volume (Å³ an atom): between these, uniform in its cube
    root.  Each has info composition and, where symmetric, space_group.  The same seed gives the
    same structures.
    """
    rng = np.random.default_rng(seed)
    made = failed = 0
    while made < count:
        if compositions is None:
            n = int(rng.integers(atoms[0], atoms[1] + 1))
            drawn = rng.multinomial(n, np.full(len(elements), 1.0 / len(elements)))
            composition = {e: int(k) for e, k in zip(elements, drawn, strict=True) if k}
        else:
            composition = compositions[int(rng.integers(len(compositions)))]
        of_atom = rng.uniform(volume[0] ** (1 / 3), volume[1] ** (1 / 3)) ** 3
        group = int(rng.integers(2, 231)) if symmetric else None
        found = random_structure(
            composition, rng, volume=of_atom, min_distance=min_distance, space_group=group
        )
        if found is None:
            failed += 1
            if failed > 1000 * (made + 1):
                raise InputError("random structures: no room; lower min_distance or raise volume")
            continue
        found.info["composition"] = found.get_chemical_formula()
        if group:
            found.info["space_group"] = group
        made += 1
        yield found


def volume_scan(atoms: Atoms, stretches: Sequence[float]) -> list[Atoms]:
    """The structure with all lengths times each of `stretches`."""
    scaled = []
    for stretch in stretches:
        scaled.append(atoms.copy())
        scaled[-1].set_cell(atoms.cell.array * stretch, scale_atoms=True)
    return scaled


def _least(elements: list[str], given: MinDistances) -> dict[tuple[str, str], float]:
    least = {}
    for a, b in pairs(elements):
        found = given if isinstance(given, int | float) else given.get((a, b), given.get((b, a)))
        if found is None or not found >= 0.0:
            raise InputError(f"min_distance: none of 0 or more for {a}-{b}")
        least[a, b] = least[b, a] = float(found)
    return least


def _place(symbols, cell, least, rng) -> np.ndarray | None:
    """Scaled positions, one atom after the other where it is far enough from those before it."""
    places = np.empty((len(symbols), 3))
    for i, symbol in enumerate(symbols):
        limits = np.array([least[symbol, other] for other in symbols[:i]])
        for _ in range(TRIES):
            places[i] = rng.random(3)
            apart = (places[:i] - places[i])[:, None] + SHIFTS
            distance = np.linalg.norm(apart @ cell, axis=2).min(axis=1, initial=np.inf)
            if np.all(distance >= limits):
                break
        else:
            return None
    return places


def _symmetric(composition, space_group: int, rng) -> Atoms | None:
    if not 1 <= space_group <= 230:
        raise InputError(f"space group {space_group}: must be from 1 to 230")
    try:
        from pyxtal import pyxtal
        from pyxtal.msg import Comp_CompatibilityError, VolumeError
    except ImportError:
        raise InputError(
            "structures with symmetry need pyxtal: pip install 'mlpot[random]'"
        ) from None
    crystal = pyxtal()
    try:
        crystal.from_random(
            3, space_group, list(composition), list(composition.values()), random_state=rng
        )
    except (Comp_CompatibilityError, VolumeError):
        return None
    return crystal.to_ase() if crystal.valid else None
