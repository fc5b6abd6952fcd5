"""What rounding alone may change: the terms A_k r^-k of a fitted pair term are large and cancel."""

from __future__ import annotations

import numpy as np
from ase import Atoms

from mlpot.lattice_sums import LatticeSums, shortest_distances
from mlpot.model import Model

# Units in the last place of the sum of magnitudes; up to 1.5 were seen, in models with sums from
# 8e2 to 2e9 eV.
UNITS = 4.0


def rounding_of_pairs(model: Model, atoms: Atoms) -> dict[str, float]:
    """By result: eV for energy, energies and dE_dstrain, eV/Å for forces; 0 without a pair term.

    The magnitudes of the terms of fits with powers 1 to 15 add up to 1e5 eV and more where their
    sum is some eV: however they are summed, no double holds that sum better.
    """
    pair = model.data["pair"]
    if not pair:
        return dict.fromkeys(("energy", "energies", "forces", "dE_dstrain"), 0.0)
    inside = {key: pair[key] for key in ("r_cut", "taper") if key in pair}
    sums = LatticeSums(model.elements, pair["powers"], **inside).compute(atoms, derivatives=False)
    terms = np.abs(np.ravel(pair["coefficients"]) * sums.values)
    powers = np.tile(pair["powers"], len(terms) // len(pair["powers"]))
    unit = UNITS * float(np.finfo(float).eps)
    energy, virial = unit * float(terms.sum()), unit * float((powers * terms).sum())
    nearest = float(shortest_distances([atoms], model.elements).min())
    force = 2.0 * virial / nearest / len(atoms)  # of one atom
    return {"energy": energy, "energies": energy, "forces": force, "dE_dstrain": virial}
