"""Training of radial functions together with coefficients that are linear, as in an MTP.

The sum of squares is F(x), x = [coefficients, radial].  A round linearises it: the rows of the
coefficients are exact, those of the radial parameters are differences of predictions; one triangle
R of all rows holds E0, the coefficients at these radial functions (least squares), and the
curvature.  L-BFGS then works on z in x = x_0 + T z, where T = (R^T R + D)^(-1/2), so that F is
nearly |z|^2: a few dozen steps do what would otherwise take thousands.  D keeps radial parameters
that others can nearly make up for from moving farther than the linearisation holds.  The last
coefficients come from the same least squares as those of any linear fit.

Golub, Pereyra, SIAM J. Numer. Anal. 10, 413 (1973): the two kinds of parameters are separable.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from rich.progress import Progress

from mlpot.config import FitConfig, Training
from mlpot.design import GPA, VOIGT, count_rows, design_rows, n_columns, references
from mlpot.io import Dataset
from mlpot.linear import fit_linear
from mlpot.model import Model
from mlpot.report import Outcome, Stopwatch, training_figure
from mlpot.solve import Array, StreamingLeastSquares
from mlpot.train import checkpoint, fingerprint_of, radial_parameters, training_set, with_radial
from mlpot.train.optimisers import LBFGS

STEPS = 40  # of L-BFGS in a round
DAMPING = 1e-7  # singular values below this part of the largest one count as this
REACH = 0.3  # how far a radial parameter may go in a round, about
DIFFERENCE = 1e-5  # of a radial parameter
GAIN = 2e-3  # of the error in a round: less, and the training has ended


def train_radial(
    config: FitConfig,
    model: Model,
    train: Dataset,
    watch: Stopwatch,
    progress: Progress | None = None,
    max_memory: int = 2**30,
    resume: bool = False,
) -> Outcome:
    """Train the radial functions, then fit the coefficients; model: one of zero coefficients.

    resume: go on from <name>.checkpoint.npz, where there is one.  Raises InputError for data the
    model cannot evaluate and for a checkpoint of another training.
    """
    settings = config.training or Training()
    path = config.output_folder / f"{config.name}.checkpoint.npz"
    fingerprint = fingerprint_of(config, train, model)
    arrays = checkpoint.load(path, fingerprint) if resume else {}
    with watch("train"):
        run = _Run(config, model, train, arrays)
        run.descend(settings, progress, lambda: checkpoint.save(path, fingerprint, run.arrays()))
    outcome = fit_linear(config, run.model(), train, watch, progress, max_memory)
    _describe(outcome, run, config, path)
    return outcome


@dataclass
class _Round:
    """L-BFGS on z, from x_0 = origin."""

    origin: Array
    map: Array  # T
    optimiser: LBFGS


class _Run:
    """All state of a training; arrays() and the data bring it back."""

    def __init__(
        self, config: FitConfig, model: Model, train: Dataset, arrays: dict[str, np.ndarray]
    ) -> None:
        self._config, self._zero, self._train = config, model, train
        self._rows = sum(sum(count_rows(atoms, config.weights).values()) for atoms in train)
        self._n_linear = n_columns(model.potential(), fit_e0=False)
        start = {
            "x": np.concatenate(
                [np.zeros(self._n_linear), radial_parameters(model)]
            ),  # where the round started
            "curve": np.empty((0, 2)),
            "rounds": np.array(0),
            "ended": np.array(False),
        }
        self.state = {name: arrays.get(name, value) for name, value in start.items()}
        self._round: _Round | None = None
        if "at.parameters" in arrays:
            self._round = self._begin()
            optimiser = self._round.optimiser
            optimiser.state = {n: arrays[f"at.{n}"] for n in optimiser.state}

    def arrays(self) -> dict[str, np.ndarray]:
        at = self._round.optimiser.state if self._round else {}
        return self.state | {f"at.{name}": value for name, value in at.items()}

    @property
    def iteration(self) -> int:
        return len(self.state["curve"])

    @property
    def ended(self) -> bool:
        return bool(self.state["ended"])

    def x(self) -> Array:
        if self._round is None:
            return self.state["x"]
        return self._round.origin + self._round.map @ self._round.optimiser.state["parameters"]

    def model(self) -> Model:
        """The model of zero coefficients with the radial functions of now."""
        return self._with_radial(self.x())

    def descend(self, settings: Training, progress: Progress | None, save: Any) -> None:
        until = time.monotonic() + 60.0 * (settings.max_minutes or np.inf)
        task = progress.add_task("training", total=settings.iterations) if progress else None
        while not self.ended and time.monotonic() < until:
            if self._round is None:
                self._round = self._begin()
            found = self._round.optimiser.step()
            error = np.sqrt(float(self._round.optimiser.state["value"]) / self._rows)
            self.state["curve"] = np.vstack([self.state["curve"], [error, np.nan]])
            if not found or self.iteration >= self._end_of_round():
                self._finish_round(found)
            if self.iteration >= settings.iterations:
                self.state["ended"] = np.array(True)
            if progress:
                progress.update(
                    task, completed=self.iteration, description=f"training: {error:.4g}"
                )
            if self.iteration % settings.checkpoint == 0:
                save()
        save()

    def _end_of_round(self) -> int:
        return STEPS * (int(self.state["rounds"]) + 1)

    def _finish_round(self, found: bool) -> None:
        """Where the next one starts, and whether there is one."""
        curve = self.state["curve"][:, 0]
        before = curve[max(self.iteration - STEPS, 0)]
        self.state["x"], self._round = self.x(), None
        self.state["rounds"] = self.state["rounds"] + 1
        # A round cut short is made up in steps, so that rounds end at multiples of STEPS.
        missing = STEPS * int(self.state["rounds"]) - self.iteration
        rest = np.tile([curve[-1], np.nan], (missing, 1))
        self.state["curve"] = np.vstack([self.state["curve"], rest])
        flat = self.state["rounds"] > 1 and curve[-1] > (1.0 - GAIN) * before
        self.state["ended"] = np.array(bool(flat))

    def _begin(self) -> _Round:
        x, p = self.state["x"], self._n_linear
        if not x[:p].any():  # the rows of the radial functions need coefficients
            x = np.concatenate([self._solve(self._triangle(x, with_radial=False))[0], x[p:]])
        triangle = self._triangle(x, with_radial=True)
        coefficients, e0 = self._solve(triangle)
        x = np.concatenate([coefficients, x[p:]])
        chosen = np.r_[0:p, p + len(e0) : triangle.shape[1] - 1]
        loss = self._loss(x, e0)
        left = np.linalg.norm(triangle @ np.concatenate([coefficients, e0, 0.0 * x[p:], [-1.0]]))
        bounds = np.concatenate([np.zeros(p), np.full(len(x) - p, left / REACH)])
        map_ = _whitening(np.vstack([triangle[:, chosen], np.diag(bounds)]))

        def of_z(z: Array, indices: Any) -> tuple[float, Array]:
            value, gradient = loss(x + map_ @ z)
            return value, map_.T @ gradient

        optimiser = LBFGS(of_z, np.arange(len(self._train)), np.zeros(len(x)))
        # F is nearly |z|^2: as if a step s had changed the gradient by 2 s.
        step = np.ones((1, len(x)))
        optimiser.state |= {"steps": step, "changes": 2.0 * step}
        return _Round(x, map_, optimiser)

    def _loss(self, x: Array, e0: Array) -> Any:
        data = self._with_radial(x).data
        if self._config.E0 == "fit":
            data = {**data, "E0": e0.tolist()}
        return training_set(Model(data), self._train, self._config).loss

    def _with_radial(self, x: Array) -> Model:
        block = with_radial(self._zero, x[self._n_linear :])
        return Model({**self._zero.data, "descriptor": block})

    def _triangle(self, x: Array, with_radial: bool) -> Array:
        """R of the rows of coefficients, E0 and radial parameters at x, and of the targets."""
        model, fit_e0 = self._with_radial(x), self._config.E0 == "fit"
        potential = model.potential()
        n = n_columns(potential, fit_e0)
        n_radial = len(x) - self._n_linear if with_radial else 0
        problem = StreamingLeastSquares(n + n_radial, n_folds=1)
        predict = training_set(model, self._train, self._config).predict if with_radial else None
        for k, atoms in enumerate(self._train):
            rows, targets, _ = design_rows(potential, atoms, self._config.weights, fit_e0)
            if predict is not None:
                rows = np.hstack([rows, self._slopes(predict, x, k).T])
            problem.add(rows, targets)
        return problem.triangle(0)

    def _slopes(self, predict: Any, x: Array, k: int) -> Array:
        """The rows of structure k by each radial parameter, (n_radial, m)."""
        still = self._rows_of(predict(x, [k])[0], k)
        slopes = []
        for i in range(self._n_linear, len(x)):
            moved = x.copy()
            moved[i] += DIFFERENCE
            slopes.append((self._rows_of(predict(moved, [k])[0], k) - still) / DIFFERENCE)
        return np.array(slopes)

    def _rows_of(self, found: dict[str, Any], k: int) -> Array:
        """A prediction of structure k weighted as its rows are, (m,)."""
        atoms = self._train.frames[k]
        parts = []
        for kind, (weight, _) in references(atoms, self._config.weights).items():
            if kind == "energy":
                values = np.array([found["energy"] / len(atoms)])
            elif kind == "force":
                values = found["forces"].ravel()
            else:
                values = found["dE_dstrain"][VOIGT] * GPA / atoms.get_volume()
            parts.append(weight * values)
        return np.concatenate(parts)

    def _solve(self, triangle: Array) -> tuple[Array, Array]:
        """Coefficients and E0 of least squares, damped; the radial functions as they are."""
        p = self._n_linear
        n = p + (len(self._zero.elements) if self._config.E0 == "fit" else 0)
        matrix, target = triangle[:n, :n], triangle[:n, -1]
        size = _sizes(matrix)
        u, s, vt = np.linalg.svd(matrix / size, full_matrices=False)
        found = vt.T @ ((u.T @ target) * s / (s**2 + (DAMPING * s[0]) ** 2)) / size
        return found[:p], found[p:]


def _sizes(matrix: Array) -> Array:
    norms = np.linalg.norm(matrix, axis=0)
    return np.where(norms > 0, norms, 1.0)


def _whitening(matrix: Array) -> Array:
    """T (n, n) with |matrix T z| nearly |z|."""
    size = _sizes(matrix)
    _, s, vt = np.linalg.svd(matrix / size, full_matrices=False)
    return (vt.T / np.sqrt(s**2 + (DAMPING * s[0]) ** 2)) / size[:, None]


def _describe(outcome: Outcome, run: _Run, config: FitConfig, path: Path) -> None:
    curve = run.state["curve"]
    line = (
        f"radial functions: {len(run.x()) - run._n_linear} parameters, L-BFGS, "
        f"{int(run.state['rounds'])} rounds, {run.iteration} iterations, "
        f"weighted RMSE {curve[0, 0]:.4g} to {curve[-1, 0]:.4g}"
    )
    outcome.log.insert(0, line)
    outcome.method = "L-BFGS and least squares"
    outcome.metrics["curves"] = [[[float(error), None] for error in curve[:, 0]]]
    outcome.figures["training.png"] = training_figure([curve], [len(curve) - 1], config.name)
    if run.ended:
        outcome.scratch.append(path)
    else:
        outcome.warnings.append(f"stopped by max_minutes; --resume goes on from {path.name}")
