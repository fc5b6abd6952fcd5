"""Dynamics as a property, against harmonic theory, ASE's and LAMMPS' own averages, and by hand."""

import numpy as np
import pytest
from ase import Atoms, units
from ase.build import bulk
from ase.calculators.emt import EMT
from ase.geometry.rdf import get_rdf

from mlpot import metrics
from mlpot.dynamics import stream, trajectory
from mlpot.errors import InputError
from mlpot.generate import parse_structure
from mlpot.io import with_labels
from mlpot.lammps import LammpsCalculator, LammpsEngine, run_md
from mlpot.properties import PROPERTIES, PropertyError, lattice, md, thermal_expansion
from mlpot.properties.base import SettingError
from mlpot.properties.correlations import block_mean, displacement, mean_rdf, peak, rdf, unwrapped

COPPER = ["pair_style eam/alloy", "pair_coeff * * Cu_mishin1.eam.alloy Cu"]


@pytest.fixture(scope="module")
def copper():
    calculator = LammpsCalculator(COPPER, ["Cu"])
    return lattice(parse_structure("fcc:Cu"), calculator).crystal, calculator


def plot_of(name: str):
    return next(p for p in PROPERTIES if p.name == name).plot


def gas(n: int, cell) -> Atoms:
    """Atoms at random, some outside of the cell, as dynamics leaves them."""
    positions = np.random.default_rng(0).uniform(-0.5, 1.5, (n, 3)) @ cell
    return Atoms(f"Cu{n}", positions=positions, cell=cell, pbc=True)


def test_rdf_is_ases_and_lammps():
    atoms = gas(60, np.diag([10.0, 10.0, 11.0]))
    ours = rdf(atoms.positions, atoms.cell.array, 4.999999, 80)
    # ASE counts an atom among its own neighbours in the density
    np.testing.assert_allclose(
        ours * 59 / 60, get_rdf(atoms, 4.999999, 80)[0], rtol=1e-5, atol=1e-9
    )
    with LammpsEngine(["pair_style zero 5.0", "pair_coeff * *"], ["Cu"]) as engine:
        engine.command("compute rdf all rdf 80", "thermo_style custom step pe c_rdf[1][1]")
        engine.command("thermo_modify norm no lost error")
        engine.load(atoms)
        engine.command("run 0 post no")
        truth = engine.lammps.numpy.extract_compute("rdf", 0, 2)[:, 1].copy()
    ours = rdf(atoms.positions, atoms.cell.array, 5.0, 80)
    np.testing.assert_allclose(ours, truth, rtol=1e-6, atol=1e-9)


def test_rdf_beyond_half_a_skewed_cell_counts_all_images():
    atoms = gas(20, np.array([[6.0, 0.0, 0.0], [2.5, 6.5, 0.0], [-2.0, 1.0, 7.0]]))
    ours = rdf(atoms.positions, atoms.cell.array, 5.9, 59)
    large = atoms.repeat(4)
    truth = get_rdf(large, 5.9, 59)[0] * 20 / 19
    np.testing.assert_allclose(ours, truth, rtol=1e-9, atol=1e-9)


def test_displacement_of_a_drifting_and_of_a_random_walk():
    rng = np.random.default_rng(3)
    walk = np.cumsum(rng.normal(size=(400, 50, 3)), axis=0)
    frames = [Atoms("Cu50", positions=x + 0.3 * t) for t, x in enumerate(walk)]
    squares = displacement(unwrapped(frames))
    assert squares[0] == 0.0
    # 3 a step, less the centre of mass of fifty atoms
    assert squares[50] / 50 == pytest.approx(3.0 * 49 / 50, rel=0.1)


def test_standard_error_of_independent_numbers():
    series = np.random.default_rng(1).normal(3.0, 2.0, 100_000)
    mean, error = block_mean(series)
    assert mean == pytest.approx(series.mean())
    assert 0.3 < error / (2.0 / np.sqrt(series.size)) < 2.0  # five blocks: χ with 4 degrees


def test_peak_of_a_known_curve():
    r = np.linspace(2.0, 4.0, 161)
    g = np.exp(-0.5 * ((r - 2.7234) / 0.15) ** 2)
    assert peak(r, g) == pytest.approx(2.7234, abs=1e-3)


def test_a_cold_crystal_is_harmonic(copper):
    """<E> = E0 + 3/2 (N - 1) k T and <u²> = k T / (N m) Σ 1/ω² of the very supercell."""
    crystal, calculator = copper
    found = md(crystal, calculator, temperatures=(40.0,), time=20.0, supercell=32, seed=4)
    atoms, kT = crystal.repeat(2), units.kB * found.md_temperature_K["40"]
    assert len(atoms) == found.md_atoms == 32
    assert found.md_temperature_K["40"] == pytest.approx(40.0, rel=0.05)
    energy = calculator.get_property("energy", atoms) / 32 + 1.5 * kT * 31 / 32
    assert found.md_energy_eV_per_atom["40"] == pytest.approx(energy, abs=4e-4)
    hessian = np.empty((96, 96))
    for k in range(96):
        step = np.zeros(96)
        step[k] = 1e-3
        forces = []
        for sign in (1, -1):
            moved = atoms.copy()
            moved.positions += sign * step.reshape(32, 3)
            forces.append(calculator.get_property("forces", moved).ravel())
        hessian[k] = (forces[1] - forces[0]) / 2e-3
    stiffness = np.linalg.eigvalsh(hessian)
    assert np.abs(stiffness[:3]).max() < 1e-6 < 0.1 < stiffness[3]
    assert found.md_displacement_A2["40"] == pytest.approx(
        kT * (1 / stiffness[3:]).sum() / 32, rel=0.12
    )
    assert found.md_rdf_peak_A["40"] == pytest.approx(crystal.cell[0, 0] / np.sqrt(2), abs=0.01)
    assert 0.9 < found.md_nearest["40"] < 1.0
    assert abs(found.md_diffusion_A2_per_ps["40"]) < 1e-3
    assert plot_of("md")({"EAM": found}).startswith(b"\x89PNG")


def test_snapshots_are_compared_with_the_second_method(copper):
    """The same frames labelled by EMT, compared by mlpot.metrics."""
    crystal, calculator = copper
    settings = {"time": 0.2, "equilibration": 0.05, "snapshots": 5, "seed": 2, "supercell": 32}
    found = md(crystal, calculator, temperatures=(600,), reference=EMT(), **settings)
    run = trajectory(
        crystal.repeat(2), calculator, temperature=600.0, steps=200, every=1, equilibration=50,
        seed=stream(2, 0),
    )  # fmt: skip
    every_frame = [frame for frame, _ in run]
    frames = [every_frame[i] for i in np.linspace(0, 199, 5).round().astype(int)]
    for frame in frames:
        reference = EMT()
        energy = reference.get_property("energy", frame)
        with_labels(frame, energy, reference.get_property("forces", frame), None)
    truth = metrics.evaluate(calculator, frames).to_dict()
    for ours, key in (
        (found.md_energy_error_meV_per_atom, "energy_mae_meV_per_atom"),
        (found.md_force_error_eV_per_A, "force_mae_eV_per_A"),
    ):
        assert ours["600"] == pytest.approx(truth[key], rel=1e-9)
    assert found.md_energy_scatter_meV_per_atom["600"] < found.md_energy_error_meV_per_atom["600"]


def test_what_collapses_has_no_numbers(copper):
    crystal, calculator = copper
    settings = {"time": 0.2, "equilibration": 0.1, "supercell": 32}
    found = md(crystal, calculator, temperatures=("0.1Tm", 90_000), **settings)
    assert list(found.md_energy_eV_per_atom) == ["135.777"]
    assert len(found.problems) == 1 and "NVT at 90000 K: " in found.problems[0]
    with pytest.raises(PropertyError, match="collapsed: two atoms"):
        md(crystal, calculator, temperatures=(90_000,), **settings)
    with pytest.raises(InputError, match="ten time steps"):
        md(crystal, calculator, time=0.001)


@pytest.mark.parametrize("measure", [md, thermal_expansion])
@pytest.mark.parametrize(
    "setting",
    [
        {"timestep": 0.0},
        {"seed": -1},
        {"time": np.inf},
        {"equilibration": -1.0},
        {"temperatures": ("0.9Tmm",)},
        {"temperatures": ()},
    ],
    ids=str,
)
def test_settings_that_cannot_be_are_named(copper, measure, setting):
    with pytest.raises(SettingError, match=rf"{measure.__name__}\.{next(iter(setting))}"):
        measure(*copper, **setting)


def test_temperatures_may_be_parts_of_melting_and_nothing_else():
    (declared,) = (p for p in PROPERTIES if p.name == "md")
    chosen = declared.with_defaults({"temperatures": [300, "0.5Tm"]})["temperatures"]
    assert chosen == (300.0, "0.5Tm")
    with pytest.raises(SettingError, match=r"md\.temperatures: must be of the kind float"):
        declared.with_defaults({"temperatures": [True]})


@pytest.mark.parametrize("ensemble", ["nve", "nvt", "npt"])
def test_other_calculators_are_moved_by_ase(ensemble):
    start = bulk("Cu", cubic=True).repeat(2)
    settings = {"temperature": 300.0, "steps": 20, "every": 10, "ensemble": ensemble, "seed": 3}
    first, again = (list(trajectory(start, EMT(), **settings)) for _ in range(2))
    assert [row["step"] for _, row in first] == [10, 20]
    frame, row = first[1]
    assert np.array_equal(frame.positions, again[1][0].positions)
    assert row["energy"] == pytest.approx(EMT().get_property("energy", frame), rel=1e-12)
    virial = -np.trace(frame.get_stress(voigt=False)) / 3
    kinetic = 2 / 3 * row["kinetic"] / frame.get_volume()
    assert row["pressure"] == pytest.approx(virial + kinetic, rel=1e-9)
    assert (frame.cell.array != start.cell.array).any() == (ensemble == "npt")
    if ensemble == "nve":
        totals = [row["energy"] + row["kinetic"] for _, row in first]
        assert totals[0] == pytest.approx(totals[1], abs=2e-3)


def test_the_expanded_crystal_is_free_of_pressure(copper):
    """Copper, 16.5e-6/K in nature; NVT at the lattice constant that NPT gave."""
    crystal, calculator = copper
    found = thermal_expansion(
        crystal, calculator, temperatures=(300.0,), time=12.0, equilibration=3.0, supercell=108
    )
    assert found.linear_expansion_1e6_per_K == pytest.approx(16.0, abs=2.0)
    a = found.hot_lattice_constant_A["300"]
    expected = np.exp(3e-4 * found.linear_expansion_1e6_per_K)
    assert a / crystal.cell[0, 0] == pytest.approx(expected, rel=1e-5)
    hot = parse_structure("fcc:Cu", a).repeat(3)
    _, rows = run_md(
        hot, COPPER, temperature=300.0, steps=12000, every=20, equilibration=2000, seed=9
    )
    pressure, bar = block_mean([row["pressure"] / units.GPa for row in rows])
    cold = crystal.repeat(3)
    _, rows = run_md(cold, COPPER, temperature=300.0, steps=1000, every=20, equilibration=500)
    unexpanded = np.mean([row["pressure"] / units.GPa for row in rows])
    assert unexpanded > 1.5 and bar < 0.1
    assert abs(pressure) < 0.1
    assert plot_of("thermal_expansion")({"EAM": found}).startswith(b"\x89PNG")


def test_equal_edges_of_a_hexagonal_cell_stay_equal():
    calculator = LammpsCalculator(["pair_style eam/fs", "pair_coeff * * Mg_mm.eam.fs Mg"], ["Mg"])
    crystal = lattice(parse_structure("hcp:Mg"), calculator).crystal
    found = thermal_expansion(
        crystal, calculator, temperatures=(200,), time=0.4, equilibration=0.2, supercell=30
    )
    a, b, c = found.hot_cell_A["200"]
    assert a == pytest.approx(b, rel=1e-9)
    assert c / a != pytest.approx(crystal.cell.lengths()[2] / crystal.cell.lengths()[0], rel=1e-6)
    with pytest.raises(InputError, match="did you mean 'aniso'"):
        run_md(crystal, [], temperature=1.0, steps=1, every=1, ensemble="npt", coupling="ansio")


def test_mean_rdf_names_the_middles_of_its_bins():
    frames = [gas(30, np.diag([8.0, 8.0, 8.0]))] * 2
    r, g = mean_rdf(frames, 4.0, 8)
    assert np.allclose(r, np.arange(8) / 2 + 0.25)
    assert np.allclose(g, rdf(frames[0].positions, frames[0].cell.array, 4.0, 8))
