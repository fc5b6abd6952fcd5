"""A descriptor of moments from a level and a cutoff: radial functions to start a training from.

A block {type: moments, level: ..., r_cut: ...} becomes the complete block of the model file.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from ase import Atoms
from ase.neighborlist import neighbor_list

from mlpot.errors import InputError
from mlpot.symmetry_functions import shortest_distance

N_CHEBYSHEV = 8
SAMPLE = 20  # structures, about, to see the size of moments
SIZE = 2.0  # of the moments M_0,0 of an atom: neither they nor their products are out of scale


def is_start(block: dict[str, Any]) -> bool:
    """Whether a descriptor block is of moments without radial functions."""
    return block["type"] == "moments" and "radial" not in block


def expand(
    block: dict[str, Any], elements: Sequence[str], frames: Iterable[Atoms], seed: int, where: str
) -> dict[str, Any]:
    """The complete block.  Radial function mu starts as polynomial mu, and a little of the others.

    Raises InputError for a level, a cutoff or a number of polynomials that is not right.
    """
    from mlpot import _core

    level, r_cut = block.get("level"), block.get("r_cut")
    if not isinstance(level, int) or not 2 <= level <= 28:
        raise InputError(f"{where}: descriptor.level: expected a whole number from 2 to 28")
    if not isinstance(r_cut, int | float) or not r_cut > 0:
        raise InputError(f"{where}: descriptor.r_cut: expected a length in Å")
    n_functions = 1 + int(_core.moments(level)["basics"][:, 0].max())
    n = block.get("n_chebyshev", max(N_CHEBYSHEV, n_functions))
    if not isinstance(n, int) or not n_functions <= n <= 50:
        raise InputError(
            f"{where}: descriptor.n_chebyshev: expected {n_functions} (the radial functions of "
            f"level {level}) to 50"
        )
    frames = list(frames)
    r_min = block.get("r_min", shortest_distance(frames, r_cut))
    sizes = [_smoothing(atoms, r_cut) for atoms in frames[:: 1 + len(frames) // SAMPLE]]
    rows = np.eye(n_functions, n) + np.random.default_rng(seed).uniform(
        -0.05, 0.05, (len(elements) ** 2, n_functions, n)
    )
    return {
        "scale": float(f"{SIZE / max(float(np.mean(sizes)), 1e-6):.6g}"),
        **block,
        "r_min": r_min,
        "n_chebyshev": n,
        "radial": np.round(rows, 6).reshape(-1, n).tolist(),
    }


def _smoothing(atoms: Atoms, r_cut: float) -> float:
    """sum_j (r_cut - r)^2, the mean of the atoms."""
    return float(((r_cut - neighbor_list("d", atoms, r_cut)) ** 2).sum() / len(atoms))
