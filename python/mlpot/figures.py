"""Figures drawn without a screen, as PNG."""

from __future__ import annotations

from io import BytesIO
from typing import Any

# Paul Tol's bright scheme, which the colour-blind can tell apart; one colour a series, in order.
COLOURS = ("#4477aa", "#ee6677", "#228833", "#ccbb44", "#66ccee", "#aa3377", "#bbbbbb")
DASHES = ("-", "--", "-.", ":")


def new_figure(width: float, height: float) -> Any:
    """A matplotlib Figure of this size in inches."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), dpi=150, layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def png(figure: Any, title: str = "") -> bytes:
    """The bytes of its PNG file."""
    if title:
        figure.suptitle(title)
    buffer = BytesIO()
    figure.savefig(buffer, format="png")
    return buffer.getvalue()


def line_style(number: int) -> dict[str, Any]:
    """Colour and dashes of series 0, 1, ...: the same in all figures of a report."""
    dashes = DASHES[number % len(DASHES)]
    return {"color": COLOURS[number % len(COLOURS)], "linestyle": dashes, "linewidth": 1.6}
