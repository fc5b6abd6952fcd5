"""Slow twin of the neural network: one per species, hidden layers of one kind, one linear output.

Behler & Parrinello, Phys. Rev. Lett. 98 (2007) 146401. x -> a(W x + b), layer by layer.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np


def softplus(x) -> np.ndarray:
    """log(1 + e^x), without overflow."""
    positive = x.real > 0
    return np.log1p(np.exp(np.where(positive, -x, x))) + np.where(positive, x, 0.0)


def activate(x, regressor: dict) -> np.ndarray:
    """The hidden layers' function of x, any shape."""
    return {
        "tanh": np.tanh,
        "softplus": softplus,
        "silu": lambda x: x * 0.5 * (1 + np.tanh(0.5 * x)),
        "linear": lambda x: x,
        "tanh_linear": lambda x: np.tanh(x) + regressor["gamma"] * x,
    }[regressor["activation"]](x)


def layers(flat, n_features: int, hidden: list[int]) -> list[tuple[np.ndarray, np.ndarray]]:
    """W (out, in) and b (out,) of every layer, the output last, from a species' coefficients."""
    flat, out = np.asarray(flat), []
    sizes = [n_features, *hidden, 1]
    for n_in, n_out in pairwise(sizes):
        weights, biases, flat = np.split(flat, [n_in * n_out, (n_in + 1) * n_out])
        out.append((weights.reshape(n_out, n_in), biases))
    assert len(flat) == 0
    return out


def regress(q, species, regressor: dict) -> np.ndarray:
    """Energies (N,) of features (N, n) by each atom's species' network; complex in, complex out."""
    q, species = np.asarray(q), np.asarray(species)
    energies = np.zeros(len(q), dtype=q.dtype)
    for s, flat in enumerate(regressor["coefficients"]):
        *hidden, (weights, bias) = layers(flat, q.shape[1], regressor["layers"])
        x = q[species == s]
        for w, b in hidden:
            x = activate(x @ w.T + b, regressor)
        energies[species == s] = (x @ weights.T + bias)[:, 0]
    return energies
