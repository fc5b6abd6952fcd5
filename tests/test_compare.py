"""Table II: errors and marks by hand, files that are no reference, the command by measuring."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from mlpot.cli import app
from mlpot.errors import InputError
from mlpot.properties.compare import Reference, compare, load_reference, markdown

FILE = Path(__file__).resolve().parents[1] / "benchmarks" / "reference" / "zuo2020_properties.json"
SNAP = ["--lammps", "pair_style snap", "--lammps"]
SNAP += ["pair_coeff * * Mo_Zuo_JPCA2020.snapcoeff Mo_Zuo_JPCA2020.snapparam Mo"]


@pytest.fixture
def run():
    runner = CliRunner(env={"COLUMNS": "120", "TERM": "dumb"})
    return lambda *words: runner.invoke(app, ["compare", *map(str, words)])


def test_errors_and_marks_are_those_by_hand():
    known = Reference("Mo", "bcc:Mo", {"c11_GPa": 472.0}, {}, "of a test")
    columns = {"one": {"c11_GPa": 441.2, "vacancy_formation_eV": 2.9}, "other": {"c11_GPa": 480.0}}
    columns["other"]["failures"] = {"vacancy": "atoms about it not relaxed"}
    first, second = compare(known, columns)
    assert first.errors["one"] == pytest.approx(-6.5, abs=0.05)
    assert first.errors["other"] == pytest.approx(+1.7, abs=0.05)
    assert first.best == {"other"}
    assert (second.label, second.reference, second.best) == ("E_v", None, frozenset())
    page = markdown([first, second], "Title", "of a test")
    assert "| c11 (GPa) | 472 | 441.2 (-6.5%) | **480.0 (+1.7%)** |" in page
    assert "| E_v (eV) | - | 2.900 | failed |" in page


def test_what_looks_equal_is_equally_good():
    known = Reference("Mo", "bcc:Mo", {"lattice_constant_A": 3.168}, {}, "")
    columns = {"a": {"lattice_constant_A": 3.16931}, "b": {"lattice_constant_A": 3.16927}}
    assert compare(known, columns)[0].best == {"a", "b"}


@pytest.mark.parametrize("element", ["Ni", "Cu", "Li", "Mo", "Si", "Ge"])
def test_reference_values_are_consistent(element):
    # Within rounding: B of cubic crystals is (c11 + 2 c12) / 3, E_a is E_v + E_m.
    known = load_reference(FILE, element)
    for values in (known.values, *known.potentials.values()):
        third = (values["c11_GPa"] + 2 * values["c12_GPa"]) / 3
        assert values["bulk_modulus_vrh_GPa"] == pytest.approx(third, abs=1.1)
        if "vacancy_activation_eV" in values:
            total = values["vacancy_formation_eV"] + values["vacancy_migration_eV"]
            assert values["vacancy_activation_eV"] == pytest.approx(total, abs=0.0101)


def test_command_measures_snap_as_published(run, tmp_path):
    result = run(*SNAP, "--reference", FILE, "--published", "-o", tmp_path / "out", "--name", "new")
    assert result.exit_code == 0, result.output
    values = json.loads((tmp_path / "out" / "properties.json").read_text())["new"]
    published = load_reference(FILE, "Mo").potentials["SNAP"]
    bars = {"lattice_constant_A": 6e-4, "polymorph_meV_per_atom": 0.6}
    for key, value in published.items():
        if key != "from":
            bar = bars.get(key, 0.4 if key.endswith("GPa") else 1.5e-3)
            assert values[key] == pytest.approx(value, abs=bar), key
    assert (tmp_path / "out" / "comparison.md").read_text().count("**") > 2
    again = run(tmp_path / "out" / "properties.json", "-r", FILE, "--element", "Mo")
    assert again.exit_code == 0
    assert "472" in again.output
    assert "456.5" in again.output


def test_two_of_one_name_are_two_columns(run, tmp_path):
    files = []
    for k in (1, 2):
        values = {"same": {"c11_GPa": 400.5 + k, "settings": {}, "failures": {}}}
        files.append(tmp_path / f"{k}.json")
        files[-1].write_text(json.dumps(values))
    result = run(*files, "-r", FILE, "--element", "Mo")
    assert result.exit_code == 0, result.output
    assert all(text in result.output for text in ("401.5", "402.5", "same (2)"))


def test_mistakes_are_named(run, tmp_path):
    with pytest.raises(InputError, match="say which with --element"):
        load_reference(FILE, None)
    with pytest.raises(InputError, match="has Ni, Cu, Li, Mo, Si, Ge"):
        load_reference(FILE, "W")
    (tmp_path / "bad.json").write_text("[]")
    with pytest.raises(InputError, match="not a file of reference values"):
        load_reference(tmp_path / "bad.json", None)
    data = {"elements": {"W": {"structure": "bcc:W", "DFT": {"c11": 500}}}}
    (tmp_path / "bad.json").write_text(json.dumps(data))
    with pytest.raises(InputError, match="no quantity 'c11'; did you mean 'c11_GPa'"):
        load_reference(tmp_path / "bad.json", None)
    for part, message in (
        ([], "elements: W: must be an object"),
        ({"structure": "bcc:W", "DFT": [1]}, "W: DFT: must be an object"),
        ({"structure": "bcc:W", "DFT": {"c11_GPa": "500"}}, "c11_GPa: must be a number, not '500'"),
        ({"structure": "bcc:W", "DFT": {}, "potentials": {"a": 1}}, "W: a: must be an object"),
    ):
        (tmp_path / "bad.json").write_text(json.dumps({"elements": {"W": part}}))
        with pytest.raises(InputError, match=message):
            load_reference(tmp_path / "bad.json", None)
    with pytest.raises(InputError, match="nothing to compare"):
        compare(Reference("W", "bcc:W", {}, {}, ""), {"one": {}})
    result = run("--reference", FILE, "--element", "Mo")
    assert result.exit_code == 2
    assert "nothing to compare" in result.stderr
