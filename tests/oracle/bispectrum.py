"""Slow twin of the bispectrum descriptor, written from the definitions and not from any code.

A neighbour at r becomes a rotation of the four-sphere (Bartok et al., Phys. Rev. Lett. 104 (2010)
136403; Thompson et al., J. Comput. Phys. 285 (2015) 316):
    theta0 = rfac0 pi (r - rmin0) / (r_cut_ij - rmin0)
    g = [[a, b], [-b*, a*]],  a = cos theta0 - i (z/r) sin theta0,  b = (y - i x)/r sin theta0
    U_j = w_self 1 + sum_neighbours f_c(r) w D^j(g)
    B_j1,j2,j = sum  conj(U_j)_mm'  C_m C_m'  (U_j1)_m1m1' (U_j2)_m2m2'
D^j(g) is the action of g on x^(j+m) y^(j-m) / sqrt((j+m)!(j-m)!): Wigner's explicit sum.
C is Racah's formula in exact fractions. j, j1, j2 are twice the angular momentum throughout.
The (re, im) of a, b, D and U live on a first axis of length 2: numpy's own i stays free for the
complex step.
"""

from __future__ import annotations

from fractions import Fraction
from functools import cache
from math import comb, factorial, sqrt

import numpy as np

from .common import pairs

W_SELF = 1.0


def components(two_j_max: int) -> list[tuple[int, int, int]]:
    """(j1, j2, j) in LAMMPS' order: 30 of them for two_j_max = 6, 55 for 8."""
    return [
        (j1, j2, j)
        for j1 in range(two_j_max + 1)
        for j2 in range(j1 + 1)
        for j in range(j1 - j2, min(two_j_max, j1 + j2) + 1, 2)
        if j >= j1
    ]


@cache
def clebsch_gordan(j1: int, j2: int, j: int) -> np.ndarray:
    """<j1 m1 j2 m2 | j m>, shape (j1+1, j2+1, j+1); index p counts from m = -j. Racah's formula."""
    f = factorial
    table = np.zeros((j1 + 1, j2 + 1, j + 1))
    a, b, c = (j1 + j2 - j) // 2, (j1 - j2 + j) // 2, (-j1 + j2 + j) // 2
    triangle = Fraction((j + 1) * f(a) * f(b) * f(c), f((j1 + j2 + j) // 2 + 1))
    for p1, p2 in np.ndindex(j1 + 1, j2 + 1):
        p, q1, q2 = p1 + p2 - a, j1 - p1, j2 - p2
        if not 0 <= p <= j:
            continue
        total = Fraction(0)
        for k in range(a + 1):
            below = (k, a - k, q1 - k, p2 - k, p1 - a + k, q2 - a + k)
            if min(below) >= 0:
                total += Fraction((-1) ** k, int(np.prod([f(n) for n in below], dtype=object)))
        square = triangle * f(p) * f(j - p) * f(p1) * f(q1) * f(p2) * f(q2)
        table[p1, p2, p] = float(total) * sqrt(square)
    return table


def times(u, v) -> np.ndarray:
    """Product of complex numbers (2, ...)."""
    return np.array([u[0] * v[0] - u[1] * v[1], u[0] * v[1] + u[1] * v[0]])


def powers(u, n: int) -> list[np.ndarray]:
    """u^0 .. u^n of complex numbers (2, ...)."""
    out = [np.array([np.ones_like(u[0]), np.zeros_like(u[0])])]
    for _ in range(n):
        out.append(times(out[-1], u))
    return out


def wigner(two_j: int, a, b) -> np.ndarray:
    """D^j of g, (2, n, 2j+1, 2j+1), from its upper row a, b, each (2, n). Wigner's explicit sum."""
    conjugate = np.array([[1.0], [-1.0]])
    a, b, c, d = (powers(u, two_j) for u in (a, b, -conjugate * b, conjugate * a))
    out = np.zeros((*a[0].shape, two_j + 1, two_j + 1), dtype=a[0].dtype)
    for p, p2 in np.ndindex(two_j + 1, two_j + 1):  # (a x + c y)^p (b x + d y)^q  ->  x^p2 y^q2
        q, q2 = two_j - p, two_j - p2
        norm = sqrt(Fraction(factorial(p2) * factorial(q2), factorial(p) * factorial(q)))
        for k in range(max(0, p2 - q), min(p, p2) + 1):
            x = times(a[k], b[p2 - k])
            y = times(c[p - k], d[q - p2 + k])
            out[..., p2, p] += norm * comb(p, k) * comb(q, p2 - k) * times(x, y)
    return out


def switching(r, r_cut, block: dict, inner=None) -> np.ndarray:
    """f_c(r), times the inner switching function where the block asks for it. All (n,)."""
    f = np.ones_like(r)
    if block["switchflag"]:
        rmin0 = block["rmin0"]
        cosine = 0.5 * (1.0 + np.cos(np.pi * (r - rmin0) / (r_cut - rmin0)))
        f = np.where(r.real <= rmin0, 1.0, cosine)
    if inner is not None:
        s, d = inner  # centre and half width
        x = (r - s) / d
        rising = 0.5 * (1 + np.sin(np.pi / 2 * x))
        f = f * np.where(x.real <= -1, 0.0, np.where(x.real >= 1, 1.0, rising))
    return f


def total(two_j: int, i, element, weight, a, b, w_self) -> np.ndarray:
    """U_j of every atom and neighbour element, (2, N, E, 2j+1, 2j+1); w_self (N, E)."""
    real = w_self[:, :, None, None] * np.eye(two_j + 1, dtype=a.dtype)
    u = np.array([real, np.zeros_like(real)])
    np.add.at(u, (slice(None), i, element), weight[:, None, None] * wigner(two_j, a, b))
    return u


def bispectrum(u1, u2, u, c) -> np.ndarray:
    """sum conj(U) C C U1 U2 (N,) of one (j1, j2, j); each U (2, N, 2j+1, 2j+1), c as above."""
    product = np.zeros((2, 2, 2))  # re, im of 1 * 1, 1 * i, i * 1, i * i
    product[0, 0, 0] = product[0, 1, 1] = product[1, 0, 1] = 1.0
    product[1, 1, 0] = -1.0
    z = np.einsum("abm,cdn,riac,sibd,rst->timn", c, c, u1, u2, product, optimize=True)
    return np.einsum("timn,timn->i", u, z)


def features(positions, cell, pbc, species, block: dict) -> np.ndarray:
    """Bispectrum components (N, n) of a model file's descriptor block; complex in, complex out."""
    species = np.asarray(species)
    radii, weights = np.array(block["radii"]), np.array(block["weights"])
    chem = block["chemflag"]
    n_elements = len(radii) if chem else 1

    def cutoff(i, j):
        return block["r_cut"] * (radii[species[i]] + radii[species[j]])

    i, j, r_ij, r = pairs(positions, cell, pbc, cutoff)
    r_cut = cutoff(i, j)
    inner = None
    if block["switchinnerflag"]:
        sinner, dinner = np.array(block["sinner"])[species], np.array(block["dinner"])[species]
        inner = 0.5 * (sinner[i] + sinner[j]), 0.5 * (dinner[i] + dinner[j])
    weight = weights[species[j]] * switching(r, r_cut, block, inner)

    theta0 = block["rfac0"] * np.pi * (r - block["rmin0"]) / (r_cut - block["rmin0"])
    # LAMMPS keeps r0 = sqrt(r^2 + z0^2) > 0, which turns g into -g where sin theta0 < 0
    sign = np.where(np.sin(theta0).real < 0, -1.0, 1.0)
    cos, sin = sign * np.cos(theta0), sign * np.sin(theta0)
    x, y, z = (r_ij / r[:, None]).T * sin
    a, b = np.array([cos, -z]), np.array([y, -x])

    element = species[j] if chem else np.zeros_like(j)
    own = species if chem else np.zeros_like(species)
    w_self = W_SELF * ((np.arange(n_elements) == own[:, None]) | bool(block["wselfallflag"]))
    u = [total(k, i, element, weight, a, b, w_self) for k in range(block["two_j_max"] + 1)]

    columns = []
    for e1, e2, e3 in np.ndindex(n_elements, n_elements, n_elements):
        isolated = w_self[:, e1] * w_self[:, e2] * w_self[:, e3] * bool(block["bzeroflag"])
        for j1, j2, j in components(block["two_j_max"]):
            c = clebsch_gordan(j1, j2, j)
            b_j = bispectrum(u[j1][:, :, e1], u[j2][:, :, e2], u[j][:, :, e3], c)
            columns.append((b_j - isolated * (j + 1)) / (j + 1 if block["bnormflag"] else 1))
    return np.array(columns).T
