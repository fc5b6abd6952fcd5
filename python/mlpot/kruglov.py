"""The many-body features of the Kruglov potential from one line, {type: kruglov, r_cut: 6}.

Of one element: 48 angular functions (2 lambda x 4 zeta x 6 eta), the volume per atom and the order
parameter.  Of two: 8 (2 lambda x 2 zeta x 2 eta) for each of 6 kinds of triangles, and the same
two.  The functions are the narrow ones of Behler, J. Chem. Phys. 134, 074106 (2011), of which

    sum_{j != k} ((1 + lambda cos)/2)^zeta exp(-eta (r_ij^2 + r_ik^2 + r_jk^2)) f_c f_c f_c

over ordered j, k is another way to write the normalisation.  eta_t = eta_0 2^t, so that one
exponential serves all.
"""

from __future__ import annotations

from itertools import combinations_with_replacement, product
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationError

from mlpot.errors import InputError
from mlpot.strict import Strict, explain
from mlpot.symmetry_functions import Positive

ETA_0 = 0.225  # over r_cut^2: from a function that the cutoff shapes ...
ALONE, MIXED = (0, 1, 2, 3, 4, 5), (1, 3)  # ... t of the etas, to one of the nearest triangles
ZETAS_ALONE, ZETAS_MIXED = (1.0, 2.0, 4.0, 16.0), (1.0, 4.0)


class KruglovSet(Strict):
    """The options.  Lengths in Å, eta in Å^-2."""

    type: Literal["kruglov"]
    r_cut: Positive
    eta: Annotated[list[Positive], Field(min_length=1)] | None = None
    zeta: Annotated[list[Positive], Field(min_length=1)] | None = None
    sigma: Positive = 0.1  # of the order parameter: how broad its peaks are,
    delta: Positive = 0.08  # and its bins


def is_set(block: dict[str, Any]) -> bool:
    """Whether a descriptor block is a line to expand, not an explicit list of functions."""
    return block["type"] == "kruglov" and not isinstance(block.get("angular"), list)


def read_set(block: dict[str, Any], where: str = "config") -> KruglovSet:
    """The options in a descriptor block.  Raises InputError for unknown or wrong ones."""
    try:
        return KruglovSet.model_validate(block)
    except ValidationError as error:
        raise InputError(explain(error, KruglovSet, f"{where}: descriptor")) from None


def expand(options: KruglovSet, n_species: int) -> dict[str, Any]:
    """The explicit descriptor block."""
    alone, r_cut = n_species == 1, options.r_cut
    family = [ETA_0 / r_cut**2 * 2.0**t for t in (ALONE if alone else MIXED)]
    etas = options.eta or family
    zetas = options.zeta or (ZETAS_ALONE if alone else ZETAS_MIXED)
    triangles = [
        (center, *others)
        for center in range(n_species)
        for others in combinations_with_replacement(range(n_species), 2)
    ]
    return {
        "type": "kruglov",
        "cutoff": "cosine",
        "inner": 0.0,
        "radial": [],
        "angular": [
            [*triangle, eta, sign, zeta, 0.0, r_cut, 0]
            for triangle, eta, sign, zeta in product(triangles, etas, (-1.0, 1.0), zetas)
        ],
        "r_cut": r_cut,
        "sigma": options.sigma,
        "delta": options.delta,
    }
