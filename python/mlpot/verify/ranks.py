"""The same structure in LAMMPS on several ranks, each run a process of its own."""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from ase import Atoms

from mlpot.doctor import beside_python
from mlpot.errors import InputError
from mlpot.lammps.box import Box

SECONDS = 300  # reached by a hang only
SCRIPT = """
units metal
box tilt large
read_data atoms.data
pair_style mlpot
pair_coeff * * model.json {elements}
compute pe all pe/atom
compute sum all reduce sum c_pe
thermo_style custom step pe c_sum press
run 0
write_dump all custom {ranks}.dump id fx fy fz modify sort id format float %.17g
print "$(pe:%.17g)" file {ranks}.energy
"""


def data_text(
    cell: np.ndarray, positions: np.ndarray, types: list[int], n_types: int, ids: Iterable[int] = ()
) -> str:
    """A LAMMPS data file of atoms in a lower triangular cell; ids: from 1 on, or one for each."""
    (lx, _, _), (xy, ly, _), (xz, yz, lz) = cell.tolist()
    lines = ["by mlpot", "", f"{len(types)} atoms", f"{n_types} atom types"]
    lines += [f"0 {lx!r} xlo xhi", f"0 {ly!r} ylo yhi", f"0 {lz!r} zlo zhi"]
    lines += [f"{xy!r} {xz!r} {yz!r} xy xz yz", "", "Masses", ""]
    lines += [f"{k} 100.0" for k in range(1, n_types + 1)] + ["", "Atoms # atomic", ""]
    rows = zip(list(ids) or range(1, len(types) + 1), types, positions.tolist(), strict=True)
    return "\n".join(lines + [f"{i} {t} {' '.join(map(repr, x))}" for i, t, x in rows]) + "\n"


def differences(model, atoms: Atoms, ranks: Iterable[int] = (2, 3, 4)) -> tuple[float, float]:
    """Largest relative dE and largest |dF| (eV/Å) between one rank and several.

    Raises InputError where LAMMPS fails or mpiexec is missing.
    """
    box = Box.around(atoms, 1.0)
    with tempfile.TemporaryDirectory() as folder:
        model.save(Path(folder) / "model.json")
        types = [model.elements.index(symbol) + 1 for symbol in atoms.symbols]
        data = data_text(box.cell, box.positions, types, len(model.elements))
        Path(folder, "atoms.data").write_text(data)
        one = _run(folder, model.elements, 1)
        several = [_run(folder, model.elements, n) for n in ranks]
    energy = max(abs(e - one[0]) / abs(one[0]) for e, _ in several)
    return float(energy), float(max(np.abs(f - one[1]).max() for _, f in several))


def _run(folder: str, elements: list[str], ranks: int) -> tuple[float, np.ndarray]:
    """Energy and forces (N,3) by LAMMPS on so many ranks."""
    lmp, mpiexec = beside_python("lmp"), beside_python("mpiexec")
    if not lmp or not mpiexec:
        raise InputError("no lmp or no mpiexec here: see mlpot doctor")
    script = SCRIPT.format(elements=" ".join(elements), ranks=ranks)
    Path(folder, "in.lmp").write_text(script)
    command = [mpiexec, "-n", str(ranks), lmp, "-in", "in.lmp", "-log", "none", "-nocite"]
    # Waiting ranks yield: there may be more of them than processors.
    env = {**os.environ, "MPIR_CVAR_CH4_PROGRESS_THROTTLE": "1"}
    options = {"capture_output": True, "text": True, "cwd": folder, "env": env}
    try:
        done = subprocess.run(command, timeout=SECONDS, **options)
    except subprocess.TimeoutExpired:
        raise InputError(f"LAMMPS on {ranks} ranks: no end in {SECONDS} s") from None
    if done.returncode:
        errors = [line for line in done.stdout.splitlines() if "ERROR" in line]
        raise InputError(f"LAMMPS on {ranks} ranks: {' '.join(errors[:1]) or done.stderr.strip()}")
    forces = np.loadtxt(Path(folder) / f"{ranks}.dump", skiprows=9)[:, 1:]
    return float(Path(folder, f"{ranks}.energy").read_text()), forces
