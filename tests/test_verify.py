"""mlpot verify: a sound model passes, and each check finds the fault it is for."""

import numpy as np
import pytest
from ase.build import bulk
from typer.testing import CliRunner

from contract.cells import CELLS
from mlpot import _core
from mlpot.cli import app
from mlpot.convert import convert
from mlpot.errors import InputError
from mlpot.lammps import LammpsCalculator, potentials_folder
from mlpot.lattice_sums import LatticeSums
from mlpot.model import Model
from mlpot.verify import CHECKS, checks, choose, verify
from mlpot.verify.contacts import wrong_contacts
from mlpot.verify.measures import evaluate
from mlpot.verify.nve import conservation
from mlpot.verify.rounding import rounding_of_pairs
from mlpot.verify.structures import crowded, crystal_of, radii_of

ZBL = {"type": "zbl", "inner": 3.0, "outer": 4.0}


@pytest.fixture(scope="module")
def molybdenum() -> Model:
    return convert(potentials_folder().glob("Mo_Zuo_JPCA2020.snap[cp]*"))


class Faulty:
    """A potential with something wrong: `fault(results, atoms)` changes what it gives."""

    def __init__(self, model: Model, fault):
        self.potential, self.fault = model.potential(), fault
        self.elements, self.r_cut = self.potential.elements, self.potential.r_cut

    def evaluate(self, positions, cell, pbc, species):
        found = self.potential.evaluate(positions, cell, pbc, species)
        self.fault(found, positions)
        return found


@pytest.fixture(scope="module")
def structure(molybdenum):
    radii = radii_of(molybdenum)
    atoms, clearance = crowded(bulk("Mo", cubic=True), radii)
    assert len(atoms) == 4 or len(atoms) == 16
    assert clearance > 1e-3
    return atoms, min(2.5e-3, 0.9 * clearance)


@pytest.mark.slow
def test_the_published_snap_passes_from_the_command_line(molybdenum, tmp_path):
    file = molybdenum.save(tmp_path / "Mo.json")
    done = CliRunner(env={"COLUMNS": "120"}).invoke(app, ["verify", str(file)])
    assert done.exit_code == 0, done.output
    assert "FAIL" not in done.output
    assert all(name in done.output for name in CHECKS)


def test_two_elements_and_a_network_pass(tmp_path):
    """A random network, of the cheaper checks."""
    cell = next(c for c in CELLS if str(c) == "acsf-two-neural_network-zbl")
    path = tmp_path / "crystal.xyz"
    crystal = bulk("Mo", cubic=True).repeat((2, 1, 1))
    crystal.symbols = ["Mo", "Al"] * 2
    crystal.write(path)
    names = tuple(name for name in CHECKS if name not in ("ranks", "nve"))
    found = list(verify(cell.model, str(path), names))
    assert [c.name for c in found] == list(names)
    assert [c for c in found if not c.ok] == []


def test_a_model_without_a_crystal_at_rest_has_no_dynamics(molybdenum):
    """Only its energy at rest: a model of zeros."""
    zeros = molybdenum.data["regressor"] | {"coefficients": [[0.0] * 30]}
    flat = Model(molybdenum.data | {"regressor": zeros, "core": ZBL})
    found = {check.name: check for check in verify(flat, "bcc:Mo", ("contacts", "nve"))}
    assert found["contacts"].ok and not found["nve"].ok
    assert "minimum of the energy" in found["nve"].problem


def test_wrong_derivatives_are_found(molybdenum, structure):
    atoms, step = structure
    sound = molybdenum.potential()
    assert checks.forces(sound, atoms, step) < 1e-9 and checks.virial(sound, atoms, step / 5) < 1e-7

    def forces(found, positions):
        found["forces"] = found["forces"] * (1 + 1e-8)

    def strain(found, positions):
        found["dE_dstrain"] = found["dE_dstrain"] * (1 + 1e-6)

    assert checks.forces(Faulty(molybdenum, forces), atoms, step) > 5e-9
    assert checks.virial(Faulty(molybdenum, strain), atoms, step / 5) > 5e-7


def test_a_field_that_is_not_of_the_atoms_is_found(molybdenum, structure):
    def field(found, positions):
        found["energy"] += 1e-9 * positions[:, 2].sum()

    assert checks.frame(molybdenum.potential(), structure[0]) < 1e-12
    assert checks.frame(Faulty(molybdenum, field), structure[0]) > 1e-11


@pytest.fixture(scope="module")
def cancelling() -> Model:
    """A pair term over the lattice whose terms are 1e5 times their sum."""
    powers, wanted = list(range(1, 16)), 1.0
    atoms = bulk("Mo", cubic=True)
    sums = LatticeSums(["Mo"], powers).compute(atoms, derivatives=False).values
    coefficients = 1e4 * np.array([1.0, -1.0] * 7 + [0.0]) / np.abs(sums)
    coefficients[-1] = (wanted - coefficients @ sums) / sums[-1]
    pair = {
        "sum": "ewald",
        "powers": powers,
        "coefficients": [coefficients.tolist()],
        "r_min": [0.0],
    }
    regressor = {"type": "linear", "coefficients": [[]]}
    descriptor = {"type": "none"}
    blocks = {"pair": pair, "descriptor": descriptor, "regressor": regressor}
    return Model({"elements": ["Mo"], "E0": [0.0], **blocks})


def test_bounds_are_on_what_exceeds_the_rounding_of_a_pair_term(cancelling, structure):
    atoms, rounding = structure[0], rounding_of_pairs(cancelling, structure[0])
    here = evaluate(cancelling.potential(), atoms)
    assert 1e-10 < rounding["energy"] < 1e-8 < 1e-8 * np.abs(here["forces"]).max()
    names = ("forces", "virial", "periodicity", "agreement", "frame", "cutoff")
    assert [c for c in verify(cancelling, only=names) if not c.ok] == []
    # A sum with less accuracy is found: one that is 1e-9 off.
    sound = checks.frame(cancelling.potential(), atoms, rounding)

    def off(found, positions):
        found["energy"] += 1e-9 * positions[:, 2].sum()

    assert sound < 1e-12 < checks.frame(Faulty(cancelling, off), atoms, rounding)


def test_without_a_pair_term_nothing_is_allowed(molybdenum):
    assert set(rounding_of_pairs(molybdenum, bulk("Mo")).values()) == {0.0}


def test_a_step_at_the_cutoff_fails():
    cell = next(c for c in CELLS if str(c) == "bispectrum-step-linear-bare")
    assert cell.jumps
    radii = radii_of(cell.model)
    assert set(np.round(cell.cutoffs.ravel(), 9)) <= set(np.round(radii, 9))
    crossings = checks.crossings(cell.elements, radii, cell.atoms, lambda atoms: atoms)
    potential = cell.model.potential()
    assert max(checks.jump(potential, *crossing)[0] for crossing in crossings) > 1e-6


@pytest.mark.parametrize("cell", CELLS, ids=str)
def test_all_kinks_are_among_the_radii(cell):
    radii = np.array(radii_of(cell.model))
    for kink in cell.kinks:
        if 0.6 < kink <= cell.model.potential().r_cut:
            assert np.abs(radii - kink).min() < 1e-9, kink


def test_atoms_that_attract_at_contact_are_found(molybdenum):
    assert wrong_contacts(molybdenum.potential()) == []

    class Silent(Faulty):
        def evaluate(self, positions, cell, pbc, species):
            try:
                return super().evaluate(positions, cell, pbc, species)
            except _core.AtomsTooClose:
                return {"energy": 0.0, "forces": np.zeros_like(positions)}

    wrong = wrong_contacts(Silent(molybdenum, lambda *_: None))
    assert "Mo-Mo at 1e-10 Å: force 0 eV/Å does not repel" in wrong


def test_silent_answers_are_counted_and_named(molybdenum, monkeypatch):
    monkeypatch.setattr("mlpot.verify.wrong_contacts", lambda _: ["one", "two"])
    (found,) = verify(molybdenum, only=("contacts",))
    assert found.values == {"silent answers": (2.0, 0.0, 0.0)}
    assert not found.ok and found.problem == "one; two"


COPPER = ["pair_style eam/alloy", "pair_coeff * * Cu_mishin1.eam.alloy Cu"]
# Forces that are no derivative: one part of them curls around z.
CURL = ["variable fx atom -2e-3*(y-3.6)", "variable fy atom 2e-3*(x-3.6)"]
CURL += ["fix curl all addforce v_fx v_fy 0.0"]


def test_energy_is_conserved_by_true_forces_only():
    atoms = bulk("Cu", cubic=True).repeat(2)
    ratio, drift = conservation(atoms, LammpsCalculator(COPPER, ["Cu"]), time=2.0)
    assert ratio == pytest.approx(4.0, abs=0.2) and drift < 5e-3
    ratio, drift = conservation(atoms, LammpsCalculator(COPPER + CURL, ["Cu"]), time=2.0)
    assert abs(ratio - 4.0) > 0.2 and drift > 5e-3


def test_the_crystal_is_the_elements_or_the_one_named(molybdenum):
    assert len(crystal_of(molybdenum, None)) == 2
    assert len(crystal_of(molybdenum, "fcc:Mo")) == 4
    with pytest.raises(InputError, match="has Cu, the model only Mo"):
        crystal_of(molybdenum, "fcc:Cu")
    with pytest.raises(InputError, match=r"must be among forces.*did you mean 'forces'"):
        list(verify(molybdenum, only=("virial,force",)))
    assert choose(["virial, forces"]) == ["forces", "virial"] and choose() == list(CHECKS)


def test_a_crystal_with_one_atom_of_an_element_has_no_pair_of_them():
    atoms = bulk("Mo", cubic=True).repeat(2)
    atoms.symbols[0] = "Al"
    found = [a for a, *_ in checks.crossings(["Mo", "Al", "Cu"], [2.6], atoms, lambda a: a)]
    assert sum(len(a) == 2 for a in found) == 6
    crystals = [a for a in found if len(a) > 2]
    assert 1 <= len(crystals) <= 2 and all("Cu" not in a.symbols for a in crystals)


def test_the_exit_code_is_one_where_a_check_fails(molybdenum, tmp_path, monkeypatch):
    file = molybdenum.save(tmp_path / "Mo.json")
    monkeypatch.setattr(checks, "forces", lambda *_: 1e-3)
    done = CliRunner(env={"COLUMNS": "120"}).invoke(app, ["verify", str(file), "--only", "forces"])
    assert done.exit_code == 1 and "FAIL" in done.output
    assert np.isfinite(evaluate(molybdenum.potential(), bulk("Mo"))["energy"])
