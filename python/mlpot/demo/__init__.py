"""The whole path in a minute: data, fit, LAMMPS, and what the model says beside its reference.

A potential that comes with LAMMPS stands in for DFT: the second nearest-neighbour MEAM of Mo in
Wang et al., npj Comput. Mater. 9, 60 (2023). It is many-body and not of the form that is fitted, so
the errors are real ones; but they are errors against that potential, not against molybdenum.
"""

import json
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from ase import Atoms
from rich.console import Console
from rich.progress import Progress

from mlpot import generate
from mlpot.config import load_config
from mlpot.demo.properties import LATTICE, Measured, measure
from mlpot.demo.show import compare, figure, table
from mlpot.errors import InputError
from mlpot.files import write_atomic
from mlpot.fit import fit

REFERENCE = [
    "pair_style meam",
    "pair_coeff * * library_2nn.meam Mo Co Ni V Fe Al Cr MoCoNiVFeAlCr_2nn.meam Mo",
    "mass 1 95.95",  # the potential's file sets another one
]
SEED = 1
TEMPERATURE = 1000.0  # K: no training structure is of this one


@dataclass(frozen=True)
class Scale:
    """How much of everything; recipe: changes to the published one (see generate.Recipe)."""

    two_j_max: int
    repeat: int  # bcc cells along each edge, in dynamics
    steps: int  # fs
    recipe: dict = field(default_factory=dict)


FULL = Scale(two_j_max=8, repeat=5, steps=3000)
QUICK = Scale(
    two_j_max=6,
    repeat=3,
    steps=400,
    recipe={"snapshots": 3, "vacancy_snapshots": 4, "interval": 50, "equilibration": 200},
)


def run(output: Path, console: Console | None = None, quick: bool = False) -> dict:
    """Generate data, fit, run LAMMPS, compare; print it and write it all to the folder `output`.

    quick: a much smaller version, for tests. Returns what demo.json holds (reference: LAMMPS
    commands; rows: see show.compare; metrics_test: see Metrics.to_dict) and seconds. The same
    release on the same machine gives the same numbers. Raises InputError where `output` is not
    empty.
    """
    started, scale, output = time.perf_counter(), QUICK if quick else FULL, _folder(Path(output))
    # A pipe or a file has no width, and the tables need more than the usual 80 columns.
    console = console or Console(width=None if sys.stdout.isatty() else 120)
    console.print(INTRODUCTION, soft_wrap=True)
    with Progress(console=console, transient=True, disable=not console.is_terminal) as progress:
        frames = write_data(output, scale, progress)
        console.print(generate.summary(frames))
        write_atomic(output / "fit.yaml", FIT_YAML.format(two_j_max=scale.two_j_max))
        fitted = fit(load_config(output / "fit.yaml"), progress)
        console.print(fitted.metrics_test.table("Errors on the test structures"))
        model = ["pair_style mlpot", f'pair_coeff * * "{output.absolute() / "Mo.json"}" Mo']
        reference, mlpot = (_measure(commands, scale, progress) for commands in (REFERENCE, model))
    rows = compare(reference, mlpot)
    console.print(table(rows, TEMPERATURE))
    script = SCRIPT.format(a=LATTICE, repeat=scale.repeat, temperature=TEMPERATURE)
    shown = fitted.metrics_test, reference, mlpot, TEMPERATURE, _volumes(frames)
    errors = fitted.metrics_test.to_dict()
    results = {"reference": REFERENCE, "rows": rows, "metrics_test": errors}
    write_atomic(output / "in.mlpot", script)
    write_atomic(output / "demo.png", figure(*shown))
    write_atomic(output / "demo.json", json.dumps(results, indent=1, ensure_ascii=False) + "\n")
    seconds = time.perf_counter() - started
    console.print(NEXT.format(output=output, seconds=seconds), markup=False, soft_wrap=True)
    return results | {"seconds": seconds}


def write_data(output: Path, scale: Scale, progress: Progress) -> list[Atoms]:
    """Structures labelled by the reference, written to train.xyz and test.xyz."""
    frames = generate.generate(
        "bcc:Mo",
        a=LATTICE,
        calculator=REFERENCE,
        seed=SEED,
        test_fraction=0.2,
        progress=_bar(progress, "structures"),
        **scale.recipe,
    )
    for split in ("train", "test"):
        chosen = [frame for frame in frames if frame.info["split"] == split]
        generate.write(chosen, output / f"{split}.xyz")
    return frames


def _volumes(frames: list[Atoms]) -> tuple[float, float]:
    volumes = [
        frame.get_volume() / len(frame)
        for frame in frames
        if frame.info["split"] == "train" and frame.info["group"] != "Surface"
    ]
    return min(volumes), max(volumes)


def _measure(commands: list[str], scale: Scale, progress: Progress) -> Measured:
    bar = _bar(progress, f"LAMMPS, {commands[0]}")
    return measure(commands, TEMPERATURE, scale.repeat, scale.steps, SEED, bar)


def _bar(progress: Progress, description: str) -> Callable[..., None]:
    task = progress.add_task(description, total=None)

    def show(done: int, total: int, *_: str) -> None:
        progress.update(task, completed=done, total=total)

    return show


def _folder(output: Path) -> Path:
    if output.is_dir() and any(output.iterdir()):
        raise InputError(f"{output}: is not empty; give --output a new folder")
    output.mkdir(parents=True, exist_ok=True)
    return output


INTRODUCTION = """\
[bold]Data → fit → LAMMPS for molybdenum[/]
Reference: the 2NN MEAM potential of Wang et al. (npj Comput. Mater. 9, 60, 2023) that comes with \
LAMMPS. It stands in for DFT: \
the errors below are errors against this potential, not against molybdenum.
"""

FIT_YAML = """\
# Repeat the fit:  mlpot fit fit.yaml         `mlpot init` writes a file with every key explained.
name: Mo
data:
  train: train.xyz
  test: test.xyz

descriptor:
  type: bispectrum
  two_j_max: {two_j_max}
  r_cut: 5.2                  # Å
  radii: [0.5]
  weights: [1.0]
regressor:
  type: linear

weights:                      # of errors in eV/atom, eV/Å and GPa
  energy: 1.0
  force: 0.003
  stress: 0.003
  groups:
    # Stretched cells have no forces, and along one axis their energy says nothing of c12.
    Elastic: {{stress: 0.03}}
ridge: auto
"""

SCRIPT = """\
# Molybdenum with the fitted model:  lmp -in in.mlpot       (or mpiexec -n 2 lmp -in in.mlpot)
units         metal
lattice       bcc {a}
region        box block 0 {repeat} 0 {repeat} 0 {repeat}
create_box    1 box
create_atoms  1 box
mass          1 95.95

pair_style    mlpot
pair_coeff    * * Mo.json Mo

velocity      all create {temperature} 1
fix           1 all nvt temp {temperature} {temperature} 0.1
timestep      0.001
thermo        100
thermo_style  custom step temp pe etotal press
run           1000
"""

NEXT = """\
{seconds:.0f} s. In {output}:
  demo.png            errors of test energies and forces; E(V) and g(r) of both potentials
  Mo.json             the model, with Mo.parity.png, Mo.metrics.json and Mo.log beside it
  train.xyz test.xyz  the data
  fit.yaml            the configuration of the fit
  in.mlpot            a LAMMPS script
  demo.json           the numbers above
Next:
  cd {output}
  lmp -in in.mlpot      # LAMMPS knows pair_style mlpot since mlpot was installed
  mlpot info Mo.json
  mlpot fit fit.yaml    # change a cutoff, two_j_max or a weight in it and see
For your own element: `mlpot init` in a folder of your own, name your DFT structures (any file that
ASE reads) in its fit.yaml, and fit."""
