"""Parts of a search: its configuration, relaxations that run away, copies, the convex hull."""

import re
from pathlib import Path

import numpy as np
import pytest
from ase.build import bulk, make_supercell
from ase.calculators.lj import LennardJones
from ase.filters import FrechetCellFilter
from ase.optimize import BFGS
from ase.units import GPa

from mlpot.config import parse_config
from mlpot.errors import InputError
from mlpot.examples import example_config
from mlpot.fit import zero_model
from mlpot.generate import parse_structure
from mlpot.io import labels
from mlpot.model import Model
from mlpot.search import parse_search
from mlpot.search.config import Relax, Structures
from mlpot.search.rank import Found, above_hull, distinct
from mlpot.search.relax import Limits, relax
from test_search import NIAL

ARGON = Structures(formula=["Ar"], volume=[35.0, 60.0], min_distance=3.0)
FORCES = {"sigma": 3.4, "epsilon": 0.0104, "rc": 8.0, "smooth": True}


def argon(volume=45.0, seed=1):
    """Four shaken atoms."""
    atoms = bulk("Ar", "fcc", a=(4 * volume) ** (1 / 3), cubic=True)
    atoms.positions += np.random.default_rng(seed).normal(0.0, 0.2, (4, 3))
    return atoms


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("formula: NiAl", "formula: NiAll", "search:3: structures.formula.0: 'NiAll' is not a"),
        ("formula: NiAl, units: [1, 2]", "elements: [Ni, Alu]", "'Alu' is not a chemical symbol"),
        ("formula: NiAl,", "elements: [Ni, Al],", "units: is for formula"),
        ("formula: NiAl, units: [1, 2],", "", "give either formula or elements"),
        ("volume: [9, 16]", "volume: [16, 9]", "two of them in rising order"),
        ("units: [1, 2]", "units: [1, 2.5]", "whole numbers"),
        ("min_distance: 2.0", "min_distance: {Al-Ni: 2, Al-Al: 2}", "min_distance.Ni-Ni: missing"),
        (
            "min_distance: 2.0",
            "min_distance: {Al-Ni: 2, Ni-Al: 2.1, Al-Al: 2, Ni-Ni: 2}",
            "structures: min_distance.Al-Ni: given twice",
        ),
        ("name: NiAl", "name: report", "report.json is a file of the search; take another name"),
        ("min_distance: 2.0", "min_distnce: 2.0", "did you mean 'min_distance'"),
        ("rounds: 2", "rounds: 0", "search:11: rounds: should be greater than or equal to 1"),
        ("rounds: 2", "select: {rule: rnge}", "search:11: select.rule"),
        ("energy: 1.0", "enrgy: 1.0", "search:10: fit.weights.enrgy: unknown key; did you mean"),
        (
            "energy: 1.0",
            "groups: {randm: {}}",
            "groups.randm: must be given, random, relaxed; did you",
        ),
        ("reference: {lammps", "reference: {lamps", "did you mean 'lammps'"),
        ("reference: {", "reference: {calculator: emt, ", "give either lammps"),
    ],
)
def test_mistakes_are_named(old, new, message):
    assert NIAL.count(old) == 1
    with pytest.raises(InputError, match="search") as error:
        parse_search(NIAL.replace(old, new))
    assert message in str(error.value)
    assert "\n" not in str(error.value)


def test_the_example_is_valid_and_says_the_keys():
    text = example_config("search")
    config = parse_search(text)
    assert config.structures.symbols == ["Al", "Ni"]
    for block in (config, config.structures, config.select, config.relax, config.final):
        assert all(f"{key}:" in text for key in type(block).model_fields)


def test_the_blocks_of_the_documentation_are_valid():
    text = (Path(__file__).parents[1] / "docs" / "search.md").read_text()
    blocks = re.findall(r"^```yaml\n(.*?)^```", text, flags=re.MULTILINE | re.DOTALL)
    assert len(blocks) == 2
    example = example_config("search")
    for block in blocks:
        for key in re.findall(r"^(\w+):", block, flags=re.MULTILINE):
            example = re.sub(rf"^{key}:.*\n(?: .*\n)*", "", example, flags=re.MULTILINE)
        example += block
    config = parse_search(example)
    assert config.first == 0 and config.fit.regressor == {"type": "quadratic"}


def test_a_relaxation_ends_at_the_minimum_of_the_enthalpy():
    settings = Relax(fmax=0.002, pressure=0.5, every=5)
    start = argon()
    way = relax(start, LennardJones(**FORCES), settings, Limits(ARGON))
    steps = [atoms.info["step"] for atoms in way]
    assert steps[:-1] == list(range(0, steps[-1], 5)) and way[-1].info["status"] == "relaxed"
    assert np.allclose(way[0].positions, start.positions)

    other = bulk("Ar", "fcc", a=5.3)
    other.calc = LennardJones(**FORCES)
    BFGS(FrechetCellFilter(other, scalar_pressure=0.5 * GPa), logfile=None).run(fmax=1e-5)
    truth = other.get_potential_energy() + 0.5 * GPa * other.get_volume()
    assert way[-1].info["enthalpy"] == pytest.approx(truth, abs=1e-5)
    assert np.linalg.norm(labels(way[-1]).forces, axis=1).max() < 0.002


@pytest.mark.parametrize(
    ("changes", "settings", "status"),
    [
        ({}, {"pressure": -20.0}, "volume: "),
        ({"epsilon": -0.0104, "sigma": 5.0}, {}, "distance: Ar-Ar "),
        ({}, {"steps": 2}, "steps: more than 2"),
    ],
)
def test_runaways_are_stopped_and_marked(changes, settings, status):
    calculator = LennardJones(**{**FORCES, **changes})
    way = relax(argon(), calculator, Relax(fmax=0.001, **settings), Limits(ARGON))
    assert way[-1].info["status"].startswith(status)
    for atoms in way:
        Limits(ARGON).check(atoms)  # what may be selected is within the limits
        assert labels(atoms).energy is not None


def test_a_relaxation_is_stopped_where_the_potential_knows_nothing():
    block = "{type: bispectrum, two_j_max: 2, r_cut: 5.0, radii: [0.5], weights: [1.0]}"
    config = parse_config(f"name: Ar\ndata: {{train: none.xyz}}\ndescriptor: {block}")
    ranges = {"low": [[0.0] * 5], "high": [[1e-6] * 5]}
    model = Model({**zero_model(config, ["Ar"]).data, "ranges": ranges})
    way = relax(argon(), LennardJones(**FORCES), Relax(), Limits(ARGON, model, "range"))
    assert way[-1].info["status"].startswith("grade: ") and way[-1].info["step"] == 0
    free = relax(argon(), LennardJones(**FORCES), Relax(stop_grade=None), Limits(ARGON, model))
    assert free[-1].info["status"] == "relaxed"


class Refuses(LennardJones):
    def calculate(self, *arguments):
        raise InputError("atoms 0 and 1 are too close")


def test_what_cannot_be_evaluated_is_marked():
    (start,) = relax(argon(), Refuses(), Relax(), Limits(ARGON))
    assert start.info["status"] == "error: atoms 0 and 1 are too close"
    assert "enthalpy" not in start.info


def disguised(atoms, seed):
    """The same crystal in another cell, turned, its atoms in another order, shaken by 0.005 Å."""
    rng = np.random.default_rng(seed)
    other = make_supercell(atoms, [[1, 1, 0], [0, 1, 1], [0, 0, 2]])
    other.rotate(37.0 + seed, (1, 2, 3), rotate_cell=True)
    other = other[rng.permutation(len(other))]
    other.positions += rng.normal(0.0, 0.005, other.positions.shape)
    other.set_cell(other.cell.array * (1.0 + 0.001 * seed), scale_atoms=True)
    return other


def test_copies_are_one_and_polymorphs_are_not():
    crystals = [
        bulk("Si"),
        parse_structure("wurtzite:Si", 3.84),
        bulk("Si", "fcc", a=3.9),
        bulk("Si", "hcp", a=3.9 / np.sqrt(2), c=3.9 / np.sqrt(2) * np.sqrt(8 / 3)),
        bulk("SiC", "zincblende", a=4.36),
        bulk("SiC", "rocksalt", a=4.36),
    ]
    frames = [copy for one in crystals for copy in (one, disguised(one, 1), disguised(one, 2))]
    found = distinct([Found(atoms, -4.0) for atoms in frames])
    assert len(found) == len(crystals) and all(one.times == 3 for one in found)
    assert all(one.atoms is atoms for one, atoms in zip(found, frames[::3], strict=True))
    assert len(distinct([Found(bulk("Si"), -4.0), Found(bulk("Si"), -3.99)])) == 2


def test_heights_are_over_the_cheapest_mixture():
    frames = [bulk("Al"), bulk("Ni"), bulk("AlNi", "cesiumchloride", a=2.9)]
    frames += [frames[2] * (1, 1, 2), frames[2].copy()]
    frames[3].symbols = "Ni3Al"
    heights = above_hull([-3.0, -4.0, -4.5, -4.15, -4.3], frames)
    assert heights == pytest.approx([0.0, 0.0, 0.0, 0.1, 0.2], abs=1e-9)
    assert above_hull([-4.0, -4.5], [bulk("Si"), bulk("Si")]) == pytest.approx([0.5, 0.0])
