"""The examples of the README do what they say."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from lmp import LMP
from mlpot.config import parse_config
from mlpot.convert import convert
from mlpot.lammps import potentials_folder

README = (Path(__file__).parents[1] / "README.md").read_text()


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", README, flags=re.MULTILINE | re.DOTALL)


def block_with(words: str, language: str = "") -> str:
    (found,) = (text for text in blocks(language) if words in text)
    return found


@pytest.fixture
def folder(tmp_path):
    stem = potentials_folder() / "Mo_Zuo_JPCA2020"
    convert([Path(f"{stem}.snapcoeff"), Path(f"{stem}.snapparam")]).save(tmp_path / "Mo.json")
    return tmp_path


def run(command: list[str], folder: Path) -> str:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_lammps_example_conserves_energy(folder):
    script = block_with("pair_style").replace("run           1000", "run 100")
    (folder / "in.mlpot").write_text(script)
    output = run([*LMP, "-in", "in.mlpot"], folder)
    rows = re.findall(r"^ +(?:0|100) +\S+ +\S+ +\S+ +(\S+)", output, flags=re.MULTILINE)
    start, end = map(float, rows)
    assert abs(end - start) / 2000 < 1e-4  # eV per atom


def test_python_example_relaxes_a_vacancy(folder):
    script = block_with("MLPotCalculator", "python")
    output = run([sys.executable, "-c", script], folder).splitlines()
    last_step = [line.split() for line in output if line.startswith("BFGS:")][-1]
    assert float(last_step[4]) < 0.01
    (energy,) = (float(line) for line in output if re.fullmatch(r"-\d+\.\d+", line))
    assert energy == pytest.approx(float(last_step[3]), abs=1e-4)


def test_configuration_is_valid(folder):
    config = parse_config(block_with("descriptor:", "yaml"), "README.md", folder)
    assert config.descriptor["two_j_max"] == 8


def test_both_set_up_commands_are_there():
    install = "python3 -m venv .venv && .venv/bin/pip install"
    assert f"{install} . && .venv/bin/mlpot demo\n" in README
    assert f"{install} '.[test]' && .venv/bin/python -m pytest -n 2 --dist loadfile\n" in README
