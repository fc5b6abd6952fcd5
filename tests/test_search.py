"""The search: it finds the known crystal, goes on where it was stopped, and survives bad labels."""

import errno
import json
import os
import random
import re
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from ase.build import bulk
from ase.calculators.lj import LennardJones
from ase.filters import FrechetCellFilter
from ase.neighborlist import neighbor_list
from ase.optimize import BFGS
from typer.testing import CliRunner

from mlpot.cli import app
from mlpot.errors import InputError
from mlpot.io import read
from mlpot.lammps import LammpsCalculator
from mlpot.search import folder as folders
from mlpot.search import parse_search, search

EAM = ["pair_style eam/alloy", "pair_coeff * * NiAlH_jea.eam.alloy Al Ni"]
NIAL = f"""
name: NiAl
structures: {{formula: NiAl, units: [1, 2], volume: [9, 16], min_distance: 2.0}}
reference: {{lammps: {json.dumps(EAM)}}}
fit:
  descriptor:
    {{type: bispectrum, two_j_max: 4, r_cut: 5.0, radii: [0.5, 0.5], weights: [1.0, 0.6]}}
  pair: {{sum: cut, r_cut: 5.0, powers: [1, 2, 3, 4, 6, 8, 10, 12]}}
  regressor: {{type: quadratic}}
  weights: {{energy: 1.0, force: 0.03, stress: 0.01}}
rounds: 2
first: 60
candidates: 10
final: {{candidates: 20, verify: 5, relax: true}}
"""
LJ = """
name: LJ
structures: {formula: [Ar], units: [1, 3], volume: [38, 60], min_distance: 3.0}
reference:
  calculator: CALCULATOR
  arguments: {sigma: 3.4, epsilon: 0.0104, rc: 6.5}
fit: {pair: {sum: cut, r_cut: 6.5, powers: [4, 6, 8, 10, 12]}}
rounds: 2
first: 12
candidates: 4
select: {rule: d_optimal, at_most: 6}
final: {candidates: 5, verify: 3}
"""


def files_of(folder):
    """Name -> bytes of what a search leaves, but for the logs of fits, which have times."""
    found = {path.relative_to(folder): path for path in folder.rglob("*") if path.is_file()}
    return {str(name): path.read_bytes() for name, path in found.items() if path.suffix != ".log"}


def quiet(line):
    pass


@pytest.fixture(scope="module")
def nial(tmp_path_factory):
    folder = tmp_path_factory.mktemp("nial")
    return folder, search(parse_search(NIAL), folder, say=quiet)


@pytest.fixture(scope="module")
def lennard_jones(tmp_path_factory):
    folder = tmp_path_factory.mktemp("lj")
    text = LJ.replace("CALCULATOR", "lj")
    search(parse_search(text), folder, say=quiet)
    return text, files_of(folder)


def test_the_known_crystal_is_the_ground_state(nial):
    _, result = nial
    crystal = bulk("NiAl", "cesiumchloride", a=2.9)
    crystal.calc = LammpsCalculator(EAM, ["Al", "Ni"])
    BFGS(FrechetCellFilter(crystal), logfile=None).run(fmax=1e-4)
    truth = crystal.get_potential_energy() / 2
    first = result.found[0]
    assert first.reference == pytest.approx(truth, abs=1e-3)
    assert all(one.reference > truth - 1e-6 for one in result.found if one.reference is not None)
    assert first.atoms.get_volume() / len(first.atoms) == pytest.approx(
        crystal.get_volume() / 2, rel=0.01
    )
    assert is_b2(first.atoms) and first.times > 1
    assert not any(is_b2(one.atoms) for one in result.found[1:])


def is_b2(atoms):
    """Whether each atom has 8 others of the other element, and 6 of its own a little further."""
    i, j, r = neighbor_list("ijd", atoms, 3.4)
    for k in range(len(atoms)):
        near, other = r[i == k], atoms.numbers[j[i == k]] != atoms.numbers[k]
        if near.size != 14 or np.sum((near < 1.1 * near.min()) & other) != 8:
            return False
    return True


def test_what_is_ranked_is_in_the_files(nial):
    folder, result = nial
    rows = json.loads((folder / "report.json").read_text())["structures"]
    frames = read(folder / "ranked.xyz").frames
    assert len(rows) == len(frames) == len(result.found)
    assert (folder / "ranked.csv").read_text().count("\n") == len(rows) + 1
    assert (folder / "search.png").read_bytes().startswith(b"\x89PNG")
    assert sum(row["times"] for row in rows) <= 20
    for row, frame in zip(rows, frames, strict=True):
        if frame.info["labels"] == "reference":
            energy = frame.get_potential_energy() / len(frame)
            assert energy == pytest.approx(row["reference_eV_per_atom"], abs=1e-12)


def test_a_search_interrupted_after_every_file_ends_with_the_same(
    lennard_jones, tmp_path, monkeypatch
):
    text, expected = lennard_jones
    really, calls = folders.write, 0

    def interrupted(frames, path):
        nonlocal calls
        calls += 1
        if calls % 7 != 3:
            really(frames, path)
        if calls % 7 in (0, 3):
            raise KeyboardInterrupt

    monkeypatch.setattr(folders, "write", interrupted)
    monkeypatch.setattr(folders, "SAVE", 0.0)
    stops = 0
    while True:
        try:
            search(parse_search(text), tmp_path, say=quiet)
            break
        except KeyboardInterrupt:
            stops += 1
    assert stops > 10
    assert files_of(tmp_path) == expected


def test_a_search_that_is_killed_ends_with_the_same(lennard_jones, tmp_path):
    text, expected = lennard_jones
    (tmp_path / "search.yaml").write_text(text.replace("LJ", "LJ", 1) + "output: killed\n")
    run = [sys.executable, "-c", "from mlpot.cli import main; main()", "search", "search.yaml"]
    rng, killed = random.Random(int(os.environ.get("MLPOT_SEED", "1"))), 0
    for _ in range(2):
        process = subprocess.Popen([*run, "--quiet"], cwd=tmp_path)
        time.sleep(rng.uniform(1.5, 4.0))
        process.send_signal(signal.SIGKILL)
        killed += process.wait() == -signal.SIGKILL
    subprocess.run([*run, "--quiet"], cwd=tmp_path, check=True)
    found = files_of(tmp_path / "killed")
    assert {name: found[name] for name in expected} == expected
    assert all(".tmp" in name for name in found.keys() - expected.keys())


def test_a_folder_that_is_not_of_a_search_stays_as_it_is(tmp_path):
    mine = {"search.json": '{"mine": 1}', "round-trip/notes": "mine"}
    for name, content in mine.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(content)
    with pytest.raises(InputError, match=r"search\.json: is damaged, or not of a search"):
        search(parse_search(LJ.replace("CALCULATOR", "lj")), tmp_path, say=quiet)
    assert {name: (tmp_path / name).read_text() for name in mine} == mine


def test_a_file_system_without_locks_will_do(tmp_path, monkeypatch):
    def flock(handle, operation):
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(folders.fcntl, "flock", flock)
    code = errno.ENOSYS
    with folders.locked(tmp_path):
        pass
    code = errno.EIO
    with pytest.raises(InputError, match="cannot be locked"), folders.locked(tmp_path):
        pass


def test_two_processes_are_not_at_one_search(lennard_jones, tmp_path):
    text, _ = lennard_jones
    with (
        folders.locked(tmp_path),
        pytest.raises(InputError, match="another process is at this search"),
    ):
        search(parse_search(text), tmp_path, say=quiet)


class Flaky(LennardJones):
    """Fails for some structures, in the ways that calculators do."""

    def calculate(self, atoms=None, *arguments):
        super().calculate(atoms, *arguments)
        if len(atoms) == 2:
            raise RuntimeError('SCF did not\nconverge within 5 Å of "C:\\x = [1, 2]"')
        if len(atoms) == 3:
            self.results["energy"] = float("nan")


@pytest.mark.parametrize("relax", ["true", "false"])
def test_failed_labels_are_told_and_left_out(tmp_path, relax):
    said = []
    text = LJ.replace("CALCULATOR", "test_search.Flaky").replace(
        "verify: 3", f"verify: 8, relax: {relax}"
    )
    result = search(parse_search(text), tmp_path, say=said.append)
    assert any('no label: SCF did not converge within 5 Å of "C:\\x = [1, 2]"' in s for s in said)
    assert any(re.search(r"^warning: [^:]*: no label: the calc.*not finite", s) for s in said)
    assert {len(atoms) for atoms in read(tmp_path / "round-1" / "train.xyz").frames} == {1}
    assert any(one.problem and one.reference is None for one in result.found)
    assert any("not verified" in line for line in said)


def test_a_round_without_labels_is_an_error(tmp_path):
    text = LJ.replace("CALCULATOR", "test_search.Flaky").replace("[1, 3]", "2")
    with pytest.raises(InputError, match="none of 12 structures got a label: SCF did not converge"):
        search(parse_search(text), tmp_path, say=quiet)
    mended = text.replace("test_search.Flaky", "lj")
    search(parse_search(mended), tmp_path, say=quiet)
    assert len(read(tmp_path / "round-1" / "train.xyz")) == 12


@pytest.fixture
def finished(lennard_jones, tmp_path):
    """Text and folder of a search that is done."""
    text, files = lennard_jones
    for name, content in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(content)
    return text, tmp_path


def test_a_calculator_that_is_not_there_is_named(tmp_path):
    for name, message in {
        "LJJ": "ASE has no 'LJJ'; did you mean 'lj'",
        "nothing.Here": "nothing",
        "builtins.dict": "builtins.dict: is not a calculator of ASE",
    }.items():
        with pytest.raises(InputError, match=rf"^search: reference\.calculator: .*{message}"):
            search(parse_search(LJ.replace("CALCULATOR", name)), tmp_path, say=quiet)


def test_another_configuration_is_refused(finished):
    text, folder = finished
    with pytest.raises(InputError, match=r"another search \(select.at_most is 6 there, 7 here\)"):
        search(parse_search(text.replace("at_most: 6", "at_most: 7")), folder, say=quiet)


@pytest.mark.parametrize("part", range(0, 40, 3))
def test_a_damaged_file_is_named(finished, part):
    text, folder = finished
    path = folder / "round-2" / "relaxed.xyz"
    path.write_bytes(path.read_bytes()[: part * path.stat().st_size // 40])
    with pytest.raises(InputError, match=r"relaxed\.xyz: .*remove it") as error:
        search(parse_search(text), folder, say=quiet)
    assert "\n" not in str(error.value)


def test_rounds_and_the_ranking_may_be_extended(finished, tmp_path_factory):
    text, folder = finished
    longer = text.replace("rounds: 2", "rounds: 3").replace("candidates: 5", "candidates: 6")
    said = []
    search(parse_search(longer), folder, say=said.append)
    whole = tmp_path_factory.mktemp("longer")
    search(parse_search(longer), whole, say=quiet)
    found, expected = files_of(folder), files_of(whole)
    assert {name: found[name] for name in expected} == expected
    assert all(name.startswith("ranking-1/") for name in found.keys() - expected.keys())
    assert said[-1].startswith("ranking: 6 structures")


def test_a_search_may_begin_with_labels(finished, tmp_path_factory):
    text, folder = finished
    begun = text.replace("first: 12", f"first: 0\ndata: {folder}/round-*/train.xyz")
    other = tmp_path_factory.mktemp("begun")
    search(parse_search(begun), other, say=quiet)
    train = sum(len(read(path)) for path in folder.glob("round-*/train.xyz"))
    groups = read(other / "round-0" / "train.xyz").report.groups
    assert groups == {"given": train}
    with pytest.raises(InputError, match=r"data: no file none\.xyz"):
        search(parse_search(text + "data: none.xyz\n"), other / "none", say=quiet)


def test_a_mistake_can_be_mended_before_anything_is_labelled(lennard_jones, tmp_path):
    text, expected = lennard_jones
    wrong = text.replace("[4, 6, 8, 10, 12]", "[4, 6, 8, 10, 12], taper: 5.8").replace("3.0", "2.9")
    wrong = wrong.replace("fit: {", "fit: {descriptor: {type: bispectrm}, ")
    with pytest.raises(InputError, match="bispectrm"):
        search(parse_search(wrong), tmp_path, say=quiet)
    search(parse_search(text), tmp_path, say=quiet)
    assert files_of(tmp_path) == expected


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("eam/alloy", "eam/aloy", "search.yaml: reference.lammps: LAMMPS: Unrecognized pair style"),
        (
            "min_distance: 2.0",
            "min_distance: 5.0",
            "search.yaml: structures: random structures: no",
        ),
        ("two_j_max", "twojmax", "two_j_max"),
        ("radii: [0.5, 0.5]", "radii: [0.5]", "radii"),
    ],
)
def test_mistakes_are_named_before_anything_is_labelled(tmp_path, old, new, message):
    (tmp_path / "search.yaml").write_text(NIAL.replace(old, new) + "output: out\n")
    result = CliRunner().invoke(app, ["search", str(tmp_path / "search.yaml")])
    assert result.exit_code == 2
    assert message in result.stderr and result.stderr.count("\n") == 1
    assert not (tmp_path / "out" / "round-1" / "labelled.xyz").exists()
