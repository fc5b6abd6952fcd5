"""Kruglov potentials of published data: the pair term alone, and with a network, by each scheme.

    python benchmarks/kruglov.py FOLDER [--set Si ...] [--scheme joint ...] [--iterations N]
                                 [--force 0] [--zero] [--seed 0 ...] [--json FILE]

FOLDER holds zuo2020/Si_train.xyz.xz, ... (SETS says which).  Errors are MAE of energy and force
components on the test structures.  R2 and eta_2body are those of the pair term alone on the
training energies, with E0 fitted or (--zero) 0.  Features are pooled over the structure.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from itertools import product
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

# Training and test structures (None: a fifth of them, at random), weight of the forces, iterations
# of joint: those of Si and Mo were chosen with the test errors in view.
SETS = {
    "Si": ("zuo2020/Si_train.xyz.xz", "zuo2020/Si_test.xyz.xz", 0.004, 20000),
    "Mo": ("zuo2020/Mo_train.xyz.xz", "zuo2020/Mo_test.xyz.xz", 0.002, 20000),
    "MgO": ("ionic/MgO_pypolymlp_train.xyz.xz", "ionic/MgO_pypolymlp_test.xyz.xz", 0.01, 1000),
    "B8": ("airss_boron/B8_random.xyz.xz", None, 0.0, 1000),
}
ELEMENTS = {"Si": ["Si"], "Mo": ["Mo"], "MgO": ["Mg", "O"], "B8": ["B"]}
WINDOW = 5.0  # eV/atom above the least energy: what is drawn at random may lie far above
MEASURES = (
    "energy_mae_meV_per_atom",
    "energy_rmse_meV_per_atom",
    "force_mae_eV_per_A",
    "force_rmse_eV_per_A",
)
SCHEMES = ("pair", "once", "alternating", "joint")
COMMON = """
name: {name}
data: {{train: "{train}", test: "{test}"}}
pair: {{sum: ewald, eliminate: false}}
weights: {{energy: 1.0, force: {force}}}
seed: {seed}
"""
NETWORK = """
descriptor: {{type: kruglov, r_cut: {r_cut}}}
pooling: structure
regressor: {{type: neural_network, layers: [70], activation: tanh_linear, gamma: 0.1}}
training: {{scheme: {scheme}, validation: {validation}, {length}}}
"""


def data(folder: Path, name: str, scratch: Path) -> dict[str, Path]:
    """Files of training and test structures."""
    train, test, _, _ = SETS[name]
    if test is not None:
        return {
            "train": folder.absolute() / train,
            "test": folder.absolute() / test,
        }
    frames = io.read([folder / train]).frames
    energies = np.array([io.labels(atoms).energy / len(atoms) for atoms in frames])
    near = np.flatnonzero(energies < energies.min() + WINDOW)
    order = np.random.default_rng(0).permutation(near)
    files = {"train": scratch / f"{name}_train.xyz", "test": scratch / f"{name}_test.xyz"}
    for file, chosen in zip(files.values(), np.split(order, [len(order) * 4 // 5]), strict=True):
        write(file, [frames[k] for k in chosen], format="extxyz")
    return files


def configuration(
    options: argparse.Namespace, name: str, scheme: str, seed: int, files: dict[str, Path]
) -> str:
    _, _, force, iterations = SETS[name]
    force = force if options.force is None else options.force
    iterations = options.iterations or iterations
    text = COMMON.format(name=f"{name}_{scheme}_{seed}", force=force, seed=seed, **files)
    if options.zero:
        text += f"E0: {{{', '.join(f'{symbol}: 0.0' for symbol in ELEMENTS[name])}}}\n"
    if scheme == "pair":
        return text
    length = f"iterations: {iterations}"
    if scheme == "alternating":
        length = f"rounds: {options.rounds}, round_iterations: {options.round_iterations}"
    return text + NETWORK.format(
        r_cut=options.r_cut, scheme=scheme, length=length, validation=options.validation
    )


def measure(text: str, output: Path, progress: Progress) -> dict:
    """The errors of one fit, by its configuration, and seconds of processor time."""
    started = time.process_time()
    config = parse_config(text, "benchmark")
    result = fit(config.model_copy(update={"output": str(output.absolute())}), progress)
    row: dict[str, Any] = {"seconds": time.process_time() - started}
    for split, metrics in (("train", result.metrics_train), ("test", result.metrics_test)):
        errors = metrics.to_dict()
        row |= {f"{split}_{key}": errors[key] for key in MEASURES}
        energy = np.abs(metrics.energy.predicted - metrics.energy.reference)
        row[f"{split}_energy_max_meV_per_atom"] = 1e3 * float(energy.max())
    return row | {"pair": result.outcome.metrics.get("pair")}


def table(rows: list[dict]) -> Table:
    shown = Table(title="MAE: energy in meV/atom, force in eV/Å")
    heads = ("set", "scheme", "seed", "train E", "F", "test E", "F", "R2", "eta_2body", "E0", "s")
    for head in heads:
        shown.add_column(head, justify="left" if head in heads[:2] else "right", no_wrap=True)
    for row in rows:
        cells = []
        for split in ("train", "test"):
            for key, digits in (("energy_mae_meV_per_atom", 2), ("force_mae_eV_per_A", 4)):
                error = row[f"{split}_{key}"]
                cells.append("-" if error is None else f"{error:.{digits}f}")
        alone = row["pair"]["alone"] if row["pair"] else None
        last = ["", "", ""]
        if alone:
            e0 = " ".join(f"{energy:.2f}" for energy in alone["E0"].values())
            last = [f"{alone['r2']:.4f}", f"{alone['eta_2body']:.3f}", e0]
        named = (row["set"], row["scheme"], str(row["seed"]))
        shown.add_row(*named, *cells, *last, f"{row['seconds']:.0f}")
    return shown


def parse_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, help="of the data")
    parser.add_argument("--set", action="append", choices=SETS, help="default: Si and Mo")
    parser.add_argument("--scheme", action="append", choices=SCHEMES, help="default: all")
    parser.add_argument("--iterations", type=int, help="of joint and once")
    parser.add_argument("--rounds", type=int, default=16, help="of alternating")
    parser.add_argument("--round-iterations", type=int, default=50)
    parser.add_argument("--r-cut", type=float, default=6.0)
    parser.add_argument("--force", type=float, help="weight; 0: energies alone")
    parser.add_argument("--validation", type=float, default=0.0, help="part of the training set")
    parser.add_argument("--zero", action="store_true", help="E0 is 0, not fitted")
    parser.add_argument("--seed", type=int, action="append", help="default: 0")
    parser.add_argument("--output", type=Path, help="keep the models in this folder")
    parser.add_argument("--json", type=Path, help="write everything here, too")
    return parser.parse_args()


def main() -> None:
    options = parse_options()
    console = Console(width=None if sys.stdout.isatty() else 120)
    rows = []
    with Progress(console=console, transient=True, disable=not console.is_terminal) as progress:
        for name in options.set or ["Si", "Mo"]:
            with tempfile.TemporaryDirectory() as folder:
                scratch = Path(folder)
                files = data(options.folder, name, scratch)
                for scheme, seed in product(options.scheme or SCHEMES, options.seed or [0]):
                    text = configuration(options, name, scheme, seed, files)
                    row = {"set": name, "scheme": scheme, "seed": seed}
                    rows.append(row | measure(text, options.output or scratch, progress))
                    if options.json:
                        write_atomic(options.json, json.dumps(rows, indent=1) + "\n")
    console.print(table(rows))


if __name__ == "__main__":
    try:
        main()
    except InputError as error:
        sys.exit(f"error: {error}")
