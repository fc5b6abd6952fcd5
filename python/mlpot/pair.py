"""The pair term of a model, E = sum_{a<=b} sum_k A_k^ab X_k^ab: fitted, tabulated, drawn.

Its columns stand behind those of the regressor in the design rows (mlpot.lattice_sums has their
formula).  Powers that the data do not need can be dropped one by one (backward elimination).
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations_with_replacement
from typing import Any

import numpy as np
from ase import Atoms

from mlpot.config import PairConfig
from mlpot.figures import new_figure, png
from mlpot.lattice_sums import pairs, shortest_distances
from mlpot.model import Model
from mlpot.solve import Array

TABLE_POINTS = 400


def zero_block(config: PairConfig | None, n_species: int) -> dict[str, Any] | None:
    """The model file's block with coefficients that are all zero."""
    if config is None:
        return None
    n_pairs = n_species * (n_species + 1) // 2
    block: dict[str, Any] = {"sum": config.sum, "powers": list(config.powers)}
    if config.sum == "cut":
        block |= {"r_cut": config.r_cut, "taper": config.taper}
    zeros = [[0.0] * len(config.powers) for _ in range(n_pairs)]
    return block | {"coefficients": zeros, "r_min": [0.0] * n_pairs}


def with_pair(model: Model, coefficients: Array, r_min: Array | None = None) -> Model:
    """The model with a pair term of these coefficients (pairs x powers,) and cores.

    r_min (pairs,) Å: below it V goes on as a smooth wall; None: as the powers have it.  Pairs
    without any coefficient have no wall, and powers that no pair uses are left out.
    """
    block = model.data["pair"]
    table = np.reshape(coefficients, (-1, len(block["powers"])))
    used = table.any(axis=0) if table.any() else np.arange(len(block["powers"])) == 0
    table, powers = table[:, used], [k for k, u in zip(block["powers"], used, strict=True) if u]
    walls = np.zeros(len(table)) if r_min is None else np.where(table.any(axis=1), r_min, 0.0)
    block = {**block, "powers": powers, "coefficients": table, "r_min": walls}
    return Model({**model.data, "pair": block})


def walls(config: PairConfig, elements: Sequence[str], frames: Sequence[Atoms]) -> Array | None:
    """(pairs,) Å: where the wall of each pair begins, the shortest distance in the data.

    0 (no wall) for pairs that are never near.
    """
    if not config.core:
        return None
    reach = 6.0 if config.sum == "ewald" else config.r_cut - config.taper
    found = shortest_distances(frames, elements, reach)
    return np.where(found < reach, found, 0.0)


def only_pair(model: Model) -> Model:
    """The pair term alone."""
    n_species = len(model.elements)
    nothing = {"type": "linear", "coefficients": [[] for _ in range(n_species)]}
    changes = {
        "E0": [0.0] * n_species,
        "core": None,
        "scaling": None,
        "pooling": "atom",
        "provenance": {},
    }
    changes |= {"descriptor": {"type": "none"}, "regressor": nothing}
    return Model({**model.data, **changes})


def describe(model: Model) -> list[str]:
    """A line for each pair: V(r) with its coefficients, A_k in eV Å^k."""
    block = model.data["pair"]
    lines = []
    for (a, b), row in zip(pairs(model.elements), block["coefficients"], strict=True):
        terms = [f"{c:+.10g} r^-{k}" for c, k in zip(row, block["powers"], strict=True) if c]
        lines.append(f"  V_{a}-{b}(r) = {' '.join(terms) or '0'}")
    return lines


def curves(model: Model, r: Array) -> Array:
    """(pairs, len(r)) eV: V of each pair of elements at the distances r (Å)."""
    potential, n = model.potential(), len(model.elements)
    indices = combinations_with_replacement(range(n), 2)
    return np.array([[potential.pair_energy(a, b, x)[0] for x in r] for a, b in indices])


def table(model: Model) -> str:
    """Text: r (Å) and V (eV) of each pair, from a little below the data to where V has faded."""
    r = _distances(model)
    names = " ".join(f"V_{a}-{b}" for a, b in pairs(model.elements))
    rows = np.column_stack([r, curves(model, r).T])
    lines = [" ".join(f"{value:.10g}" for value in row) for row in rows]
    return "\n".join([f"# r {names} (Å, eV)", *lines]) + "\n"


def pair_files(model: Model) -> dict[str, bytes]:
    """Suffix -> content of what a fit writes of the pair term."""
    return {"pair.png": figure(model), "pair.txt": table(model).encode()}


def figure(
    model: Model,
    reference: tuple[Array, Array] | None = None,
    span: tuple[float, float] | None = None,
) -> bytes:
    """PNG: V of each pair over r (between `span`, Å); reference: (r, V (pairs, len(r))), behind it.

    What to look for.  The curve should be smooth and repel where it ends on the left; shaded is
    where no data were, and the wall replaces the fit.  Wiggles mean more powers than the data hold.
    """
    r = _distances(model) if span is None else np.linspace(*span, TABLE_POINTS)
    found, names = curves(model, r), pairs(model.elements)
    drawn = new_figure(4.2 * len(names), 3.6)
    panels = drawn.subplots(1, len(names), squeeze=False)[0]
    for k, (axes, (a, b)) in enumerate(zip(panels, names, strict=True)):
        wall = model.data["pair"]["r_min"][k]
        if wall:
            axes.axvspan(r[0], wall, color="0.9", linewidth=0)
        if reference is not None:
            axes.plot(reference[0], reference[1][k], color="#ee6677", linewidth=3.0, alpha=0.7)
        axes.plot(r, found[k], color="#4477aa", linewidth=1.2)
        axes.axhline(0.0, color="0.3", linewidth=0.6, zorder=0)
        seen = found[k][r >= max(wall, r[0])]
        depth = max(-float(seen.min()), 1e-3 * float(np.abs(seen).max()), 1e-12)
        axes.set(title=f"{a}-{b}", xlabel="r (Å)")
        axes.set(xlim=(r[0], r[-1]), ylim=(-1.5 * depth, 3.0 * depth))
    panels[0].set_ylabel("V (eV)")
    return png(drawn, model.name)


def _distances(model: Model) -> Array:
    block = model.data["pair"]
    known = [r for r in block["r_min"] if r]
    start = 0.9 * min(known) if known else 0.8
    stop = block["r_cut"] if block["sum"] == "cut" else max(4.0 * start, 6.0)
    return np.linspace(start, stop, TABLE_POINTS)
