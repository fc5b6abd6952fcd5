"""Selection against chance: a series of powers fitted to energies of Lennard-Jones crystals."""

import numpy as np
import pytest

from mlpot.generate.random_cells import random_structures
from mlpot.grade import structure_row
from mlpot.metrics import species_of
from mlpot.model import Model
from mlpot.select import select

ELEMENTS = ["Mo", "W"]
POWERS = list(range(4, 13))
DEPTHS = [2.0, 4.0, 3.0]  # of Mo-Mo, Mo-W, W-W; sigma is 1
NOISE = 1e-4  # of the energies of atoms


@pytest.fixture(scope="module")
def stream():
    sizes = {"atoms": (2, 8), "volume": (0.7, 1.6), "min_distance": 0.85}
    return list(random_structures(ELEMENTS, 300, **sizes, seed=3))


@pytest.fixture(scope="module")
def model():
    pair = {"sum": "cut", "r_cut": 5.0, "taper": 0.0, "powers": POWERS}
    pair |= {"coefficients": [[0.0] * len(POWERS)] * 3, "r_min": [0.0] * 3}
    data = {"elements": ELEMENTS, "E0": [0.0] * 2, "pair": pair, "descriptor": {"type": "none"}}
    return Model(data | {"regressor": {"type": "linear", "coefficients": [[], []]}})


@pytest.fixture(scope="module")
def sums(model, stream):
    """(M, 27) of all powers of all pairs, per atom."""
    rows = []
    for atoms in stream:
        known = atoms.positions, atoms.cell.array, atoms.pbc, species_of(atoms, ELEMENTS)
        rows.append(structure_row(model.potential(), *known)[2:] / len(atoms))
    return np.array(rows)


def error(sums, energies, truth, chosen) -> float:
    """RMSE over all structures of a fit to the chosen ones."""
    norms = np.linalg.norm(sums[chosen], axis=0)
    fitted = np.linalg.lstsq(sums[chosen] / norms, energies[chosen], rcond=None)[0] / norms
    return float(np.sqrt(np.mean((sums @ fitted - truth) ** 2)))


def test_an_active_set_selects_better_than_chance(model, stream, sums):
    truth = sum(
        4.0 * depth * (sums[:, 9 * k + POWERS.index(12)] - sums[:, 9 * k + POWERS.index(6)])
        for k, depth in enumerate(DEPTHS)
    )
    chosen = select(model, stream, "d_optimal", rows="structures", afresh=True).indices
    assert 20 <= len(chosen) <= 29  # rows of its 29 columns, E0 among them
    rng, errors = np.random.default_rng(0), []
    for _ in range(20):
        energies = truth + NOISE * rng.normal(size=len(truth))
        at_random = rng.choice(len(stream), len(chosen), replace=False)
        errors.append([error(sums, energies, truth, which) for which in (chosen, at_random)])
    selected, chance = np.median(errors, axis=0)
    assert selected < chance / 1.5


def test_ranges_of_sums_are_covered(model, stream, sums):
    found = select(model, stream, "range", rows="structures", afresh=True)
    assert found.grades[0] == np.inf and len(found.indices) < len(stream) / 4
    few = sums[found.indices]
    assert np.array_equal(few.min(axis=0), sums.min(axis=0))
    assert np.array_equal(few.max(axis=0), sums.max(axis=0))
