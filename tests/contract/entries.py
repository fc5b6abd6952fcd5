"""What the contract's cells are made of: the blocks of each descriptor, random regressors, cores.

A new descriptor is one entry in DESCRIPTORS (and its twin in oracle.DESCRIPTORS); a new regressor
is one in REGRESSORS (and its formula in oracle.regress). Everything else follows.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from itertools import pairwise

import numpy as np
from numpy.polynomial.chebyshev import chebmul

# Å; "far" reaches beyond every descriptor's cutoff; "scaled" has no core, but scaled features,
# "pooled" the mean of all atoms' features, and "pair" a pair term.
CORES = {
    "bare": None,
    "zbl": {"type": "zbl", "inner": 1.7, "outer": 2.9},
    "far": {"type": "zbl", "inner": 2.1, "outer": 5.4},
    "scaled": None,
    "pooled": None,
    "pair": None,
}
# Pair terms, of the cells named so; with a wall at r_min.
PAIRS = {
    "pair": {
        "sum": "cut", "powers": [0, 1, 6, 12], "r_cut": 4.9, "taper": 1.3,
        "coefficients": [[0.1, 1.5, -40.0, 3e3], [-0.2, -2.0, 10.0, 2e3], [0.0, 1.0, 0.0, 1e3]],
        "r_min": [1.7, 1.5, 1.6],
    },
}  # fmt: skip


@dataclass(frozen=True)
class Described:
    """blocks: by name; "one" is for one element, all others for two, "two" the plainest of them.
    cutoffs: (S, S) Å of a block. kinks: other radii (Å) where a block is not smooth.
    jumps: blocks that are not even continuous.
    bulk: only for structures that are periodic in all directions."""

    blocks: dict[str, dict]
    cutoffs: Callable[[dict], np.ndarray]
    kinks: Callable[[dict], list[float]] = lambda block: []
    jumps: tuple[str, ...] = ()
    bulk: bool = False


def _bispectrum(**changes) -> dict:
    plain = {"type": "bispectrum", "two_j_max": 4, "r_cut": 4.1, "rfac0": 0.99363, "rmin0": 0.0}
    plain |= {"radii": [0.5, 0.62], "weights": [1.0, 0.7], "switchflag": True}
    flags = ("bzeroflag", "wselfallflag", "chemflag", "bnormflag", "switchinnerflag")
    plain |= dict.fromkeys(flags, False) | {"sinner": [], "dinner": []}
    return plain | changes


def _bispectrum_cutoffs(block: dict) -> np.ndarray:
    return block["r_cut"] * np.add.outer(block["radii"], block["radii"])


def _bispectrum_kinks(block: dict) -> list[float]:
    center, width = (np.add.outer(block[key], block[key]) / 2 for key in ("sinner", "dinner"))
    return [block["rmin0"], *(center - width).ravel(), *(center + width).ravel()]


# [centre, neighbour(s), eta, (lambda, zeta,) r_s, r_cut (, wide)]
_RADIAL = [
    *([0, 0, eta, 0.0, 3.8] for eta in (0.02, 0.06, 0.1)),
    *([0, 1, eta, 1.5, 4.2] for eta in (0.5, 0.7)),
    [1, 0, 0.3, 2.0, 4.5],
    *([1, 1, eta, 0.0, 4.4] for eta in (0.0, 0.3)),
]
_ANGULAR = [
    *([0, 0, 0, 0.01, lambda_, zeta, 0.0, 3.8, 0] for lambda_ in (-1, 1) for zeta in (1, 2, 4)),
    *([0, 0, 1, eta, 1, 3, 0.5, 4.2, 0] for eta in (0.01, 0.02, 0.05)),
    [0, 1, 1, 0.05, -1, 16, 0.0, 4.2, 1],
    *([1, 0, 1, 0.02, lambda_, 2, 0.0, 4.2, 1] for lambda_ in (1, -1)),
    [1, 1, 1, 0.03, 1, 1, 0.0, 4.4, 0],
]


def _acsf(cutoff: str, inner: float, elements: int = 2) -> dict:
    block = {"type": "acsf", "cutoff": cutoff, "inner": inner}
    block["radial"] = [f for f in _RADIAL if max(f[:2]) < elements]
    return block | {"angular": [f for f in _ANGULAR if max(f[:3]) < elements]}


def _acsf_cutoffs(block: dict) -> np.ndarray:
    n = 1 + max(f[0] for f in block["radial"])
    cutoffs = np.zeros((n, n))
    for a, b, *_, r_cut in block["radial"]:  # the radial functions reach farthest
        cutoffs[a, b] = cutoffs[b, a] = max(cutoffs[a, b], r_cut)
    return cutoffs


def _acsf_kinks(block: dict) -> list[float]:
    radii = {f[-1] for f in block["radial"]} | {f[-2] for f in block["angular"]}
    return [r * share for r in sorted(radii) for share in {block["inner"], 1.0}]


def _kruglov(elements: int, **options) -> dict:
    functions = _acsf("cosine", 0.0, elements)
    return functions | {"type": "kruglov", "r_cut": 4.3, "sigma": 0.1, "delta": 0.08} | options


def _kruglov_cutoffs(block: dict) -> np.ndarray:
    return np.maximum(_acsf_cutoffs(block), block["r_cut"])


def _moments(level: int, elements: int, n_functions: int, **changes) -> dict:
    cubic = np.random.default_rng(level).normal(size=(elements**2 * n_functions, 4))
    # times (r / r_cut)^2: small where cores are
    rows = np.array([chebmul([0.375, 0.5, 0.125], row) for row in cubic])
    block = {"type": "moments", "level": level, "basics": [], "products": [], "invariants": []}
    block |= {"r_cut": 4.3, "r_min": 0.0, "scale": 0.2, "n_chebyshev": 6}
    return block | {"radial": np.round(rows, 3).tolist()} | changes


# A square of a vector, and products with other factors; moments out of order.
_LISTS = {
    "basics": [[0, 0, 0, 0], [0, 0, 0, 1], [0, 0, 1, 0], [0, 1, 0, 0], [1, 0, 0, 0], [2, 0, 0, 0]],
    "products": [[0, 4, -2, 8], [1, 1, 1, 6], [2, 2, 1, 6], [3, 3, 1, 6], [6, 8, 3, 7]],
    "invariants": [7, 0, 5, 6],
}

DESCRIPTORS = {
    "bispectrum": Described(
        blocks={
            "one": _bispectrum(two_j_max=6, radii=[0.5], weights=[1.0]),
            "two": _bispectrum(bzeroflag=True),
            "chem": _bispectrum(two_j_max=3, chemflag=True, bnormflag=True),
            "chem_all": _bispectrum(
                two_j_max=2, chemflag=True, wselfallflag=True, bzeroflag=True, weights=[0.8, -0.5]
            ),
            "inner": _bispectrum(
                two_j_max=5, rmin0=0.9, bnormflag=True, weights=[0.9, -0.4],
                switchinnerflag=True, sinner=[2.6, 2.4], dinner=[0.3, 0.5],
            ),
            "step": _bispectrum(two_j_max=3, switchflag=False),
        },
        cutoffs=_bispectrum_cutoffs,
        kinks=_bispectrum_kinks,
        jumps=("step",),
    ),
    "acsf": Described(
        blocks={
            "one": _acsf("cosine", 0.0, elements=1),
            "two": _acsf("cosine", 0.3),
            "tanh3": _acsf("tanh3", 0.0),
            "polynomial": _acsf("polynomial", 0.6),
        },
        cutoffs=_acsf_cutoffs,
        kinks=_acsf_kinks,
    ),
    "kruglov": Described(
        blocks={"one": _kruglov(1), "two": _kruglov(2), "wide": _kruglov(2, sigma=0.3, r_cut=3.6)},
        cutoffs=_kruglov_cutoffs,
        kinks=lambda block: [*_acsf_kinks(block), block["r_cut"]],
        bulk=True,
    ),
    "moments": Described(
        blocks={
            "one": _moments(14, 1, 4),
            "two": _moments(10, 2, 3),
            "lists": _moments(0, 2, 3, **_LISTS),
        },
        cutoffs=lambda block: np.full([1 if block["level"] == 14 else 2] * 2, block["r_cut"]),
    ),
}  # fmt: skip


def _size(q: np.ndarray) -> np.ndarray:
    size = np.sqrt(np.mean(q**2, axis=0))
    return np.where(size > 1e-9, size, 1.0)


def _random(rng: np.random.Generator, size: np.ndarray, n_species: int) -> np.ndarray:
    """Coefficients whose sum is of order eV; six digits, the same on every machine."""
    values = rng.normal(size=(n_species, len(size))) / (size * np.sqrt(len(size)))
    return np.array([[float(f"{value:.6g}") for value in row] for row in values])


def _linear(rng: np.random.Generator, q: np.ndarray, n_species: int) -> dict:
    return {"type": "linear", "coefficients": _random(rng, _size(q), n_species)}


def _quadratic(rng: np.random.Generator, q: np.ndarray, n_species: int) -> dict:
    size = _size(q)
    products = np.outer(size, size)[np.triu_indices(len(size))]
    parts = [_random(rng, part, n_species) for part in (size, products)]
    return {"type": "quadratic", "coefficients": np.concatenate(parts, axis=1)}


def _network(activation: str, rng: np.random.Generator, q: np.ndarray, n_species: int) -> dict:
    parts, inputs = [], _size(q)
    for _, n_out in pairwise([len(inputs), 5, 4, 1]):
        nodes = [_random(rng, inputs, n_species) for _ in range(n_out)]
        parts += [*nodes, _random(rng, np.ones(n_out), n_species)]
        inputs = np.ones(n_out)
    block = {"type": "neural_network", "layers": [5, 4], "activation": activation, "gamma": 0.1}
    return block | {"coefficients": np.concatenate(parts, axis=1)}


# The random block of a regressor, from features (N, n) that it will see and the number of species.
REGRESSORS = {
    "linear": _linear,
    "quadratic": _quadratic,
    "neural_network": partial(_network, "tanh_linear"),
    "softplus": partial(_network, "softplus"),
    "silu": partial(_network, "silu"),
}
# Those whose energy is linear in their coefficients: design rows times these are the results.
LINEAR = ("linear", "quadratic")
# Tried on the plain mixture only, and one at a time.
RARE = ("far", "scaled", "pooled", "pair", "softplus", "silu")
