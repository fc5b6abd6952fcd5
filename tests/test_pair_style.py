"""pair_style mlpot in LAMMPS: the same numbers on any number of ranks, after a restart, in a hybrid."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pytest
from ase import Atoms
from contract.measures import evaluate
from lmp import LAMMPS, ONE_OF_EACH, crystal, data_file, errors, in_one_instance, lmp, pair_of
from lmp import save, setup
from mlpot.convert import convert
from mlpot.metrics import species_of

ELEMENTS = ["Mo", "Al"]
LAYOUTS = {  # by number of ranks: commands before the box, after the atoms
    1: {"brick": ([], [])},
    2: {
        "2x1x1": (["processors 2 1 1"], []),
        "1x1x2": (["processors 1 1 2"], []),
        "tiled": (["comm_style tiled"], ["balance 1.0 rcb"]),
    },
    3: {
        "1x3x1": (["processors 1 3 1"], []),
        "tiled": (["comm_style tiled"], ["balance 1.0 rcb"]),
    },
    4: {
        "2x2x1": (["processors 2 2 1"], []),
        "1x1x4": (["processors 1 1 4"], []),
        "tiled": (["comm_style tiled"], ["balance 1.1 rcb"]),
    },
}


def structures() -> dict[str, Atoms]:
    """One above all its cutoffs, one with most ranks empty, and one smaller than the cutoff."""
    slab = crystal(ELEMENTS, seed=2)
    slab.positions[:, 2] *= 0.97  # inside the box in z, where it is not periodic
    slab.positions[:, 2] += 0.2 - slab.positions[:, 2].min()
    slab.cell[2] = [0.0, 0.0, 60.0]
    slab.pbc = [True, True, False]
    return {"crystal": crystal(ELEMENTS), "slab": slab, "unit": ONE_OF_EACH[0].unit}


def ids_of(atoms: Atoms) -> list[int]:
    """Ids with gaps, in no order."""
    return (3 * np.random.default_rng(7).permutation(len(atoms)) + 5).tolist()


DUMP = "id type fx fy fz c_pe"
WRITE = [
    "compute pe all pe/atom",
    "compute sum all reduce sum c_pe",
    "thermo_style custom step pe c_sum press",
    "run 0",
]


def all_runs(layouts: dict) -> str:
    lines = []
    for name, atoms in structures().items():
        for layout, (before, after) in layouts.items():
            if (name, layout) == ("unit", "tiled"):
                continue  # LAMMPS: comm_style tiled cannot exceed the periodic box
            for cell in ONE_OF_EACH:
                boundary = " ".join("p" if p else "f" for p in atoms.pbc)
                before_box = [f"boundary {boundary}", *before]
                out = f"{name}.{layout}.{cell}"
                dump = f"write_dump all custom {out}.dump {DUMP} modify sort id format float %.17g"
                pressure = " ".join(f"$(p{k}:%.17g)" for k in ("xx", "yy", "zz", "xy", "xz", "yz"))
                lines += ["clear", *setup(pair_of(cell), f"{name}.data", before_box), *after]
                lines += [*WRITE, dump, f'print "$(pe:%.17g) {pressure}" file {out}.energy']
    return "\n".join(lines)


def results(folder: Path) -> dict:
    """By structure, layout and cell: energy and pressures (7,), rows (N, 6) as in DUMP."""
    found = {}
    for path in folder.glob("*.energy"):
        name, layout, cell = path.stem.split(".")
        rows = np.loadtxt(path.with_suffix(".dump"), skiprows=9, ndmin=2)
        found[name, layout, cell] = np.array(path.read_text().split(), float), rows
    return found


def run_on(ranks: int, folder: Path) -> dict:
    for name, atoms in structures().items():
        data_file(folder / f"{name}.data", atoms, ELEMENTS, ids_of(atoms))
    save(ONE_OF_EACH, folder)
    done = lmp(all_runs(LAYOUTS[ranks]), folder, ranks=ranks)
    assert done.returncode == 0, done.stdout
    return results(folder)


@pytest.fixture(scope="module")
def one_rank(tmp_path_factory) -> dict:
    found = run_on(1, tmp_path_factory.mktemp("one_rank"))
    return {(name, cell): result for (name, _, cell), result in found.items()}


def test_one_rank_gives_the_numbers_of_the_core(one_rank):
    assert len(one_rank) == 3 * len(ONE_OF_EACH)
    for (name, cell), (thermo, rows) in one_rank.items():
        atoms = structures()[name]
        potential = next(c for c in ONE_OF_EACH if str(c) == cell).model.potential()
        truth = evaluate(potential, atoms[np.argsort(ids_of(atoms))])
        assert thermo[0] == pytest.approx(truth["energy"], rel=1e-12), (name, cell)
        assert np.allclose(rows[:, 2:5], truth["forces"], rtol=0, atol=1e-10), (name, cell)
        assert np.allclose(rows[:, 5], truth["energies"], rtol=1e-11, atol=1e-12), (name, cell)


@pytest.mark.parametrize("ranks", [2, 3, 4])
def test_the_number_of_ranks_and_their_grid_change_nothing(ranks, one_rank, tmp_path):
    found = run_on(ranks, tmp_path)
    assert len(found) == len(LAYOUTS[ranks]) * len(one_rank) - len(ONE_OF_EACH)
    for (name, layout, cell), (thermo, rows) in found.items():
        where = f"{name}, {layout}, {cell}"
        reference, reference_rows = one_rank[name, cell]
        assert thermo[0] == pytest.approx(reference[0], rel=1e-13), where
        assert np.allclose(thermo[1:], reference[1:], rtol=1e-11, atol=1e-7), where
        assert np.array_equal(rows[:, :2], reference_rows[:, :2]), where
        assert np.abs(rows[:, 2:5] - reference_rows[:, 2:5]).max() <= 1e-12, where
        assert np.allclose(rows[:, 5], reference_rows[:, 5], rtol=1e-13, atol=1e-13), where


STATE = "write_dump all custom {}.dump id x y z vx vy vz fx fy fz modify sort id format float %.17g"
RESTART = """
units metal
atom_modify map yes
read_data crystal.data
pair_style mlpot
pair_coeff * * Mo.json Mo
velocity all create 900 8 loop geom
fix nve all nve
run 0
{start}
{again_before}
run 0
{again}
run 30
write_restart half.restart
run 30
{through}
clear
read_restart half.restart
pair_style mlpot
pair_coeff * * Mo.json Mo
fix nve all nve
run 30
{restarted}
"""


@pytest.mark.parametrize("ranks", [1, 2])
def test_a_restarted_run_is_the_uninterrupted_one_to_the_last_bit(ranks, tmp_path):
    convert((LAMMPS / "share/lammps/potentials").glob("Mo_Chen_PRM2017.snap*")).save(
        tmp_path / "Mo.json"
    )
    data_file(tmp_path / "crystal.data", crystal(["Mo"], tilted=False), ["Mo"])
    names = ("start", "again", "through", "restarted")
    dumps = {name: STATE.format(name) for name in names}
    done = lmp(RESTART.format(**dumps, again_before="reset_timestep 0"), tmp_path, ranks=ranks)
    assert done.returncode == 0, done.stdout
    digest = {n: hashlib.sha256((tmp_path / f"{n}.dump").read_bytes()).hexdigest() for n in names}
    assert digest["start"] == digest["again"]
    assert digest["through"] == digest["restarted"] != digest["start"]
