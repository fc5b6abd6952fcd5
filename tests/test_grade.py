"""Grades of structures, what a training set covers, and selection."""

import json
import re

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from ase.io import read as ase_read
from typer.testing import CliRunner

from mlpot import io
from mlpot.calculator import MLPotCalculator
from mlpot.cli import app
from mlpot.coverage import coverage
from mlpot.domain import MARGIN, NOWHERE, Ranges
from mlpot.errors import InputError
from mlpot.generate.frames import write
from mlpot.grade import grade, rule_of
from mlpot.metrics import species_of
from mlpot.model import Model
from mlpot.select import select

BLOCK = {
    "type": "bispectrum", "two_j_max": 4, "r_cut": 4.1, "rfac0": 0.99363, "rmin0": 0.0,
    "radii": [0.5, 0.5], "weights": [1.0, 0.8], "switchflag": True, "bzeroflag": False,
    "wselfallflag": False, "chemflag": False, "bnormflag": False, "switchinnerflag": False,
    "sinner": [], "dinner": [],
}  # fmt: skip
SIZE = {"linear": 14, "quadratic": 14 + 105}


def a_model(kind="linear", elements=("Mo", "W"), **changes):
    """Its coefficients do not matter: grades do not depend on them."""
    n = len(elements)
    regressor = {"type": kind, "coefficients": np.ones((n, SIZE[kind]))}
    block = BLOCK | {key: BLOCK[key][:n] for key in ("radii", "weights")}
    data = {"elements": list(elements), "E0": [0.0] * n, "descriptor": block}
    return Model(data | {"regressor": regressor} | changes)


def crystals(count, amplitude=0.15, seed=0, elements=("Mo", "W")):
    rng, frames = np.random.default_rng(seed), []
    for index in range(count):
        atoms = bulk("Mo", cubic=True) * 2
        strain = rng.uniform(-0.03, 0.03, (3, 3))
        atoms.set_cell(atoms.cell.array @ (np.eye(3) + strain), scale_atoms=True)
        atoms.rattle(amplitude, rng=rng)
        atoms.symbols = rng.choice(elements, len(atoms))
        atoms.info["source"] = f"crystals: frame {index}"
        frames.append(atoms)
    return frames


def dimer(r, symbols="MoW"):
    return Atoms(symbols, [[0.0, 0.0, 0.0], [0.0, 0.0, r]])


@pytest.fixture(scope="module")
def train():
    return crystals(45)


@pytest.fixture(scope="module", params=[("linear", "atoms"), ("quadratic", "structures")])
def covered(request, train):
    kind, rows = request.param
    model = a_model(kind)
    return Model(model.data | coverage(model, train, rows))


def features(model, frames):
    q = [
        model.potential().features(a.positions, a.cell.array, a.pbc, species_of(a, model.elements))
        for a in frames
    ]
    return np.concatenate(q), np.concatenate([species_of(a, model.elements) for a in frames])


def test_the_training_set_is_inside(covered, train):
    for rule in ("range", "d_optimal"):
        grades = [grade(covered, atoms, rule) for atoms in train]
        greatest = max(g.of_structure for g in grades)
        assert 1.0 - 1e-6 < greatest <= 1.0 + 1e-9
        for g in grades:
            assert g.of_atoms is None or g.of_structure == g.of_atoms.max()


def test_ranges_are_those_of_the_features(covered, train):
    q, species = features(covered, train)
    for s in range(2):
        own, margin = q[species == s], 2.0 * MARGIN * np.abs(q[species == s]).max()
        assert np.allclose(covered.data["ranges"]["low"][s], own.min(axis=0), rtol=0, atol=margin)
        assert np.allclose(covered.data["ranges"]["high"][s], own.max(axis=0), rtol=0, atol=margin)
        assert (np.array(covered.data["ranges"]["low"][s]) < own.min(axis=0)).all()


def test_what_is_new_is_outside_and_is_named(covered):
    for rule in ("range", "d_optimal"):
        for new in (dimer(3.9), crystals(1, amplitude=0.5, seed=3)[0]):
            found = grade(covered, new, rule)
            assert found.of_structure > 1.5
            assert found.value < found.low or found.value > found.high
            assert f"{found.value:.6g}" in str(found)
    found = grade(covered, dimer(3.9), "range")
    q = features(covered, [dimer(3.9)])[0]
    assert found.value == q[found.atom, found.component]
    assert str(found).startswith(f"atom {found.atom}: feature {found.component} is ")


def test_the_grade_of_a_structure_is_that_of_the_sum_of_its_rows(train):
    """Against the design rows of its energy, and a matrix of rows that was inverted here."""
    model = a_model()
    covered = Model(model.data | coverage(model, train, "structures"))
    potential = model.potential()

    def row(a):
        species = species_of(a, ["Mo", "W"])
        found = potential.design(a.positions, a.cell.array, a.pbc, species)["energy"]
        n_mo, n_w = np.bincount(species)
        return np.concatenate([[n_mo], found[:14], [n_w], found[14:]])

    inverse = np.array(covered.data["active_set"]["inverse"][0]).reshape(30, 30).T
    active = np.linalg.inv(inverse)
    rows = np.array([row(a) for a in train])
    distance = (
        np.linalg.norm(active[:, None] - rows, axis=2) / np.linalg.norm(active, axis=1)[:, None]
    )
    assert np.sum(distance.min(axis=1) < 1e-6) == np.linalg.matrix_rank(rows, tol=1e-4)
    new = crystals(1, amplitude=0.3, seed=8)[0]
    expected = np.abs(np.linalg.solve(active.T, row(new))).max()
    assert grade(covered, new).of_structure == pytest.approx(expected, rel=1e-6)


def test_an_active_set_of_atoms_holds_rows_of_training(train):
    model = a_model()
    block = coverage(model, train, "atoms")["active_set"]
    q, species = features(model, train)
    for s in range(2):
        active = np.linalg.inv(np.array(block["inverse"][s]).reshape(15, 15).T)
        assert np.allclose(active[:, 0], 1.0, rtol=1e-6)  # the column of E0
        distance = np.linalg.norm(active[:, None, 1:] - q[species == s], axis=2)
        assert (distance.min(axis=1) <= 1e-6 * np.linalg.norm(active, axis=1)).all()


def test_a_species_without_atoms_is_nowhere(train):
    model = a_model(elements=("Mo", "Ta"))
    pure = crystals(6, elements=("Mo",))
    ranges = coverage(model, pure, "none")["ranges"]
    assert ranges["low"][1] == [NOWHERE[0]] * 14 and ranges["high"][1] == [NOWHERE[1]] * 14
    covered = Model(model.data | {"ranges": ranges})
    assert grade(covered, crystals(1, elements=("Mo", "Ta"))[0]).of_structure > 1e6
    again = Ranges(covered, continued=True)
    assert again.block()["low"][1] == ranges["low"][1]


def test_networks_have_ranges_and_no_active_set(train):
    network = {"type": "neural_network", "layers": [2], "activation": "tanh", "gamma": 0.0}
    network["coefficients"] = np.ones((2, 15 * 2 + 3))
    model = Model(a_model().data | {"regressor": network})
    found = coverage(model, train[:3])
    assert found["active_set"] is None and len(found["ranges"]["low"]) == 2
    pooled = Model(a_model().data | {"pooling": "structure"})
    pooled.data["regressor"]["coefficients"] = pooled.data["regressor"]["coefficients"][:1]
    assert coverage(pooled, train[:3])["active_set"] is None
    for other in (model, pooled):
        with pytest.raises(InputError, match="linear in its coefficients"):
            coverage(other, train[:3], "atoms")
        with pytest.raises(InputError, match="linear in its coefficients"):
            select(other, train[:3], "d_optimal", afresh=True)


def test_the_rule_is_the_sharper_one_of_those_there_are(covered):
    assert rule_of(covered) == "d_optimal" and rule_of(covered, "range") == "range"
    without = Model(covered.data | {"active_set": None})
    assert rule_of(without) == "range"
    with pytest.raises(InputError, match=r'has no "active_set".*mlpot cover'):
        rule_of(without, "d_optimal")
    with pytest.raises(InputError, match=r'has no "ranges" nor "active_set"'):
        rule_of(Model(without.data | {"ranges": None}))
    with pytest.raises(InputError, match=r"did you mean.*range"):
        rule_of(covered, "ranges")


def test_the_calculator_has_grades_of_atoms(covered):
    atoms = crystals(1, seed=5)[0]
    rule = "d_optimal" if covered.data["active_set"]["rows"] == "atoms" else "range"
    atoms.calc = MLPotCalculator(covered)
    atoms.get_potential_energy()
    grades = atoms.calc.get_property("grades", atoms)
    assert np.array_equal(grades, grade(covered, atoms, rule).of_atoms)
    atoms.calc = MLPotCalculator(Model(covered.data | {"active_set": None, "ranges": None}))
    atoms.get_potential_energy()
    with pytest.raises(InputError, match="has no"):
        atoms.calc.get_property("grades", atoms)


@pytest.mark.parametrize(
    ("rule", "rows"), [("range", "atoms"), ("d_optimal", "atoms"), ("d_optimal", "structures")]
)
def test_a_selection_covers_the_stream_with_few_structures(train, rule, rows):
    stream = [*train, *train[:5]]
    found = select(a_model(), stream, rule, rows=rows, afresh=True)
    assert 0 < len(found.indices) < len(train)
    assert rule == "d_optimal" or max(found.indices) < len(train)  # the others are copies
    assert len(found.grades) == len(stream) and found.grades[0] > 1e3
    grades = [grade(found.model, atoms, rule).of_structure for atoms in stream]
    assert max(grades) <= 1.0 + 1e-9
    again = select(found.model, stream, rule)
    assert again.indices == []
    wider = select(found.model, [train[0], dimer(3.9), dimer(3.9)], rule)
    assert 1 in wider.indices and 2 not in wider.indices
    assert grade(wider.model, dimer(3.9), rule).of_structure <= 1.0 + 1e-9


def test_a_selection_from_what_a_model_knows_is_about_both_rules(covered):
    found = select(covered, [dimer(3.9)], "range")
    for rule in ("range", "d_optimal"):
        assert grade(covered, dimer(3.9), rule).of_structure > 1.0
        assert grade(found.model, dimer(3.9), rule).of_structure <= 1.0 + 1e-9


def test_a_selection_ends_after_so_many_and_above_a_threshold(train):
    assert select(a_model(), train, afresh=True, at_most=3).indices == [0, 1, 2]
    few = select(a_model(), train, afresh=True, threshold=3.0).indices
    assert len(few) < len(select(a_model(), train, afresh=True).indices)


@pytest.fixture
def run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    runner = CliRunner(env={"COLUMNS": "120", "TERM": "dumb"})
    return lambda *words: runner.invoke(app, list(map(str, words)))


def test_the_commands(run, tmp_path, train):
    """Structures without labels will do."""
    write(train, tmp_path / "train.xyz")
    write([train[0], dimer(3.9)], tmp_path / "new.xyz")
    a_model().save(tmp_path / "bare.json")
    result = run("grade", "bare.json", "new.xyz")
    assert result.exit_code == 2 and "mlpot cover" in result.stderr
    result = run("cover", "bare.json", "train.xyz", "-o", "model.json")
    assert result.exit_code == 0 and "ranges and an active set of 45 structures" in result.stdout
    assert Model.load("model.json").data["active_set"]["rows"] == "atoms"
    result = run("grade", "model.json", "train.xyz", "--json", "grades.json")
    assert result.exit_code == 0 and re.search(r"all\W+45\W+0\W+720\W+0\W", result.stdout)
    written = json.loads((tmp_path / "grades.json").read_text())
    assert written["rule"] == "d_optimal" and len(written["structures"]) == 45
    assert max(s["grade"] for s in written["structures"]) <= 1.0 + 1e-9
    result = run("grade", "model.json", "new.xyz", "--rule", "range")
    assert re.search(r"new.xyz: frame 1: atom \d: feature \d+ is .*, in training", result.stdout)
    result = run("select", "new.xyz", "-m", "model.json", "-o", "s.xyz", "--save-model", "w.json")
    assert result.exit_code == 0 and "1 of 2 structures" in result.stdout
    assert ase_read("s.xyz", ":")[0] == dimer(3.9)
    assert "none of 2" in run("select", "new.xyz", "-m", "w.json", "-o", "t.xyz").stdout
    assert not (tmp_path / "t.xyz").exists()


def test_mistakes_are_told_in_one_line(run, tmp_path, train):
    write(train[:2], tmp_path / "train.xyz")
    a_model(elements=("Mo",)).save(tmp_path / "bare.json")
    for words, says in (
        (["cover", "bare.json", "train.xyz", "-o", "m.json"], "unknown element W"),
        (["cover", "bare.json", "none.xyz", "-o", "m.json"], "no such file"),
        (["cover", "bare.json", "train.xyz", "-o", "m.json", "--rows", "atom"], "did you mean"),
        (["select", "train.xyz", "-m", "bare.json", "-o", "s.xyz"], "mlpot cover"),
        (["select", "train.xyz", "-m", "bare.json", "-o", "s.xyz", "--rows", "rows"], "--rows"),
        (
            ["select", "train.xyz", "-m", "bare.json", "-o", "s.xyz", "--rule", "D", "--afresh"],
            "must be range or d_optimal",
        ),
    ):
        result = run(*words)
        assert result.exit_code == 2 and result.stderr.count("\n") == 1, words
        assert says in result.stderr, result.stderr


def test_structures_are_read_without_labels(tmp_path):
    write(crystals(2), tmp_path / "bare.xyz")
    assert len(io.structures(tmp_path / "bare.xyz")) == 2
    with pytest.raises(InputError, match="no energy"):
        io.read(tmp_path / "bare.xyz")
