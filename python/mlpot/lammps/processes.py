"""LAMMPS in processes of its own, started by mpiexec, and the data file it reads there."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from mlpot.doctor import beside_python
from mlpot.errors import InputError


def run_script(
    script: str, folder: Path, ranks: int, options: Iterable[str] = (), seconds: float = 300
) -> None:
    """Run LAMMPS on so many ranks in the folder.

    seconds: reached by a hang only.  Raises InputError with what LAMMPS says where it fails, and
    where mpiexec or lmp is missing.
    """
    mpiexec, lmp = beside_python("mpiexec"), beside_python("lmp")
    if not (mpiexec and lmp):
        raise InputError("mpiexec or lmp is not there; see mlpot doctor")
    (folder / "in.lmp").write_text(script)
    command = [mpiexec, "-n", str(ranks), lmp, "-in", "in.lmp", "-nocite", *options]
    # Waiting ranks yield: there may be more of them than processors.
    env = os.environ | {"OMP_NUM_THREADS": "1", "MPIR_CVAR_CH4_PROGRESS_THROTTLE": "1"}
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, cwd=folder, env=env, timeout=seconds
        )
    except subprocess.TimeoutExpired:
        raise InputError(f"LAMMPS on {ranks} ranks: no end in {seconds} s") from None
    if done.returncode:
        logs = [path.read_text() for path in sorted(folder.glob("log.lammps*"))]
        lines = "\n".join([*logs, done.stdout, done.stderr]).splitlines()
        why = next((line for line in lines if line.startswith("ERROR")), "it ended without a word")
        raise InputError(f"LAMMPS on {ranks} ranks: {why}")


def data_text(
    cell: np.ndarray,
    positions: np.ndarray,
    types: Sequence[int],
    masses: Sequence[float],
    ids: Iterable[int] = (),
) -> str:
    """A data file of atoms in a lower triangular cell.

    masses: of all types, which count from 1.  ids: from 1 on, or one for each atom.
    """
    (lx, _, _), (xy, ly, _), (xz, yz, lz) = cell.tolist()
    lines = ["by mlpot", "", f"{len(types)} atoms", f"{len(masses)} atom types"]
    lines += [f"0 {lx!r} xlo xhi", f"0 {ly!r} ylo yhi", f"0 {lz!r} zlo zhi"]
    lines += [f"{xy!r} {xz!r} {yz!r} xy xz yz", "", "Masses", ""]
    lines += [f"{k} {float(mass)!r}" for k, mass in enumerate(masses, 1)]
    rows = zip(list(ids) or range(1, len(types) + 1), types, positions.tolist(), strict=True)
    atoms = [f"{i} {t} {' '.join(map(repr, x))}" for i, t, x in rows]
    return "\n".join([*lines, "", "Atoms # atomic", "", *atoms, ""])
