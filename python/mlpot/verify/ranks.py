"""The same structure in LAMMPS on several ranks, each run a process of its own."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from ase import Atoms

from mlpot.lammps.box import Box
from mlpot.lammps.processes import data_text, run_script

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


def differences(model, atoms: Atoms, ranks: Iterable[int] = (2, 3, 4)) -> tuple[float, float]:
    """Largest relative dE and largest |dF| (eV/Å) between one rank and several.

    Raises InputError where LAMMPS fails or mpiexec is missing.
    """
    box = Box.around(atoms, 1.0)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        model.save(folder / "model.json")
        types = [model.elements.index(symbol) + 1 for symbol in atoms.symbols]
        data = data_text(box.cell, box.positions, types, [100.0] * len(model.elements))
        (folder / "atoms.data").write_text(data)
        one = _run(folder, model.elements, 1)
        several = [_run(folder, model.elements, n) for n in ranks]
    energy = max(abs(e - one[0]) / abs(one[0]) for e, _ in several)
    return float(energy), float(max(np.abs(f - one[1]).max() for _, f in several))


def _run(folder: Path, elements: list[str], ranks: int) -> tuple[float, np.ndarray]:
    """Energy and forces (N,3) by LAMMPS on so many ranks."""
    script = SCRIPT.format(elements=" ".join(elements), ranks=ranks)
    run_script(script, folder, ranks, ["-log", "none"])
    forces = np.loadtxt(folder / f"{ranks}.dump", skiprows=9)[:, 1:]
    return float((folder / f"{ranks}.energy").read_text()), forces
