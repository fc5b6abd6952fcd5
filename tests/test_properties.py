"""Properties against published numbers and independent calculations; how they are run and shown."""

import json

import numpy as np
import pytest
from ase.build import bulk
from ase.calculators.emt import EMT
from ase.units import GPa
from scipy.integrate import quad
from scipy.optimize import minimize_scalar
from typer.testing import CliRunner

from mlpot.cli import app
from mlpot.cli.measure import parse
from mlpot.errors import InputError
from mlpot.generate import parse_structure
from mlpot.generate.crystals import LATTICES
from mlpot.lammps import LammpsCalculator
from mlpot.properties import PROPERTIES, PropertyError, delta_eos, eos, lattice, polymorphs
from mlpot.properties import show as shown
from mlpot.properties.eos import birch_murnaghan, fitted
from mlpot.properties.methods import Method
from mlpot.properties.polymorphs import structure_of
from mlpot.properties.run import choose, measure

COPPER = ["pair_style eam/alloy", "pair_coeff * * Cu_mishin1.eam.alloy Cu"]
REPULSIVE = ["pair_style born 6.0", "pair_coeff * * 1.0 0.3 2.0 0.0 0.0"]


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


@pytest.fixture(scope="module")
def copper():
    calculator = LammpsCalculator(COPPER, ["Cu"])
    yield calculator
    calculator.engine.close()


@pytest.fixture(scope="module")
def crystal(copper):
    return lattice(parse_structure("fcc:Cu"), copper).crystal


@pytest.fixture
def run():
    runner = CliRunner(env={"COLUMNS": "120", "TERM": "dumb"})
    return lambda *words: runner.invoke(app, ["properties", *map(str, words)])


def lammps(commands: list[str]) -> list[str]:
    return [word for line in commands for word in ("--lammps", line)]


def test_equation_of_state_is_recovered_from_its_own_points():
    volumes = np.linspace(15.0, 17.0, 13)
    found = fitted(volumes, birch_murnaghan(volumes, -10.85, 15.9, 260 * GPa, 4.2))
    assert found.eos_volume_A3_per_atom == pytest.approx(15.9, rel=1e-6)
    assert found.eos_energy_eV_per_atom == pytest.approx(-10.85, abs=1e-9)
    assert found.eos_bulk_modulus_GPa == pytest.approx(260, rel=1e-4)
    assert found.eos_bulk_modulus_derivative == pytest.approx(4.2, rel=1e-3)
    assert found.eos_residual_meV_per_atom < 1e-6


def test_birch_murnaghan_has_the_derivatives_in_its_name():
    v0, bulk_modulus, derivative = 16.0, 1.5, 4.5
    x = np.linspace(-0.3, 0.3, 13)
    e = np.polyfit(x, birch_murnaghan(v0 + x, 0.0, v0, bulk_modulus, derivative), 6)[::-1]
    second, third = 2 * e[2], 6 * e[3]  # B = V E", B' = -1 - V E"'/E"
    assert e[1] == pytest.approx(0.0, abs=1e-9)
    assert v0 * second == pytest.approx(bulk_modulus, rel=1e-6)
    assert -1 - v0 * third / second == pytest.approx(derivative, rel=1e-4)


def test_equation_of_state_of_copper(copper, crystal):
    # Mishin et al., Phys. Rev. B 63, 224106 (2001): 3.615 Å, 138.3 GPa
    found = eos(crystal, copper)
    assert found.eos_volume_A3_per_atom == pytest.approx(3.615**3 / 4, rel=1e-3)
    assert found.eos_bulk_modulus_GPa == pytest.approx(138.3, rel=0.02)


def test_distance_of_two_equations_is_the_papers_integral(copper, crystal):
    one, other = eos(crystal, copper), eos(lattice(bulk("Cu"), EMT()).crystal, EMT())
    v0 = (one.eos_volume_A3_per_atom + other.eos_volume_A3_per_atom) / 2

    def above(calculator, start, lowest, volume: float) -> float:
        atoms = start.copy()
        scale = (volume * len(atoms) / atoms.get_volume()) ** (1 / 3)
        atoms.set_cell(atoms.cell * scale, scale_atoms=True)
        return calculator.get_property("energy", atoms) / len(atoms) - lowest

    lowest = [r.eos_energy_eV_per_atom for r in (one, other)]
    start, emt = parse_structure("fcc:Cu"), EMT()

    def squared(volume: float) -> float:
        first = above(copper, start, lowest[0], volume)
        return (first - above(emt, start, lowest[1], volume)) ** 2

    integral, _ = quad(squared, 0.94 * v0, 1.06 * v0, epsrel=1e-4, limit=20)
    expected = 1e3 * np.sqrt(integral / (0.12 * v0))
    assert delta_eos(one, other) == pytest.approx(expected, rel=0.02)
    assert delta_eos(one, other) == delta_eos(other, one)
    assert delta_eos(one, one) == 0.0


def test_no_minimum_no_equation_of_state():
    volumes = np.linspace(15.0, 17.0, 13)
    for energies in (-volumes, -((volumes - 16.0) ** 2), (volumes - 18.0) ** 2):
        with pytest.raises(PropertyError, match="no minimum"):
            fitted(volumes, energies)


@pytest.mark.parametrize("name", LATTICES)
def test_structures_know_themselves(name):
    assert structure_of(parse_structure(f"{name}:Cu")) == name
    assert structure_of(parse_structure(f"{name}:Cu").repeat(2)) == name


def test_polymorphs_of_copper_are_the_published_ones(copper, crystal):
    # Mishin et al. (2001): bcc 46, hcp 8 meV over fcc; the others by a search over a
    found = polymorphs(crystal, copper)
    energies = found.polymorph_energies_meV_per_atom
    assert found.polymorph_name == "bcc"
    assert found.polymorph_meV_per_atom == energies["bcc"] == pytest.approx(46, abs=3)
    assert energies["hcp"] == pytest.approx(8, abs=2)
    bulk_energy = copper.get_property("energy", crystal) / 4
    for name, a in {"diamond": 5.4, "sc": 2.4}.items():
        lowest = minimize_scalar(
            lambda a, name=name: copper.get_property("energy", bulk("Cu", name, a=a, cubic=True)),
            bracket=(0.97 * a, a),
        )
        excess = lowest.fun / len(bulk("Cu", name, a=a, cubic=True)) - bulk_energy
        assert energies[name] == pytest.approx(1e3 * excess, abs=0.01)
    assert "fcc" not in energies


def test_one_command_measures_side_by_side(run, tmp_path):
    folder = tmp_path / "out"
    sutton = ["pair_style eam", "pair_coeff * * Cu_u3.eam"]
    words = ["--structure", "fcc:Cu", "--only", "elastic,eos,vacancy,polymorphs", "-o", folder]
    words += ["--set", "vacancy.supercell=32", "--set", "polymorphs.structures=[bcc, hcp]"]
    result = run(*words, *lammps(COPPER), *lammps(sutton), "--name", "Mishin")
    assert result.exit_code == 0, result.output
    values = json.loads((folder / "properties.json").read_text())
    assert list(values) == ["Mishin", "eam Cu_u3.eam"]
    for method, (a, c11) in {"Mishin": (3.615, 169.9), "eam Cu_u3.eam": (3.615, 167.3)}.items():
        of = values[method]
        assert of["lattice_constant_A"] == pytest.approx(a, abs=2e-3)
        assert of["c11_GPa"] == pytest.approx(c11, rel=0.01)
        assert np.shape(of["elastic_GPa"]) == (6, 6)
        for key in ("cohesive_energy_eV", "c12_GPa", "c44_GPa", "bulk_modulus_vrh_GPa"):
            assert of[key] > 0
        total = of["vacancy_formation_eV"] + of["vacancy_migration_eV"]
        assert of["vacancy_activation_eV"] == pytest.approx(total)
        assert of["polymorph_meV_per_atom"] > 0
        assert of["settings"]["vacancy"]["images"] == 7
    deltas = [values[m]["delta_eos_meV_per_atom"] for m in values]
    assert deltas[0]["eam Cu_u3.eam"] == deltas[1]["Mishin"] > 0
    report = (folder / "report.md").read_text()
    for name in ("eos", "vacancy", "polymorphs"):
        assert (folder / f"{name}.png").read_bytes().startswith(b"\x89PNG")
        assert f"({name}.png)" in report
    assert "| c11 | GPa |" in report
    for text in (report, result.stdout):
        assert f"{deltas[0]['eam Cu_u3.eam']:.3f}" in text
    assert str(tmp_path) not in report


def test_keys_of_two_properties_never_meet(copper, crystal):
    found = [p.function.__annotations__["return"] for p in PROPERTIES]
    names = [
        name
        for p, result in zip(PROPERTIES, found, strict=True)
        for name in vars(__import__(p.function.__module__, fromlist=["x"]))[result].__annotations__
    ]
    assert len(names) == len(set(names))


def test_what_cannot_be_relaxed_has_no_numbers(run, tmp_path):
    words = ["-s", "fcc:Cu", "--only", "elastic,vacancy", "-o", tmp_path / "out"]
    result = run(*words, *lammps(REPULSIVE))
    assert result.exit_code == 1
    values = json.loads((tmp_path / "out" / "properties.json").read_text())["born"]
    assert "no minimum of the energy within 25 %" in values["failures"]["lattice"]
    assert values["failures"]["vacancy"] == "there is no relaxed crystal"
    assert not any(key.endswith(("_A", "_eV", "_GPa")) for key in values)
    assert "failed" in result.stdout
    assert "born: lattice: no minimum" in result.stderr


def test_a_potential_without_isolated_atoms_has_the_rest(copper):
    class Periodic(EMT):
        def calculate(self, atoms=None, *args):
            if not atoms.pbc.any():
                raise InputError("periodic structures only")
            super().calculate(atoms, *args)

    found = lattice(bulk("Cu"), Periodic())
    assert found.lattice_constant_A > 2.0
    assert "cohesive_energy_eV" not in found.to_dict()
    assert found.problems == ("cohesive energy: an isolated atom: periodic structures only",)


def test_any_ase_calculator_is_a_method():
    (found,) = measure(bulk("Cu"), [Method("EMT", EMT())], ["elastic", "eos"])
    assert not found.failures
    volume = found.results["lattice"].volume_A3_per_atom
    assert found.results["eos"].eos_volume_A3_per_atom == pytest.approx(volume, rel=1e-3)
    assert ("elastic", "c11", "GPa") in [row[:3] for row in shown.cells([found])]


@pytest.mark.parametrize(
    ("words", "parts"),
    [
        (["-s", "fcc:Cu"], ["name a model file", "--lammps"]),
        (lammps(COPPER), ["--structure is missing"]),
        (["-s", "fcc:Cu", "--only", "elstic", *lammps(COPPER)], ["did you mean 'elastic'"]),
        (["-s", "fcc:Cu", "--set", "eos=1", *lammps(COPPER)], ["property.setting=value"]),
        (["-s", "fcc:Cu", "--set", "eos.spn=1", *lammps(COPPER)], ["did you mean 'span'"]),
        (["-s", "fcc:Cu", "--set", "eos.points=many", *lammps(COPPER)], ["of the kind int"]),
        (["-s", "fcc:Cu", "--set", "elastic.strains=[0.1, a]", *lammps(COPPER)], ["kind float"]),
        (["-s", "fcc:Cu", "--set", "elastic.strains=[]", *lammps(COPPER)], ["strains: is empty"]),
        (
            ["-s", "fcc:Cu", "--only", "elastic", "--set", "eos.points=9", *lammps(COPPER)],
            ["settings of eos, which is not computed"],
        ),
        (
            ["-s", "fcc:Cu", "--only", "vacancy", "--set", "vacancy.images=4", *lammps(COPPER)],
            ["vacancy.images 4: must be odd"],
        ),
        (["-s", "fcc:Cu", "--lammps", "pair_coeff * * 1 1"], ["begin with a pair_style"]),
        (["-s", "fcc:Cu", "--lammps", "pair_style eam/aloy"], ["LAMMPS: Unrecognized pair style"]),
        (["-s", "fcc:Cu", "no.json"], ["no.json: no such file"]),
        (["-s", "fcc:Cu", *lammps(COPPER), "--name", "a", "--name", "b"], ["2 names for 1"]),
    ],
)
def test_mistakes_are_one_line_and_code_2(run, words, parts):
    result = run(*words)
    assert result.exit_code == 2, result.output
    assert result.stderr.startswith("error: ")
    assert result.stderr.count("\n") == 1
    assert all(part in result.stderr for part in parts), result.stderr


def test_list_shows_settings(run):
    result = run("--list")
    assert result.exit_code == 0
    assert all(p.name in result.output for p in PROPERTIES)
    assert "images = 7" in result.output


def test_settings_are_read_as_yaml():
    assert parse(["eos.points=9", "elastic.strains=[0.01, 0.02]"]) == {
        "eos": {"points": 9},
        "elastic": {"strains": [0.01, 0.02]},
    }
    assert parse(["surfaces.fmax=1e-4"]) == {"surfaces": {"fmax": 1e-4}}
    with pytest.raises(InputError, match=r"--set 'eos\.points=\[1':.*not valid YAML"):
        parse(["eos.points=[1"])


def test_all_is_more_than_the_usual():
    assert choose(["all"]) == list(PROPERTIES)
    assert choose() == [p for p in PROPERTIES if p.usual]
    names = [p.name for p in choose((), bulk("NaCl", "rocksalt", a=5.6))]
    assert "elastic" in names
    assert not {"vacancy", "polymorphs", "md"} & set(names)


def test_rows_of_several_methods_keep_their_order():
    assert shown._merged([["a", "c"], ["a", "b", "c", "d"], ["e"]]) == ["e", "a", "b", "c", "d"]
