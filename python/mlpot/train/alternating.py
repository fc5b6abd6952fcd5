"""Alternating training: the pair term by least squares, the network by descent, in turns.

A round is the least squares of the pair term on what the network leaves, then a number of L-BFGS
iterations of the network on what the pair term leaves.  Each lowers the same loss; it is a descent
by blocks, and slower than that of both together (scheme: joint).
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from mlpot.solve import Array
from mlpot.train.optimisers import LBFGS, Loss

STEADY, SPAN = 1e-3, 3  # it ends when the loss changes by less than this part in these rounds


class Alternating:
    """State in arrays, as of the other optimisers; a step is a round.

    parameters: those of the network, then z of the pair term.  minimum(z, gradient): the best z for
    a loss with that gradient at z.
    """

    end, all_steps = "the loss is steady", "all rounds"

    def __init__(
        self,
        loss: Loss,
        indices: NDArray[np.int64],
        parameters: Array,
        n_network: int,
        minimum: Callable[[Array, Array], Array],
        iterations: int,
    ) -> None:
        self._loss = lambda x: loss(x, indices)
        self._n, self._minimum, self._iterations = n_network, minimum, iterations
        value, gradient = self._loss(parameters)
        self.state: dict[str, Array] = {
            "parameters": parameters,
            "value": np.array(value),
            "gradient": gradient,
            "losses": np.array([value]),  # after each round
        }

    def step(self) -> bool:
        """One round; False where the loss has become steady."""
        losses = self.state["losses"]
        if len(losses) > SPAN and losses[-1 - SPAN] - losses[-1] < STEADY * losses[-1 - SPAN]:
            return False
        network, z = np.split(self.state["parameters"], [self._n])
        z = self._minimum(z, self.state["gradient"][self._n :])

        def of_network(x: Array, _: NDArray[np.int64]) -> tuple[float, Array]:
            value, gradient = self._loss(np.concatenate([x, z]))
            return value, gradient[: self._n]

        descent = LBFGS(of_network, np.empty(0, dtype=int), network)
        for _ in range(self._iterations):
            if not descent.step():
                break
        parameters = np.concatenate([descent.state["parameters"], z])
        value, gradient = self._loss(parameters)
        self.state |= {"parameters": parameters, "value": np.array(value), "gradient": gradient}
        self.state["losses"] = np.append(losses, value)
        return True
