"""Structures that a model is verified on: its crystal, and crowded cells made from it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from ase import Atoms
from ase.build import bulk
from ase.data import atomic_numbers, covalent_radii, reference_states
from ase.neighborlist import neighbor_list

from mlpot.errors import InputError
from mlpot.generate import parse_structure
from mlpot.generate.cells import supercell
from mlpot.generate.crystals import LATTICES
from mlpot.model import Model

INNER = ("sinner", "dinner")  # of the bispectrum: where an inner cutoff is, and half its width
NEAR = 4.0  # Å; as far as one looks where a sum over the lattice has no cutoff
ANIONS = frozenset({"N", "O", "F", "S", "Cl", "Se", "Br", "Te", "I"})
SEEDS = 60  # of crowded cells, the one of which with the clearest distances is taken


def crystal_of(model: Model, structure: str | None) -> Atoms:
    """A cell of the model's elements, not relaxed.

    structure: "bcc:Mo" or a file; default: rock salt of a cation and an anion, else the crystal of
    the first element, the others of the model put on its sites in turn. Raises InputError where
    there is none, and for a structure with other elements.
    """
    if structure:
        atoms = parse_structure(structure)
        if others := sorted(set(atoms.symbols) - set(model.elements)):
            known = ", ".join(model.elements)
            raise InputError(f"structure {structure!r}: has {others[0]}, the model only {known}")
        return atoms
    anions = [symbol for symbol in model.elements if symbol in ANIONS]
    if len(model.elements) == 2 and len(anions) == 1:
        radii = covalent_radii[[atomic_numbers[symbol] for symbol in model.elements]]
        return bulk("".join(model.elements), "rocksalt", a=2.0 * radii.sum(), cubic=True)
    symbol = model.elements[0]
    lattice = (reference_states[atomic_numbers[symbol]] or {}).get("symmetry")
    if lattice not in LATTICES:
        raise InputError(f"no simple crystal of {symbol} is known: name one by --structure")
    atoms = parse_structure(f"{lattice}:{symbol}")
    if len(model.elements) > 1:
        atoms = supercell(atoms, 4 * len(model.elements))
        sites = np.random.default_rng(0).permutation(len(atoms))
        for k, site in enumerate(sites):
            atoms.symbols[int(site)] = model.elements[k % len(model.elements)]
    return atoms


def radii_of(model: Model) -> list[float]:
    """Every radius (Å) where the energy may be less smooth, and some where it is not.

    All numbers of the model's blocks up to its cutoff are taken for lengths, those of the
    bispectrum also for parts of one; parameters that are none do no harm.
    """
    cutoff = max(model.potential().r_cut, NEAR)
    found = {cutoff, model.potential().r_cut}
    descriptor = model.data["descriptor"]
    blocks = [dict(descriptor), model.data["core"], model.data["pair"]]
    found |= {x for block in blocks if block for x in _numbers(block)}
    if "radii" in descriptor:
        sums = np.add.outer(descriptor["radii"], descriptor["radii"]).ravel()
        found |= {descriptor["r_cut"] * x for x in sums}
    if (pair := model.data["pair"]) and pair["sum"] == "cut":
        found |= {pair["r_cut"] - x for x in _numbers(pair.get("taper", 0.0))}
    if descriptor.get("sinner"):
        center, width = (np.add.outer(descriptor[k], descriptor[k]) / 2 for k in INNER)
        found |= {*(center - width).ravel(), *(center + width).ravel()}
    inner = descriptor.get("inner", 0.0)
    found |= {x * inner for x in list(found) if isinstance(inner, float)}
    return sorted({round(x, 12) for x in found if 0.6 < x <= cutoff + 1e-9})


def crowded(crystal: Atoms, radii: list[float], seed: int = 0) -> tuple[Atoms, float]:
    """A rattled and strained cell of four atoms or more, and how far (Å) all its distances are
    from the radii: the farthest of some that are tried."""
    small, best = supercell(crystal, 4), (None, 0.0)
    reach = max(radii) + 0.05
    for number in range(SEEDS):
        rng = np.random.default_rng([seed, number])
        atoms = small.copy()
        strain = np.eye(3) + rng.uniform(-0.05, 0.05, (3, 3))
        atoms.set_cell(atoms.cell.array @ strain, scale_atoms=True)
        atoms.positions += rng.uniform(-0.12, 0.12, atoms.positions.shape)
        distances = neighbor_list("d", atoms, reach)
        clearance = np.abs(np.subtract.outer(distances, radii)).min() if len(distances) else 1.0
        if clearance > best[1]:
            best = atoms, float(clearance)
    return best


def boxed(atoms: Atoms, cutoff: float) -> Atoms:
    """A cluster in a periodic box, far from its images."""
    atoms.center(vacuum=max(cutoff, NEAR))
    atoms.pbc = True
    return atoms


def _numbers(block: Any) -> Iterator[float]:
    if isinstance(block, dict):
        block = list(block.values())
    if isinstance(block, list | tuple):
        for value in block:
            yield from _numbers(value)
    elif isinstance(block, int | float) and not isinstance(block, bool):
        yield float(block)
