"""Extrapolation grades in LAMMPS: equal to Python's on any number of ranks; warn, save, stop."""

from __future__ import annotations

import re

import numpy as np
import pytest
from ase import Atoms
from ase.geometry import find_mic

from contract.cells import CELLS
from lmp import crystal, data_file, errors, lmp, setup
from mlpot.coverage import coverage
from mlpot.grade import grade
from mlpot.io import structures
from mlpot.model import Model

CELL = next(c for c in CELLS if str(c) == "bispectrum-two-linear-bare")
NAMES = " ".join(CELL.elements)
THRESHOLD = 1.0
RULES = ("range", "d_optimal")


@pytest.fixture(scope="module")
def model() -> Model:
    train = [crystal(CELL.elements, seed=seed) for seed in range(8)]
    return Model(CELL.model.data | coverage(CELL.model, train))


@pytest.fixture(scope="module")
def atoms(model) -> Atoms:
    """Some atoms of it outside the training set, most inside."""
    atoms = crystal(CELL.elements, seed=23)
    atoms.positions[3] += [0.5, 0.2, -0.3]
    for rule in RULES:
        outside = np.sum(grade(model, atoms, rule).of_atoms > THRESHOLD)
        assert 2 <= outside <= len(atoms) // 2
    return atoms


@pytest.fixture
def folder(tmp_path, model, atoms):
    model.save(tmp_path / "model.json")
    Model(model.data | {"ranges": None, "active_set": None}).save(tmp_path / "bare.json")
    Model(model.data | {"active_set": None}).save(tmp_path / "ranges.json")
    data_file(tmp_path / "crystal.data", atoms, CELL.elements, ids_of(atoms))
    return tmp_path


def ids_of(atoms: Atoms) -> np.ndarray:
    return 3 * np.random.default_rng(7).permutation(len(atoms)) + 5


def pair(keywords: str, file: str = "model.json") -> list[str]:
    return [f"pair_style mlpot {keywords}", f"pair_coeff * * {file} {NAMES}"]


SUMS = [
    "variable out atom f_g>1",
    "compute count all reduce sum v_out",
    "compute worst all reduce max f_g",
    "compute pair all pair mlpot",
    "thermo_style custom step pe c_count c_worst c_pair[1] c_pair[2]",
]
NUMBERS = 'print "$(c_count) $(c_worst:%.15g) $(c_pair[1]) $(c_pair[2]:%.15g)" file numbers'
DUMP = "write_dump all custom g.dump id f_g modify sort id format float %.17g"


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("ranks", [1, 2, 3])
def test_grades_and_their_count_are_those_of_python_on_any_ranks(rule, ranks, folder, model, atoms):
    commands = setup(pair(f"grade {rule} warn 1"))
    fix = ["fix g all pair 1 mlpot grade 1"]
    done = lmp("\n".join([*commands, *fix, *SUMS, "run 0", NUMBERS, DUMP]), folder, ranks=ranks)
    assert done.returncode == 0, done.stdout
    found = grade(model, atoms, rule)
    ids = ids_of(atoms)
    rows = np.loadtxt(folder / "g.dump", skiprows=9)
    assert np.array_equal(rows[:, 0], np.sort(ids))
    assert np.allclose(rows[:, 1], found.of_atoms[np.argsort(ids)], rtol=1e-11, atol=1e-11)
    count = np.sum(found.of_atoms > THRESHOLD)
    numbers = np.loadtxt(folder / "numbers")
    assert numbers[0] == numbers[2] == count
    assert numbers[1:4:2] == pytest.approx(found.of_structure, rel=1e-11)
    warned = re.findall(r"WARNING: (Extrapolation at step 0: .*)", done.stdout)
    what = "feature" if rule == "range" else "component"
    assert len(warned) == 1
    assert warned[0].startswith(
        f"Extrapolation at step 0: {count} of 54 atoms have a grade above 1; the worst is atom "
        f"{ids[found.atom]} ({atoms.symbols[found.atom]}), grade {found.of_structure:.6g}: "
        f"{what} {found.component} is {abs(found.value) if rule != 'range' else found.value:.6g}, "
        f"in training {found.low:.6g} to {found.high:.6g}"
    )


def test_the_training_set_gives_no_warning(tmp_path, model):
    model.save(tmp_path / "model.json")
    for seed in (0, 5):
        data_file(tmp_path / "crystal.data", crystal(CELL.elements, seed=seed), CELL.elements)
        for rule in RULES:
            script = [*setup(pair(f"grade {rule} warn 1 stop 1")), "run 0"]
            done = lmp("\n".join(script), tmp_path, ranks=2)
            assert done.returncode == 0 and "Extrapolation" not in done.stdout, done.stdout


@pytest.mark.parametrize("ranks", [1, 3])
def test_structures_are_saved_and_the_run_is_stopped(ranks, folder, model, atoms):
    """The worst atom moves on: grades are above 1 from the start, above the last one at the end."""
    stop = 3.0 * grade(model, atoms).of_structure
    far = f"group far id {ids_of(atoms)[3]}"
    commands = [
        *setup(pair(f"save 1.0 out.xyz stop {stop} every 2 warn 1")),
        far, "velocity far set -40 0 0", "fix 1 far nve", "timestep 0.001", "thermo 1", "run 1000",
    ]  # fmt: skip
    done = lmp("\n".join(commands), folder, ranks=ranks)
    assert done.returncode != 0
    (line,) = errors(done.stdout)
    assert re.search(rf"atoms have a grade above {stop:.6g}; the worst is atom \d+ \(", line), line
    saved = structures(folder / "out.xyz")
    steps = [frame.info["step"] for frame in saved]
    assert steps == list(range(0, steps[-1] + 1, 2)) and len(steps) > 2
    assert f"at step {steps[-1]}:" in line
    for frame in saved:
        found = grade(model, frame)
        assert found.of_structure > 1.0
        assert np.allclose(frame.arrays["grade"], found.of_atoms, rtol=1e-4)
    order = np.argsort(ids_of(atoms))
    assert list(saved[0].symbols) == list(atoms.symbols[order])
    apart, _ = find_mic(saved[0].positions - atoms.positions[order], atoms.cell)
    assert np.abs(apart).max() <= 1e-12
    assert np.allclose(saved[0].cell.array, atoms.cell.array, rtol=0, atol=1e-12)
    assert grade(model, saved[-1]).of_structure > stop >= grade(model, saved[-2]).of_structure


def test_rules_that_a_model_does_not_have_are_refused(folder):
    fix = ["fix g all pair 1 mlpot grade 1", "run 0"]
    for file, keywords, more, says in (
        ("bare.json", "warn 1", [], "has no ranges and no active set of atoms"),
        ("ranges.json", "grade d_optimal", [], "has no active set of atoms"),
        ("bare.json", "grade range", [], "has no ranges"),
        ("bare.json", "", fix, "fix pair mlpot grade: .* has no ranges"),
        ("model.json", "", ["fix g all pair 1 mlpot grade 0", "run 0"], "expected grade 1"),
        ("model.json", "", ["fix g all pair 1 mlpot novelty 1"], "extract"),
    ):
        done = lmp("\n".join([*setup(pair(keywords, file)), *more]), folder)
        assert done.returncode != 0
        assert [bool(re.search(says, line)) for line in errors(done.stdout)] == [True], done.stdout


@pytest.mark.parametrize(
    ("keywords", "says"),
    [
        ("warn", "warn: expected a grade"),
        ("warn 1 stop", "stop: expected a grade"),
        ("save 2", "save: expected a grade and a file"),
        ("stop -1", "stop: the grade must be 0 or more"),
        ("stop high", "Expected floating point"),
        ("every 0", "every: must be 1 or more"),
        ("grade best", "argument 'grade'"),
        ("warn 1 grades", "argument 'grades'"),
    ],
)
def test_keywords_that_are_not_right_are_refused(keywords, says, folder):
    done = lmp("\n".join(setup(pair(keywords))), folder)
    assert done.returncode != 0
    assert [bool(re.search(says, line)) for line in errors(done.stdout)] == [True], done.stdout


def test_grades_of_part_of_a_hybrid(folder, model, atoms):
    """Atoms of a type that is not the model's have the grade 0."""
    alone = atoms[atoms.symbols == "Mo"]
    commands = [
        "pair_style hybrid/overlay mlpot grade range warn 1 zbl 1.0 2.0",
        "pair_coeff * * mlpot model.json Mo NULL",
        "pair_coeff * * zbl 42 42",
        "fix g all pair 1 mlpot grade 1",
    ]
    done = lmp("\n".join([*setup(commands), "run 0", DUMP]), folder)
    assert done.returncode == 0, done.stdout
    rows = np.loadtxt(folder / "g.dump", skiprows=9)
    ours = (atoms.symbols == "Mo")[np.argsort(ids_of(atoms))]
    truth = grade(model, alone, "range").of_atoms
    assert np.allclose(np.sort(rows[ours, 1]), np.sort(truth), rtol=1e-11)
    assert not rows[~ours, 1].any()
