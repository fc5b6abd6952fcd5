"""Structures selected by the range rule against as many at random, by the errors of fits to them.

    python benchmarks/selection.py FOLDER [--set B8 ...] [--by features ...] [--draws 5]

The selection is that of `mlpot select --rule range --afresh`, from the training structures as they
come (SETS of kruglov.py): by features, the Kruglov features of atoms; by sums, those of the powers
over structures (--rows structures).  Both kinds of potential are fitted to the selected structures,
to draws of as many at random, and to all; the test structures are the same for all.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from pathlib import Path

import numpy as np
from ase.io import write
from kruglov import ELEMENTS, SETS, configuration, data, measure
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from mlpot import io
from mlpot.config import parse_config
from mlpot.errors import InputError
from mlpot.files import write_atomic
from mlpot.fit import start_model
from mlpot.select import select

WAYS = {"features": ("joint", "atoms"), "sums": ("pair", "structures")}  # scheme, rows
FITS = ("pair", "joint")
SHOWN = {
    "E MAE": "energy_mae_meV_per_atom",
    "E RMSE": "energy_rmse_meV_per_atom",
    "E max": "energy_max_meV_per_atom",
    "F MAE": "force_mae_eV_per_A",
}


def selected(
    options: argparse.Namespace, name: str, way: str, files: dict[str, Path], progress: Progress
) -> list[int]:
    """Indices of the training structures that the rule takes."""
    scheme, rows = WAYS[way]
    config = parse_config(configuration(options, name, scheme, 0, files), "benchmark")
    train = io.read(config.paths("train"))
    model, _ = start_model(config, ELEMENTS[name], train)
    return select(model, train.frames, "range", rows=rows, afresh=True, progress=progress).indices


def compare(
    options: argparse.Namespace, name: str, scratch: Path, progress: Progress
) -> list[dict]:
    """A row for every fit: selected in every way, at random, all."""
    files = data(options.folder, name, scratch)
    frames = io.read([files["train"]]).frames
    rows: list[dict] = []

    def measured(which: str, draw: int, indices: list[int]) -> None:
        part = {**files, "train": scratch / "part.xyz"}
        write(part["train"], [frames[k] for k in indices], format="extxyz")
        for scheme in options.fit or FITS:
            text = configuration(options, name, scheme, 0, part)
            row = {"set": name, "which": which, "draw": draw, "n": len(indices), "fit": scheme}
            rows.append(row | measure(text, scratch, progress))

    for way in options.by or WAYS:
        taken = selected(options, name, way, files, progress)
        measured(f"by {way}", 0, taken)
        for draw in range(options.draws):
            rng = np.random.default_rng([draw, len(taken)])
            at_random = sorted(rng.permutation(len(frames))[: len(taken)].tolist())
            measured(f"random, as many as by {way}", draw, at_random)
    if not options.no_all:
        measured("all", 0, list(range(len(frames))))
    return rows


def table(rows: list[dict]) -> Table:
    shown = Table(
        title="errors on the test structures in meV/atom and eV/Å; median (range) of draws"
    )
    for head in ("set", "fit", "training structures", "n", *SHOWN):
        shown.add_column(head, justify="right" if head in ("n", *SHOWN) else "left")
    for key in dict.fromkeys((row["set"], row["fit"], row["which"], row["n"]) for row in rows):
        same = [row for row in rows if (row["set"], row["fit"], row["which"], row["n"]) == key]
        cells = [_cell([row[f"test_{measure}"] for row in same]) for measure in SHOWN.values()]
        shown.add_row(*map(str, key), *cells)
    return shown


def _cell(values: list[float | None]) -> str:
    known = [value for value in values if value is not None]
    if not known:
        return "-"
    middle = f"{np.median(known):.4g}"
    return middle if len(known) == 1 else f"{middle} ({min(known):.4g}-{max(known):.4g})"


def parse_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, help="of the data")
    parser.add_argument("--set", action="append", choices=SETS, help="default: B8 and MgO")
    parser.add_argument("--by", action="append", choices=WAYS, help="default: all")
    parser.add_argument("--fit", action="append", choices=FITS, help="default: all")
    parser.add_argument("--draws", type=int, default=5, help="at random")
    parser.add_argument("--no-all", action="store_true", help="no fit to all structures")
    parser.add_argument("--iterations", type=int, default=400, help="of joint")
    parser.add_argument("--r-cut", type=float, default=6.0)
    parser.add_argument("--force", type=float, help="weight; 0: energies alone")
    parser.add_argument("--validation", type=float, default=0.0, help="part of the training set")
    parser.add_argument("--json", type=Path, help="write everything here, too")
    return parser.parse_args()


def main() -> None:
    options = parse_options()
    options.zero = False
    console = Console(width=None if sys.stdout.isatty() else 140)
    rows: list[dict] = []
    with Progress(console=console, transient=True, disable=not console.is_terminal) as progress:
        for name in options.set or ["B8", "MgO"]:
            with tempfile.TemporaryDirectory() as folder:
                rows += compare(options, name, Path(folder), progress)
            if options.json:
                write_atomic(options.json, json.dumps(rows, indent=1) + "\n")
    console.print(table(rows))


if __name__ == "__main__":
    try:
        main()
    except InputError as error:
        sys.exit(f"error: {error}")
