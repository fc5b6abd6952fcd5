"""Sets of atom-centred symmetry functions from a few options, and the pruning of superfluous ones.

A block {type: acsf, set: ..., r_cut: ...} becomes the explicit block of the model file, one line
of numbers a function (docs/model_format.md).

Behler, J. Chem. Phys. 134, 074106 (2011): the functions.  Gastegger et al., J. Chem. Phys. 148,
241709 (2018): centred and shifted sets, evenly spaced.  Imbalzano et al., J. Chem. Phys. 148,
241730 (2018): spaced as powers.  Zuo et al., J. Phys. Chem. A 124, 731 (2020): the set zuo2020.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import combinations_with_replacement, pairwise, product
from typing import Annotated, Any, Literal

import numpy as np
from ase import Atoms
from ase.neighborlist import neighbor_list
from ase.units import Bohr
from pydantic import Field, ValidationError, model_validator

from mlpot.errors import InputError
from mlpot.features import FeatureStatistics
from mlpot.strict import Strict, explain

Positive = Annotated[float, Field(gt=0)]
Placing = Literal["shifted", "centred"]
KINDS = ("radial", "angular")
ZUO_ETAS = tuple(eta / Bohr**2 for eta in (0.01, 0.02, 0.05))  # Å^-2
ZUO_SHELLS = (0.0, 1.0, 2.0, 3.0, 4.0)  # Å
ZUO_ZETAS = (1.0, 2.0, 4.0, 16.0)


class FunctionSet(Strict):
    """The options of a set.  Lengths in Å.

    shifted: Gaussians around shells r_s from r_min to below r_cut, as wide as the shells are
    apart.  centred: Gaussians at r_s = 0 of standard deviations from r_min to r_cut.
    """

    type: Literal["acsf"] = "acsf"
    set: Literal["auto", "zuo2020"] = "auto"
    r_cut: Positive
    n_radial: Annotated[int, Field(ge=1, le=1000)] = 12  # a pair of elements
    n_angular: Annotated[int, Field(ge=0, le=1000)] = 18  # a triple of elements
    radial: Placing = "shifted"
    angular: Placing = "centred"
    spacing: Literal["even", "log"] = "even"
    zeta: list[Positive] = Field([1.0, 4.0, 16.0])
    r_min: Positive | None = None  # default: the shortest distance in the training structures
    wide: bool = True  # as accurate, and half the cost
    cutoff: Literal["cosine", "tanh3", "polynomial"] = "cosine"
    prune: Annotated[float, Field(ge=0, lt=1)] = 1e-6

    @model_validator(mode="after")
    def _consistent(self) -> FunctionSet:
        if self.set != "auto":
            general = {"type", "set", "r_cut", "cutoff", "prune"}
            for key, value in self.__dict__.items():
                if key not in general and value != type(self).model_fields[key].default:
                    raise ValueError(f"{key} is for set: auto")
        angles = 2 * len(self.zeta)
        if self.n_angular and (not angles or self.n_angular % angles):
            raise ValueError(
                f"n_angular {self.n_angular} is not a multiple of {angles} (2 lambda x "
                f"{len(self.zeta)} zeta)"
            )
        if self.r_min is not None and not self.r_min < self.r_cut:
            raise ValueError(f"r_min {self.r_min:g} must be below r_cut {self.r_cut:g}")
        return self


def is_set(block: dict[str, Any]) -> bool:
    """Whether a descriptor block is a set to expand, not an explicit list of functions."""
    lists = any(isinstance(block.get(kind), list) for kind in KINDS)
    return block["type"] == "acsf" and not lists


def read_set(block: dict[str, Any], where: str = "config") -> FunctionSet:
    """The options in a descriptor block.  Raises InputError for unknown or wrong ones."""
    try:
        return FunctionSet.model_validate(block)
    except ValidationError as error:
        raise InputError(explain(error, FunctionSet, f"{where}: descriptor")) from None


def expand(options: FunctionSet, n_species: int, r_min: float) -> dict[str, Any]:
    """The explicit descriptor block.  r_min (Å): the innermost shell where the set gives none."""
    if not (start := options.r_min or r_min) < options.r_cut:
        raise InputError(
            f"descriptor: r_cut {options.r_cut:g} is below the shortest distance {start:.3g} Å"
        )
    if options.set == "zuo2020":
        radial, shells, zetas = (
            product(ZUO_ETAS, ZUO_SHELLS),
            [(e, 0.0) for e in ZUO_ETAS],
            ZUO_ZETAS,
        )
    else:
        zetas = options.zeta
        span = (start, options.r_cut, options.spacing)
        radial = gaussians(options.radial, options.n_radial, *span)
        shells = gaussians(options.angular, options.n_angular // (2 * len(zetas) or 1), *span)
    pairs = product(range(n_species), repeat=2)
    triples = [
        (center, *neighbors)
        for center in range(n_species)
        for neighbors in combinations_with_replacement(range(n_species), 2)
    ]
    r_cut, wide = options.r_cut, int(options.wide and options.set == "auto")
    return {
        "type": "acsf",
        "cutoff": options.cutoff,
        "inner": 0.0,
        "radial": [
            [*pair, _short(eta), _short(r_s), r_cut]
            for pair, (eta, r_s) in product(pairs, [*radial])
        ],
        "angular": [
            [*triple, _short(eta), sign, zeta, _short(r_s), r_cut, wide]
            for triple, (eta, r_s), sign, zeta in product(triples, shells, (-1.0, 1.0), zetas)
        ],
    }


def gaussians(
    placing: Placing, n: int, r_min: float, r_cut: float, spacing: Literal["even", "log"]
) -> list[tuple[float, float]]:
    """(eta, r_s) of n Gaussians exp(-eta (r - r_s)^2) between r_min and r_cut; Å^-2, Å."""
    space = np.linspace if spacing == "even" else np.geomspace
    if placing == "centred":
        return [(0.5 / width**2, 0.0) for width in space(r_min, r_cut, n)]
    nodes = space(r_min, r_cut, n + 1)
    return [(0.5 / (b - a) ** 2, a) for a, b in pairwise(nodes)]


def shortest_distance(frames: Iterable[Atoms], r_cut: float) -> float:
    """Å, rounded down to 0.1; r_cut where no atoms are nearer."""
    nearest = r_cut
    for atoms in frames:
        nearest = neighbor_list("d", atoms, nearest).min(initial=nearest)
    return max(float(np.floor(10.0 * nearest)) / 10.0, 0.1)


def prune(
    block: dict[str, Any], statistics: Sequence[FeatureStatistics], tolerance: float
) -> tuple[dict[str, Any], list[str]]:
    """An explicit block without constant and redundant functions, and a line on each left out.

    Redundant: of its deviation over the atoms a part below `tolerance` is not a linear function of
    the functions before it.  statistics: one per species, of the features of this very block.
    """
    if tolerance == 0:
        return block, []
    left_out: dict[tuple[str, int], str] = {}
    for s, found in enumerate(statistics):
        places = [
            (kind, i)
            for kind in KINDS
            for i, function in enumerate(block[kind])
            if function[0] == s
        ]
        constant, part, near = found.constant(), found.unexplained(), np.abs(found.correlations())
        for k, (kind, i) in enumerate(places):
            name = f"{kind} function {i + 1} ({', '.join(f'{x:g}' for x in block[kind][i])})"
            if constant[k]:
                left_out[kind, i] = f"{name}: constant"
            elif part[k] < tolerance:
                other, j = places[int(np.argmax(near[k, :k]))]
                left_out[kind, i] = (
                    f"{name}: to a part of {part[k]:.0e} given by those before it "
                    f"(nearest: {other} {j + 1}, correlation {near[k, :k].max():.6f})"
                )
    kept = {
        kind: [f for i, f in enumerate(block[kind]) if (kind, i) not in left_out] for kind in KINDS
    }
    if not any(kept.values()):
        raise InputError("descriptor: all functions are constant over the training structures")
    return {**block, **kept}, list(left_out.values())


def _short(value: float) -> float:
    return float(f"{value:.6g}")
