"""A fit from its configuration to its files: data -> design rows -> least squares -> model.

Nothing that changes from run to run (times, folders) enters the model: the same configuration and
data give the same bytes.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from rich.progress import Progress

from mlpot import io
from mlpot.config import FitConfig
from mlpot.design import Estimate, count_rows, design_rows, estimate, format_bytes, n_columns
from mlpot.errors import InputError, did_you_mean
from mlpot.files import write_atomic
from mlpot.metrics import Metrics, evaluate
from mlpot.model import Model
from mlpot.report import fit_log, parity_figure, provenance
from mlpot.solve import Solution, StreamingLeastSquares

UNITS = {"energy": "eV", "length": "angstrom"}


@dataclass
class FitResult:
    """A fitted model, its errors and the files it was written to."""

    model: Model
    metrics_train: Metrics
    metrics_test: Metrics | None
    solution: Solution
    estimate: Estimate
    timings: dict[str, float]  # s
    warnings: list[str]
    files: list[Path] = field(default_factory=list)


def fit(config: FitConfig, progress: Progress | None = None, max_memory: int = 2**30) -> FitResult:
    """Fit a model that is linear in its coefficients, and write it.

    Writes <output>/<name>.json (model), .metrics.json, .parity.png and .log.
    progress: a running rich progress to show bars in.  max_memory: bytes, see design.estimate.
    Raises InputError for mistakes in the configuration or the data.
    """
    timings: dict[str, float] = {}
    with _timed(timings, "read"):
        train = io.read(config.paths("train"), elements=config.elements)
        elements = config.elements or train.report.elements
        test = io.read(config.paths("test"), elements=elements) if config.data.test else None
    warnings = _check_data(config, train, test)
    model = zero_model(config, elements)
    fit_e0, n_folds = config.E0 == "fit", config.folds if config.ridge == "auto" else 1
    size = estimate(
        model.potential(), train.frames, config.weights,
        fit_e0=fit_e0, n_folds=n_folds, max_bytes=max_memory,
    )  # fmt: skip
    _make_folder(config.output_folder)
    if progress:
        progress.console.print(
            f"{size.rows} rows, {size.columns} columns, at most {format_bytes(size.bytes)}, "
            f"about {size.seconds:.0f} s",
            style="dim",
        )
    with _timed(timings, "design"):
        problem = collect(model, train, config, n_folds, progress)
    with _timed(timings, "solve"):
        solution = problem.solve(config.ridge)
    fitted = with_coefficients(model, solution.coefficients, fit_e0)
    with _timed(timings, "evaluate"):
        metrics_train = evaluate(fitted, train.frames, progress)
        metrics_test = evaluate(fitted, test.frames, progress) if test else None
    warnings += _check_solution(solution)
    fitted = Model({**fitted.data, "provenance": provenance(
        config, train, test, solution, metrics_train, metrics_test
    )})  # fmt: skip
    result = FitResult(fitted, metrics_train, metrics_test, solution, size, timings, warnings)
    write(result, config, train)
    return result


def zero_model(config: FitConfig, elements: list[str]) -> Model:
    """The configured model with coefficients that are all zero (E0 too, where it is fitted).

    Raises InputError for a descriptor, regressor or E0 that is not right.
    """
    from mlpot import _core

    try:
        blocks = json.dumps(config.descriptor), json.dumps(config.regressor)
        described = _core.describe(*blocks, len(elements))
    except ValueError as error:
        raise InputError(f"{config.where}: {error}") from None
    zeros = [[0.0] * described["n_parameters"] for _ in elements]
    data = {
        "format": "mlpot",
        "version": 1,
        "name": config.name,
        "units": UNITS,
        "elements": list(elements),
        "E0": _given_e0(config, elements),
        "core": config.core.model_dump() if config.core else None,
        "pair": None,
        "descriptor": json.loads(described["block"]),
        "scaling": None,
        "regressor": {**config.regressor, "coefficients": zeros},
        "ranges": None,
        "provenance": {},
    }
    model = Model(data)
    try:
        model.potential()
    except ValueError as error:
        raise InputError(f"{config.where}: {error}") from None
    return model


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


def with_coefficients(model: Model, coefficients: np.ndarray, fit_e0: bool) -> Model:
    """The model with coefficients (species-major, then E0 of each species where it is fitted)."""
    n_species = len(model.elements)
    n_linear = len(coefficients) - (n_species if fit_e0 else 0)
    regressor = {
        **model.data["regressor"],
        "coefficients": coefficients[:n_linear].reshape(n_species, -1).tolist(),
    }
    e0 = coefficients[n_linear:].tolist() if fit_e0 else model.data["E0"]
    return Model({**model.data, "E0": e0, "regressor": regressor})


def write(result: FitResult, config: FitConfig, train: io.Dataset) -> None:
    """Write the model last: where it is, its metrics, plot and log are too."""
    folder = config.output_folder
    metrics = {
        "train": result.metrics_train.to_dict(),
        "test": result.metrics_test.to_dict() if result.metrics_test else None,
        "cross_validation": [list(point) for point in result.solution.cv_curve],
    }
    contents: dict[str, str | bytes] = {
        "metrics.json": json.dumps(metrics, indent=1) + "\n",
        "parity.png": parity_figure(result.metrics_train, result.metrics_test, config.name),
        "log": fit_log(result, train.report.lines()),
    }
    for suffix, content in contents.items():
        path = folder / f"{config.name}.{suffix}"
        write_atomic(path, content)
        result.files.append(path)
    result.model.save(folder / f"{config.name}.json")
    result.files.insert(0, folder / f"{config.name}.json")


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"{folder}: cannot make this folder: {error.strerror}") from None


def _check_data(config: FitConfig, train: io.Dataset, test: io.Dataset | None) -> list[str]:
    """Warnings about the data; InputError where weights or elements ask for what is not there."""
    present = {symbol for atoms in train for symbol in atoms.symbols}
    for symbol in config.elements or []:
        if symbol not in present:
            raise InputError(f"{config.where}: elements: no training structure has {symbol}")
    for group in config.weights.groups:
        if group not in (known := train.report.groups):
            raise InputError(
                f"{config.where}: weights.groups.{group}: no such group"
                f"{did_you_mean(group, known)} (the data has {', '.join(known)})"
            )
    counted = [count_rows(atoms, config.weights) for atoms in train]
    wanted = dict(zip(("energy", "force", "stress"), config.weights.of(None), strict=True))
    for kind, weight in wanted.items():
        if weight and not any(kind in counts for counts in counted):
            raise InputError(
                f"{config.where}: weights.{kind} is {weight:g}, but no training structure has "
                f"one; set it to 0"
            )
    if not any(counted):
        raise InputError(f"{config.where}: weights: all are 0, nothing is left to fit")
    warnings = list(train.report.warnings)
    if test:
        warnings += test.report.warnings
        if leaked := io.leaks(train.frames, test.frames):
            warnings.append(f"{len(leaked)} test structures are copies of training structures")
    return warnings


def _check_solution(solution: Solution) -> list[str]:
    n = len(solution.coefficients)
    if solution.rank == n:
        return []
    return [
        f"the data determine {solution.rank} of {n} coefficients: the rest follow from least norm"
    ]


def _given_e0(config: FitConfig, elements: list[str]) -> list[float]:
    if config.E0 == "fit":
        return [0.0] * len(elements)
    if set(config.E0) != set(elements):
        raise InputError(
            f"{config.where}: E0: is for {', '.join(config.E0)}; "
            f"expected {', '.join(elements)}, or fit"
        )
    return [config.E0[symbol] for symbol in elements]


@contextmanager
def _timed(timings: dict[str, float], name: str) -> Iterator[None]:
    started = time.perf_counter()
    yield
    timings[name] = time.perf_counter() - started
