"""Descents on a loss: L-BFGS over all structures, Adam over small batches of them.

Their whole state is the arrays in `state`, so that a descent that was saved and restored goes on
to the same bits.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from mlpot.solve import Array

# (parameters (n,), indices of structures (m,)) -> loss, gradient (n,)
Loss = Callable[[Array, NDArray[np.int64]], tuple[float, Array]]

MEMORY = 40  # pairs of steps and gradients; more cost little beside the loss
DECREASE, CURVATURE = 1e-4, 0.9  # of the Wolfe conditions
TRIALS = 30  # points on a line


class LBFGS:
    """Limited-memory BFGS (Nocedal, Wright, Numerical Optimization, 2nd ed., algorithm 7.5)."""

    end, all_steps = "no lower loss", "all iterations"

    def __init__(self, loss: Loss, indices: NDArray[np.int64], parameters: Array) -> None:
        self._loss = lambda x: loss(x, indices)
        value, gradient = self._loss(parameters)
        none = np.zeros((0, len(parameters)))
        self.state: dict[str, Array] = {
            "parameters": parameters,
            "value": np.array(value),
            "gradient": gradient,
            "steps": none,  # (k, n) newest last
            "changes": none,  # (k, n) of the gradient
        }

    def step(self) -> bool:
        """One line search; False where no lower loss can be found."""
        s = self.state
        for fresh in (False, True):
            if fresh:  # forget the curvature: it may be what misleads
                s["steps"], s["changes"] = s["steps"][:0], s["changes"][:0]
            direction = self._direction()
            found = line_search(self._loss, s["parameters"], s["value"], s["gradient"], direction)
            if found is not None:
                break
        else:
            return False
        parameters, value, gradient = found
        step, change = parameters - s["parameters"], gradient - s["gradient"]
        if step @ change > 1e-12 * (change @ change):
            s["steps"] = np.vstack([s["steps"], step])[-MEMORY:]
            s["changes"] = np.vstack([s["changes"], change])[-MEMORY:]
        s |= {"parameters": parameters, "value": np.array(value), "gradient": gradient}
        return True

    def _direction(self) -> Array:
        steps, changes = self.state["steps"], self.state["changes"]
        q = -self.state["gradient"]
        if not len(steps):
            return q / max(float(np.abs(q).sum()), 1e-300)
        curvatures = np.einsum("kn,kn->k", steps, changes)
        alphas = np.zeros(len(steps))
        for k in reversed(range(len(steps))):
            alphas[k] = steps[k] @ q / curvatures[k]
            q = q - alphas[k] * changes[k]
        q *= curvatures[-1] / (changes[-1] @ changes[-1])
        for k in range(len(steps)):
            q += (alphas[k] - changes[k] @ q / curvatures[k]) * steps[k]
        return q


def line_search(
    loss: Callable[[Array], tuple[float, Array]],
    start: Array,
    value: float,
    gradient: Array,
    direction: Array,
) -> tuple[Array, float, Array] | None:
    """(point, loss, gradient) on the line that meets the weak Wolfe conditions; None without one.

    Bisection of a bracket (Lewis, Overton, Math. Program. 141, 135 (2013)) whose first trial inside
    is the minimum of a parabola.
    """
    slope = float(gradient @ direction)
    if not slope < 0:
        return None
    low, high, t, best = 0.0, np.inf, 1.0, None
    for _ in range(TRIALS):
        point = start + t * direction
        trial, there = loss(point)
        if not (trial < value and trial <= value + DECREASE * t * slope):  # or not a number
            high = t
        else:
            best = point, trial, there
            if there @ direction >= CURVATURE * slope:
                return best
            low = t
        if high == np.inf:
            t = 2.0 * low
        elif low == 0.0 and np.isfinite(trial):
            parabola = -0.5 * slope * high**2 / (trial - value - slope * high)
            t = min(max(parabola, 0.1 * high), 0.5 * high)
        else:
            t = 0.5 * (low + high)
    return best


class Adam:
    """Adam (Kingma, Ba, ICLR 2015) on batches in random order; a step is a pass over all.

    The rate falls to zero along a half cosine over `passes`.
    """

    end, all_steps = "no lower loss", "all iterations"

    def __init__(
        self,
        loss: Loss,
        indices: NDArray[np.int64],
        parameters: Array,
        *,
        rate: float,
        batch: int,
        passes: int,
        seed: list[int],
    ) -> None:
        self._loss, self._indices, self._seed = loss, indices, seed
        self._rate, self._batch, self._passes = rate, batch, passes
        self.state: dict[str, Array] = {
            "parameters": parameters,
            "value": np.array(np.nan),
            "mean": np.zeros_like(parameters),
            "square": np.zeros_like(parameters),
            "passes": np.array(0),
        }

    def step(self) -> bool:
        """One pass; value is the sum of the batches' losses as they were met.  True."""
        s, done = self.state, int(self.state["passes"])
        order = np.random.default_rng([*self._seed, done]).permutation(self._indices)
        batches = [order[i : i + self._batch] for i in range(0, len(order), self._batch)]
        x, mean, square, total = s["parameters"], s["mean"], s["square"], 0.0
        for k, batch in enumerate(batches):
            value, gradient = self._loss(x, batch)
            total += value
            count = done * len(batches) + k + 1
            rate = self._rate * np.cos(0.5 * np.pi * count / (self._passes * len(batches) + 1)) ** 2
            mean = 0.9 * mean + 0.1 * gradient
            square = 0.999 * square + 0.001 * gradient**2
            scale = np.sqrt(square / (1.0 - 0.999**count)) + 1e-12
            x = x - rate * mean / (1.0 - 0.9**count) / scale
        s |= {"parameters": x, "mean": mean, "square": square}
        s |= {"value": np.array(total), "passes": np.array(done + 1)}
        return True
