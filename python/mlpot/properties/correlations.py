"""Averages over the frames of a trajectory: radial distribution and mean square displacement."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product

import numpy as np
from ase import Atoms


def rdf(positions: np.ndarray, cell: np.ndarray, r_max: float, bins: int) -> np.ndarray:
    """(bins,) g(r) of (N,3) positions in a periodic cell, from 0 to r_max Å.

    g(r) = V / (N (N - 1)) Σ_i Σ_j≠i δ(r - r_ij) / (4 π r²), over all images of j: an atom's own
    images are no neighbours, so that r_max should not exceed the shortest lattice vector.
    """
    n, inverse = len(positions), np.linalg.inv(cell)
    first, second = np.triu_indices(n, 1)
    apart = (positions[first] - positions[second]) @ inverse
    apart -= np.rint(apart)
    reach = np.floor(r_max * np.linalg.norm(inverse, axis=0) + 0.5 - 1e-9).astype(int)
    counts = np.zeros(bins)
    for image in product(*(range(-k, k + 1) for k in reach)):
        distances = np.linalg.norm((apart + image) @ cell, axis=1)
        counts += np.histogram(distances, bins, (0.0, r_max))[0]
    shells = 4 / 3 * np.pi * np.diff(np.linspace(0.0, r_max, bins + 1) ** 3)
    return counts / shells * abs(np.linalg.det(cell)) / len(first)


def peak(r: np.ndarray, g: np.ndarray) -> float:
    """Å of the highest maximum of g(r), by a parabola through the bins around it."""
    top = int(np.argmax(g))
    near = slice(max(0, top - 4), top + 5)
    a, b, _ = np.polyfit(r[near], g[near], 2)
    return float(-b / (2 * a))


def mean_rdf(frames: Sequence[Atoms], r_max: float, bins: int) -> np.ndarray:
    """(2, bins): middles of the bins in Å, and the mean g(r) of the frames."""
    g = np.mean([rdf(f.positions, f.cell.array, r_max, bins) for f in frames], axis=0)
    return np.array([(np.arange(bins) + 0.5) * r_max / bins, g])


def unwrapped(frames: Sequence[Atoms]) -> np.ndarray:
    """(frames, N, 3) positions in Å, less the motion of the centre of mass."""
    masses = frames[0].get_masses()
    x = np.array([frame.positions for frame in frames])
    return x - np.einsum("tia,i->ta", x, masses)[:, None, :] / masses.sum()


def vibration(x: np.ndarray) -> float:
    """Mean square displacement of (frames, N, 3) from the mean positions, all three axes; Å²."""
    return float(((x - x.mean(axis=0)) ** 2).sum(axis=2).mean())


def displacement(x: np.ndarray) -> np.ndarray:
    """(frames,) mean square displacement over k frames, mean of all starts; Å²."""
    lags = [((x[k:] - x[: len(x) - k]) ** 2).sum(axis=2).mean() for k in range(len(x))]
    return np.array(lags)


def block_mean(series: Sequence[float], blocks: int = 5) -> tuple[float, float]:
    """(mean, its standard error) of a series whose neighbours are correlated, from block means."""
    means = [np.mean(part) for part in np.array_split(np.asarray(series, float), blocks)]
    return float(np.mean(means)), float(np.std(means, ddof=1) / np.sqrt(blocks))
