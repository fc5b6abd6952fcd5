"""Random crystals: room between atoms, cells, compositions; with symmetry where pyxtal is there."""

import numpy as np
import pytest
from ase.neighborlist import neighbor_list

from mlpot.errors import InputError
from mlpot.generate import random_structure, random_structures, volume_scan

LEAST = {("Mo", "Mo"): 2.2, ("Al", "Mo"): 2.0, ("Al", "Al"): 2.5}


def test_structures_keep_their_distances_and_volume():
    frames = list(
        random_structures(["Mo", "Al"], 60, volume=(14.0, 22.0), min_distance=LEAST, seed=1)
    )
    assert len(frames) == 60 and len({len(atoms) for atoms in frames}) > 5
    compositions = {atoms.info["composition"] for atoms in frames}
    assert len(compositions) > 15
    assert {symbol for atoms in frames for symbol in atoms.symbols} == {"Al", "Mo"}
    for atoms in frames:
        assert 14.0 <= atoms.get_volume() / len(atoms) <= 22.0
        assert np.all((atoms.cell.angles() > 59.9) & (atoms.cell.angles() < 120.1))
        i, j, d = neighbor_list("ijd", atoms, 2.6)
        for a, b, r in zip(atoms.symbols[i], atoms.symbols[j], d, strict=True):
            assert r >= LEAST[tuple(sorted((a, b)))] - 1e-9


def test_the_same_seed_gives_the_same():
    options = {"volume": (10.0, 20.0), "min_distance": 1.5}
    one, two, other = (
        list(random_structures(["Si"], 5, seed=seed, **options)) for seed in (3, 3, 4)
    )
    assert one == two and one != other


def test_volume_scan():
    rng = np.random.default_rng(0)
    atoms = random_structure({"Si": 4}, rng, volume=20.0, min_distance=1.8)
    large, small = volume_scan(atoms, [1.1, 0.9])
    assert abs(large.get_volume() / atoms.get_volume() - 1.1**3) <= 1e-12
    assert np.allclose(small.get_scaled_positions(), atoms.get_scaled_positions())


@pytest.mark.filterwarnings("ignore")  # of pyxtal and what it imports
def test_space_groups():
    pytest.importorskip("pyxtal", reason="the extra random is not installed")
    import spglib

    rng = np.random.default_rng(2)
    found = []
    while len(found) < 3:
        atoms = random_structure(
            {"Al": 2, "Mo": 4}, rng, volume=18.0, min_distance=1.2, space_group=62
        )
        atoms = atoms or random_structure(
            {"Al": 4, "Mo": 4}, rng, volume=18.0, min_distance=1.2, space_group=62
        )
        if atoms is not None:
            found.append(atoms)
    for atoms in found:
        assert abs(atoms.get_volume() / len(atoms) - 18.0) <= 1e-9
        cell = (atoms.cell.array, atoms.get_scaled_positions(), atoms.numbers)
        assert spglib.get_symmetry_dataset(cell, symprec=1e-3).number >= 62


@pytest.mark.parametrize(
    ("composition", "options", "says"),
    [
        ({"Mo": 0}, {}, "random structure"),
        ({"Mo": 2}, {"volume": -1.0}, "random structure"),
        ({"Mo": 1, "Al": 1}, {"min_distance": {("Mo", "Mo"): 2.0}}, "min_distance: none .* Al-"),
        ({"Mo": 2}, {"space_group": 231}, "from 1 to 230"),
    ],
)
def test_mistakes_are_named(composition, options, says):
    options = {"volume": 15.0, "min_distance": 2.0} | options
    with pytest.raises(InputError, match=says):
        random_structure(composition, np.random.default_rng(0), **options)


def test_no_room_is_an_error_not_a_hang():
    assert (
        random_structure({"Mo": 6}, np.random.default_rng(0), volume=3.0, min_distance=3.0) is None
    )
