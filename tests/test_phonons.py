"""Phonons against LAMMPS' own dynamical matrix, and against what every crystal obeys."""

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from ase.units import _amu, _e, kB
from scipy.integrate import trapezoid

from mlpot.errors import InputError
from mlpot.generate import parse_structure
from mlpot.lammps import LammpsCalculator, LammpsEngine
from mlpot.properties import PROPERTIES, lattice, phonons

SILICON = ["pair_style tersoff", "pair_coeff * * Si.tersoff Si"]
# q in units of 2 π / a; all are commensurate with two conventional cells.
POINTS = {"G": (0.0, 0.0, 0.0), "X": (0.0, 1.0, 0.0), "L": (0.5, 0.5, 0.5)}
THZ = np.sqrt(_e * 1e20 / _amu) / 2.0 / np.pi / 1e12  # of the root of eV/Å²/u


@pytest.fixture(scope="module")
def silicon() -> tuple[LammpsCalculator, Atoms]:
    calculator = LammpsCalculator(SILICON, ["Si"])
    return calculator, lattice(parse_structure("diamond:Si"), calculator).crystal


@pytest.fixture(scope="module")
def found(silicon):
    return phonons(silicon[1], silicon[0])


def dynamical_matrix(atoms: Atoms, folder) -> np.ndarray:
    """(3N, 3N) of LAMMPS, in eV/Å²/u; its masses are the engine's."""
    file = folder / "matrix.bin"
    with LammpsEngine(SILICON, ["Si"]) as engine:
        engine.evaluate(atoms)
        engine.command(f'dynamical_matrix all regular 1e-4 file "{file}" binary yes')
    return np.fromfile(file).reshape(3 * len(atoms), 3 * len(atoms))


def frequencies_at(q, matrix: np.ndarray, atoms: Atoms, basis: np.ndarray) -> np.ndarray:
    """THz, of the primitive cell: atoms of the same sublattice of `basis` are summed in phase."""
    a = atoms.cell[0, 0] / 2
    lattice_vectors = (np.indices((9, 9, 9)).reshape(3, -1).T - 4) * a / 2
    lattice_vectors = lattice_vectors[np.rint(lattice_vectors.sum(axis=1) / (a / 2)) % 2 == 0]
    of_sublattice = []
    for site in basis:
        apart = atoms.positions[:, None] - site - lattice_vectors[None]
        of_sublattice.append(np.linalg.norm(apart, axis=2).min(axis=1) < 1e-3)
    phase = np.exp(2j * np.pi * atoms.positions @ np.array(q) / a)
    waves = np.zeros((3 * len(atoms), 3 * len(basis)), dtype=complex)
    for k, chosen in enumerate(of_sublattice):
        assert chosen.sum() == len(atoms) / len(basis)
        for axis in range(3):
            waves[axis::3, 3 * k + axis] = phase * chosen / np.sqrt(chosen.sum())
    squares = np.linalg.eigvalsh(waves.conj().T @ matrix @ waves)
    return np.sign(squares) * np.sqrt(np.abs(squares)) * THZ


def test_frequencies_are_those_of_lammps(silicon, found, tmp_path):
    crystal = silicon[1]
    atoms = crystal.repeat(2)
    matrix = dynamical_matrix(atoms, tmp_path)
    basis = crystal.positions[[0, 1]]
    for name, q in POINTS.items():
        truth = np.sort(frequencies_at(q, matrix, atoms, basis))
        ours = np.array(found.phonon_frequencies_THz[name])
        assert np.abs(ours - truth).max() <= 1e-3, name
        assert truth.max() > 15.0


def test_acoustic_sum_rule(found):
    assert found.phonon_acoustic_THz < 1e-4
    assert found.phonon_min_THz > -1e-4 and not found.problems


def test_density_of_states_holds_every_branch_and_gives_the_heat(found):
    frequency, dos = found.dos
    assert trapezoid(dos, frequency) == pytest.approx(6.0, rel=1e-2)
    zero_point = 1e3 * trapezoid(dos * frequency, frequency) * 4.135667696e-3 / 2 / 2
    assert found.zero_point_energy_meV_per_atom == pytest.approx(zero_point, rel=1e-2)
    x = np.maximum(frequency, 1e-3) * 4.135667696e-3 / (kB * 300.0)
    capacity = trapezoid(dos * x**2 * np.exp(x) / (np.exp(x) - 1) ** 2, frequency) / 2
    assert found.heat_capacity_300K_kB_per_atom == pytest.approx(capacity, rel=1e-2)


def test_slope_at_gamma_is_the_speed_of_sound(silicon, found):
    """LA along [100]: v = sqrt(c11 / density)."""
    from mlpot.properties import elastic

    calculator, crystal = silicon
    distance, frequencies = found.path[0]
    speed = frequencies[2, 2] / distance[2] * 100.0  # THz Å = 100 m/s
    density = crystal.get_masses().sum() * _amu / crystal.get_volume() * 1e30
    c11 = elastic(crystal, calculator).c11_GPa * 1e9
    assert found.ticks[1][1] == "X"
    assert speed == pytest.approx(np.sqrt(c11 / density), rel=0.01)


def test_an_unstable_crystal_is_said_to_be_one():
    """Simple cubic argon; bcc would do as well."""
    calculator = LammpsCalculator(["pair_style lj/cut 8.5", "pair_coeff * * 0.0104 3.4"], ["Ar"])
    crystal = lattice(bulk("Ar", "sc", a=3.7), calculator).crystal
    found = phonons(crystal, calculator)
    assert found.phonon_min_THz < -0.1
    assert found.zero_point_energy_meV_per_atom is None
    assert "unstable" in found.problems[0]


def test_the_plot_is_a_picture_of_all_methods(found):
    plot = next(p for p in PROPERTIES if p.name == "phonons").plot
    assert plot({"one": found, "two": found}).startswith(b"\x89PNG")


def test_without_phonopy_one_line_says_what_to_install(silicon, monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "phonopy", None)
    with pytest.raises(InputError, match="mlpot\\[properties\\]"):
        phonons(silicon[1], silicon[0])
