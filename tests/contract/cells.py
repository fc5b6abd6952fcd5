"""The cells of the contract: every descriptor × regressor, for one element and for mixtures.

A new descriptor is one entry in DESCRIPTORS (and its twin in oracle.DESCRIPTORS); a new regressor
is one in REGRESSORS (and its formula in oracle.regress). Everything else follows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import product

import numpy as np
from ase import Atoms

import oracle
from mlpot.model import Model
from oracle.common import pairs
from oracle.structures import crowd

ELEMENTS = ["Mo", "Al"]
E0 = [-1.5, -2.5]  # eV
CLEARANCE = 0.01  # Å between every distance of a cell's structure and every radius in kinks
# Å; "far" reaches beyond every descriptor's cutoff, and is tried on the plain mixture only.
CORES = {
    "bare": None,
    "zbl": {"type": "zbl", "inner": 1.2, "outer": 2.8},
    "far": {"type": "zbl", "inner": 2.1, "outer": 5.4},
}


@dataclass(frozen=True)
class Described:
    """blocks: by name; "one" is for one element, all others for two. cutoffs: (S, S) Å of a block.
    kinks: other radii (Å) where a block is only C1. jumps: blocks that are not even continuous."""

    blocks: dict[str, dict]
    cutoffs: Callable[[dict], np.ndarray]
    kinks: Callable[[dict], list[float]] = lambda block: []
    jumps: tuple[str, ...] = ()


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
}  # fmt: skip


def _linear(rng: np.random.Generator, q: np.ndarray, n_species: int) -> dict:
    return {"coefficients": _random(rng, _size(q), n_species)}


def _quadratic(rng: np.random.Generator, q: np.ndarray, n_species: int) -> dict:
    size = _size(q)
    products = np.outer(size, size)[np.triu_indices(len(size))]
    parts = [_random(rng, part, n_species) for part in (size, products)]
    return {"coefficients": np.concatenate(parts, axis=1)}


# The random keys of a regressor's block, from features (N, n) that it will see.
REGRESSORS = {"linear": _linear, "quadratic": _quadratic}
# Those whose energy is linear in their "coefficients": design rows times these are the results.
LINEAR = ("linear", "quadratic")


def _size(q: np.ndarray) -> np.ndarray:
    return np.sqrt(np.mean(q**2, axis=0))


def _random(rng: np.random.Generator, size: np.ndarray, n_species: int) -> np.ndarray:
    """Coefficients whose sum is of order eV; six digits, the same on every machine."""
    values = rng.normal(size=(n_species, len(size))) / (size * np.sqrt(len(size)))
    return np.array([[float(f"{value:.6g}") for value in row] for row in values])


@dataclass(frozen=True)
class Cell:
    """A descriptor block with a regressor and a core: a random model of it, and structures."""

    descriptor: str
    block_name: str
    regressor: str
    core: str

    def __str__(self) -> str:
        return "-".join((self.descriptor, self.block_name, self.regressor, self.core))

    @property
    def block(self) -> dict:
        return DESCRIPTORS[self.descriptor].blocks[self.block_name]

    @cached_property
    def cutoffs(self) -> np.ndarray:
        """Of the descriptor, (S, S) Å."""
        return DESCRIPTORS[self.descriptor].cutoffs(self.block)

    @property
    def jumps(self) -> bool:
        return self.block_name in DESCRIPTORS[self.descriptor].jumps

    @property
    def elements(self) -> list[str]:
        return ELEMENTS[: len(self.cutoffs)]

    @cached_property
    def model(self) -> Model:
        positions, cell, species = crowd(seed=9, n_species=len(self.elements))
        features = oracle.DESCRIPTORS[self.descriptor]
        q = features(positions, cell, (True, True, True), species, self.block)
        random = REGRESSORS[self.regressor](np.random.default_rng(5), q, len(self.elements))
        data = {"name": str(self), "elements": self.elements, "E0": E0[: len(self.elements)]}
        data |= {"core": CORES[self.core], "descriptor": self.block}
        return Model(data | {"regressor": {"type": self.regressor} | random})

    @cached_property
    def atoms(self) -> Atoms:
        """Five crowded atoms in a triclinic cell, no distance within CLEARANCE of a kink."""
        core = CORES[self.core]
        kinks = [*self.cutoffs.ravel(), *DESCRIPTORS[self.descriptor].kinks(self.block)]
        kinks += [core["inner"], core["outer"]] if core else []
        for seed in range(1000):
            positions, cell, species = crowd(seed, n=5, n_species=len(self.elements))
            reach = np.full((25,), max(kinks) + CLEARANCE)
            r = pairs(positions, cell, (True, True, True), lambda i, j, c=reach: c[: len(i)])[3]
            if np.abs(np.subtract.outer(r, kinks)).min() > CLEARANCE:
                return Atoms([self.elements[s] for s in species], positions, cell=cell, pbc=True)
        raise AssertionError(f"{self}: every structure has a distance near a kink")

    @property
    def unit(self) -> Atoms:
        """One atom of each element in a cell smaller than the cutoff."""
        cell = [[2.8, 0.0, 0.0], [0.4, 3.2, 0.0], [-0.3, 0.5, 3.6]]
        scaled = [[0.1, 0.2, 0.3], [0.55, 0.75, 0.85]][: len(self.elements)]
        return Atoms(self.elements, scaled_positions=scaled, cell=cell, pbc=True)


def _cells() -> Iterator[Cell]:
    for descriptor, described in DESCRIPTORS.items():
        for block, regressor, core in product(described.blocks, REGRESSORS, CORES):
            if core != "far" or block == "two":
                yield Cell(descriptor, block, regressor, core)


CELLS = list(_cells())
