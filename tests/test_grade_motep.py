"""Grades of a moment tensor potential against motep's, for the same active set."""

import numpy as np
import pytest

from mlpot import io
from mlpot.convert import convert, export
from mlpot.coverage import coverage
from mlpot.domain import AtomSets
from mlpot.grade import grade, structure_row
from mlpot.maxvol import ActiveSet
from mlpot.metrics import species_of
from mlpot.model import Model
from test_convert_mtp import crystal, random_model

pytest.importorskip("motep")
LEVEL = 8  # 9 moments; with E0 10 columns


def crystals(count: int, seed: int) -> list:
    rng, frames = np.random.default_rng(seed), []
    for _ in range(count):
        atoms = crystal(["Mo"]) * 2
        atoms.set_cell(atoms.cell.array @ (np.eye(3) + rng.uniform(-0.05, 0.05, (3, 3))), True)
        atoms.rattle(0.1, rng=rng)
        frames.append(atoms)
    return frames


@pytest.fixture(scope="module")
def model() -> Model:
    return random_model(LEVEL, ["Mo"])


@pytest.fixture(scope="module")
def grader_of(model, tmp_path_factory):
    """motep's grader after the training set, by the name of its mode."""
    from motep.grade.grader import Grader
    from motep.grade.setting import GradeMode
    from motep.io.mlip.mtp import read_mtp

    (path,) = export(model, "mtp", tmp_path_factory.mktemp("mtp") / "pot")

    def grader(mode, train, path=path):
        data = read_mtp(path)
        data.species = [42]
        data.optimized = ["moment_coeffs", "species_coeffs"]
        found = Grader(data, seed=1, mode=GradeMode[mode])
        found.update(train)
        return found

    return grader


def rows_of(model, frames, of):
    potential, found = model.potential(), []
    for a in frames:
        known = a.positions, a.cell.array, a.pbc, species_of(a, model.elements)
        found.append(potential.rows(*known) if of == "atoms" else structure_row(potential, *known))
    return np.vstack(found)


@pytest.mark.parametrize(
    ("mode", "of"), [("NEIGHBORHOOD", "atoms"), ("CONFIGURATION", "structures")]
)
def test_grades_are_those_of_motep(mode, of, model, grader_of):
    train, new = crystals(40, seed=1), crystals(8, seed=2)
    for atoms in new[4:]:
        atoms.rattle(0.3, seed=5)  # out of the training set
    theirs = grader_of(mode, train)
    rows = rows_of(model, train, of)
    active = rows[theirs.maxvol_result.indices]
    assert np.linalg.cond(active) < 1e9
    inverse = [np.linalg.inv(active).T.ravel()]
    with_their_set = Model(model.data | {"active_set": {"rows": of, "inverse": inverse}})
    for atoms, graded in zip(new, theirs.grade(new), strict=True):
        found, results = grade(with_their_set, atoms), graded.calc.results
        assert found.of_structure == pytest.approx(results["MV_grade"], rel=1e-6)
        if of == "atoms":
            assert np.allclose(found.of_atoms, results["nbh_grades"], rtol=1e-6)
    assert max(grade(with_their_set, atoms).of_structure for atoms in new) > 1.5


def test_the_same_rule_finds_the_same_active_set(model, grader_of):
    """All rows at once, columns not scaled: QR with pivoting, then the largest component first."""
    train = crystals(40, seed=1)
    theirs = grader_of("NEIGHBORHOOD", train).maxvol_result
    rows = rows_of(model, train, "atoms")
    ours = ActiveSet(np.ones(rows.shape[1]))
    ours.start(rows, np.arange(len(rows)))
    ours.absorb(rows, np.arange(len(rows)))
    assert np.array_equal(np.sort(ours.origins), np.sort(theirs.indices))


def test_the_volume_is_not_below_that_of_motep(model, grader_of):
    train = crystals(40, seed=1)
    theirs = grader_of("NEIGHBORHOOD", train).maxvol_result.submatrix
    found = Model(model.data | coverage(model, train, "atoms"))
    (ours,) = AtomSets(found, np.ones((1, LEVEL + 2)), continued=True).sets
    assert np.linalg.slogdet(ours.rows)[1] > np.linalg.slogdet(theirs)[1] - 1.0


def test_grades_of_the_published_potential_of_molybdenum_are_those_of_motep(shared, grader_of):
    """Some of its 289 columns follow from others; motep's least squares leaves them out."""
    path = shared / "models/Mo/mtp/fitted.mtp"
    frames = {}
    for part, step in (("train", 8), ("test", 6)):
        frames[part] = io.read(shared / f"data/zuo2020/Mo_{part}.xyz.xz").frames[::step]
        for atoms in frames[part]:
            atoms.calc = None
    model = convert([path], ["Mo"])
    theirs = grader_of("NEIGHBORHOOD", frames["train"], path)
    active = rows_of(model, frames["train"], "atoms")[theirs.maxvol_result.indices]
    inverse = np.linalg.pinv(active, rcond=np.finfo(float).eps * len(active))
    active_set = {"rows": "atoms", "inverse": [inverse.T.ravel()]}
    with_their_set = Model(model.data | {"active_set": active_set})
    for atoms, graded in zip(frames["test"], theirs.grade(frames["test"]), strict=True):
        found = grade(with_their_set, atoms).of_atoms
        assert np.allclose(found, graded.calc.results["nbh_grades"], rtol=1e-6)
