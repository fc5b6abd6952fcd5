"""The slow twins of the neural network potential against sums written out atom by atom."""

from itertools import pairwise, product
from math import cos, exp, log, pi, tanh

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

import oracle
from oracle import acsf, common, neural_network
from oracle.structures import crowd

RADIAL = [
    [0, 0, 0.3, 0.0, 3.1],
    [0, 1, 0.7, 1.2, 3.4],
    [1, 1, 0.1, 0.4, 2.9],
    [1, 0, 2.0, 2.1, 3.4],
    [1, 0, 0.0, 0.0, 3.0],
]
ANGULAR = [
    [0, 0, 0, 0.02, 1.0, 1.0, 0.0, 3.4, 0],
    [0, 0, 1, 0.10, -1.0, 2.0, 0.3, 3.1, 0],
    [0, 1, 1, 0.05, 1.0, 4.0, 0.5, 3.3, 1],
    [1, 0, 1, 0.03, -1.0, 16.0, 0.0, 3.4, 1],
]
BLOCK = {"type": "acsf", "cutoff": "cosine", "inner": 0.0, "radial": RADIAL, "angular": ANGULAR}
CUTOFFS = [("cosine", 0.0), ("cosine", 0.3), ("tanh3", 0.0), ("polynomial", 0.0)]
CUTOFFS += [("polynomial", 0.6)]


def f_c(r, r_cut, block):
    inner = block["inner"] * r_cut
    x = (r - inner) / (r_cut - inner)
    if x >= 1:
        return 0.0
    if block["cutoff"] == "tanh3":
        return tanh(1 - r / r_cut) ** 3
    if x <= 0:
        return 1.0
    return (
        (cos(pi * x) + 1) / 2
        if block["cutoff"] == "cosine"
        else 1 - 10 * x**3 + 15 * x**4 - 6 * x**5
    )


def by_hand(positions, cell, pbc, species, block):
    """Features of the first two atoms: every neighbour and every two of them, one by one."""
    images = [range(-2, 3) if p else (0,) for p in pbc]
    out = np.zeros((2, 5))
    for i in (0, 1):
        near = []
        for image, j in product(product(*images), range(len(species))):
            v = positions[j] + image @ cell - positions[i]
            if 0 < (r := float(np.sqrt(v @ v))) < 3.4:
                near.append((v, r, species[j]))
        values = []
        for center, kind, eta, r_s, r_cut in block["radial"]:
            terms = [
                exp(-eta * (r - r_s) ** 2) * f_c(r, r_cut, block) for _, r, s in near if s == kind
            ]
            values += [sum(terms)] * int(center == species[i])
        for center, *kinds, eta, lam, zeta, r_s, r_cut, wide in block["angular"]:
            total = 0.0
            for n, (v, r, s) in enumerate(near):
                for w, q, t in near[:n]:
                    if sorted((s, t)) == kinds:
                        sides = [r, q] + ([] if wide else [float(np.linalg.norm(v - w))])
                        angle = (1 + lam * (v @ w) / (r * q)) ** zeta
                        factors = [exp(-eta * (d - r_s) ** 2) * f_c(d, r_cut, block) for d in sides]
                        total += 2 ** (1 - zeta) * angle * np.prod(factors)
            values += [total] * int(center == species[i])
        out[i, : len(values)] = values
    return out


@pytest.mark.parametrize("cutoff, inner", CUTOFFS)
@pytest.mark.parametrize("pbc", [(1, 1, 1), (1, 0, 0)])
def test_features_are_the_sums_written_out(cutoff, inner, pbc):
    block = BLOCK | {"cutoff": cutoff, "inner": inner}
    positions, cell, species = crowd(scale=0.8)
    features = acsf.features(positions, cell, pbc, species, block)
    assert features.shape == (7, 5)
    truth = by_hand(positions, cell, pbc, species, block)
    assert np.count_nonzero(truth) == 9  # species 0 has five functions, species 1 four
    assert features[:2] == pytest.approx(truth, rel=1e-13)


def test_a_right_triangle():
    positions = np.array([[0.0, 0.0, 0.0], [2.0, 0.0, 0.0], [0.0, 1.5, 0.0]])
    block = BLOCK | {"radial": [[0, 0, 0.5, 1.0, 4.0]], "angular": []}
    for wide, sides in [(0, (2.0, 1.5, 2.5)), (1, (2.0, 1.5))]:
        block["angular"] = [[0, 0, 0, 0.1, 1.0, 3.0, 0.0, 4.0, wide]]
        q = acsf.features(positions, np.eye(3), (0, 0, 0), [0, 0, 0], block)[0]
        radial = sum(exp(-0.5 * (r - 1) ** 2) * (1 + cos(pi * r / 4)) / 2 for r in (2.0, 1.5))
        factors = [exp(-0.1 * r * r) * (1 + cos(pi * r / 4)) / 2 for r in sides]
        assert q == pytest.approx([radial, 0.25 * np.prod(factors)], rel=1e-14)


def test_an_atom_alone_and_a_straight_line():
    block = BLOCK | {"radial": RADIAL[:1], "angular": [[0, 0, 0, 0.0, 1.0, 2.0, 0.0, 3.0, 1]]}
    alone = acsf.features(np.zeros((1, 3)), np.eye(3), (0, 0, 0), [0], block)
    assert not alone.any() and alone.shape == (1, 2)
    line = np.array([[0.0, 0.0, 0.0], [0.7, 1.1, 0.3], [-0.7, -1.1, -0.3]])
    q = acsf.features(line, np.eye(3), (0, 0, 0), [0, 0, 0], block)
    assert q[0, 1] == pytest.approx(0.0, abs=1e-30)
    slope = common.complex_step(
        lambda x: acsf.features(x, np.eye(3), (0, 0, 0), [0, 0, 0], block)[0, 1], line
    )
    assert np.abs(slope).max() < 1e-14


@pytest.mark.parametrize("cutoff", ["cosine", "polynomial", "tanh3"])
def test_rotation_order_and_repetition_change_nothing(cutoff):
    block = BLOCK | {"cutoff": cutoff}
    positions, cell, species = crowd(scale=0.8)
    q = acsf.features(positions, cell, (1, 1, 1), species, block)
    turn = Rotation.from_rotvec([0.3, -1.1, 0.7]).as_matrix()
    moved = acsf.features(positions @ turn + 0.4, cell @ turn, (1, 1, 1), species, block)
    assert moved == pytest.approx(q, rel=1e-12)
    order = np.random.default_rng(3).permutation(7)
    shuffled = acsf.features(positions[order], cell, (1, 1, 1), species[order], block)
    assert shuffled == pytest.approx(q[order], rel=1e-12)
    twice = np.concatenate([positions, positions + cell[2]])
    long = cell * [[1], [1], [2]]
    doubled = acsf.features(twice, long, (1, 1, 1), np.tile(species, 2), block)
    assert doubled == pytest.approx(np.tile(q, (2, 1)), rel=1e-12)


ACTIVATIONS = {
    "tanh": tanh,
    "softplus": lambda x: log(1 + exp(x)),
    "silu": lambda x: x / (1 + exp(-x)),
    "linear": lambda x: x,
    "tanh_linear": lambda x: tanh(x) + 0.1 * x,
}


def network(activation, layers, n_features, n_species=2, seed=5):
    rng = np.random.default_rng(seed)
    sizes = [n_features, *layers, 1]
    n = sum((a + 1) * b for a, b in pairwise(sizes))
    return {
        "type": "neural_network",
        "layers": layers,
        "activation": activation,
        "gamma": 0.1,
        "coefficients": rng.uniform(-1, 1, (n_species, n)).tolist(),
    }


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_network_is_its_sums_written_out(activation):
    regressor = network(activation, [3, 2], 4)
    q = np.random.default_rng(2).normal(size=(5, 4))
    species = np.array([0, 1, 1, 0, 1])
    truth = []
    for row, s in zip(q, species, strict=True):
        c, x = iter(regressor["coefficients"][s]), [float(v) for v in row]
        for n_out in (3, 2, 1):
            weights = [[next(c) for _ in x] for _ in range(n_out)]
            biases = [next(c) for _ in range(n_out)]
            x = [sum(map(float.__mul__, w, x)) + b for w, b in zip(weights, biases, strict=True)]
            x = [ACTIVATIONS[activation](v) for v in x] if n_out > 1 else x
        truth += x
    assert oracle.regress(q, species, regressor) == pytest.approx(truth, rel=1e-13)


def test_softplus_far_out():
    x = np.array([-800.0, -40.0, 0.0, 800.0])
    assert neural_network.softplus(x) == pytest.approx([0.0, exp(-40), log(2), 800.0], rel=1e-15)


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("cutoff, inner", CUTOFFS)
def test_complex_step_is_the_slope(activation, cutoff, inner):
    """Forces of the whole potential, scaling included, against central differences."""
    positions, cell, species = crowd(n=4, scale=0.7)
    rng = np.random.default_rng(4)
    data = {
        "elements": ["Mo", "Si"],
        "E0": [-1.0, 2.0],
        "descriptor": BLOCK | {"cutoff": cutoff, "inner": inner},
        "scaling": {"shift": rng.normal(size=(2, 5)), "scale": rng.uniform(0.5, 2, (2, 5))},
        "regressor": network(activation, [4, 3], 5),
    }

    def energy(x, cell):
        return np.sum(oracle.energies(data, x, cell, (1, 1, 1), species))

    step = rng.normal(size=positions.shape)
    h = 1e-4
    differences = [energy(positions + k * h * step, cell) for k in (-2, -1, 1, 2)]
    slope = np.array([1, -8, 8, -1]) @ differences / (12 * h)
    exact = energy(positions + 1j * common.STEP * step, cell).imag / common.STEP
    assert exact == pytest.approx(slope, rel=1e-8)
