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
from rich.table import Table

from mlpot.figures import COLOURS, new_figure, png
from mlpot.files import write_atomic
from mlpot.generate import write
from mlpot.search.rank import Found, space_group

COLUMNS = (
    "rank", "formula", "atoms", "space_group", "enthalpy_eV_per_atom", "reference_eV_per_atom",
    "above_hull_eV_per_atom", "volume_A3_per_atom", "times", "label", "problem",
)  # fmt: skip


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
        if self.error_before is not None:
            parts.append(f"error of the new ones {self.error_before:.1f} meV/atom")
        if self.error_after is not None:
            parts.append(f"of all, once fitted, {self.error_after:.1f} meV/atom")
        return f"{self.name}: {', '.join(parts)}"


def report_of(
    name: str, ways: Sequence[Atoms], chosen: Sequence[Atoms], good: Sequence[Atoms], metrics: Path
) -> RoundReport:
    """From the files of a round: the ways of its relaxations, what was selected and labelled."""
    ends = [atoms.info["status"].split(":")[0] for atoms in ways if "status" in atoms.info]
    new = [
        abs(atoms.info["predicted"] - atoms.get_potential_energy() / len(atoms))
        for atoms in good
        if "predicted" in atoms.info
    ]
    known = json.loads(metrics.read_text())["train"] if metrics.is_file() else {}
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
    """COLUMNS of each structure."""
    return [
        dict(
            zip(
                COLUMNS,
                (
                    rank,
                    one.atoms.symbols.formula.reduce()[0].format("metal"),
                    len(one.atoms),
                    space_group(one.atoms),
                    one.enthalpy,
                    one.reference,
                    one.above_hull,
                    one.atoms.get_volume() / len(one.atoms),
                    one.times,
                    one.atoms.info["label"],
                    one.problem,
                ),
                strict=True,
            )
        )
        for rank, one in enumerate(found, 1)
    ]


def write_report(
    output: Path, found: Sequence[Found], rounds: Sequence[RoundReport], name: str
) -> list[Path]:
    """ranked.xyz, ranked.csv, search.png, and report.json, which is the last: then all is there."""
    rows = rows_of(found)
    text = StringIO()
    table = csv.DictWriter(text, COLUMNS, lineterminator="\n")
    table.writeheader()
    table.writerows(rows)
    frames = [one.atoms.copy() for one in found]
    for one, frame, row in zip(found, frames, rows, strict=True):
        frame.calc = one.atoms.calc
        by = "potential" if one.reference is None else "reference"
        known = {key: value for key, value in row.items() if value not in (None, "")}
        frame.info = {**known, "labels": by}
    write(frames, output / "ranked.xyz")
    write_atomic(output / "ranked.csv", text.getvalue())
    write_atomic(output / "search.png", figure(found, rounds, name))
    content = {"rounds": [asdict(one) for one in rounds], "structures": rows}
    write_atomic(output / "report.json", json.dumps(content, indent=1) + "\n")
    return [output / file for file in ("ranked.xyz", "ranked.csv", "search.png", "report.json")]


def table(found: Sequence[Found], most: int = 20) -> Table:
    """The lowest of the structures."""
    shown = Table(title=f"{len(found)} different structures" + _up_to(most, len(found)))
    for head in ("formula", "atoms", "space group"):
        shown.add_column(head, justify="right" if head == "atoms" else "left")
    for head in (
        "potential\neV/atom",
        "reference\neV/atom",
        "above hull\nmeV/atom",
        "Å³/atom",
        "found",
    ):
        shown.add_column(head, justify="right")
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
    known = [one for one in found if one.reference is not None]
    if known:
        reference, predicted = (np.array([f(one) for one in known]) for f in (_reference, _own))
        ends = [min(reference.min(), predicted.min()), max(reference.max(), predicted.max())]
        parity.plot(ends, ends, color="0.3", linewidth=0.8, zorder=0)
        parity.scatter(reference, predicted, s=16, color=COLOURS[0])
    parity.set(title="Verified structures", xlabel="reference (eV/atom)", ylabel="potential")
    heights = [1e3 * one.above_hull for one in found]
    times = [one.times for one in found]
    spread.hist(heights, bins=30, weights=times, color=COLOURS[2])
    spread.set(title="Relaxed structures", xlabel="above the hull (meV/atom)", ylabel="how many")
    for i, (attribute, label) in enumerate(
        (("error_before", "of new labels, before"), ("error_after", "of all labels, fitted"))
    ):
        known_errors = [getattr(one, attribute) for one in rounds]
        points = [(n, e) for n, e in enumerate(known_errors, 1) if e is not None]
        if points:
            errors.plot(*zip(*points, strict=True), "o-", color=COLOURS[i], label=label)
    errors.set(title="Errors of the potential", xlabel="round", ylabel="MAE (meV/atom)")
    errors.set_ylim(bottom=0.0)
    errors.set_xticks(range(1, len(rounds) + 1))
    errors.legend(fontsize="small")
    return png(drawing, name)


def _reference(one: Found) -> float:
    return one.best


def _own(one: Found) -> float:
    return one.enthalpy


def _up_to(most: int, total: int) -> str:
    return f", the lowest {most}" if total > most else ""
