"""What a search tells: a line a round, the table of the lowest, files and a figure."""

from __future__ import annotations

import csv
import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np
from ase import Atoms
from rich.box import SIMPLE_HEAD
from rich.table import Table

from mlpot.figures import COLOURS, new_figure, png
from mlpot.files import write_atomic
from mlpot.generate import write
from mlpot.search.rank import Found, space_group


@dataclass(frozen=True)
class RoundReport:
    """What a round did; errors: MAE, meV/atom, of the labels of this round before they were
    learned from, and of all labels after."""

    name: str
    candidates: int
    relaxed: int
    stopped: dict[str, int]  # kind of reason -> how many
    selected: int
    labelled: int
    error_before: float | None
    error_after: float | None

    def __str__(self) -> str:
        parts = [f"{self.candidates} structures"]
        if self.relaxed or self.stopped:
            why = ", ".join(f"{n} by {kind}" for kind, n in self.stopped.items())
            parts.append(f"{self.relaxed} relaxed" + (f" (stopped: {why})" if why else ""))
        if self.selected:
            failed = self.selected - self.labelled
            parts.append(f"{self.labelled} labelled" + (f" ({failed} failed)" if failed else ""))
        errors = {"new": self.error_before, "all, fitted": self.error_after}
        told = [f"{mae:.1f} ({of})" for of, mae in errors.items() if mae is not None]
        if told:
            parts.append(f"energy error {', '.join(told)} meV/atom")
        return f"{self.name}: {', '.join(parts)}"


def report_of(
    name: str,
    ways: Sequence[Atoms],
    chosen: Sequence[Atoms] = (),
    good: Sequence[Atoms] = (),
    metrics: Path | None = None,
) -> RoundReport:
    """Of the ways of a round's relaxations, what was selected and what got labels; metrics: a file
    of its fit."""
    ends = [atoms.info["status"].split(":")[0] for atoms in ways if "status" in atoms.info]
    new = [
        abs(atoms.info["predicted"] - atoms.get_potential_energy() / len(atoms))
        for atoms in good
        if "predicted" in atoms.info
    ]
    known = json.loads(metrics.read_text())["train"] if metrics and metrics.is_file() else {}
    return RoundReport(
        name=name,
        candidates=len(ends) or len(chosen),
        relaxed=ends.count("relaxed"),
        stopped=dict(Counter(kind for kind in ends if kind != "relaxed")),
        selected=len(chosen),
        labelled=len(good),
        error_before=1e3 * float(np.mean(new)) if new else None,
        error_after=known.get("energy_mae_meV_per_atom"),
    )


def rows_of(found: Sequence[Found]) -> list[dict[str, Any]]:
    """What the files say of each structure."""
    return [
        {
            "rank": rank,
            "formula": one.atoms.symbols.formula.reduce()[0].format("metal"),
            "atoms": len(one.atoms),
            "space_group": space_group(one.atoms),
            "enthalpy_eV_per_atom": one.enthalpy,
            "reference_eV_per_atom": one.reference,
            "above_hull_eV_per_atom": one.above_hull,
            "volume_A3_per_atom": one.atoms.get_volume() / len(one.atoms),
            "times": one.times,
            "label": one.atoms.info["label"],
            "problem": one.problem,
        }
        for rank, one in enumerate(found, 1)
    ]


def write_report(
    output: Path, found: Sequence[Found], rounds: Sequence[RoundReport], name: str
) -> list[Path]:
    """ranked.xyz, ranked.csv, search.png and report.json."""
    rows = rows_of(found)
    text = StringIO()
    lines = csv.DictWriter(text, list(rows[0]) if rows else [], lineterminator="\n")
    lines.writeheader()
    lines.writerows(rows)
    frames = []
    for one, row in zip(found, rows, strict=True):
        frame = one.atoms.copy()
        frame.calc = one.atoms.calc
        by = "potential" if one.reference is None else "reference"
        frame.info = {key: v for key, v in row.items() if v not in (None, "")} | {"labels": by}
        frames.append(frame)
    write(frames, output / "ranked.xyz")
    write_atomic(output / "ranked.csv", text.getvalue())
    write_atomic(output / "search.png", figure(found, rounds, name))
    content = {"rounds": [asdict(one) for one in rounds], "structures": rows}
    write_atomic(output / "report.json", json.dumps(content, indent=1) + "\n")
    return [output / file for file in ("ranked.xyz", "ranked.csv", "search.png", "report.json")]


def table(found: Sequence[Found], most: int = 20) -> Table:
    """The lowest of the structures."""
    title = f"{len(found)} different structures" + _up_to(most, len(found))
    shown = Table(title=title, box=SIMPLE_HEAD, collapse_padding=True, pad_edge=False)
    for head in ("formula", "atoms", "space group"):
        shown.add_column(head, justify="right" if head == "atoms" else "left")
    for head in ("potential", "reference", "above hull", "volume", "found"):
        shown.add_column(head, justify="right")
    shown.add_row("", "", "", "eV/atom", "eV/atom", "meV/atom", "Å³/atom", "times", style="dim")
    for row in rows_of(found[:most]):
        by_reference = row["reference_eV_per_atom"]
        shown.add_row(
            row["formula"],
            str(row["atoms"]),
            row["space_group"] or "-",
            f"{row['enthalpy_eV_per_atom']:.4f}",
            "-" if by_reference is None else f"{by_reference:.4f}",
            f"{1e3 * row['above_hull_eV_per_atom']:.1f}",
            f"{row['volume_A3_per_atom']:.2f}",
            str(row["times"]),
        )
    return shown


def figure(found: Sequence[Found], rounds: Sequence[RoundReport], name: str) -> bytes:
    """PNG: verified enthalpies over those of the reference, how all are spread, errors by round."""
    drawing = new_figure(11.0, 3.8)
    parity, spread, errors = drawing.subplots(1, 3)
    known = np.array([(one.reference, one.enthalpy) for one in found if one.reference is not None])
    if known.size:
        ends = [known.min(), known.max()]
        parity.plot(ends, ends, color="0.3", linewidth=0.8, zorder=0)
        parity.scatter(*known.T, s=16, color=COLOURS[0])
    parity.set(title="Verified structures", xlabel="reference (eV/atom)", ylabel="potential")
    parity.locator_params(nbins=5)
    heights, times = [1e3 * one.above_hull for one in found], [one.times for one in found]
    spread.hist(heights, bins=30, weights=times, color=COLOURS[2])
    spread.set(title="Relaxed structures", xlabel="above the hull (meV/atom)", ylabel="how many")
    series = {
        "of new labels, before": [one.error_before for one in rounds],
        "of all labels, fitted": [one.error_after for one in rounds],
    }
    for (label, values), colour in zip(series.items(), COLOURS, strict=False):
        points = [(n, error) for n, error in enumerate(values, 1) if error is not None]
        errors.plot(*np.array(points).reshape(-1, 2).T, "o-", color=colour, label=label)
    errors.set(title="Errors of the potential", xlabel="round", ylabel="MAE (meV/atom)")
    if any(error for values in series.values() for error in values):
        errors.set_yscale("log")
    errors.xaxis.get_major_locator().set_params(integer=True)
    errors.legend(fontsize="small")
    return png(drawing, name)


def _up_to(most: int, total: int) -> str:
    return f", the lowest {most}" if total > most else ""
