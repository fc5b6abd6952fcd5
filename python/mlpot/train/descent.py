"""One descent: its curve, its parameters of least validation loss, and when it ends."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from mlpot.config import Training
from mlpot.solve import Array
from mlpot.train.alternating import Alternating
from mlpot.train.optimisers import LBFGS, Adam, Loss
from mlpot.train.pair_block import PairBlock


class Descent:
    """From initial parameters (n,), on the structures `trains`, judged by those in `validates`.

    rows (n_structures,): how many errors each structure has in the loss.  Without validation the
    training loss is the judge, and nothing ends the descent early.  beside: of the pair term whose
    parameters come last.
    """

    def __init__(
        self,
        loss: Loss,
        parameters: Array,
        trains: NDArray[np.int64],
        validates: NDArray[np.int64],
        rows: NDArray[np.int64],
        settings: Training,
        seed: list[int],
        beside: PairBlock | None = None,
    ) -> None:
        self._loss, self._settings = loss, settings
        self.trains, self.validates = trains, validates
        self._rows = rows[trains].sum(), rows[validates].sum()
        self.optimiser = _optimiser(loss, parameters, trains, settings, seed, beside)
        self.state: dict[str, np.ndarray] = {
            "curve": np.empty((0, 2)),  # weighted RMSE of training and validation
            "best": parameters,
            "best_score": np.array(np.inf),
            "best_iteration": np.array(0),
            "stalled": np.array(False),
        }
        self._record()

    @property
    def iteration(self) -> int:
        return len(self.state["curve"]) - 1

    @property
    def ended(self) -> str:
        """Why it ended; "" where it has not."""
        if self.state["stalled"]:
            return self.optimiser.end
        if (
            self._rows[1]
            and self.iteration - self.state["best_iteration"] >= self._settings.patience
        ):
            return "validation error no longer falls"
        return self.optimiser.all_steps if self.iteration >= self._settings.steps else ""

    def step(self) -> None:
        if self.optimiser.step():
            self._record()
        else:
            self.state["stalled"] = np.array(True)

    def arrays(self, prefix: str) -> dict[str, np.ndarray]:
        """All state, to be restored in a descent of the same arguments."""
        own = {f"{prefix}.{name}": value for name, value in self.state.items()}
        return own | {f"{prefix}.at.{name}": v for name, v in self.optimiser.state.items()}

    def restore(self, prefix: str, arrays: Mapping[str, np.ndarray]) -> None:
        self.state = {name: arrays[f"{prefix}.{name}"] for name in self.state}
        self.optimiser.state = {n: arrays[f"{prefix}.at.{n}"] for n in self.optimiser.state}

    def _record(self) -> None:
        at = self.optimiser.state
        squares = [float(at["value"]), np.nan]
        if self._rows[1]:
            squares[1], _ = self._loss(at["parameters"], self.validates)
        rmse = np.sqrt(np.array(squares) / np.maximum(self._rows, 1))
        self.state["curve"] = np.vstack([self.state["curve"], rmse])
        score = rmse[1] if self._rows[1] else rmse[0]
        if score < self.state["best_score"]:
            self.state |= {
                "best": at["parameters"],
                "best_score": np.array(score),
                "best_iteration": np.array(self.iteration),
            }


def _optimiser(
    loss: Loss,
    parameters: Array,
    trains: NDArray[np.int64],
    settings: Training,
    seed: list[int],
    beside: PairBlock | None,
) -> LBFGS | Adam | Alternating:
    if beside and settings.scheme == "alternating":
        n_network = len(parameters) - beside.n
        minimum = beside.minimiser(trains)
        return Alternating(loss, trains, parameters, n_network, minimum, settings.round_iterations)
    if settings.optimiser == "lbfgs":
        return LBFGS(loss, trains, parameters)
    return Adam(
        loss,
        trains,
        parameters,
        rate=settings.learning_rate,
        batch=settings.batch,
        passes=settings.iterations,
        seed=seed,
    )
