"""Training of radial functions together with coefficients that are linear, as in an MTP.

The coefficients are eliminated (separable.py); what is left, a sum of squares of some dozens of
radial parameters c, takes the steps of Levenberg and Marquardt: dc of least |K dc - t|^2 +
mu F |dc|^2, F = |A a - b|^2, accepted where F falls.  mu follows Nielsen's rule (Madsen, Nielsen,
Tingleff, Methods for non-linear least squares problems, 2nd ed., DTU 2004, algorithm 3.16).  Ten
to thirty steps do.  The last coefficients come from the least squares of any linear fit.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from rich.progress import Progress

from mlpot.config import FitConfig, Training
from mlpot.io import Dataset
from mlpot.linear import fit_linear, size_of
from mlpot.model import Model
from mlpot.report import Outcome, Stopwatch, training_figure
from mlpot.solve import Array
from mlpot.train import checkpoint, fingerprint_of, radial_parameters
from mlpot.train.separable import Point, Separable

MU = 0.1  # of the first step
TRIALS = 8  # of a step
WINDOW, GAIN = 4, 2e-3  # the error falls by less than this part in so many steps: the end


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
    size_of(config, model, train, max_memory)  # not only after the training
    path = config.output_folder / f"{config.name}.checkpoint.npz"
    fingerprint = fingerprint_of(config, train, model)
    arrays = checkpoint.load(path, fingerprint) if resume else {}
    with watch("train"):
        problem = Separable(config, model, train, max_memory // 2)
        run = Descent(problem, radial_parameters(model), arrays)
        run.descend(settings, progress, lambda: checkpoint.save(path, fingerprint, run.state))
        problem.release()
    trained = problem.model(run.state["radial"])
    outcome = fit_linear(config, trained, train, watch, progress, max_memory)
    _describe(outcome, run, config, path)
    return outcome


class Descent:
    """Steps of Levenberg and Marquardt; state, and the data, bring it back."""

    def __init__(self, problem: Separable, radial: Array, arrays: dict[str, np.ndarray]) -> None:
        self._problem = problem
        start = {
            "radial": radial,
            "mu": np.array(MU),
            "curve": np.empty((0, 2)),  # weighted RMSE at the start and after each step, nan
            "ended": np.array(False),
        }
        self.state = {name: arrays.get(name, value) for name, value in start.items()}

    @property
    def iteration(self) -> int:
        return len(self.state["curve"]) - 1

    @property
    def ended(self) -> bool:
        return bool(self.state["ended"])

    def descend(
        self, settings: Training, progress: Progress | None, save: Callable[[], None]
    ) -> None:
        every = settings.checkpoint if "checkpoint" in settings.model_fields_set else 1
        until = time.monotonic() + 60.0 * (settings.max_minutes or np.inf)
        task = progress.add_task("training", total=settings.iterations) if progress else None
        if self.ended:
            return
        at = self._problem.solve(self.state["radial"])
        if self.iteration < 0:
            self._note(at)
        while not self.ended and time.monotonic() < until:
            at, found = self._step(at)
            self._note(at)
            flat = self.iteration >= WINDOW and self._gain() < GAIN
            ended = not found or flat or self.iteration >= settings.iterations
            self.state["ended"] = np.array(ended)
            if progress:
                text = f"training: {self.state['curve'][-1, 0]:.4g}"
                progress.update(task, completed=self.iteration, description=text)
            if self.iteration % every == 0:
                save()
        save()

    def _step(self, at: Point) -> tuple[Point, bool]:
        """The next point; False where none of lower error was found."""
        k, t = self._problem.linearise(at)
        u, s, vt = np.linalg.svd(k)
        mu, worse = float(self.state["mu"]), 2.0
        for _ in range(TRIALS):
            part = s**2 / (s**2 + mu * at.square)
            step = vt.T @ (part * (u.T @ t) / np.where(s > 0, s, 1.0))
            trial = self._problem.solve(at.radial + step)
            expected = t @ t - np.sum((k @ step - t) ** 2)
            ratio = (at.square - trial.square) / expected if expected > 0 else 0.0
            if trial.square < at.square:
                self.state["mu"] = np.array(mu * max(1 / 3, 1.0 - (2.0 * ratio - 1.0) ** 3))
                return trial, True
            mu, worse = mu * worse, 2.0 * worse
        return at, False

    def _note(self, at: Point) -> None:
        error = np.sqrt(at.square / self._problem.n_rows)
        self.state["radial"] = at.radial
        self.state["curve"] = np.vstack([self.state["curve"], [error, np.nan]])

    def _gain(self) -> float:
        before, now = self.state["curve"][[-1 - WINDOW, -1], 0]
        return 1.0 - now / before


def _describe(outcome: Outcome, run: Descent, config: FitConfig, path: Path) -> None:
    curve = run.state["curve"]
    line = (
        f"radial functions: {run.state['radial'].size} parameters, Levenberg-Marquardt, "
        f"{run.iteration} iterations, weighted RMSE {curve[0, 0]:.4g} to {curve[-1, 0]:.4g}"
    )
    outcome.log.insert(0, line)
    outcome.method = "Levenberg-Marquardt and least squares"
    outcome.metrics["curves"] = [[[float(error), None] for error in curve[:, 0]]]
    outcome.figures["training.png"] = training_figure([curve], [len(curve) - 1], config.name)
    if run.ended:
        outcome.scratch.append(path)
    else:
        outcome.warnings.append(f"stopped by max_minutes; --resume goes on from {path.name}")
