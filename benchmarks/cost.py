"""Time per atom and step of mlpot models and of LAMMPS' own styles, on one core.

    python benchmarks/cost.py [MODEL ...] [--lammps LINE ...] [--structure bcc:3.168]
                              [--kernels NAME ...] [--rounds 5] [--steps 10] [--json FILE]

MODEL is an mlpot model file, or snap:FILE for LAMMPS' own pair_style snap. Each --lammps
"pair_style ..." starts one of LAMMPS' styles and takes the --lammps lines after it. Without any:
the SNAP and qSNAP of Mo that come with LAMMPS, by LAMMPS and by mlpot.

23,328 atoms displaced by up to 0.05 Å, 300 K, NVE with 1 fs, skin 2 Å; energy and virial on the
last step only. What counts is LAMMPS' "Pair" time, times the share of the core that it had (100 %
unless others use it). S is its ratio to that of LAMMPS' own snap with Mo_Zuo_JPCA2020 in the same
round, which hardly depends on the machine.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import re
import subprocess
import sys
import tempfile
from dataclasses import asdict, dataclass, field
from importlib.metadata import version
from pathlib import Path
from statistics import median

from ase.data import atomic_masses, atomic_numbers
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from mlpot import _core
from mlpot.convert import convert
from mlpot.errors import InputError, did_you_mean
from mlpot.files import write_atomic
from mlpot.lammps import potentials_folder
from mlpot.model import Model

# DFT lattice constants of Zuo et al. (2020), Å
STRUCTURES = {
    "Mo": "bcc:3.168",
    "Li": "bcc:3.427",
    "Ni": "fcc:3.508",
    "Cu": "fcc:3.621",
    "Si": "diamond:5.469",
    "Ge": "diamond:5.763",
}
CELLS = {"bcc": (18, 18, 36), "fcc": (18, 18, 18), "diamond": (18, 18, 9)}  # 23,328 atoms each
ZUO = ("Mo_Zuo_JPCA2020", "Mo_Zuo_JPCA2020.quadratic")

SCRIPT = """\
units metal
lattice {lattice} {a}
region box block 0 {nx} 0 {ny} 0 {nz}
create_box 1 box
create_atoms 1 box
mass 1 {mass}
{commands}
displace_atoms all random 0.05 0.05 0.05 4711
velocity all create 300.0 4712
neighbor 2.0 bin
timestep 0.001
fix 1 all nve
thermo {steps}
thermo_style custom step temp pe press
thermo_modify format float %.12g
run {steps}
"""


@dataclass
class Entry:
    """One potential and what was measured of it, a number a round."""

    label: str
    commands: list[str]
    element: str
    structure: str
    pair_seconds: list[float] = field(default_factory=list)
    cpu_percent: list[float] = field(default_factory=list)
    us_per_atom_step: list[float] = field(default_factory=list)
    S: list[float] = field(default_factory=list)
    neighbors_in_list: float = 0.0
    potential_energy_eV_per_atom: float = 0.0  # after the last step


def lammps_snap(stem: str) -> Entry:
    """LAMMPS' own snap of stem.snapcoeff and stem.snapparam, here or in LAMMPS' folder."""
    stem = re.sub(r"\.snap(coeff|param)?$", "", stem)
    files = [find(f"{stem}.{end}") for end in ("snapcoeff", "snapparam")]
    element = convert(files).elements[0]
    commands = ["pair_style snap", f'pair_coeff * * "{files[0]}" "{files[1]}" {element}']
    return Entry(f"LAMMPS snap, {files[0].stem}", commands, element, "")


def mlpot_model(path: Path, kernels: str | None) -> Entry:
    model = Model.load(path)
    style = f"pair_style mlpot kernels {kernels}" if kernels else "pair_style mlpot"
    commands = [style, f'pair_coeff * * "{path.absolute()}" {model.elements[0]}']
    label = f"mlpot, {path.stem}" + (f", {kernels}" if kernels else "")
    return Entry(label, commands, model.elements[0], "")


def lammps_style(lines: list[str], element: str) -> Entry:
    return Entry(f"LAMMPS {lines[0].removeprefix('pair_style ')}", lines, element, "")


def find(name: str) -> Path:
    """A file here or among LAMMPS' potentials."""
    path = next((p for p in (Path(name), potentials_folder() / name) if p.is_file()), None)
    if path is None:
        raise InputError(f"{name}: no such file, nor among LAMMPS' potentials")
    return path.absolute()


def chosen(options: argparse.Namespace, scratch: Path) -> list[Entry]:
    """What to time; the first one is what S compares with, in a cell of its own."""
    entries = [lammps_snap(ZUO[0])]
    kernels = options.kernels or [None]
    if not options.model and not options.lammps:
        for name in ZUO:
            if name != ZUO[0]:
                entries.append(lammps_snap(name))
            model = convert([find(f"{name}.snapcoeff"), find(f"{name}.snapparam")])
            entries += [mlpot_model(model.save(scratch / f"{name}.json"), k) for k in kernels]
    for name in options.model:
        if name.startswith("snap:"):
            entries.append(lammps_snap(name.removeprefix("snap:")))
        else:
            entries += [mlpot_model(Path(name), k) for k in kernels]
    styles: list[list[str]] = []
    for line in options.lammps:
        if line.startswith("pair_style "):
            styles.append([])
        if not styles:
            raise InputError(f"--lammps {line!r}: the first one must be a pair_style")
        styles[-1].append(line)
    entries += [lammps_style(lines, options.element) for lines in styles]
    entries[0].structure = STRUCTURES["Mo"]
    for entry in entries[1:]:
        entry.structure = options.structure or STRUCTURES.get(entry.element, "")
        parse_structure(entry)
    return entries


def parse_structure(entry: Entry) -> tuple[str, float]:
    lattice, _, a = entry.structure.partition(":")
    if lattice not in CELLS or not re.fullmatch(r"\d+\.?\d*", a):
        given = f"--structure {entry.structure!r}: " if entry.structure else ""
        hint = did_you_mean(lattice, CELLS)
        raise InputError(f"{given}write --structure bcc:3.168 (or fcc, diamond){hint}")
    return lattice, float(a)


def time_once(entry: Entry, options: argparse.Namespace) -> None:
    """Run LAMMPS once on the chosen core and append what it measured."""
    lattice, a = parse_structure(entry)
    nx, ny, nz = options.cells or CELLS[lattice]
    script = SCRIPT.format(
        lattice=lattice, a=a, nx=nx, ny=ny, nz=nz, steps=options.steps,
        mass=atomic_masses[atomic_numbers[entry.element]], commands="\n".join(entry.commands),
    )  # fmt: skip
    done = subprocess.run(
        [Path(sys.executable).with_name("lmp"), "-log", "none", "-nocite"],
        input=script,
        capture_output=True,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1", "LAMMPS_POTENTIALS": str(potentials_folder())},
        preexec_fn=lambda: os.sched_setaffinity(0, {options.core}),
    )
    error = re.search(r"^ERROR.*", done.stdout + done.stderr, re.MULTILINE)
    if done.returncode or error:
        raise InputError(f"{entry.label}: {error[0] if error else done.stderr or done.stdout}")

    def number(pattern: str) -> float:
        return float(re.search(pattern, done.stdout, re.MULTILINE)[1])

    atoms = number(r"^Loop time of .* with (\d+) atoms")
    entry.pair_seconds.append(number(r"^Pair +\| +\S+ +\| +(\S+)"))
    entry.cpu_percent.append(number(r"^([\d.]+)% CPU use"))
    share = min(entry.cpu_percent[-1], 100.0) / 100.0
    entry.us_per_atom_step.append(share * entry.pair_seconds[-1] / atoms / options.steps * 1e6)
    entry.neighbors_in_list = number(r"^Ave neighs/atom = +(\S+)")
    entry.potential_energy_eV_per_atom = number(rf"^ +{options.steps} +\S+ +(\S+)") / atoms


def measure(entries: list[Entry], options: argparse.Namespace, progress: Progress) -> None:
    """All rounds, every second one backwards, so that a drift of the clock speed cancels."""
    bar = progress.add_task("timing", total=options.rounds * len(entries))
    for number in range(options.rounds):
        for entry in entries[:: -1 if number % 2 else 1]:
            progress.update(bar, description=f"round {number + 1}: {entry.label}")
            time_once(entry, options)
            progress.advance(bar)
        for entry in entries:
            entry.S.append(entry.us_per_atom_step[-1] / entries[0].us_per_atom_step[-1])


def table(entries: list[Entry], options: argparse.Namespace) -> Table:
    shown = Table(title=f"Medians of {options.rounds} rounds of {options.steps} steps")
    for head in ("potential", "structure"):
        shown.add_column(head, no_wrap=True)
    for head in ("µs/(atom step)", "S", "S, min .. max", "E, eV/atom"):
        shown.add_column(head, justify="right", no_wrap=True)
    for entry in entries:
        shown.add_row(
            entry.label,
            f"{entry.element} {entry.structure}",
            f"{median(entry.us_per_atom_step):.2f}",
            f"{median(entry.S):.3f}",
            f"{min(entry.S):.3f} .. {max(entry.S):.3f}",
            f"{entry.potential_energy_eV_per_atom:.8f}",
        )
    return shown


def report(entries: list[Entry], options: argparse.Namespace) -> dict:
    """What --json writes; files by their names only."""
    rows = []
    for entry in entries:
        row = asdict(entry)
        row["commands"] = [re.sub(r'"/.*?([^"/]+")', r'"\1', line) for line in entry.commands]
        medians = {"median_us": median(entry.us_per_atom_step), "median_S": median(entry.S)}
        rows.append(row | medians)
    packages = ("mlpot", "lammps", "numpy")
    return {
        "machine": machine() | {"core": options.core},
        "versions": {name: version(name) for name in packages}
        | {"python": platform.python_version()},
        "settings": {"rounds": options.rounds, "steps": options.steps, "cells": options.cells},
        "entries": rows,
    }


def machine() -> dict:
    cpuinfo = Path("/proc/cpuinfo")
    text = cpuinfo.read_text() if cpuinfo.is_file() else ""
    model = re.search(r"^model name\s*: (.*)", text, re.MULTILINE)
    return {
        "cpu": model[1] if model else platform.processor(),
        "cores": os.cpu_count(),
        "kernels": _core.kernels(),
        "load_average": list(os.getloadavg()),
        "system": platform.platform(),
    }


def parse_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", nargs="*", help="model file, or snap:FILE")
    parser.add_argument("--lammps", action="append", default=[], metavar="LINE")
    parser.add_argument("--element", default="Mo", help="of --lammps styles")
    parser.add_argument("--structure", help="bcc:3.168, fcc:..., diamond:...; default: by element")
    parser.add_argument("--kernels", action="append", choices=_core.kernels())
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=10)
    parser.add_argument("--cells", type=int, nargs=3, help="another size, to try this script")
    parser.add_argument("--core", type=int, default=max(os.sched_getaffinity(0)))
    parser.add_argument("--json", type=Path, help="write everything here, too")
    options = parser.parse_args()
    if min(options.rounds, options.steps, *(options.cells or [1])) < 1:
        parser.error("--rounds, --steps and --cells must be positive")
    return options


def main() -> None:
    options = parse_options()
    console = Console(width=None if sys.stdout.isatty() else 120)
    with tempfile.TemporaryDirectory() as scratch:
        entries = chosen(options, Path(scratch))
        progress = Progress(console=console, transient=True, disable=not console.is_terminal)
        with progress:
            measure(entries, options, progress)
    console.print(table(entries, options))
    usage = median(percent for entry in entries for percent in entry.cpu_percent)
    if usage < 95:
        console.print(f"The core was shared, LAMMPS had {usage:.0f} % of it: trust S, not µs.")
    if options.json:
        write_atomic(options.json, json.dumps(report(entries, options), indent=1) + "\n")


if __name__ == "__main__":
    try:
        main()
    except InputError as error:
        sys.exit(f"error: {error}")
