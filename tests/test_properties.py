"""Properties against published numbers of LAMMPS' potentials and independent calculations."""

import pytest

from mlpot.errors import InputError
from mlpot.generate import parse_structure
from mlpot.lammps import LammpsCalculator
from mlpot.properties import PROPERTIES, lattice


def with_lammps(pair_style: str, pair_coeff: str, element: str) -> LammpsCalculator:
    return LammpsCalculator([f"pair_style {pair_style}", f"pair_coeff * * {pair_coeff}"], [element])


@pytest.fixture(scope="module")
def magnesium():
    calculator = with_lammps("eam/fs", "Mg_mm.eam.fs Mg", "Mg")
    yield calculator
    calculator.engine.close()


def test_lattice_of_hcp_is_the_published_one(magnesium):
    # Sun, Mendelev et al., Phys. Rev. B 73, 024116 (2006): a = 3.184 Å, c = 5.184 Å, -1.529 eV
    found = lattice(parse_structure("hcp:Mg"), magnesium)
    assert found.lattice_constant_A == pytest.approx(3.184, abs=1e-3)
    assert found.lattice_constant_c_A == pytest.approx(5.184, abs=1e-3)
    assert found.cohesive_energy_eV == pytest.approx(1.529, abs=1e-3)
    assert "lattice_constant_b_A" not in found.to_dict()


def test_settings_are_those_of_the_function():
    (known,) = (p for p in PROPERTIES if p.name == "lattice")
    assert known.with_defaults({"fmax": 1}) == {"fmax": 1.0}
    with pytest.raises(InputError, match=r"lattice: no setting 'fmx'; did you mean 'fmax'\?"):
        known.with_defaults({"fmx": 1})
    with pytest.raises(InputError, match=r"lattice.fmax: must be of the kind float"):
        known.with_defaults({"fmax": "small"})
