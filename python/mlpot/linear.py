"""Fits that are linear in the coefficients: design rows -> least squares -> model."""

from __future__ import annotations

import numpy as np
from rich.progress import Progress

from mlpot import io
from mlpot.config import FitConfig
from mlpot.design import Estimate, design_rows, estimate, format_bytes, n_columns
from mlpot.model import Model
from mlpot.pair import describe, only_pair, pair_files, walls, with_pair
from mlpot.report import Outcome, Stopwatch
from mlpot.solve import Solution, StreamingLeastSquares, eliminate


def fit_linear(
    config: FitConfig,
    model: Model,
    train: io.Dataset,
    watch: Stopwatch,
    progress: Progress | None = None,
    max_memory: int = 2**30,
) -> Outcome:
    """Coefficients, and E0 where it is fitted, by least squares; model: one of zeros.

    Raises InputError where it needs more than max_memory (bytes).
    """
    fit_e0, n_folds = config.E0 == "fit", n_folds_of(config)
    size = size_of(config, model, train, max_memory)
    if progress:
        progress.console.print(
            f"{size.rows} rows, {size.columns} columns, at most {format_bytes(size.bytes)}, "
            f"about {size.seconds:.0f} s",
            style="dim",
        )
    with watch("design"):
        problem = collect(model, train, config, n_folds, progress)
    with watch("solve"):
        left_out = _unneeded(problem, model, config)
        problem.leave_out(left_out)
        found = problem.solve(config.ridge)
    r_min = walls(config.pair, model.elements, train.frames) if config.pair else None
    fitted = with_coefficients(model, found.coefficients, fit_e0, r_min)
    choices = {
        "ridge": found.ridge,
        "ridge_chosen_by": "cross validation" if config.ridge == "auto" else "user",
        "folds": config.folds,
        "seed": config.seed,
        "rank": found.rank,
        "condition": found.condition if np.isfinite(found.condition) else None,
    }
    n = len(found.coefficients) - int(left_out.sum())
    outcome = Outcome(
        models=[Model({**fitted.data, "provenance": choices})],
        method="least squares",
        log=[
            f"least squares: {found.n_rows} rows, {n} columns, rank {found.rank}, "
            f"condition {found.condition:.3g}, at most {format_bytes(size.bytes)}",
            f"ridge {found.ridge:g}, weighted RMSE {found.rmse:.6g}",
            *(f"  cross validation: ridge {r:<8g} RMSE {e:.6g}" for r, e in found.cv_curve),
        ],
        summary=f"{found.n_rows} rows, rank {found.rank} of {n}, condition {found.condition:.2g}, "
        f"ridge {found.ridge:g}",
        warnings=_check(found, n),
        metrics={"cross_validation": [list(point) for point in found.cv_curve]},
    )
    if config.pair:
        outcome.log += [f"pair term, {int(left_out.sum())} powers left out:", *describe(fitted)]
        outcome.figures |= pair_files(fitted)
    return outcome


def n_folds_of(config: FitConfig) -> int:
    return config.folds if config.ridge == "auto" else 1


def size_of(config: FitConfig, model: Model, train: io.Dataset, max_memory: int) -> Estimate:
    """What fit_linear will take.  Raises InputError where it needs more than max_memory (bytes)."""
    return estimate(
        model.potential(),
        train.frames,
        config.weights,
        fit_e0=config.E0 == "fit",
        n_folds=n_folds_of(config),
        max_bytes=max_memory,
    )


def fit_pair(config: FitConfig, model: Model, train: io.Dataset) -> tuple[Model, list[str]]:
    """The model with its pair term fitted as if there were nothing else but E0, and a log."""
    alone = config.model_copy(
        update={"descriptor": {"type": "none"}, "regressor": {"type": "linear"}, "core": None}
    )
    zeros = Model({**only_pair(model).data, "E0": model.data["E0"]})
    found = fit_linear(alone, zeros, train, Stopwatch())
    return Model({**model.data, "pair": found.models[0].data["pair"]}), found.log


def collect(
    model: Model,
    train: io.Dataset,
    config: FitConfig,
    n_folds: int,
    progress: Progress | None = None,
) -> StreamingLeastSquares:
    """Stream the design rows of all structures; folds are whole structures, drawn by the seed."""
    potential, fit_e0 = model.potential(), config.E0 == "fit"
    # The ridge leaves E0 alone, else the fit would depend on where energies are counted from.
    penalised = np.arange(n_columns(potential, fit_e0)) < potential.n_parameters
    problem = StreamingLeastSquares(len(penalised), n_folds, penalised)
    frames = train.frames
    folds = np.empty(len(frames), dtype=int)
    order = np.random.default_rng(config.seed).permutation(len(frames))
    folds[order] = np.arange(len(frames)) % n_folds
    for first, copy in train.report.duplicates:
        folds[copy] = folds[first]  # apart, one would be trained on what it is tested with
    shown = frames if progress is None else progress.track(frames, description="design rows")
    for atoms, fold in zip(shown, folds, strict=True):
        rows, targets, _ = design_rows(potential, atoms, config.weights, fit_e0)
        problem.add(rows, targets, int(fold))
    return problem


def _unneeded(problem: StreamingLeastSquares, model: Model, config: FitConfig) -> np.ndarray:
    """bool (columns,): the powers of the pair term that the data do not need."""
    potential = model.potential()
    stop, n_pair = potential.n_parameters, potential.n_pair_parameters
    columns = np.arange(problem.n_columns)
    of_pair = (columns >= stop - n_pair) & (columns < stop)
    if not (config.pair and config.pair.eliminate):
        return np.zeros_like(of_pair)
    exact = float(config.pair.eliminate) if config.pair.eliminate is not True else 0.0
    return eliminate(problem.whole(), of_pair, exact * np.sqrt(problem.n_rows.sum()))


def with_coefficients(
    model: Model, coefficients: np.ndarray, fit_e0: bool, r_min: np.ndarray | None = None
) -> Model:
    """The model with coefficients: of the species in turn, of the pair term, then E0 of each
    species where it is fitted.  r_min: of the pair term, see pair.with_pair."""
    n_species, n_regressors = len(model.elements), len(model.data["regressor"]["coefficients"])
    n_linear = len(coefficients) - (n_species if fit_e0 else 0)
    n_pair = model.potential().n_pair_parameters
    of_pair = coefficients[n_linear - n_pair : n_linear]
    regressor = {
        **model.data["regressor"],
        "coefficients": coefficients[: n_linear - n_pair].reshape(n_regressors, -1).tolist(),
    }
    e0 = coefficients[n_linear:].tolist() if fit_e0 else model.data["E0"]
    fitted = Model({**model.data, "E0": e0, "regressor": regressor})
    return with_pair(fitted, of_pair, r_min) if n_pair else fitted


def _check(solution: Solution, n: int) -> list[str]:
    if solution.rank == n:
        return []
    return [
        f"the data determine {solution.rank} of {n} coefficients: the rest follow from least norm"
    ]
