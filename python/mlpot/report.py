"""What a fit says of itself: its figures, its log, and the provenance inside the model."""

from __future__ import annotations

import platform
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mlpot.design import GPA
from mlpot.figures import new_figure, png
from mlpot.io import Dataset
from mlpot.metrics import Metrics, Parity
from mlpot.model import Model

if TYPE_CHECKING:
    from mlpot.config import FitConfig

MAX_POINTS = 20_000  # per set and panel: more are not seen, and take long to draw
COLOURS = {"train": "#4477aa", "test": "#ee6677"}
# attribute of Metrics, title, unit of the axes and of the errors, both in Metrics' units
QUANTITIES = (
    ("energy", "Energy", "eV/atom", "meV/atom", 1.0, 1e3),
    ("forces", "Force components", "eV/Å", "eV/Å", 1.0, 1.0),
    ("stress", "Stress components", "GPa", "GPa", GPA, GPA),
)


@dataclass
class Outcome:
    """What least squares or training found: models, and what there is to say of them."""

    models: list[Model]  # provenance: the choices made; the first is the fit's, all are a committee
    method: str
    log: list[str]
    summary: str
    warnings: list[str] = field(default_factory=list)
    metrics: dict[str, Any] = field(default_factory=dict)
    figures: dict[str, bytes] = field(default_factory=dict)  # suffix of the file -> PNG
    scratch: list[Path] = field(default_factory=list)  # to remove once the model is written


@dataclass
class FitResult:
    """A fitted model, its errors and the files it was written to."""

    model: Model
    metrics_train: Metrics
    metrics_test: Metrics | None
    outcome: Outcome
    timings: dict[str, float]  # s
    warnings: list[str]
    files: list[Path] = field(default_factory=list)


class Stopwatch(dict[str, float]):
    """Seconds of each named part: with watch("read"): ..."""

    @contextmanager
    def __call__(self, name: str) -> Iterator[None]:
        started = time.perf_counter()
        yield
        self[name] = time.perf_counter() - started


def parity_figure(train: Metrics, test: Metrics | None, title: str = "") -> bytes:
    """PNG: predictions over references (top) and their errors (bottom), train and test.

    What to look for.  Top: points off the diagonal as a separate line or cloud are one group that
    the model sees differently; energies on a parallel line are a wrong E0.  Bottom: an error that
    grows with |force| is normal, one with a slope or a bend means that the model lacks freedom;
    test points much wider than training points mean overfitting; single points far out are worth
    a look as data.  Panels without references are left out.
    """
    sets = {"train": train} | ({"test": test} if test else {})
    shown = [q for q in QUANTITIES if any(getattr(m, q[0]).reference.size for m in sets.values())]
    figure = new_figure(4.2 * max(len(shown), 1), 5.6)
    if shown:
        axes = figure.subplots(2, len(shown), squeeze=False, sharex="col", height_ratios=(3, 1.6))
        for (top, bottom), quantity in zip(axes.T, shown, strict=True):
            _panel(top, bottom, sets, quantity)
    return png(figure, title)


def training_figure(
    curves: list[Any], kept: list[int], title: str = "", axis: str = "iteration"
) -> bytes:
    """PNG: weighted RMSE over iterations of each descent (n, 2: training, validation).

    What to look for.  A validation curve that turns upwards is overfitting, and what was kept (the
    dot) is from before; curves that still fall steeply at the end want more iterations; descents
    that end far apart want more restarts.
    """
    figure = new_figure(5.6, 4.2)
    axes = figure.subplots()
    for curve, best in zip(curves, kept, strict=True):
        for column, name in enumerate(("train", "test")):
            label = ("training", "validation")[column] if curve is curves[0] else None
            axes.plot(curve[:, column], color=COLOURS[name], linewidth=1.0, label=label)
        y = curve[best, 1] if np.isfinite(curve[best, 1]) else curve[best, 0]
        axes.plot(best, y, "o", color="0.2", markersize=4)
    axes.set(xlabel=axis, ylabel="weighted RMSE", yscale="log")
    axes.legend(fontsize="small")
    return png(figure, title)


def fit_log(result: FitResult, data: list[str]) -> str:
    """The text of <name>.log: data, what was done, times, errors, warnings."""
    lines = [
        f"model {result.model.name}: {' '.join(result.model.elements)}",
        *data,
        *result.outcome.log,
        "time: " + ", ".join(f"{name} {s:.2f} s" for name, s in result.timings.items()),
    ]
    for name, metrics in (("train", result.metrics_train), ("test", result.metrics_test)):
        if metrics:
            lines += [f"{name}:", *_error_lines(metrics)]
    lines += [f"warning: {text}" for text in result.warnings]
    return "\n".join(lines) + "\n"


def provenance(
    config: FitConfig,
    train: Dataset,
    test: Dataset | None,
    outcome: Outcome,
    model: Model,
    metrics_train: Metrics,
    metrics_test: Metrics | None,
) -> dict[str, Any]:
    """What the model file says of its origin; nothing that changes from run to run or by folder."""

    def files(data: Dataset) -> list[dict[str, Any]]:
        return [
            {"file": Path(f.path).name, "sha256": f.sha256, "structures": f.frames}
            for f in data.report.files
        ]

    return {
        "source": f"mlpot {_version('mlpot')}, {outcome.method}",
        "versions": {name: _version(name) for name in ("numpy", "scipy", "ase")}
        | {"python": platform.python_version()},
        "data": {"train": files(train), "test": files(test) if test else []},
        "weights": config.weights.model_dump(exclude_none=True),
        **model.data["provenance"],
        "errors": {
            "train": metrics_train.to_dict(),
            "test": metrics_test.to_dict() if metrics_test else None,
        },
    }


def _error_lines(metrics: Metrics) -> list[str]:
    errors = metrics.to_dict()
    groups = {**errors.pop("per_group"), "all": errors}
    return [
        f"  {group}: "
        + ", ".join(
            f"{key} {value:.6g}" if isinstance(value, float) else f"{key} {value}"
            for key, value in values.items()
            if value is not None
        )
        for group, values in groups.items()
    ]


def _panel(top: Any, bottom: Any, sets: dict[str, Metrics], quantity: tuple[Any, ...]) -> None:
    name, title, unit, error_unit, scale, error_scale = quantity
    low, high = np.inf, -np.inf
    for split, metrics in sets.items():
        parity: Parity = getattr(metrics, name)
        if not parity.reference.size:
            continue
        error = (parity.predicted - parity.reference) * error_scale
        drawn = _drawn(np.abs(error))
        reference, predicted = parity.reference[drawn] * scale, parity.predicted[drawn] * scale
        mae, rmse = np.abs(error).mean(), np.sqrt((error**2).mean())
        style = {"color": COLOURS[split], "s": 5, "linewidths": 0, "alpha": 0.6}
        label = f"{split}: MAE {mae:.3g}, RMSE {rmse:.3g} {error_unit}"
        top.scatter(reference, predicted, label=label, **style)
        bottom.scatter(reference, error[drawn], **style)
        low, high = min(low, reference.min()), max(high, reference.max())
    top.plot([low, high], [low, high], color="0.3", linewidth=0.8, zorder=0)
    bottom.axhline(0.0, color="0.3", linewidth=0.8, zorder=0)
    top.set(title=title, ylabel=f"predicted ({unit})")
    bottom.set(xlabel=f"reference ({unit})", ylabel=f"error ({error_unit})")
    top.legend(fontsize="x-small", loc="upper left", markerscale=3)


def _drawn(error: np.ndarray) -> np.ndarray:
    """Indices of the points to draw: evenly thinned, but never without the largest errors."""
    if error.size <= MAX_POINTS:
        return np.arange(error.size)
    even = np.arange(0, error.size, -(-2 * error.size // MAX_POINTS))
    return np.union1d(even, np.argpartition(error, -MAX_POINTS // 2)[-MAX_POINTS // 2 :])


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "unknown"
