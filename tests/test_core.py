"""_core: SHA-256, instruction sets, what describe() says, structures it refuses."""

import hashlib
import json
import random
import re
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from contract.cells import CELLS
from contract.measures import arguments, evaluate
from mlpot import _core
from oracle import bispectrum
from oracle.structures import crowd

CELL = next(cell for cell in CELLS if str(cell) == "bispectrum-two-linear-zbl")
BARE = next(cell for cell in CELLS if str(cell) == "bispectrum-two-linear-bare")
TEXT = CELL.model.to_text()
LINEAR = '{"type": "linear"}'


def test_sha256_is_hashlibs():
    data = random.Random(1).randbytes(200)
    for n in range(200):  # every position of the end in its 64-byte block
        assert _core.sha256(data[:n]) == hashlib.sha256(data[:n]).hexdigest()
    long = data * 10_000
    assert _core.sha256(long) == hashlib.sha256(long).hexdigest()
    assert _core.sha256("Ångström") == hashlib.sha256("Ångström".encode()).hexdigest()
    million = "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0"  # FIPS 180-2, B.3
    assert _core.sha256("a" * 1_000_000) == million


def test_kernels_are_those_the_processor_has():
    known = ["scalar", "baseline", "avx2", "avx512"]
    names = _core.kernels()
    assert names[:2] == known[:2] and names == [name for name in known if name in names]
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists() and "flags" in cpuinfo.read_text():
        flags = set(re.search(r"^flags\s*:(.*)$", cpuinfo.read_text(), re.M)[1].split())
        v3, v4 = (
            {"avx2", "fma", "bmi2"},
            {"avx512f", "avx512dq", "avx512bw", "avx512vl", "avx512cd"},
        )
        assert ("avx2" in names) == (v3 <= flags)
        assert ("avx512" in names) == (v3 | v4 <= flags)
    assert _core.Potential(TEXT).kernels == names[-1]
    with pytest.raises(
        ValueError, match=r'"avx" cannot be used here; known: auto, scalar, baseline'
    ):
        _core.Potential(TEXT, kernels="avx")


def test_a_potential_says_what_it_is():
    potential = _core.Potential(TEXT)
    assert potential.name == str(CELL) and potential.elements == ["Mo", "Al"]
    assert (potential.n_features, potential.n_parameters) == (14, 28)
    assert potential.r_cut == pytest.approx(CELL.cutoffs.max(), rel=1e-15)


@pytest.mark.parametrize("two_j_max", [0, 1, 2, 5, 6, 8, 14])
def test_describe_counts_and_fills_in(two_j_max):
    asked = {"type": "bispectrum", "two_j_max": two_j_max, "r_cut": 4.1, "radii": [0.5, 0.7]}
    found = _core.describe(json.dumps(asked), LINEAR, 2)
    n = len(bispectrum.components(two_j_max))
    assert found["size"] == found["n_parameters"] == n
    assert found["r_cut"] == pytest.approx(4.1 * 1.4)
    block = json.loads(found["block"])
    assert set(block) == set(CELL.block) and block | asked == block
    assert block["weights"] == [1.0, 1.0] and block["rfac0"] == 0.99363  # LAMMPS' defaults
    quadratic = _core.describe(json.dumps(asked), '{"type": "quadratic"}', 2)
    assert quadratic["n_parameters"] == n + n * (n + 1) // 2


def test_describe_counts_triples_of_elements():
    asked = {"type": "bispectrum", "two_j_max": 6, "r_cut": 4.1, "chemflag": True}
    for n in (1, 2, 3):
        assert _core.describe(json.dumps(asked), LINEAR, n)["size"] == 30 * n**3


@pytest.mark.parametrize(
    ("block", "message"),
    [
        ({"type": "bispectrum", "r_cut": 4.1, "two_jmax": 6}, 'did you mean "two_j_max"'),
        ({"type": "bispectrum"}, r"descriptor\.r_cut: missing"),
        ({"type": "bispectrun", "r_cut": 4.1}, r'descriptor\.type: .*did you mean "bispectrum"'),
        ({"r_cut": 4.1}, r"descriptor\.type: missing"),
    ],
)
def test_describe_helps_with_mistakes(block, message):
    with pytest.raises(_core.ModelError, match=message):
        _core.describe(json.dumps(block), LINEAR, 1)


def test_describe_knows_the_regressors():
    with pytest.raises(_core.ModelError, match=r'regressor\.type: .*did you mean "linear"'):
        _core.describe('{"type": "bispectrum", "r_cut": 4.1}', '{"type": "lineal"}', 1)


def test_what_is_not_a_structure_is_refused():
    potential = _core.Potential(TEXT)
    positions, cell, pbc, species = arguments(CELL.atoms, potential.elements)
    infinite = positions.copy()
    infinite[3, 1] = np.inf
    flat = cell.copy()
    flat[2] = flat[0]
    wrong = {
        "positions: expected shape": (positions[:, :2], cell, pbc, species),
        "cell: expected shape": (positions, cell[:2], pbc, species),
        "pbc: expected shape": (positions, cell, pbc[:2], species),
        "species: expected one for each": (positions, cell, pbc, species[:-1]),
        "atom 1: its species is not in the model": (positions, cell, pbc, species + 1),
        "atom 0: its species is not in the model": (positions, cell, pbc, species - 1),
        "atom 3: its position is not finite": (infinite, cell, pbc, species),
        "no volume": (positions, flat, pbc, species),
        "too flat for a cutoff": (positions, cell * [1, 1, 1e-4], pbc, species),
    }
    for message, given in wrong.items():
        for method in (potential.evaluate, potential.features, potential.design):
            with pytest.raises(ValueError, match=message):
                method(*given)
    with pytest.raises(_core.AtomsTooClose, match="atoms 0 and 0"):
        bare = BARE.model.potential()
        bare.evaluate(positions[:1], np.diag([0.4, 6.0, 6.0]), pbc, species[:1])


def test_nothing_at_all_has_no_energy():
    empty = np.empty((0, 3)), np.eye(3), np.zeros(3, bool), np.empty(0, np.int32)
    found = _core.Potential(TEXT).evaluate(*empty)
    assert found["energy"] == 0.0 and found["forces"].shape == (0, 3)


def test_the_choice_of_lattice_vectors_does_not_matter():
    potential = CELL.model.potential()
    positions, cell, species = crowd()
    here = potential.evaluate(positions, cell, (True,) * 3, species)
    for basis in ([[1, 0, 0], [3, 1, 0], [-2, 4, 1]], [[0, 1, 0], [1, 0, 0], [0, 0, 1]]):
        there = potential.evaluate(positions, np.array(basis) @ cell, (True,) * 3, species)
        assert there["energy"] == pytest.approx(here["energy"], rel=1e-13)
        assert np.allclose(there["forces"], here["forces"], rtol=0, atol=1e-12)
    unused = cell.copy()
    unused[2] = np.nan  # the vector of a direction that is not periodic says nothing
    slab = potential.evaluate(positions, cell, (True, True, False), species)
    again = potential.evaluate(positions, unused, (True, True, False), species)
    assert slab["energy"] == again["energy"] != here["energy"]


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_atoms_at_the_edge_of_the_cell_see_all_their_neighbors(axis):
    """Two atoms just inside each other's cutoff along the axis, wherever the cell begins."""
    cut = CELL.cutoffs[1, 1]
    assert cut == pytest.approx(5.084)
    cell, positions = np.diag([20.0] * 3), np.zeros((2, 3))
    cell[axis, axis], positions[1, axis] = 3.0, cut - 0.01 - 3.0
    potential, species = BARE.model.potential(), np.array([1, 1], np.int32)
    energies = []
    for x in np.linspace(0.0, 3.0, 301):
        moved = positions + x * np.eye(3)[axis]
        energies.append(potential.evaluate(moved, cell, (True,) * 3, species)["energy"])
    assert np.ptp(energies) <= 1e-13 * np.abs(energies).max()


def test_threads_do_not_disturb_each_other():
    """Structures, over and over, by a shared potential and by one of each thread: the same bits."""
    structures = [CELL.atoms.repeat((1, 1, 1 + k % 2)) for k in range(8)]
    for k, atoms in enumerate(structures):
        atoms.rattle(0.01, seed=k)
    text = CELL.model.to_text()
    shared = _core.Potential(text)
    truth = [evaluate(shared, atoms) for atoms in structures]

    def cycle(_):
        own = _core.Potential(text)
        return [[evaluate(p, atoms) for atoms in structures] for p in (shared, own) * 5]

    with ThreadPoolExecutor(4) as pool:
        for found in (results for cycles in pool.map(cycle, range(4)) for results in cycles):
            for here, there in zip(found, truth, strict=True):
                assert all(np.array_equal(here[key], there[key]) for key in truth[0])
    assert all(a["energy"] != b["energy"] for a, b in pairwise(truth))
