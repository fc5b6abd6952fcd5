"""Slow twin of the moment tensor invariants of Shapeev, Multiscale Model. Simul. 14 (2016) 1153.

    M_mu,nu = sum_j f_mu(r_j) u_j (x) ... (x) u_j   (nu times),   u = r / |r|
    f_mu(r) = scale (r_cut - r)^2 sum_k c_mu,k T_k(s),            s from -1 at r_min to 1 at r_cut

An invariant contracts whole tensors: every way to join all their indices in pairs, no pair within
one tensor, is an invariant. Its level is the sum of 2 + 4 mu + nu over its tensors.
"""

from __future__ import annotations

from functools import cache
from itertools import combinations, combinations_with_replacement, permutations, product

import numpy as np
from numpy.polynomial.chebyshev import chebval

from .common import pairs

LETTERS = "abcdefghijklmnopqrstuvwxyz"
Graph = tuple[tuple[tuple[int, int], ...], tuple[int, ...]]  # (mu, nu) of the nodes, edges i < j


@cache
def invariants(level: int) -> list[Graph]:
    """All up to the level in the model file's order; mu <= 5, nu <= 10, at most four tensors."""
    known = [(mu, nu) for mu, nu in product(range(6), range(11)) if 2 + 4 * mu + nu <= level]
    found = []
    for n in range(1, 5):
        for nodes in combinations_with_replacement(known, n):
            if (own := sum(2 + 4 * mu + nu for mu, nu in nodes)) <= level:
                distinct = {_canonical(nodes, edges) for edges in _joined([nu for _, nu in nodes])}
                found += [(own, n, nodes, edges) for edges in distinct]
    return [graph[2:] for graph in sorted(found)]


def _joined(free: list[int]) -> list[tuple[int, ...]]:
    """Numbers of edges between nodes i < j, row by row, that leave no index over."""
    if len(free) == 1:
        return [()] if free[0] == 0 else []
    first, *others = free
    found = []
    for row in product(*(range(min(first, nu) + 1) for nu in others)):
        if sum(row) == first:
            rest = [nu - n for nu, n in zip(others, row, strict=True)]
            found += [row + edges for edges in _joined(rest)]
    return found


def _canonical(nodes, edges: tuple[int, ...]) -> tuple[int, ...]:
    """The least of the edges under exchanges of equal nodes."""
    n = len(nodes)
    count = dict(zip(combinations(range(n), 2), edges, strict=True))
    return min(
        tuple(count[min(p[i], p[j]), max(p[i], p[j])] for i, j in combinations(range(n), 2))
        for p in permutations(range(n))
        if all(nodes[p[i]] == nodes[i] for i in range(n))
    )


def contract(graph: Graph, tensors: dict) -> np.ndarray:
    """The invariant (N,) of the tensors (N, 3, ..., 3) by (mu, nu)."""
    nodes, edges = graph
    letters = iter(LETTERS)
    indices = [""] * len(nodes)
    for (i, j), count in zip(combinations(range(len(nodes)), 2), edges, strict=True):
        for letter in (next(letters) for _ in range(count)):
            indices[i] += letter
            indices[j] += letter
    terms = ",".join("Z" + letters for letters in indices)
    return np.einsum(f"{terms}->Z", *(tensors[node] for node in nodes), optimize=True)


def radial(r, coefficients, block: dict) -> np.ndarray:
    """f_mu(r) (m, n) of distances (n,) that are inside the cutoff."""
    s = (2 * r - block["r_min"] - block["r_cut"]) / (block["r_cut"] - block["r_min"])
    smooth = block["scale"] * (block["r_cut"] - r) ** 2
    return np.array([smooth * chebval(s, c) for c in coefficients])


def tensors(positions, cell, pbc, species, block: dict, n_functions: int, most_nu: int) -> dict:
    """M_mu,nu (N, 3, ..., 3) by (mu, nu)."""
    species = np.asarray(species)
    i, j, r_ij, r = pairs(positions, cell, pbc, lambda i, j: np.full(i.shape, block["r_cut"]))
    rows = np.array(block["radial"])
    n_species = round((len(rows) / n_functions) ** 0.5)
    rows = rows.reshape(n_species, n_species, n_functions, -1)
    f = np.zeros((n_functions, len(r)), dtype=r.dtype)
    for a, b in product(range(n_species), repeat=2):
        chosen = (species[i] == a) & (species[j] == b)
        f[:, chosen] = radial(r[chosen], rows[a, b], block)
    found, power = {}, np.ones(len(r), dtype=r.dtype)
    for nu in range(most_nu + 1):
        for mu in range(n_functions):
            total = np.zeros((len(species), *power.shape[1:]), dtype=r.dtype)
            np.add.at(total, i, (f[mu] * power.T).T)
            found[mu, nu] = total
        u = r_ij / r[:, None]
        power = power[..., None] * u.reshape(len(r), *[1] * nu, 3)
    return found


def features(positions, cell, pbc, species, block: dict) -> np.ndarray:
    """Invariants (N, n) of a model file's descriptor block; complex in, complex out."""
    arguments = (positions, cell, pbc, species, block)
    if block["level"] == 0:
        return _of_lists(arguments, block)
    graphs = invariants(block["level"])
    nodes = {node for nodes, _ in graphs for node in nodes}
    found = tensors(*arguments, 1 + max(mu for mu, _ in nodes), max(nu for _, nu in nodes))
    return np.array([contract(graph, found) for graph in graphs]).T


def _of_lists(arguments: tuple, block: dict) -> np.ndarray:
    """The lists of basic moments, products and invariants, taken literally."""
    basics = block["basics"]
    found = tensors(
        *arguments, 1 + max(mu for mu, *_ in basics), max(sum(abc) for _, *abc in basics)
    )
    components = ((mu, [0] * a + [1] * b + [2] * c) for mu, a, b, c in basics)
    moments = [found[mu, len(axes)][(slice(None), *axes)] for mu, axes in components]
    moments += [0.0] * (1 + max(k for *_, k in block["products"]) - len(moments))
    for i, j, factor, k in block["products"]:
        moments[k] = moments[k] + factor * moments[i] * moments[j]
    return np.array([moments[k] for k in block["invariants"]]).T
