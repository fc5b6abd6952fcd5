"""pair_style mlpot in LAMMPS: on any number of ranks, after a restart, as part of a hybrid."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from itertools import product
from pathlib import Path

import numpy as np
import pytest
from ase import Atoms

from contract.cells import CELLS
from contract.measures import evaluate
from lmp import (
    FEW,
    LAMMPS,
    crystal,
    data_file,
    in_one_instance,
    lmp,
    pair_of,
    save,
    setup,
)
from mlpot.convert import convert

ELEMENTS = ["Mo", "Al"]
# One that the ranks need numbers of each other for, before they can begin.
TOGETHER = next(cell for cell in CELLS if str(cell) == "kruglov-two-neural_network-pooled")
POTENTIALS = LAMMPS / "share/lammps/potentials"
TILED = ["comm_style tiled"], ["balance 1.0 rcb"]


def grid(text: str) -> tuple[list[str], list[str]]:
    return [f"processors {text}"], []


# By number of ranks, the structures on a layout: its commands before the box, after the atoms.
# The unit is never tiled: LAMMPS wants the box above the cutoff then.
LAYOUTS = {
    1: {("crystal", "slab", "unit"): grid("1 1 1")},
    2: {
        ("crystal", "unit"): grid("2 1 1"),
        ("slab", "unit"): grid("1 1 2"),
        ("crystal", "slab"): TILED,
    },
    3: {("crystal", "unit"): grid("1 3 1"), ("slab",): TILED},
    4: {("slab", "unit"): grid("1 1 4"), ("unit",): grid("2 2 1"), ("crystal",): TILED},
}


def structures() -> dict[str, Atoms]:
    """One above all its cutoffs, one with most ranks empty, and one smaller than the cutoff."""
    slab = crystal(ELEMENTS, seed=2)
    slab.positions[:, 2] *= 0.97  # inside the box in z, where it is not periodic
    slab.positions[:, 2] += 0.2 - slab.positions[:, 2].min()
    slab.cell[2] = [0.0, 0.0, 60.0]
    slab.pbc = [True, True, False]
    return {"crystal": crystal(ELEMENTS), "slab": slab, "unit": FEW[0].unit}


def ids_of(atoms: Atoms) -> list[int]:
    """Ids with gaps, in no order."""
    return (3 * np.random.default_rng(7).permutation(len(atoms)) + 5).tolist()


EVALUATE = [
    "compute pe all pe/atom",
    "compute sum all reduce sum c_pe",
    "thermo_style custom step pe c_sum press",
    "run 0",
]
COLUMNS = " ".join(f"$({key}:%.17g)" for key in ("pe", "pxx", "pyy", "pzz", "pxy", "pxz", "pyz"))
WRITE = [
    "write_dump all custom {}.dump id type fx fy fz c_pe modify sort id format float %.17g",
    f'print "{COLUMNS}" file {{}}.thermo',
]


def runs(ranks: int) -> Iterator[tuple[str, str, list[str]]]:
    """Structure, cell, and the commands of every run; the results are named after its number."""
    for names, (before, after) in LAYOUTS[ranks].items():
        for name, cell in product(names, [*FEW, TOGETHER]):
            pbc = structures()[name].pbc
            if cell.bulk and not pbc.all():
                continue
            boundary = " ".join("p" if p else "f" for p in pbc)
            before_box = [f"boundary {boundary}", *before]
            commands = setup(pair_of(cell), f"{name}.data", before_box)
            yield name, str(cell), ["clear", *commands, *after, *EVALUATE]


def run_on(ranks: int, folder: Path) -> list[tuple]:
    """Of every run: structure, cell, energy and pressures (7,), and rows (N, 6) as in the dump."""
    for name, atoms in structures().items():
        data_file(folder / f"{name}.data", atoms, ELEMENTS, ids_of(atoms))
    save([*FEW, TOGETHER], folder)
    lines = [line.format(k) for k, (_, _, run) in enumerate(runs(ranks)) for line in [*run, *WRITE]]
    done = lmp("\n".join(lines), folder, ranks=ranks)
    assert done.returncode == 0, done.stdout
    return [
        (
            name,
            cell,
            np.loadtxt(folder / f"{k}.thermo"),
            np.loadtxt(folder / f"{k}.dump", skiprows=9),
        )
        for k, (name, cell, _) in enumerate(runs(ranks))
    ]


@pytest.fixture(scope="module")
def one_rank(tmp_path_factory) -> dict:
    found = run_on(1, tmp_path_factory.mktemp("one_rank"))
    return {(name, cell): (thermo, rows) for name, cell, thermo, rows in found}


def test_one_rank_gives_the_numbers_of_the_core(one_rank):
    for (name, cell), (thermo, rows) in one_rank.items():
        atoms = structures()[name]
        potential = next(c for c in [*FEW, TOGETHER] if str(c) == cell).model.potential()
        truth = evaluate(potential, atoms[np.argsort(ids_of(atoms))])
        assert thermo[0] == pytest.approx(truth["energy"], rel=1e-12), (name, cell)
        assert np.allclose(rows[:, 2:5], truth["forces"], rtol=0, atol=1e-10), (name, cell)
        assert np.allclose(rows[:, 5], truth["energies"], rtol=1e-11, atol=1e-12), (name, cell)


@pytest.mark.parametrize("ranks", [2, 3, 4])
def test_the_number_of_ranks_and_their_grid_change_nothing(ranks, one_rank, tmp_path):
    for number, (name, cell, thermo, rows) in enumerate(run_on(ranks, tmp_path)):
        where = f"run {number}: {name}, {cell}"
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
    convert(POTENTIALS.glob("Mo_Chen_PRM2017.snap*")).save(tmp_path / "Mo.json")
    data_file(tmp_path / "crystal.data", crystal(["Mo"], tilted=False), ["Mo"])
    names = ("start", "again", "through", "restarted")
    dumps = {name: STATE.format(name) for name in names}
    done = lmp(RESTART.format(**dumps), tmp_path, ranks=ranks)
    assert done.returncode == 0, done.stdout
    digest = {n: hashlib.sha256((tmp_path / f"{n}.dump").read_bytes()).hexdigest() for n in names}
    assert digest["start"] == digest["again"]
    assert digest["through"] == digest["restarted"] != digest["start"]


A, B = FEW[:2]
ZBL = [f"pair_coeff {types} zbl {z}" for types, z in (("1 1", "42 42"), ("2 2", "13 13"))]
ZBL += ["pair_coeff 1 2 zbl 42 13"]


def sub_style(cell, number: str = "", elements: str = "Mo Al") -> str:
    return f"pair_coeff * * mlpot {number} {cell}.json {elements}"


HYBRIDS = {
    "A": pair_of(A),
    "B": pair_of(B),
    "zbl": ["pair_style zbl 1.0 3.5", *(line.replace("zbl ", "") for line in ZBL)],
    "A alone": ["pair_style hybrid mlpot", sub_style(A)],
    "A + zbl": ["pair_style hybrid/overlay mlpot zbl 1.0 3.5", sub_style(A), *ZBL],
    "zbl + A": ["pair_style hybrid/overlay zbl 1.0 3.5 mlpot", sub_style(A), *ZBL],
    "A + B": ["pair_style hybrid/overlay mlpot mlpot", sub_style(A, "1"), sub_style(B, "2")],
    "0.3 A + 0.7 B": [
        "pair_style hybrid/scaled 0.3 mlpot 0.7 mlpot kernels scalar",
        sub_style(A, "1"),
        sub_style(B, "2"),
    ],
    "A of Mo, B of Al": [
        "pair_style hybrid mlpot mlpot",
        sub_style(A, "1", "Mo NULL"),
        sub_style(B, "2", "NULL Al"),
        "pair_coeff 1 2 none",
    ],
    "A + A of Mo": [
        "pair_style hybrid/overlay mlpot mlpot",
        sub_style(A, "1"),
        sub_style(A, "2", "Mo NULL"),
    ],
}


@pytest.fixture(scope="module")
def hybrids(tmp_path_factory) -> dict:
    """Energy and forces of each, and of parts of the crystal by the core alone."""
    folder = tmp_path_factory.mktemp("hybrids")
    atoms = crystal(ELEMENTS)
    data_file(folder / "crystal.data", atoms, ELEMENTS)
    save(FEW, folder)
    cases = {name: [*setup(pair), "run 0"] for name, pair in HYBRIDS.items()}
    found = in_one_instance(cases, folder)
    failed = {name: result for name, result in found.items() if "energy" not in result}
    assert not failed
    found = {name: (r["energy"], np.array(r["f"])) for name, r in found.items()}
    for name, cell, symbol in (("core A of Mo", A, "Mo"), ("core B of Al", B, "Al")):
        ours = atoms.symbols == symbol
        result = evaluate(cell.model.potential(), atoms[ours])
        forces = np.zeros((len(atoms), 3))
        forces[ours] = result["forces"]
        found[name] = result["energy"], forces
    return found


@pytest.mark.parametrize(
    ("whole", "parts"),
    [
        ("A alone", {"A": 1}),
        ("A + zbl", {"A": 1, "zbl": 1}),
        ("zbl + A", {"A": 1, "zbl": 1}),
        ("A + B", {"A": 1, "B": 1}),
        ("0.3 A + 0.7 B", {"A": 0.3, "B": 0.7}),
        ("A of Mo, B of Al", {"core A of Mo": 1, "core B of Al": 1}),
        ("A + A of Mo", {"A": 1, "core A of Mo": 1}),
    ],
)
def test_a_hybrid_is_the_sum_of_its_parts(hybrids, whole, parts):
    energy, forces = hybrids[whole]
    assert energy == pytest.approx(sum(c * hybrids[p][0] for p, c in parts.items()), rel=1e-12)
    assert np.allclose(forces, sum(c * hybrids[p][1] for p, c in parts.items()), rtol=0, atol=1e-12)
