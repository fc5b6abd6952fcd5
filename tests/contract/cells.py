"""The cells of the contract: every descriptor × regressor, for one element and for mixtures.

What they are made of, and where to add a new one: entries.py.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import product

import numpy as np
from ase import Atoms

import oracle
from contract.entries import CORES, DESCRIPTORS, LINEAR, PAIRS, RARE, REGRESSORS
from mlpot.model import Model
from oracle.common import pairs
from oracle.structures import crowd

ELEMENTS = ["Mo", "Al"]
E0 = [-1.5, -2.5]  # eV
FEW = 130  # coefficients of a species
CLEARANCE = 0.01  # Å between every distance of a cell's structure and every kink


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
    def pair(self) -> dict | None:
        return PAIRS.get(self.core)

    @property
    def repels(self) -> bool:
        """Down to the smallest distances."""
        return bool(CORES[self.core] or self.pair)

    @property
    def jumps(self) -> bool:
        return self.block_name in DESCRIPTORS[self.descriptor].jumps

    @property
    def bulk(self) -> bool:
        return DESCRIPTORS[self.descriptor].bulk

    @property
    def pooled(self) -> bool:
        return self.core == "pooled"

    @property
    def elements(self) -> list[str]:
        return ELEMENTS[: len(self.cutoffs)]

    @cached_property
    def kinks(self) -> list[float]:
        """All radii (Å) where the energy is not smooth."""
        core = CORES[self.core]
        of_core = [core["inner"], core["outer"]] if core else []
        of_block = DESCRIPTORS[self.descriptor].kinks(self.block)
        if self.pair:
            end, width = self.pair["r_cut"], self.pair["taper"]
            of_core = [end, end - width, *self.pair["r_min"]]
        return sorted({*self.cutoffs.ravel(), *of_block, *of_core} - {0.0})

    @cached_property
    def model(self) -> Model:
        positions, cell, species = crowd(seed=9, n_species=len(self.elements))
        features = oracle.DESCRIPTORS[self.descriptor]
        q = features(positions, cell, (True, True, True), species, self.block)
        n_species = len(self.elements)
        if self.pooled:
            q, n_species = q.mean(axis=0, keepdims=True), 1
        scaling = _scaling(q, species) if self.core == "scaled" else None
        if scaling:
            q = (q - scaling["shift"][species]) * scaling["scale"][species]
        regressor = REGRESSORS[self.regressor](np.random.default_rng(5), q, n_species)
        data = {"name": str(self), "elements": self.elements, "E0": E0[: len(self.elements)]}
        data |= {"core": CORES[self.core], "pair": self.pair, "scaling": scaling}
        data |= {"pooling": "structure" if self.pooled else "atom"}
        return Model(data | {"descriptor": self.block, "regressor": regressor})

    @cached_property
    def graded(self) -> Model:
        """The model with ranges and, where it is linear in few coefficients, an active set: random
        ones, in and out of which some atoms are."""
        positions, cell, species = crowd(seed=9, n_species=len(self.elements))
        q = oracle.DESCRIPTORS[self.descriptor](positions, cell, (True,) * 3, species, self.block)
        rng, size = np.random.default_rng(6), np.abs(q).max(axis=0) + 1.0
        centre = size * rng.uniform(-0.2, 0.8, (len(self.elements), len(size)))
        half = size * rng.uniform(0.5, 1.5, centre.shape)
        data = self.model.data | {"ranges": {"low": centre - half, "high": centre + half}}
        n = 1 + len(data["regressor"]["coefficients"][0])
        if self.regressor in LINEAR and data["pooling"] == "atom" and n <= FEW:
            inverse = rng.normal(size=(len(self.elements), n * n)) / n
            data["active_set"] = {"rows": "atoms", "inverse": inverse}
        return Model(data)

    @cached_property
    def atoms(self) -> Atoms:
        """Five crowded atoms in a triclinic cell, no distance within CLEARANCE of a kink."""
        reach = max(self.kinks) + CLEARANCE
        for seed in range(1000):
            positions, cell, species = crowd(seed, n=5, n_species=len(self.elements))
            r = pairs(positions, cell, (True,) * 3, lambda i, j: np.full(i.shape, reach))[3]
            if np.abs(np.subtract.outer(r, self.kinks)).min() > CLEARANCE:
                return Atoms([self.elements[s] for s in species], positions, cell=cell, pbc=True)
        raise AssertionError(f"{self}: every structure has a distance near a kink")

    @property
    def unit(self) -> Atoms:
        """One atom of each element in a cell smaller than the cutoff."""
        cell = [[2.8, 0.0, 0.0], [0.4, 3.2, 0.0], [-0.3, 0.5, 3.6]]
        scaled = [[0.1, 0.2, 0.3], [0.55, 0.75, 0.85]][: len(self.elements)]
        return Atoms(self.elements, scaled_positions=scaled, cell=cell, pbc=True)


def _scaling(q: np.ndarray, species: np.ndarray) -> dict:
    """Features of each species shifted by their mean, scaled by their range (or 1)."""
    of_species = [q[species == s] for s in range(max(species) + 1)]
    spread = np.array([np.ptp(own, axis=0) for own in of_species])
    spread = np.where(spread > 1e-9, spread, 1.0)
    scale = 1.0 / spread
    shift = np.array([own.mean(axis=0) for own in of_species])
    return {"shift": np.round(shift, 6), "scale": np.round(scale, 6)}


def _cells() -> Iterator[Cell]:
    for descriptor, described in DESCRIPTORS.items():
        for block, regressor, core in product(described.blocks, REGRESSORS, CORES):
            rare = (regressor in RARE) + (core in RARE)
            if rare == 0 or (rare == 1 and block == "two" and core != "zbl"):
                yield Cell(descriptor, block, regressor, core)


CELLS = list(_cells())
