"""Kruglov potentials of published data: the pair term alone, and with a network, by each scheme.

    python benchmarks/kruglov.py FOLDER [--set Si ...] [--scheme joint ...] [--iterations 800]
                                 [--rounds 16] [--r-cut 6] [--json FILE]

FOLDER holds zuo2020/Si_train.xyz.xz, ... (SETS says which).  Errors are MAE of energy and force
components on the test structures.  R2 and eta_2body are those of the pair term alone on the
training energies, with E0 fitted.  Features are pooled over the structure.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from ase.io import write
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from mlpot import io
from mlpot.config import parse_config
from mlpot.errors import InputError
from mlpot.files import write_atomic
from mlpot.fit import fit

# Training and test structures (None: a fifth of them, at random), weight of the forces.
SETS = {
    "Si": ("zuo2020/Si_train.xyz.xz", "zuo2020/Si_test.xyz.xz", 0.01),
    "Mo": ("zuo2020/Mo_train.xyz.xz", "zuo2020/Mo_test.xyz.xz", 0.01),
    "MgO": ("ionic/MgO_pypolymlp_train.xyz.xz", "ionic/MgO_pypolymlp_test.xyz.xz", 0.01),
    "B8": ("airss_boron/B8_random.xyz.xz", None, 0.0),
}
WINDOW = 5.0  # eV/atom above the least energy: what is drawn at random may lie far above
SCHEMES = ("pair", "once", "alternating", "joint")
COMMON = """
name: {name}
data: {{train: "{train}", test: "{test}"}}
pair: {{sum: ewald, eliminate: false}}
weights: {{energy: 1.0, force: {force}}}
"""
NETWORK = """
descriptor: {{type: kruglov, r_cut: {r_cut}}}
pooling: structure
regressor: {{type: neural_network, layers: [70], activation: tanh_linear, gamma: 0.1}}
training: {{scheme: {scheme}, validation: 0, {length}}}
"""


def data(options: argparse.Namespace, name: str, scratch: Path) -> dict[str, Path]:
    """Files of training and test structures."""
    train, test, _ = SETS[name]
    if test is not None:
        return {
            "train": options.folder.absolute() / train,
            "test": options.folder.absolute() / test,
        }
    frames = io.read([options.folder / train]).frames
    energies = np.array([io.labels(atoms).energy / len(atoms) for atoms in frames])
    near = np.flatnonzero(energies < energies.min() + WINDOW)
    order = np.random.default_rng(0).permutation(near)
    files = {"train": scratch / f"{name}_train.xyz", "test": scratch / f"{name}_test.xyz"}
    for file, chosen in zip(files.values(), np.split(order, [len(order) * 4 // 5]), strict=True):
        write(file, [frames[k] for k in chosen], format="extxyz")
    return files


def configuration(options: argparse.Namespace, name: str, scheme: str, scratch: Path) -> str:
    text = COMMON.format(
        name=f"{name}_{scheme}", force=SETS[name][2], **data(options, name, scratch)
    )
    if scheme == "pair":
        return text
    length = f"iterations: {options.iterations}"
    if scheme == "alternating":
        length = f"rounds: {options.rounds}, round_iterations: {options.round_iterations}"
    return text + NETWORK.format(r_cut=options.r_cut, scheme=scheme, length=length)


def measure(options: argparse.Namespace, name: str, scheme: str, progress: Progress) -> dict:
    started = time.perf_counter()
    with tempfile.TemporaryDirectory() as scratch:
        config = parse_config(configuration(options, name, scheme, Path(scratch)), "benchmark")
        output = str(options.output.absolute()) if options.output else scratch
        result = fit(config.model_copy(update={"output": output}), progress)
    row: dict[str, Any] = {"set": name, "scheme": scheme, "seconds": time.perf_counter() - started}
    for split, metrics in (("train", result.metrics_train), ("test", result.metrics_test)):
        errors = metrics.to_dict()
        for key in ("energy_mae_meV_per_atom", "force_mae_eV_per_A"):
            row[f"{split}_{key}"] = errors[key]
    return row | {"pair": result.outcome.metrics.get("pair")}


def table(rows: list[dict]) -> Table:
    shown = Table(title="MAE: energy in meV/atom, force in eV/Å")
    heads = ("set", "scheme", "train E", "F", "test E", "F", "R2", "eta_2body", "seconds")
    for head in heads:
        shown.add_column(head, justify="left" if head in heads[:2] else "right", no_wrap=True)
    for row in rows:
        cells = []
        for split in ("train", "test"):
            for key, digits in (("energy_mae_meV_per_atom", 2), ("force_mae_eV_per_A", 4)):
                error = row[f"{split}_{key}"]
                cells.append("-" if error is None else f"{error:.{digits}f}")
        alone = row["pair"]["alone"] if row["pair"] else None
        last = [f"{alone['r2']:.4f}", f"{alone['eta_2body']:.3f}"] if alone else ["", ""]
        shown.add_row(row["set"], row["scheme"], *cells, *last, f"{row['seconds']:.0f}")
    return shown


def parse_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, help="of the data")
    parser.add_argument("--set", action="append", choices=SETS, help="default: Si and Mo")
    parser.add_argument("--scheme", action="append", choices=SCHEMES, help="default: all")
    parser.add_argument("--iterations", type=int, default=800, help="of joint and once")
    parser.add_argument("--rounds", type=int, default=16, help="of alternating")
    parser.add_argument("--round-iterations", type=int, default=50)
    parser.add_argument("--r-cut", type=float, default=6.0)
    parser.add_argument("--output", type=Path, help="keep the models in this folder")
    parser.add_argument("--json", type=Path, help="write everything here, too")
    return parser.parse_args()


def main() -> None:
    options = parse_options()
    console = Console(width=None if sys.stdout.isatty() else 120)
    rows = []
    with Progress(console=console, transient=True, disable=not console.is_terminal) as progress:
        for name in options.set or ["Si", "Mo"]:
            for scheme in options.scheme or SCHEMES:
                rows.append(measure(options, name, scheme, progress))
    console.print(table(rows))
    if options.json:
        write_atomic(options.json, json.dumps(rows, indent=1) + "\n")


if __name__ == "__main__":
    try:
        main()
    except InputError as error:
        sys.exit(f"error: {error}")
