"""The comparison of a demo as rows, as a table and as a figure."""

from math import hypot
from typing import Any

import numpy as np
from rich.table import Table

from mlpot.demo.properties import PROPERTIES, STATIC, Measured
from mlpot.figures import new_figure, png
from mlpot.metrics import Metrics, Parity

# Paul Tol's bright scheme, which the colour-blind can tell apart.
GROUP_COLOURS = ("#aa3377", "#4477aa", "#228833", "#ccbb44", "#ee6677")
LINES = {"reference (MEAM)": ("0.2", "-", 2.2), "mlpot": ("#ee6677", "--", 1.8)}


def compare(reference: Measured, mlpot: Measured) -> list[dict]:
    """A dict a property: property, unit, reference, mlpot, difference, standard_errors of both."""
    rows = []
    for name, (unit, _) in PROPERTIES.items():
        theirs, ours = reference.values[name], mlpot.values[name]
        rows.append(
            {
                "property": name,
                "unit": unit,
                "reference": theirs[0],
                "mlpot": ours[0],
                "difference": ours[0] - theirs[0],
                "standard_errors": [theirs[1], ours[1]],
            }
        )
    return rows


def table(rows: list[dict], temperature: float) -> Table:
    """The rows as a rich table; what stands after ± is one standard error."""
    shown = Table(title=f"Reference and model in LAMMPS: at 0 K, and dynamics at {temperature:g} K")
    for head in ("property", "unit"):
        shown.add_column(head)
    for head in ("reference (MEAM)", "mlpot", "difference"):
        shown.add_column(head, justify="right")
    for row in rows:
        digits, errors = PROPERTIES[row["property"]][1], row["standard_errors"]
        cells = [
            f"{row[key]:{sign}.{digits}f}" + (f" ± {error:.{digits}f}" if error else "")
            for key, sign, error in (
                ("reference", "", errors[0]),
                ("mlpot", "", errors[1]),
                ("difference", "+", hypot(*errors)),
            )
        ]
        last = row["property"] == STATIC[-1]
        shown.add_row(row["property"], row["unit"], *cells, end_section=last)
    return shown


def figure(
    errors: Metrics,
    reference: Measured,
    mlpot: Measured,
    temperature: float,
    trained: tuple[float, float],
) -> bytes:
    """PNG: test energies and forces over their references, E(V) and g(r) of both potentials.

    trained: smallest and largest volume of the bulk training structures, Å³/atom.
    """
    drawing = new_figure(9.6, 8.4)
    (energy, force), (volume, pairs) = drawing.subplots(2, 2)
    _parity(energy, errors.energy, errors.groups, 1e-3, "meV/atom")
    energy.set(title="Energies of the test structures", ylabel="mlpot (eV/atom)")
    energy.set_xlabel("reference (eV/atom)")
    _parity(force, errors.forces, errors.groups, 1.0, "eV/Å")
    force.set(title="Forces on their atoms", ylabel="mlpot (eV/Å)", xlabel="reference (eV/Å)")
    energy.legend(fontsize="small", loc="lower right", markerscale=2)
    for (name, (colour, dashes, width)), found in zip(
        LINES.items(), (reference, mlpot), strict=True
    ):
        style = {"color": colour, "linestyle": dashes, "linewidth": width, "label": name}
        volume.plot(*found.energy_curve, **style)
        pairs.plot(*found.rdf, **style)
    volume.axvspan(*trained, color="0.88", zorder=-1, label="volumes in the training data")
    volume.set(title="Perfect crystal, 0 K", xlabel="volume (Å³/atom)", ylabel="energy (eV/atom)")
    pairs.set(title=f"Dynamics in LAMMPS, {temperature:g} K", xlabel="r (Å)", ylabel="g(r)")
    pairs.set_xlim(2.0, reference.rdf[0, -1])
    volume.legend(fontsize="small", loc="upper center", framealpha=1.0)
    pairs.legend(fontsize="small", loc="upper right")
    return png(drawing)


def _parity(axes: Any, parity: Parity, groups: np.ndarray, unit: float, name: str) -> None:
    low, high = parity.reference.min(), parity.reference.max()
    axes.plot([low, high], [low, high], color="0.3", linewidth=0.8, zorder=0)
    of_point = groups[parity.structure]
    for group, colour in zip(dict.fromkeys(groups.tolist()), GROUP_COLOURS, strict=False):
        chosen = of_point == group
        points = parity.reference[chosen], parity.predicted[chosen]
        axes.scatter(*points, s=9, linewidths=0, alpha=0.7, color=colour, label=group)
    mae, rmse = parity.errors(np.ones(len(groups), dtype=bool), unit)
    text = f"MAE {mae:.3g} {name}\nRMSE {rmse:.3g} {name}"
    axes.text(0.04, 0.96, text, transform=axes.transAxes, va="top", fontsize="small")
