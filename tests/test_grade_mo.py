"""Grades of a SNAP of molybdenum that was fitted to cold structures: what is new to it, and what
is not."""

import re

import numpy as np
import pytest
from ase import Atoms

from lmp import lmp
from mlpot import io
from mlpot.config import parse_config
from mlpot.fit import fit
from mlpot.generate.frames import write
from mlpot.grade import grade
from mlpot.lammps import LammpsEngine

RULES = ("range", "d_optimal")
FIT = """
name: Mo
data: {train: train.xyz}
descriptor: {type: bispectrum, two_j_max: 6, r_cut: 4.4, radii: [0.5], weights: [1.0]}
weights: {energy: 1, force: 0.003}
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("mo")


@pytest.fixture(scope="module")
def train(shared):
    """Without what was simulated at 3000 and 6000 K."""
    frames = io.read(shared / "data/zuo2020/Mo_train.xyz.xz").frames
    return [atoms for atoms in frames if not re.search("[36]000 ?K", str(atoms.info["label"]))]


@pytest.fixture(scope="module")
def model(folder, train):
    write(train, folder / "train.xyz")
    return fit(parse_config(FIT, folder=folder)).model


def test_the_training_set_has_no_grade_above_one(model, train, folder):
    for rule in RULES:
        grades = [grade(model, atoms, rule).of_structure for atoms in train]
        assert 1.0 - 1e-6 < max(grades) <= 1.0 + 1e-9
        style = f"pair_style mlpot grade {rule} stop 1"
        with LammpsEngine([style, f"pair_coeff * * {folder / 'Mo.json'} Mo"], ["Mo"]) as engine:
            for atoms in train:
                engine.evaluate(atoms)  # an error where a grade is above 1


@pytest.mark.parametrize("r", [2.2, 2.8, 3.5, 4.2])
def test_a_dimer_is_new(model, r):
    for rule in RULES:
        assert grade(model, Atoms("Mo2", [[0.0, 0.0, 0.0], [0.0, 0.0, r]]), rule).of_structure > 2.0


HOT = """
units metal
lattice bcc 3.17
region box block 0 4 0 4 0 4
create_box 1 box
create_atoms 1 box
mass 1 95.95
pair_style mlpot grade {rule} warn 1 save 1 {rule}.xyz every 500
pair_coeff * * Mo.json Mo
velocity all create 8000 1 loop geom
fix 1 all nvt temp 4000 4000 0.1
timestep 0.002
run 500
"""


@pytest.mark.parametrize("rule", RULES)
def test_a_snapshot_at_4000_kelvin_is_new(rule, model, folder):
    done = lmp(HOT.format(rule=rule), folder)
    assert done.returncode == 0, done.stdout
    assert "Extrapolation at step 500: " in done.stdout
    (hot,) = io.structures(folder / f"{rule}.xyz")
    found = grade(model, hot, rule)
    assert found.of_structure > 2.0 and np.sum(found.of_atoms > 1.0) > len(hot) / 20
