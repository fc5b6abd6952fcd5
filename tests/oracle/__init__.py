"""Slow NumPy twins of the core, the truth it is compared with; here the energy of a whole model."""

from __future__ import annotations

import numpy as np
from ase.data import atomic_numbers

from . import acsf, bispectrum, kruglov, moments, neural_network, pair, zbl

DESCRIPTORS = {
    "acsf": acsf.features,
    "bispectrum": bispectrum.features,
    "kruglov": kruglov.features,
    "moments": moments.features,
    "none": lambda positions, *_: np.zeros((len(positions), 0)),
}


def regress(q, species, regressor: dict) -> np.ndarray:
    """Energies (N,) of features (N, n); half of the square on the quadratic one's diagonal."""
    if regressor["type"] == "neural_network":
        return neural_network.regress(q, species, regressor)
    coefficients = np.array(regressor["coefficients"])[species]
    rows = [q]
    if regressor["type"] == "quadratic":
        for k in range(q.shape[1]):
            products = q[:, k:] * q[:, k, None]
            products[:, 0] *= 0.5
            rows.append(products)
    return np.sum(coefficients * np.concatenate(rows, axis=1), axis=1)


def energies(data: dict, positions, cell, pbc, species) -> np.ndarray:
    """Energies of the atoms (N,) [eV] by a model file's content: E0, core, pair term and all."""
    species = np.asarray(species)
    block = data["descriptor"]
    q = DESCRIPTORS[block["type"]](positions, cell, pbc, species, block)
    which = species
    if data.get("pooling") == "structure":  # every atom has the energy of the mean atom
        q, which = np.tile(q.mean(axis=0), (len(q), 1)), np.zeros_like(species)
    if (scaling := data.get("scaling")) is not None:
        shift, scale = (np.array(scaling[key])[which] for key in ("shift", "scale"))
        q = (q - shift) * scale
    e = np.array(data["E0"])[species] + regress(q, which, data["regressor"])
    if (core := data.get("core")) is not None:
        numbers = np.array([atomic_numbers[s] for s in data["elements"]])[species]
        e = e + zbl.energies(positions, cell, pbc, numbers, core["inner"], core["outer"])
    if (block := data.get("pair")) is not None:
        e = e + pair.energies(positions, cell, pbc, species, block)
    return e
