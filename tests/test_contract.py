"""One contract for every descriptor × regressor (to add one: contract/entries.py).

Truths: finite differences, the slow twins of oracle/, their recorded numbers (data/contract.json,
made by contract/record.py), and LAMMPS' own sums over what it tallies for each atom.
"""

import json
from functools import partial
from itertools import combinations_with_replacement, product
from pathlib import Path

import numpy as np
import pytest
from ase import Atoms

from contract.cells import CELLS, Cell
from contract.entries import DESCRIPTORS, LINEAR, REGRESSORS
from contract.measures import (
    arguments,
    assert_agree,
    by_oracle,
    evaluate,
    grades_by_lammps,
    grades_by_oracle,
    moved,
    relative,
    slope,
)
from mlpot import _core
from mlpot.calculator import MLPotCalculator
from mlpot.errors import InputError
from mlpot.grade import grade
from mlpot.lammps import LammpsEngine
from mlpot.model import Model
from mlpot.verify import checks
from mlpot.verify.checks import ALONG
from mlpot.verify.in_lammps import NINE, Tallies, commands, virial_of

RECORDED = json.loads((Path(__file__).parent / "data" / "contract.json").read_text())
STEP = 2.5e-3  # Å; distances of a cell's structure stay on their side of every kink
BARE, CORED = ([c for c in CELLS if c.repels == repels] for repels in (False, True))
FREE = [c for c in CELLS if not (c.bulk or c.pooled)]
WITH_ROWS = [c for c in CELLS if c.regressor in LINEAR]
PERIODICITIES = [pbc for pbc in product((True, False), repeat=3) if any(pbc)]


@pytest.fixture(scope="module", params=CELLS, ids=str)
def cell(request) -> Cell:
    return request.param


@pytest.fixture(scope="module")
def file(cell, tmp_path_factory) -> Path:
    return cell.model.save(tmp_path_factory.mktemp("model") / "model.json")


@pytest.fixture(scope="module")
def lammps(cell, file):
    with Tallies(commands(file, cell.elements), cell.elements) as engine:
        yield engine


@pytest.fixture(scope="module")
def truth(cell) -> dict:
    return by_oracle(cell.model.data, cell.atoms)


def test_every_descriptor_meets_every_regressor():
    assert {(c.descriptor, c.regressor) for c in CELLS} == set(product(DESCRIPTORS, REGRESSORS))
    assert set(RECORDED) == set(map(str, CELLS))


def test_results_are_those_of_the_slow_twins(cell, truth):
    assert 0.1 < np.abs(truth["energies"]).max() < 1e3 and np.abs(truth["forces"]).max() > 0.01
    assert_agree(evaluate(cell.model.potential(), cell.atoms), truth, 1e-11)


def test_python_lammps_and_record_agree(cell, file, lammps):
    core, record = evaluate(cell.model.potential(), cell.atoms), RECORDED[str(cell)]
    assert_agree(core, record, 1e-11)
    inside = lammps.evaluate(cell.atoms)
    assert_agree(inside, core, 1e-11)
    assert_agree(inside, record, 1e-11)
    atoms = cell.atoms.copy()
    atoms.calc = MLPotCalculator(file)
    assert relative(atoms.get_forces(), record["forces"]) <= 1e-11
    assert relative(atoms.get_potential_energy(), record["energy"]) <= 1e-11
    stress = atoms.get_stress(voigt=False) * atoms.get_volume()
    assert relative(stress, record["dE_dstrain"]) <= 1e-11


def test_forces_are_the_slope_of_the_energy(cell):
    assert checks.forces(cell.model.potential(), cell.atoms, STEP) <= 1e-9


def test_virial_is_the_slope_of_the_energy(cell):
    assert checks.virial(cell.model.potential(), cell.atoms, STEP / 5) <= 1e-7


def test_tallies_of_atoms_sum_to_the_whole(cell, file, lammps):
    energies, virials = checks.sums(cell.model.potential(), cell.atoms, lammps)
    assert energies <= 1e-12 and virials <= 1e-11
    found = lammps.tally(cell.atoms)
    virial = virial_of(found, lammps.box)
    assert relative(found["centroid_virials"].sum(axis=0), virial[NINE]) <= 1e-11
    explicit = commands(file, cell.elements, "pair_modify nofdotr")
    with LammpsEngine(explicit, cell.elements) as engine:
        assert_agree(engine.evaluate(cell.atoms), found, 1e-11)


@pytest.mark.parametrize("cell", FREE, indirect=True, ids=str)
def test_centroid_stress_carries_the_heat(cell, lammps):
    """J = sum_i r_i dE_i/dt + sum_i r_i (F_i . v_i), of a cluster that moves.

    LAMMPS: J = sum_i W_i v_i with W_i = sum of r_a f_b, the negative of centroid/stress/atom.
    """
    potential, atoms = cell.model.potential(), cell.atoms.copy()
    atoms.pbc = False
    v = np.random.default_rng(3).uniform(-1.0, 1.0, atoms.positions.shape)  # Å/ps
    power = slope(lambda t: evaluate(potential, moved(atoms, t * v))["energies"], STEP)
    power += np.sum(evaluate(potential, atoms)["forces"] * v, axis=1)
    flux = power @ atoms.positions
    found = lammps.tally(atoms, velocities=v)
    assert relative(found["flux"], flux) <= 1e-9
    tensors = np.empty((len(atoms), 3, 3))
    tensors[:, NINE[0], NINE[1]] = found["centroid_virials"]
    assert relative(np.einsum("iab,ib->a", tensors, v), flux) <= 1e-9


def test_repeated_cells_repeat(cell, lammps):
    potential, unit = cell.model.potential(), cell.unit
    assert unit.cell.lengths().max() < cell.cutoffs.min()
    boundaries = [(True, True, True)] if cell.bulk else PERIODICITIES
    evaluators = [lambda atoms: evaluate(potential, atoms), lammps.evaluate]
    energy, force = checks.periodicity(evaluators, potential, unit, boundaries)
    assert energy <= 1e-11 and force <= 1e-11


def test_results_do_not_depend_on_the_frame(cell):
    assert checks.frame(cell.model.potential(), cell.atoms) <= 1e-12


def test_ids_with_gaps_change_nothing(cell, lammps):
    assert checks.gaps_in_ids(lammps, cell.atoms) <= 1e-12


def in_a_box(cell: Cell, atoms: Atoms) -> Atoms:
    """Periodic and far from its images, where the descriptor is only for such."""
    if cell.bulk:
        atoms.set_cell([9.0, 9.5, 10.0])
        atoms.pbc = True
    return atoms


def test_nothing_jumps_at_the_cutoff(cell):
    """Neither for dimers nor for crystals with an atom on a kink."""
    potential, boxed = cell.model.potential(), partial(in_a_box, cell)
    crossings = list(checks.crossings(cell.elements, cell.kinks, cell.atoms, boxed))
    pairs = len(cell.elements) * (len(cell.elements) + 1) // 2
    assert len(crossings) == 2 * pairs * len(cell.kinks)
    energy, force = np.max([checks.jump(potential, *crossing) for crossing in crossings], axis=0)
    if cell.jumps:
        assert energy > 1e-6  # or this test could not fail
    else:
        assert energy <= 1e-12 and force <= 1e-9


def test_all_kernels_agree(cell, file):
    text, here = cell.model.to_text(), evaluate(cell.model.potential(), cell.atoms)
    for name in _core.kernels():
        potential = _core.Potential(text, kernels=name)
        assert potential.kernels == name
        found = evaluate(potential, cell.atoms)
        assert_agree(found, here, 1e-13, ("energies", "forces", "dE_dstrain"))
        # of its terms: the energies of the atoms may nearly cancel
        terms = np.abs(here["energies"]).sum()
        assert abs(found["energy"] - here["energy"]) <= 1e-13 * terms
        q = potential.features(*arguments(cell.atoms, cell.elements))
        assert q.shape == (len(cell.atoms), potential.n_features)
        with LammpsEngine(commands(file, cell.elements, kernels=name), cell.elements) as engine:
            assert_agree(engine.evaluate(cell.atoms), found, 1e-12)


@pytest.mark.parametrize("cell", WITH_ROWS, indirect=True, ids=str)
def test_design_rows_times_coefficients_are_the_results(cell):
    """Columns are species-major, then those of the pair term; what has no coefficient (E0, core) is
    the model of zeros."""
    data = cell.model.data
    of_species = coefficients = np.array(data["regressor"]["coefficients"])
    zeros = {"regressor": data["regressor"] | {"coefficients": np.zeros_like(coefficients)}}
    if cell.pair:
        coefficients = np.append(coefficients, np.ravel(cell.pair["coefficients"]))
        zeros["pair"] = None
    fixed = evaluate(Model(data | zeros).potential(), cell.atoms)
    results = evaluate(cell.model.potential(), cell.atoms)
    design = cell.model.potential().design(*arguments(cell.atoms, cell.elements))
    assert len(design["energy"]) == cell.model.potential().n_parameters == coefficients.size
    for key, rows in design.items():
        assert relative(rows @ coefficients.ravel() + fixed[key], results[key]) <= 1e-12, key
    first = cell.atoms[[s == cell.elements[0] for s in cell.atoms.symbols]]
    rows = cell.model.potential().design(*arguments(first, cell.elements))["energy"]
    of_first, of_others = np.split(rows[: of_species.size], [of_species.shape[1]])
    assert of_first.any() and not of_others.any()


def test_grades_are_those_of_the_slow_twins_in_python_and_lammps(cell, tmp_path):
    model, atoms = cell.graded, cell.atoms
    file = model.save(tmp_path / "graded.json")
    rules = ["range", "d_optimal"] if model.data["active_set"] else ["range"]
    assert model.potential().rules == rules
    for rule in rules:
        truth = grades_by_oracle(model.data, atoms, rule)
        found = grade(model, atoms, rule)
        assert relative(found.of_atoms, truth) <= 1e-10
        assert found.of_structure == found.of_atoms.max() == found.of_atoms[found.atom]
        for name in _core.kernels():
            potential = _core.Potential(model.to_text(), kernels=name)
            grades = potential.grades(*arguments(atoms, cell.elements), rule=rule)["grades"]
            assert relative(grades, found.of_atoms) <= 1e-11
        inside = grades_by_lammps(file, rule, atoms, cell.elements)
        assert relative(inside["grades"], found.of_atoms) <= 1e-11
        assert_agree(inside, evaluate(cell.model.potential(), atoms), 1e-11)


def dimer(cell: Cell, a: int, b: int, r: float) -> Atoms:
    """With a bystander, so that atoms 0 and 2 are the close ones."""
    symbols = [cell.elements[a], cell.elements[0], cell.elements[b]]
    atoms = Atoms(symbols, [[0.0] * 3, 2.5 * ALONG[[1, 2, 0]] * [1, -1, 1], r * ALONG])
    return in_a_box(cell, atoms)


@pytest.mark.parametrize("cell", BARE, indirect=True, ids=str)
@pytest.mark.parametrize("r", [0.0, 1e-10, 0.1, 0.3, 0.499])
def test_close_contacts_without_core_name_the_atoms(cell, file, r):
    potential = cell.model.potential()
    for a, b in product(range(len(cell.elements)), repeat=2):
        with pytest.raises(_core.AtomsTooClose, match=r"atoms (0 and 2|2 and 0) .*core"):
            evaluate(potential, dimer(cell, a, b, r))
        with pytest.raises(_core.AtomsTooClose):
            potential.design(*arguments(dimer(cell, a, b, r), cell.elements))
    with (
        LammpsEngine(commands(file, cell.elements), cell.elements) as engine,
        pytest.raises(InputError, match=r"Atoms (1 and 3|3 and 1) are"),
    ):
        engine.evaluate(dimer(cell, 0, 0, r))
    assert np.isfinite(evaluate(potential, dimer(cell, 0, 0, 0.501))["energy"])


@pytest.mark.parametrize("cell", CORED, indirect=True, ids=str)
def test_close_contacts_with_core_repel(cell):
    potential = cell.model.potential()
    for a, b in combinations_with_replacement(range(len(cell.elements)), 2):
        found = [evaluate(potential, dimer(cell, a, b, r)) for r in np.geomspace(0.05, 0.9, 60)]
        energies = [result["energy"] for result in found]
        assert np.isfinite(energies).all() and np.all(np.diff(energies) < 0.0)
        assert min(result["forces"][2] @ ALONG for result in found) > 0.0
        for r in (1e-10, 1e-5, 0.01):
            result = evaluate(potential, dimer(cell, a, b, r))
            assert result["energy"] > energies[0] and np.isfinite(result["forces"]).all()
        with pytest.raises(ValueError, match=r"atoms (0 and 2|2 and 0) |not a finite number"):
            evaluate(potential, dimer(cell, a, b, 0.0))
