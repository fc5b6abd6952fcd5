"""MLPotCalculator: ASE's conventions against finite differences, and its errors."""

import numpy as np
import pytest
from ase import Atoms
from ase.calculators.fd import calculate_numerical_forces, calculate_numerical_stress
from ase.constraints import FixAtoms
from ase.filters import FrechetCellFilter
from ase.optimize import BFGS

from contract.cells import CELLS
from contract.measures import evaluate
from mlpot.calculator import MLPotCalculator
from mlpot.errors import InputError
from mlpot.metrics import evaluate as metrics

CELL = next(cell for cell in CELLS if str(cell) == "bispectrum-two-quadratic-zbl")


@pytest.fixture
def atoms() -> Atoms:
    atoms = CELL.atoms.copy()
    atoms.calc = MLPotCalculator(CELL.model)
    return atoms


def test_results_are_those_of_the_core_in_ases_order(atoms):
    truth = evaluate(CELL.model.potential(), atoms)
    assert atoms.get_potential_energy() == truth["energy"]
    assert atoms.get_potential_energy(force_consistent=True) == truth["energy"]
    assert np.array_equal(atoms.get_potential_energies(), truth["energies"])
    assert np.array_equal(atoms.get_forces(), truth["forces"])
    (xx, xy, xz), (_, yy, yz), (_, _, zz) = truth["dE_dstrain"] / atoms.get_volume()
    assert np.array_equal(atoms.get_stress(), [xx, yy, zz, yz, xz, xy])


def test_forces_and_stress_are_ases_numerical_ones(atoms):
    numerical = calculate_numerical_forces(atoms, eps=1e-4)
    assert np.allclose(atoms.get_forces(), numerical, rtol=0, atol=1e-5)
    stress = calculate_numerical_stress(atoms, eps=1e-5)
    assert np.allclose(atoms.get_stress(), stress, rtol=0, atol=1e-7)


def test_a_file_is_the_same_as_its_model(atoms, tmp_path):
    path = CELL.model.save(tmp_path / "model.json")
    for model in (path, str(path)):
        assert MLPotCalculator(model).get_potential_energy(atoms) == atoms.get_potential_energy()
    found = metrics(MLPotCalculator(path), [atoms])
    assert found.to_dict()["energy_rmse_meV_per_atom"] in (None, 0.0)


def test_stress_needs_a_volume(atoms):
    cluster = Atoms(atoms.symbols, atoms.positions, calculator=atoms.calc)
    assert np.isfinite(cluster.get_potential_energy())
    with pytest.raises(NotImplementedError, match="stress"):
        cluster.get_stress()


def test_a_relaxation_ends_where_forces_and_stress_vanish():
    model = next(cell for cell in CELLS if str(cell) == "bispectrum-one-linear-zbl").model
    atoms = Atoms("Mo", cell=2.4 * (np.ones((3, 3)) - np.eye(3)), pbc=True).repeat((2, 1, 1))
    atoms.calc = MLPotCalculator(model)
    before = atoms.get_potential_energy()
    assert BFGS(FrechetCellFilter(atoms), logfile=None).run(fmax=1e-3, steps=200)
    assert atoms.get_potential_energy() < before
    assert np.abs(atoms.get_stress()).max() * atoms.get_volume() <= 2e-3


def test_constraints_are_ases_business(atoms):
    free = atoms.get_forces()
    atoms.set_constraint(FixAtoms([0]))
    assert not atoms.get_forces()[0].any() and np.array_equal(atoms.get_forces()[1:], free[1:])


def test_mistakes_are_one_line(atoms, tmp_path):
    path = CELL.model.save(tmp_path / "Mo.json")
    with pytest.raises(InputError, match=r"Mo2\.json: no such file; did you mean 'Mo\.json'"):
        MLPotCalculator(tmp_path / "Mo2.json")
    path.write_text(path.read_text().replace("-1.5", "-1.6"))
    with pytest.raises(InputError, match=r"Mo\.json: sha256: does not match"):
        MLPotCalculator(path)
    with pytest.raises(InputError, match=r"Cu is not among the model's elements \(Mo Al\)"):
        atoms.calc.get_potential_energy(Atoms("Cu"))
    atoms.positions[1] = np.nan
    with pytest.raises(InputError, match=f"{CELL.model.name}: atom 1: its position is not finite"):
        atoms.get_forces()
    atoms.positions[1] = atoms.positions[0]
    with pytest.raises(InputError, match=r"atoms 0 and 1 .* apart"):
        atoms.get_potential_energy()
    flat = Atoms("Mo", cell=[[1, 0, 0], [2, 0, 0], [0, 0, 1]], pbc=True, calculator=atoms.calc)
    with pytest.raises(InputError, match="the cell has no volume in its periodic directions"):
        flat.get_potential_energy()
