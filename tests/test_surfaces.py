"""Surface energies against published ones, and against a slab and an EAM code that are ASE's."""

import sys

import pytest
from ase.build import fcc111
from ase.calculators.eam import EAM
from ase.optimize import BFGS
from ase.units import J, m

from mlpot.errors import InputError
from mlpot.generate import parse_structure
from mlpot.lammps import LammpsCalculator, potentials_folder
from mlpot.properties import PROPERTIES, PropertyError, lattice, surfaces
from mlpot.properties.base import SettingError

COPPER = ["pair_style eam/alloy", "pair_coeff * * Cu_mishin1.eam.alloy Cu"]


@pytest.fixture(scope="module")
def copper():
    calculator = LammpsCalculator(COPPER, ["Cu"])
    return lattice(parse_structure("fcc:Cu"), calculator).crystal, calculator


@pytest.fixture(scope="module")
def found(copper):
    return surfaces(*copper)


def test_copper_has_the_published_energies(found):
    """Y. Mishin et al., Phys. Rev. B 63, 224106 (2001), table III: relaxed, in J/m²."""
    for facet, energy in {"100": 1.345, "110": 1.475, "111": 1.239}.items():
        assert found.surface_energy_J_per_m2[facet] == pytest.approx(energy, abs=1.5e-3)


def test_the_close_packed_facet_is_ases(copper, found):
    """Twelve layers instead of six: the slab is thick enough, too."""
    crystal, _ = copper
    atoms = fcc111("Cu", (1, 1, 12), a=crystal.cell[0, 0], vacuum=8.0)
    atoms.pbc = True
    atoms.calc = EAM(potential=str(potentials_folder() / "Cu_mishin1.eam.alloy"))
    bulk = crystal.copy()
    bulk.calc = atoms.calc
    per_atom = bulk.get_potential_energy() / len(bulk)
    area = 2.0 * atoms.cell[0, 0] * atoms.cell[1, 1] * (J / m**2)
    cut = (atoms.get_potential_energy() - len(atoms) * per_atom) / area
    assert found.surface_energy_unrelaxed_J_per_m2["111"] == pytest.approx(cut, rel=2e-3)
    with BFGS(atoms, logfile=None) as optimizer:
        optimizer.run(fmax=0.005)
    relaxed = (atoms.get_potential_energy() - len(atoms) * per_atom) / area
    assert found.surface_energy_J_per_m2["111"] == pytest.approx(relaxed, rel=2e-3)


def test_all_thirteen_facets_of_a_cubic_crystal_and_close_packed_ones_are_lowest(found):
    energies = found.surface_energy_J_per_m2
    assert " ".join(energies) == "100 110 111 210 211 221 310 311 320 321 322 331 332"
    assert min(energies, key=energies.get) == "111"
    cut = found.surface_energy_unrelaxed_J_per_m2
    assert all(energies[facet] <= cut[facet] for facet in energies)
    assert not found.problems and found.slab_atoms["111"] * 2.08 > 10.0


def test_a_slab_that_does_not_relax_is_a_problem_and_has_no_number(copper, monkeypatch):
    def stuck(atoms, calculator, fmax, what):
        if what == "slab (110)":
            raise PropertyError(f"{what} not relaxed")
        return atoms

    monkeypatch.setattr(sys.modules[surfaces.__module__], "relax_atoms", stuck)
    found = surfaces(*copper, max_miller=1)
    assert list(found.surface_energy_J_per_m2) == ["100", "111"]
    assert found.problems == ("surface (110): slab (110) not relaxed",)

    def nothing(*_):
        raise PropertyError("nothing relaxes")

    monkeypatch.setattr(sys.modules[surfaces.__module__], "energy", nothing)
    with pytest.raises(PropertyError, match=r"surface \(100\): nothing relaxes"):
        surfaces(*copper, max_miller=1)


def test_settings_and_plot(copper, found):
    with pytest.raises(InputError, match="max_miller"):
        surfaces(*copper, max_miller=0)
    for name in ("thickness", "vacuum"):
        with pytest.raises(SettingError, match=f"surfaces.{name} -1.0: must be above 0"):
            surfaces(*copper, **{name: -1.0})
    plot = next(p for p in PROPERTIES if p.name == "surfaces").plot
    assert plot({"one": found, "two": found}).startswith(b"\x89PNG")
