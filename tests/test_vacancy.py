"""Vacancies by two routes, symmetry of jumps, and bands that are no answer."""

from pathlib import Path

import numpy as np
import pytest
from ase.build import bulk

from mlpot.calculator import MLPotCalculator
from mlpot.convert import convert
from mlpot.errors import InputError
from mlpot.generate import parse_structure
from mlpot.lammps import LammpsCalculator, potentials_folder
from mlpot.properties import PropertyError, lattice, neb, vacancy
from mlpot.properties.methods import as_commands
from mlpot.properties.neb import Band
from mlpot.properties.vacancy import _hop, neighbour_jumps, plot

FILES = ["Mo_Zuo_JPCA2020.snapcoeff", "Mo_Zuo_JPCA2020.snapparam"]
COPPER = ["pair_style eam/alloy", "pair_coeff * * Cu_mishin1.eam.alloy Cu"]


@pytest.fixture(scope="module")
def molybdenum():
    calculator = LammpsCalculator(
        ["pair_style snap", f"pair_coeff * * {' '.join(FILES)} Mo"], ["Mo"]
    )
    yield lattice(parse_structure("bcc:Mo"), calculator).crystal, calculator
    calculator.engine.close()


@pytest.fixture(scope="module")
def copper():
    calculator = LammpsCalculator(COPPER, ["Cu"])
    yield lattice(parse_structure("fcc:Cu"), calculator).crystal, calculator
    calculator.engine.close()


@pytest.mark.parametrize("route", ["ase", "lammps"])
def test_molybdenum_is_the_published_one_by_both_routes(molybdenum, route):
    # pair_style snap without zbl, 53 atoms, 7 images: 2.715 and 1.4865 eV
    found = vacancy(*molybdenum, route=route)
    assert found.vacancy_atoms == 53
    assert found.vacancy_formation_eV == pytest.approx(2.715, abs=0.001)
    assert found.vacancy_migration_eV == pytest.approx(1.4865, abs=0.0005)
    assert found.vacancy_activation_eV == found.vacancy_formation_eV + found.vacancy_migration_eV
    (hop,) = found.vacancy_hops
    assert hop["distance_A"] == pytest.approx(np.sqrt(3) / 2 * 3.1693, abs=1e-3)
    assert len(hop["energies_eV"]) == 7
    assert hop["coordinates_A"][-1] > hop["distance_A"]


def test_a_model_runs_by_both_routes(tmp_path):
    # The same potential converted, in a smaller cell, so that the routes agree is all there is.
    model = convert([potentials_folder() / name for name in FILES])
    calculator = MLPotCalculator(model)
    crystal = lattice(parse_structure("bcc:Mo"), calculator).crystal
    found = [
        vacancy(crystal, calculator, supercell=16, images=5, route=route).vacancy_migration_eV
        for route in ("ase", "lammps")
    ]
    assert found[0] == pytest.approx(found[1], abs=5e-4)


def test_copper_is_the_published_one(copper):
    # Mishin et al., Phys. Rev. B 63, 224106 (2001): 1.272 eV and 0.689 eV
    found = vacancy(*copper)
    assert found.vacancy_formation_eV == pytest.approx(1.272, abs=0.01)
    assert found.vacancy_migration_eV == pytest.approx(0.689, abs=0.01)


def test_without_images_there_is_formation_only(copper):
    found = vacancy(*copper, images=0, supercell=32)
    assert found.vacancy_formation_eV > 1.0
    assert "vacancy_migration_eV" not in found.to_dict()
    assert not found.problems
    assert plot({"a": found}) is None


@pytest.mark.parametrize(
    ("crystal", "count"),
    [
        (bulk("Cu", cubic=True), 1),
        (bulk("Mo", cubic=True), 1),
        (bulk("Si", cubic=True), 1),
        (bulk("Mg", a=3.2, c=5.2), 2),  # within the basal plane, and out of it
        (bulk("Mg", a=3.2, c=3.2 * np.sqrt(8 / 3)), 2),  # at one distance, yet not the same
    ],
)
def test_jumps_are_those_symmetry_does_not_repeat(crystal, count):
    assert len(neighbour_jumps(crystal, 0)) == count


def test_a_band_below_its_ends_is_no_barrier():
    with pytest.raises(PropertyError, match=r"goes 0\.200 eV below the relaxed vacancy"):
        _hop(np.ones(3), Band(np.array([0.0, 0.5, -0.2, 0.5, 0.0]), np.arange(5.0)))


@pytest.mark.parametrize("route", ["ase", "lammps"])
def test_a_band_that_does_not_relax_is_a_problem(copper, route):
    found = vacancy(*copper, steps=1, supercell=32, images=5, route=route)
    assert found.vacancy_formation_eV == pytest.approx(1.272, abs=0.05)
    assert found.vacancy_migration_eV is None
    assert found.vacancy_activation_eV is None
    assert "the band is not relaxed" in found.problems[0]


def test_a_hang_of_lammps_ends(copper, monkeypatch):
    monkeypatch.setattr(neb, "SECONDS", 0.01)
    with pytest.raises(PropertyError, match=r"no end in 0\.01 s"):
        neb.by_lammps(copper[0], copper[0], copper[1], 3, 0.01, 10)


def test_settings_that_cannot_be(copper):
    crystal, calculator = copper
    for settings, part in (
        ({"images": 4}, "images 4: must be odd"),
        ({"route": "amse"}, "did you mean 'ase'"),
        ({"site": 4}, "atoms 0 to 3"),
    ):
        with pytest.raises(InputError, match=part):
            vacancy(crystal, calculator, **settings)
    mixed = crystal.copy()
    mixed.symbols[0] = "Ni"
    with pytest.raises(PropertyError, match="chemical potentials"):
        vacancy(mixed, calculator)


def test_lammps_commands_name_files_in_full(copper, tmp_path):
    (command,) = as_commands(copper[1], ["Cu"], tmp_path)[1:]
    words = command.replace('"', "").split()
    assert Path(words[3]).is_absolute()
    assert Path(words[3]).is_file()
