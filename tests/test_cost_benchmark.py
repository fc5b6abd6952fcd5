"""The benchmark of cost: what it reports is consistent. Never how fast anything is."""

import json
import sys
from pathlib import Path

import pytest

from lmp import run

SCRIPT = Path(__file__).parents[1] / "benchmarks" / "cost.py"
SMALL = ["--cells", 3, 3, 3, "--rounds", 2, "--steps", 2]


def cost(folder: Path, *arguments):
    return run([sys.executable, SCRIPT, *SMALL, *arguments], folder)


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    folder = tmp_path_factory.mktemp("cost")
    eam = ["--lammps", "pair_style eam/fs", "--lammps", "pair_coeff * * Fe_mm.eam.fs Fe"]
    defaults = cost(folder, "--json", "default.json")
    other = cost(folder, *eam, "--element", "Fe", "--structure", "bcc:2.855", "--json", "eam.json")
    assert defaults.returncode == other.returncode == 0, defaults.stdout + other.stdout
    return {name: (folder / f"{name}.json").read_text() for name in ("default", "eam")}


def test_both_engines_run_the_same_potential(report):
    entries = json.loads(report["default"])["entries"]
    energies = [entry["potential_energy_eV_per_atom"] for entry in entries]
    assert len(entries) == 4
    assert energies[0::2] == pytest.approx(energies[1::2], abs=1e-9)
    assert energies[0] != energies[2]


def test_ratios_are_of_the_same_round(report):
    for text in report.values():
        first, *others = json.loads(text)["entries"]
        assert first["label"] == "LAMMPS snap, Mo_Zuo_JPCA2020"
        assert first["S"] == [1.0, 1.0]
        for entry in others:
            pairs = zip(entry["us_per_atom_step"], first["us_per_atom_step"], strict=True)
            assert entry["S"] == pytest.approx([ours / theirs for ours, theirs in pairs])


def test_report_names_commands_machine_and_versions_but_no_place(report):
    written = json.loads(report["eam"])
    assert written["entries"][1]["commands"][0] == "pair_style eam/fs"
    assert set(written["versions"]) == {"mlpot", "lammps", "numpy", "python"}
    assert written["machine"]["cpu"]
    assert str(Path(sys.executable).parents[1]) not in "".join(report.values())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nope.json"], "nope.json: no such file"),
        (["snap:nope"], "nope.snapcoeff: no such file"),
        (["--structure", "bc:3"], "did you mean 'bcc'?"),
        (["--lammps", "pair_coeff 1 1"], "the first one must be a pair_style"),
        (["--lammps", "pair_style nope"], "Unrecognized pair style 'nope'"),
        (["--rounds", 0], "must be positive"),
    ],
)
def test_mistakes_are_one_line(tmp_path, arguments, message):
    done = cost(tmp_path, *arguments)
    assert done.returncode
    assert message in done.stdout
    assert "Traceback" not in done.stdout
