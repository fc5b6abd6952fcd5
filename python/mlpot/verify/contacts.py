"""Atoms on top of each other: an error that names them, or a core that repels."""

from __future__ import annotations

from itertools import combinations_with_replacement

import numpy as np
from ase import Atoms

from mlpot.verify.checks import ALONG
from mlpot.verify.measures import evaluate
from mlpot.verify.structures import boxed

DISTANCES = (0.0, 1e-10, 0.1, 0.2, 0.3, 0.4, 0.5)  # Å


def wrong_contacts(potential) -> list[str]:
    """One line for each pair and distance where the answer is neither of the two."""
    wrong = []
    for a, b in combinations_with_replacement(potential.elements, 2):
        energies = []
        for r in DISTANCES:
            atoms = boxed(Atoms([a, b], [[0.0] * 3, r * ALONG]), potential.r_cut)
            try:
                found = evaluate(potential, atoms)
            except ValueError as error:
                if not ("atoms" in str(error) or "not a finite number" in str(error)):
                    wrong.append(f"{a}-{b} at {r:g} Å: {error}")
                continue
            energies.append(found["energy"])
            push = found["forces"][1] @ ALONG
            if not (np.isfinite(found["energy"]) and push > 0.0):
                wrong.append(f"{a}-{b} at {r:g} Å: force {push:.3g} eV/Å does not repel")
        if np.any(np.diff(energies) >= 0.0):
            wrong.append(f"{a}-{b}: the energy does not rise as the atoms come closer")
    return wrong
