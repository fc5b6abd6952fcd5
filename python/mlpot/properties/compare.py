"""Table II of Zuo et al., J. Phys. Chem. A 124, 731 (2020), for any models: errors against DFT."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.table import Table
from rich.text import Text

from mlpot.errors import InputError, did_you_mean
from mlpot.files import read_text

ROWS = {  # key: label, unit, digits, property
    "lattice_constant_A": ("a", "Å", 3, "lattice"),
    "c11_GPa": ("c11", "GPa", 1, "elastic"),
    "c12_GPa": ("c12", "GPa", 1, "elastic"),
    "c44_GPa": ("c44", "GPa", 1, "elastic"),
    "bulk_modulus_vrh_GPa": ("B_VRH", "GPa", 1, "elastic"),
    "vacancy_formation_eV": ("E_v", "eV", 3, "vacancy"),
    "vacancy_migration_eV": ("E_m", "eV", 3, "vacancy"),
    "vacancy_activation_eV": ("E_a", "eV", 3, "vacancy"),
    "polymorph_meV_per_atom": ("polymorph", "meV/atom", 1, "polymorphs"),
}
PROPERTIES = tuple(dict.fromkeys(row[-1] for row in ROWS.values()))
Values = dict[str, float]


@dataclass(frozen=True)
class Reference:
    """What models of an element are compared with; potentials: published ones, by name."""

    element: str
    structure: str
    values: Values
    potentials: dict[str, Values]
    source: str


@dataclass(frozen=True)
class Row:
    """reference and values by column (None where missing), errors in %.

    best: columns to mark; failed: those whose value could not be had.
    """

    label: str
    unit: str
    digits: int
    reference: float | None
    values: dict[str, float | None]
    errors: Values
    best: frozenset[str]
    failed: frozenset[str]


def load_reference(path: Path, element: str | None) -> Reference:
    """The element's part of a file like benchmarks/reference/zuo2020_properties.json.

    element: None if the file has one only. Raises InputError that names what is missing.
    """
    try:
        data = json.loads(read_text(path))
        elements = dict(data["elements"])
        source = str(data.get("source", path))
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"{path}: not a file of reference values: {error!r}") from None
    if element is None and len(elements) == 1:
        (element,) = elements
    if element not in elements:
        known = ", ".join(elements)
        raise InputError(f"{path}: has {known}; say which with --element (not {element})")
    part, place = elements[element], f"{path}: elements: {element}"
    _dict(part, place)
    for key in ("structure", "DFT"):
        if key not in part:
            raise InputError(f"{place}: {key} is missing")
    if not isinstance(part["structure"], str):
        raise InputError(f"{place}: structure: must be text, such as 'bcc:Mo'")
    potentials = part.get("potentials", {})
    _dict(potentials, f"{place}: potentials")
    for where, values in {"DFT": part["DFT"], **potentials}.items():
        _dict(values, f"{place}: {where}")
        for key, value in values.items():
            if key == "from":
                continue
            if key not in ROWS:
                hint = did_you_mean(key, ROWS)
                raise InputError(f"{place}: {where}: no quantity {key!r}{hint}")
            if type(value) not in (int, float) or not math.isfinite(value):
                raise InputError(f"{place}: {where}: {key}: must be a number, not {value!r}")
    return Reference(element, part["structure"], part["DFT"], potentials, source)


def load_measured(path: Path) -> dict[str, dict[str, Any]] | None:
    """Methods and their values if the file is a properties.json, None if it is another."""
    try:
        data = json.loads(read_text(path))
    except json.JSONDecodeError:
        return None
    methods = isinstance(data, dict) and data.values()
    if methods and all(
        isinstance(m, dict) and "settings" in m and "failures" in m for m in methods
    ):
        return data
    return None


def compare(reference: Reference, columns: dict[str, dict[str, Any]]) -> list[Row]:
    """A row for each quantity that the reference or any column has. Raises InputError for none."""
    rows = []
    for key, (label, unit, digits, source) in ROWS.items():
        values = {name: column.get(key) for name, column in columns.items()}
        known = reference.values.get(key)
        if known is None and not any(value is not None for value in values.values()):
            continue
        there = {name: value for name, value in values.items() if value is not None}
        errors = (
            {name: 100 * (v - known) / abs(known) for name, v in there.items()} if known else {}
        )
        # What looks equal in the table is equally good.
        off = (
            {name: round(abs(value - known), digits) for name, value in there.items()}
            if known
            else {}
        )
        best = frozenset(name for name in off if off[name] == min(off.values()))
        failed = frozenset(n for n, c in columns.items() if source in c.get("failures", ()))
        rows.append(Row(label, unit, digits, known, values, errors, best, failed))
    if not rows:
        raise InputError(f"nothing to compare: neither has any of {', '.join(ROWS)}")
    return rows


def table(rows: list[Row], title: str) -> Table:
    """For the terminal: best values bold and with a star."""
    names = list(rows[0].values)
    shown = Table(title=title, caption="in brackets: error against DFT; *: the least one")
    shown.add_column("")
    for head in ("DFT", *names):
        shown.add_column(head, justify="right", overflow="fold")
    for row in rows:
        cells = [Text(_cell(row, n), "bold" if n in row.best else "") for n in names]
        shown.add_row(f"{row.label} ({row.unit})", _number(row.reference), *cells)
    return shown


def markdown(rows: list[Row], title: str, source: str) -> str:
    """The same as a page."""
    names = list(rows[0].values)
    lines = [f"# {title}", "", f"DFT: {source}.", "", "In brackets: error against DFT.", ""]
    lines.append("| | DFT | " + " | ".join(names) + " |")
    lines.append("| --- |" + " ---: |" * (len(names) + 1))
    for row in rows:
        cells = [_cell(row, n) for n in names]
        cells = [f"**{c.rstrip(' *')}**" if c.endswith("*") else c for c in cells]
        head = f"{row.label} ({row.unit})"
        lines.append("| " + " | ".join([head, _number(row.reference), *cells]) + " |")
    return "\n".join(lines) + "\n"


def _dict(value: Any, place: str) -> None:
    if not isinstance(value, dict):
        raise InputError(f"{place}: must be an object of keys and values, not {value!r}")


def _cell(row: Row, name: str) -> str:
    value = row.values[name]
    if value is None:
        return "failed" if name in row.failed else "-"
    error = f" ({row.errors[name]:+.1f}%)" if name in row.errors else ""
    return f"{value:.{row.digits}f}{error}" + (" *" if name in row.best else "")


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:g}"
