"""Properties of several methods as a table, as JSON and as a report with plots."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from rich.table import Table

from mlpot.files import write_atomic
from mlpot.properties import PROPERTIES
from mlpot.properties.run import Measured

Rows = list[tuple[str, str, str, list[str]]]  # property, quantity, unit, a cell for each method


def cells(found: list[Measured]) -> Rows:
    """One row a quantity that any method has; "failed" where the property failed, "-" if absent."""
    rows: Rows = []
    for p in PROPERTIES:
        shown = {m.name: m.results[p.name].rows() for m in found if p.name in m.results}
        values: dict[tuple[str, str], dict[str, str]] = {}
        for name, quantities in shown.items():
            for label, unit, digits, value in quantities:
                values.setdefault((label, unit), {})[name] = text_of(value, digits)
        heads = _merged([[row[:2] for row in quantities] for quantities in shown.values()])
        if not heads and any(p.name in m.failures for m in found):
            heads = [(p.name, "")]
        for head in heads:
            missing = {m.name: "failed" if p.name in m.failures else "-" for m in found}
            rows.append((p.name, *head, list((missing | values.get(head, {})).values())))
    return rows


def _merged(lists: list[list]) -> list:
    """All members once, each behind those it follows in its own list."""
    merged: list = []
    for members in lists:
        place = 0
        for member in members:
            if member not in merged:
                merged.insert(place, member)
            place = merged.index(member) + 1
    return merged


def text_of(value: Any, digits: int) -> str:
    """A value as tables show it."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:.{digits}f}" if isinstance(value, float) else str(value)


def table(found: list[Measured], title: str) -> Table:
    """The rows of `cells` for the terminal."""
    shown = Table(title=title)
    for head in ("quantity", "unit"):
        shown.add_column(head)
    for measured in found:
        shown.add_column(measured.name, justify="right", overflow="fold")
    rows = cells(found)
    for i, (name, label, unit, texts) in enumerate(rows):
        last = i + 1 == len(rows) or rows[i + 1][0] != name
        shown.add_row(label, unit, *texts, end_section=last)
    return shown


def distances(found: list[Measured]) -> list[Table]:
    """A table of each quantity that compares two methods, each with each."""
    tables = []
    for key in _compared(found):
        shown = Table(title=key)
        heads, *rows = _matrix(found, key)
        for head in heads:
            shown.add_column(head, justify="right" if head else "left", overflow="fold")
        for row in rows:
            shown.add_row(*row)
        tables.append(shown)
    return tables


def failures(found: list[Measured]) -> list[str]:
    """One line for each property that a method does not have."""
    return [f"{m.name}: {name}: {why}" for m in found for name, why in m.failures.items()]


def write(found: list[Measured], folder: Path, title: str) -> list[Path]:
    """Write properties.json, report.md and a PNG for each property that has a plot."""
    folder.mkdir(parents=True, exist_ok=True)
    values = {measured.name: measured.to_dict() for measured in found}
    text = json.dumps(values, indent=1, ensure_ascii=False, allow_nan=False) + "\n"
    files = [write_atomic(folder / "properties.json", text)]
    plots = {}
    for p in PROPERTIES:
        results = {m.name: m.results[p.name] for m in found if p.name in m.results}
        if p.plot and results and (drawn := p.plot(results)) is not None:
            plots[p.name] = f"{p.name}.png"
            files.append(write_atomic(folder / plots[p.name], drawn))
    files.append(write_atomic(folder / "report.md", _report(found, title, plots)))
    return files


def _report(found: list[Measured], title: str, plots: dict[str, str]) -> str:
    lines = [f"# {title}", "", *(f"- **{m.name}**: `{m.description}`" for m in found), ""]
    heads = ["quantity", "unit", *(m.name for m in found)]
    body = ([label, unit, *texts] for _, label, unit, texts in cells(found))
    lines += _page(heads, *body, left=2)
    for key in _compared(found):
        lines += ["", f"## {key}", "", *_page(*_matrix(found, key))]
    if failed := failures(found):
        lines += ["", "## Not found", "", *(f"- {line}" for line in failed)]
    for name, file in plots.items():
        lines += ["", f"## {name}", "", f"![{name}]({file})"]
    lines += ["", "## Settings and times", ""]
    for name, settings in found[0].settings.items():
        chosen = ", ".join(f"{key} = {value}" for key, value in settings.items())
        seconds = ", ".join(f"{m.seconds[name]:.1f} s" for m in found)
        lines.append(f"- {name}: {chosen or 'no settings'} ({seconds})")
    return "\n".join(lines) + "\n"


def _page(heads: list[str], *rows: list[str], left: int = 1) -> list[str]:
    """Lines of a Markdown table; the first columns are words, all others numbers."""
    marks = ["---" if i < left else "---:" for i in range(len(heads))]
    return ["| " + " | ".join(row) + " |" for row in [heads, marks, *rows]]


def _compared(found: list[Measured]) -> list[str]:
    return list(dict.fromkeys(key for m in found for key in m.between))


def _matrix(found: list[Measured], key: str) -> list[list[str]]:
    """Heads, then a row for each method."""
    names = [m.name for m in found]
    rows = [["", *names]]
    for m in found:
        values = m.between.get(key, {})
        rows.append([m.name, *(f"{values[n]:.3f}" if n in values else "-" for n in names)])
    return rows
