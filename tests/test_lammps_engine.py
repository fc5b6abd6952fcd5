"""LammpsEngine against ASE's own calculators, finite differences and ASE's integrator."""

import subprocess
import sys

import numpy as np
import pytest
from ase import Atoms, units
from ase.build import bulk
from ase.calculators.lj import LennardJones
from ase.calculators.tersoff import Tersoff
from ase.md.verlet import VelocityVerlet
from ase.stress import voigt_6_to_full_3x3_stress

from mlpot import plugin
from mlpot.errors import InputError
from mlpot.lammps import LammpsCalculator, LammpsEngine, iter_md, potentials_folder, run_md

LJ = ["pair_style lj/cut 6.0", "pair_coeff * * 0.0104 3.4", "pair_modify shift yes"]
EAM = ["pair_style eam/alloy", "pair_coeff * * CuTa.eam.alloy Cu Ta"]
TERSOFF = ["pair_style tersoff", "pair_coeff * * Si.tersoff Si"]


def argon() -> LennardJones:
    # pair_modify shift is what ASE does with smooth=False.
    return LennardJones(epsilon=0.0104, sigma=3.4, rc=6.0)


def cells() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(3)
    triclinic = 6.0 * np.eye(3) + rng.uniform(-1.5, 1.5, (3, 3))
    return {
        "cubic": 6.3 * np.eye(3),
        "triclinic": triclinic,
        "left-handed": triclinic[[1, 0, 2]],
        "skewed": np.array([[6, 0, 0], [20, 6, 0], [-31, 17, 6.0]]) @ triclinic / 6.0,
        "smaller than the cutoff": 0.6 * triclinic,
    }


def some_argon(cell: np.ndarray, pbc) -> Atoms:
    """Atoms some of which lie outside their cell."""
    n = 1 if np.linalg.det(cell) ** 2 < 120**2 else 4
    fractional = np.array([[0.0, 0, 0], [0.5, 0.55, 0.02], [1.52, 0.03, 0.5], [-1.0, 0.47, 0.45]])
    return Atoms(f"Ar{n}", positions=fractional[:n] @ cell, cell=cell, pbc=pbc)


@pytest.fixture(scope="module")
def lj():
    with LammpsEngine(LJ, ["Ar"]) as engine:
        yield engine


@pytest.mark.parametrize("pbc", [(1, 1, 1), (1, 1, 0), (0, 1, 1), (1, 0, 1), (0, 1, 0), (0, 0, 0)])
@pytest.mark.parametrize("name", cells())
def test_any_cell_and_periodicity_is_ases_lennard_jones(lj, name, pbc):
    atoms = some_argon(cells()[name], pbc)
    result, truth = lj.evaluate(atoms), argon()
    truth.calculate(atoms, ["energy", "forces", "stress"])
    virial = voigt_6_to_full_3x3_stress(truth.results["stress"]) * atoms.get_volume()
    assert result["energy"] == pytest.approx(truth.results["energy"], rel=1e-11, abs=1e-14)
    assert np.allclose(result["energies"], truth.results["energies"], rtol=1e-11, atol=1e-14)
    assert np.allclose(result["forces"], truth.results["forces"], rtol=1e-10, atol=1e-12)
    assert np.allclose(result["dE_dstrain"], virial, rtol=1e-10, atol=1e-12)


def test_tersoff_silicon_is_ases_tersoff():
    atoms = bulk("Si", cubic=True)
    atoms.set_cell(atoms.cell @ [[1.02, 0.05, 0], [0, 0.97, 0.1], [0.03, 0, 1.01]], True)
    atoms.rattle(0.1, seed=2)
    ours, truth = atoms.copy(), atoms.copy()
    ours.calc = LammpsCalculator(TERSOFF, ["Si"])
    truth.calc = Tersoff.from_lammps(str(potentials_folder() / "Si.tersoff"))
    assert ours.get_potential_energy() == pytest.approx(truth.get_potential_energy(), rel=1e-10)
    assert np.allclose(ours.get_forces(), truth.get_forces(), atol=1e-6)
    assert np.allclose(ours.get_stress(), truth.get_stress(), atol=1e-7)


def test_forces_and_strain_derivative_are_differences_of_the_energy():
    atoms = bulk("Cu", cubic=True).repeat((1, 1, 2))
    atoms.symbols[[1, 6]] = "Ta"
    atoms.set_cell(atoms.cell @ [[1, 0.3, 0], [0.1, 1.05, 0], [-0.2, 0, 1]], scale_atoms=True)
    atoms.rattle(0.1, seed=5)
    step = 1e-4
    with LammpsEngine(EAM, ["Cu", "Ta"]) as engine:
        result = engine.evaluate(atoms)
        for i, k in [(0, 0), (1, 1), (6, 2)]:
            energy = {}
            for sign in (-1, 1):
                moved = atoms.copy()
                moved.positions[i, k] += sign * step
                energy[sign] = engine.evaluate(moved)["energy"]
            slope = (energy[1] - energy[-1]) / (2 * step)
            assert result["forces"][i, k] == pytest.approx(-slope, rel=1e-5, abs=1e-7)
        for i, k in np.ndindex(3, 3):
            for sign in (-1, 1):
                strain = np.eye(3)
                strain[i, k] += sign * step
                energy[sign] = engine.evaluate(_deformed(atoms, strain))["energy"]
            slope = (energy[1] - energy[-1]) / (2 * step)
            assert result["dE_dstrain"][i, k] == pytest.approx(slope, rel=1e-5, abs=1e-5)
    assert result["energies"].sum() == pytest.approx(result["energy"], rel=1e-13)


def _deformed(atoms: Atoms, strain: np.ndarray) -> Atoms:
    deformed = atoms.copy()
    deformed.set_cell(atoms.cell @ strain, scale_atoms=True)
    return deformed


def test_results_turn_with_the_structure(lj):
    atoms = some_argon(cells()["triclinic"], True)
    turned = atoms.copy()
    turned.rotate(37, (1, 2, 3), rotate_cell=True)
    turn = np.linalg.solve(atoms.cell.array, turned.cell.array)
    before, after = lj.evaluate(atoms), lj.evaluate(turned)
    assert after["energy"] == pytest.approx(before["energy"], rel=1e-12)
    assert np.allclose(after["forces"], before["forces"] @ turn, atol=1e-13)
    assert np.allclose(after["dE_dstrain"], turn.T @ before["dE_dstrain"] @ turn, atol=1e-12)


def test_an_atom_a_rounding_error_outside_its_cell_is_kept(lj):
    atoms = some_argon(cells()["cubic"], True)
    energy = lj.evaluate(atoms)["energy"]
    atoms.positions[0] = -1e-18
    assert lj.evaluate(atoms)["energy"] == pytest.approx(energy, rel=1e-13)


def test_the_same_instance_gives_the_same_bits_after_other_structures(lj):
    atoms, other = (some_argon(cells()[name], True) for name in ("triclinic", "skewed"))
    first = lj.evaluate(atoms)
    lj.evaluate(other)
    again = lj.evaluate(atoms)
    assert all(np.array_equal(first[key], again[key]) for key in first)


def test_real_units_are_kilocalories_per_mole():
    epsilon = 0.0104 / (units.kcal / units.mol)
    commands = [LJ[0], f"pair_coeff * * {epsilon!r} 3.4", LJ[2]]
    atoms = some_argon(cells()["triclinic"], True)
    with LammpsEngine(commands, ["Ar"], units="real") as real, LammpsEngine(LJ, ["Ar"]) as metal:
        ours, truth = real.evaluate(atoms), metal.evaluate(atoms)
    assert all(np.allclose(ours[key], truth[key], rtol=1e-10, atol=1e-13) for key in ours)


def test_stress_needs_a_volume():
    dimer = Atoms("Ar2", positions=[[0, 0, 0], [0, 0, 3.5]])
    dimer.calc = LammpsCalculator(LJ, ["Ar"])
    assert dimer.get_potential_energy() < 0
    assert "stress" not in dimer.calc.results


def test_a_potential_file_here_goes_before_the_one_shipped(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    text = (potentials_folder() / "Si.tersoff").read_text()
    atoms = bulk("Si")
    with LammpsEngine(TERSOFF, ["Si"]) as engine:
        shipped = engine.evaluate(atoms)["energy"]
    (tmp_path / "Si.tersoff").write_text(text.replace("3264.7", "3265.7"))
    with LammpsEngine(TERSOFF, ["Si"]) as engine:
        assert engine.evaluate(atoms)["energy"] != shipped


@pytest.mark.parametrize(
    ("commands", "words"),
    [
        (["pair_style tersof"], "Unrecognized pair style 'tersof'"),
        (["pair_style tersoff", "pair_coeff * * No.tersoff Si"], "No.tersoff"),
        (["pair_style tersoff", "pair_coeff * * Si.tersoff"], "Number of element to type mappings"),
    ],
)
def test_what_lammps_refuses_is_one_line(commands, words):
    with pytest.raises(InputError) as error:
        LammpsEngine(commands, ["Si"])
    assert words in str(error.value)
    assert commands[-1].split()[0] in str(error.value)
    assert "\n" not in str(error.value) and ".cpp" not in str(error.value)


def test_an_engine_works_after_an_error(lj):
    atoms = some_argon(cells()["cubic"], True)
    energy = lj.evaluate(atoms)["energy"]
    with pytest.raises(InputError, match="Unknown command"):
        lj.command("no_such_command")
    assert lj.evaluate(atoms)["energy"] == energy


@pytest.mark.parametrize(
    ("atoms", "words"),
    [
        (Atoms(), "no atoms"),
        (Atoms("Xe"), "Xe"),
        (Atoms("Ar", pbc=True), "span no volume"),
        (Atoms("Ar", cell=[[1, 0, 0], [2, 0, 0], [0, 0, 1]], pbc=True), "span no volume"),
        (Atoms("Ar2", positions=[[0, 0, 0], [0, np.nan, 0]]), "atom 1"),
        (Atoms("Ar2", positions=np.zeros((2, 3))), "not finite"),
    ],
)
def test_impossible_structures_are_named(lj, atoms, words):
    with pytest.raises(InputError, match=words):
        lj.evaluate(atoms)


def test_units_and_elements_are_checked():
    with pytest.raises(InputError, match="did you mean 'metal'"):
        LammpsEngine(LJ, ["Ar"], units="metall")
    with pytest.raises(InputError, match="element 'Arr'"):
        LammpsEngine(LJ, ["Arr"])


def test_nve_is_ases_velocity_verlet():
    start = some_argon(cells()["triclinic"], True).repeat((2, 1, 1))
    start.rattle(0.05, seed=4)
    start.set_momenta(np.random.default_rng(1).normal(0.0, 0.5, (8, 3)))
    frames, rows = run_md(
        start, LJ, temperature=80, steps=20, every=10, timestep=2.0, ensemble="nve"
    )
    truth = start.copy()
    truth.calc = argon()
    VelocityVerlet(truth, 2.0 * units.fs).run(20)
    # LAMMPS' constant for mass x velocity^2 in eV differs from ASE's in the seventh digit.
    assert np.allclose(frames[-1].positions, truth.positions, atol=1e-6)
    assert np.allclose(frames[-1].get_velocities(), truth.get_velocities(), atol=1e-7)
    assert rows[-1]["kinetic"] == pytest.approx(truth.get_kinetic_energy(), rel=1e-5)
    assert rows[-1]["temperature"] * (7 / 8) == pytest.approx(truth.get_temperature(), rel=1e-5)
    assert rows[-1]["step"] == 20 and rows[-1]["time"] == pytest.approx(0.04)


def test_nvt_frames_carry_the_labels_of_their_positions():
    start = bulk("Ar", "fcc", a=5.3).repeat(3)
    settings = {"temperature": 60.0, "steps": 60, "every": 30, "equilibration": 20, "seed": 7}
    frames, rows = run_md(start, LJ, **settings)
    again, _ = run_md(start, LJ, **settings)
    assert [row["step"] for row in rows] == [30, 60]
    assert np.array_equal(frames[1].positions, again[1].positions)
    with LammpsEngine(LJ, ["Ar"]) as engine:
        truth = engine.evaluate(frames[1])
    assert frames[1].get_potential_energy() == pytest.approx(truth["energy"], rel=1e-12)
    assert np.allclose(frames[1].get_forces(), truth["forces"], atol=1e-12)
    virial = -np.trace(frames[1].get_stress(voigt=False)) / 3
    kinetic = 2 / 3 * rows[1]["kinetic"] / start.get_volume()
    assert rows[1]["pressure"] == pytest.approx(virial + kinetic, rel=1e-6)


def test_npt_frames_carry_the_labels_of_their_cells():
    """A triclinic box in a turned frame, one atom beyond its cell: it all follows the barostat."""
    start = bulk("Ar", "hcp", a=3.9, c=6.2).repeat((3, 3, 2))
    start.rotate(30, (1, 2, 3), rotate_cell=True)
    start.positions[3] += start.cell[0]
    settings = {"ensemble": "npt", "temperature": 40.0, "timestep": 4.0, "steps": 600, "every": 300}
    frames, rows = run_md(start, LJ, coupling="aniso", **settings)
    stretch = frames[1].cell.lengths() / start.cell.lengths()
    assert np.abs(stretch - 1.0).max() > 1e-3 and np.ptp(stretch) > 1e-4
    with LammpsEngine(LJ, ["Ar"]) as engine:
        truth = engine.evaluate(frames[1])
    assert frames[1].get_potential_energy() == pytest.approx(truth["energy"], rel=1e-11)
    assert np.allclose(frames[1].get_forces(), truth["forces"], atol=1e-11)
    stress = truth["dE_dstrain"] / frames[1].get_volume()
    assert np.allclose(frames[1].get_stress(voigt=False), stress, atol=1e-12)
    moved = frames[1].get_scaled_positions(wrap=False) - start.get_scaled_positions(wrap=False)
    assert np.abs(moved - moved.mean(axis=0)).max() < 0.2
    kinetic = 2 / 3 * rows[1]["kinetic"] / frames[1].get_volume()
    assert rows[1]["pressure"] == pytest.approx(kinetic - np.trace(stress) / 3, rel=1e-6)
    start.pbc[2] = False
    with pytest.raises(InputError, match="three directions"):
        run_md(start, LJ, **settings)


def test_langevin_reaches_the_temperature():
    start = bulk("Ar", "fcc", a=5.3).repeat(4)
    rows = [
        row["temperature"]
        for _, row in iter_md(
            start, LJ, temperature=50.0, steps=3000, every=10, equilibration=1000, timestep=4.0
        )
    ]
    # 189 degrees of freedom: one sample scatters by 10 %, 300 correlated ones by about 1 %.
    assert np.mean(rows) == pytest.approx(50.0, rel=0.04)


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"temperature": 0.0}, "temperature"),
        ({"steps": 25}, "multiple of every"),
        ({"ensemble": "nvtt"}, "did you mean 'nvt'"),
        ({"units": "lj"}, "metal or real"),
    ],
)
def test_md_settings_are_checked(wrong, words):
    settings = {"temperature": 50.0, "steps": 10, "every": 10} | wrong
    with pytest.raises(InputError, match=words):
        run_md(bulk("Ar"), LJ, **settings)


def test_a_molecule_moves_without_a_cell():
    start = Atoms("Ar2", positions=[[0, 0, 0], [0, 0, 3.9]])
    frames, _ = run_md(start, LJ, temperature=20.0, steps=100, every=50)
    assert 3.0 < frames[-1].get_distance(0, 1) < 6.0


def test_the_entry_point_never_imports_lammps_and_never_raises():
    code = (
        "import sys, importlib.metadata as m\n"
        "def broken(*_): raise RuntimeError\n"
        "m.files = broken\n"
        "from mlpot.plugin import plugin_path\n"
        "path = plugin_path()\n"
        "assert path.endswith('lammps_plugin'), path\n"
        "assert not {'lammps', 'numpy', 'ase'} & set(sys.modules)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert plugin.load_mpi()
