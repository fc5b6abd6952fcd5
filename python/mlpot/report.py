"""What a fit says of itself: one figure, one log, and the provenance inside the model."""

from __future__ import annotations

import platform
from importlib.metadata import PackageNotFoundError, version
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mlpot.design import GPA, format_bytes
from mlpot.io import Dataset
from mlpot.metrics import Metrics, Parity
from mlpot.solve import Solution

if TYPE_CHECKING:
    from mlpot.config import FitConfig
    from mlpot.fit import FitResult

MAX_POINTS = 20_000  # per set and panel: more are not seen, and take long to draw
COLOURS = {"train": "#4477aa", "test": "#ee6677"}
# attribute of Metrics, title, unit of the axes and of the errors, both in Metrics' units
QUANTITIES = (
    ("energy", "Energy", "eV/atom", "meV/atom", 1.0, 1e3),
    ("forces", "Force components", "eV/Å", "eV/Å", 1.0, 1.0),
    ("stress", "Stress components", "GPa", "GPa", GPA, GPA),
)


def parity_figure(train: Metrics, test: Metrics | None, title: str = "") -> bytes:
    """PNG: predictions over references (top) and their errors (bottom), train and test.

    What to look for.  Top: points off the diagonal as a separate line or cloud are one group that
    the model sees differently; energies on a parallel line are a wrong E0.  Bottom: an error that
    grows with |force| is normal, one with a slope or a bend means that the model lacks freedom;
    test points much wider than training points mean overfitting; single points far out are worth
    a look as data.  Panels without references are left out.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    sets = {"train": train} | ({"test": test} if test else {})
    shown = [q for q in QUANTITIES if any(getattr(m, q[0]).reference.size for m in sets.values())]
    figure = Figure(figsize=(4.2 * max(len(shown), 1), 5.6), dpi=150, layout="constrained")
    FigureCanvasAgg(figure)
    if shown:
        axes = figure.subplots(2, len(shown), squeeze=False, sharex="col", height_ratios=(3, 1.6))
        for (top, bottom), quantity in zip(axes.T, shown, strict=True):
            _panel(top, bottom, sets, quantity)
    figure.suptitle(title)
    buffer = BytesIO()
    figure.savefig(buffer, format="png")
    return buffer.getvalue()


def fit_log(result: FitResult, data: list[str]) -> str:
    """The text of <name>.log: data, size, solution, times, errors, warnings."""
    solution, size = result.solution, result.estimate
    lines = [
        f"model {result.model.name}: {' '.join(result.model.elements)}",
        *data,
        f"least squares: {solution.n_rows} rows, {size.columns} columns, rank {solution.rank}, "
        f"condition {solution.condition:.3g}, at most {format_bytes(size.bytes)}",
        f"ridge {solution.ridge:g}, weighted RMSE {solution.rmse:.6g}",
        *(f"  cross validation: ridge {r:<8g} RMSE {e:.6g}" for r, e in solution.cv_curve),
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
    solution: Solution,
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
        "source": f"mlpot {_version('mlpot')}, least squares",
        "versions": {name: _version(name) for name in ("numpy", "scipy", "ase")}
        | {"python": platform.python_version()},
        "data": {"train": files(train), "test": files(test) if test else []},
        "weights": config.weights.model_dump(exclude_none=True),
        "ridge": solution.ridge,
        "ridge_chosen_by": "cross validation" if config.ridge == "auto" else "user",
        "folds": config.folds,
        "seed": config.seed,
        "rank": solution.rank,
        "condition": solution.condition if np.isfinite(solution.condition) else None,
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
