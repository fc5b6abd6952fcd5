"""What pair_style mlpot refuses and what it allows: the right end, one clear line, never a hang."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest
from ase import Atoms

from contract.measures import evaluate
from lmp import (
    BIN,
    FEW,
    LMP,
    crystal,
    data_file,
    errors,
    in_one_instance,
    lmp,
    pair_of,
    run,
    save,
    setup,
)
from mlpot.model import seal

ELEMENTS = ["Mo", "Al"]
CELL = FEW[0]
PAIR = pair_of(CELL)
STYLE = PAIR[0]
RUN = ["run 0"]


def write_files(folder: Path) -> None:
    """The crystal, the model, and model files that are not right."""
    data_file(folder / "crystal.data", crystal(ELEMENTS), ELEMENTS)
    bare = CELL.model.data | {"core": None}
    (folder / "bare.json").write_text(seal(bare))
    huge = np.full(np.shape(bare["regressor"]["coefficients"]), 1e300).tolist()
    huge = bare | {"regressor": {"type": "linear", "coefficients": huge}}
    (folder / "huge.json").write_text(seal(huge))
    save(FEW, folder)
    text = CELL.model.to_text()
    e0 = json.dumps(CELL.model.data["E0"])
    changed = {
        "edited": text.replace(e0, "[-1.5, -2.6]"),
        "nan": seal(text.replace(e0, "[-1.5, NaN]")),
        "newer": seal(text.replace('"version": 1', '"version": 2')),
        "unknown_key": seal(text.replace('"E0"', '"colour": "red",\n  "E0"')),
        "counts": seal(text.replace('"coefficients": [[', '"coefficients": [[0.5, ')),
        "text": "Once upon a time\n",
        "truncated": text[: len(text) // 2],
        "empty": "",
    }
    for name, content in changed.items():
        assert content != text
        (folder / f"{name}.json").write_text(content)
    (folder / "folder.json").mkdir()


def coeff(file: str, names: str = "Mo Al") -> list[str]:
    return setup([STYLE, f"pair_coeff * * {file} {names}"])


def after(*commands: str) -> list[str]:
    return [*setup(PAIR), *commands]


def before(*commands: str) -> list[str]:
    return [*setup(PAIR, before=commands), *RUN]


def one_atom(command: str) -> list[str]:
    box = ["region box block 0 9 0 9 -0.5 0.5", "create_box 2 box", "create_atoms 1 single 1 1 0"]
    return ["units metal", command, *box, "mass * 100", *PAIR, *RUN]


GROUP = ["group some id 1:20"]
FILES = {  # what pair_coeff says of a file
    "no_such_file": r"no_such_file\.json.*No such file or directory",
    "folder": r"folder\.json.*Is a directory",
    "empty": r"empty\.json.*empty",
    "text": r"text\.json: not valid JSON.*line 1",
    "truncated": r"truncated\.json: not valid JSON.*line \d+",
    "edited": r"edited\.json.*sha256.*edited or damaged",
    "nan": r"nan\.json: not valid JSON.*line \d+",
    "newer": r"newer\.json.*version.*newer.*upgrade",
    "unknown_key": r"unknown_key\.json.*colour: unknown key",
    "counts": r"counts\.json.*coefficients.*\[0\]: expected a list of \d+ numbers, got \d+",
}
COUNT = r"expected \* \* FILE and 2 element names .*, got {} after the file"
REFUSED = {
    **{name: (coeff(f"{name}.json"), line) for name, line in FILES.items()},
    "unknown element": (coeff(f"{CELL}.json", "Mo W"), "element W is not in .* which has Mo Al"),
    "too few elements": (coeff(f"{CELL}.json", "Mo"), COUNT.format(1)),
    "too many elements": (coeff(f"{CELL}.json", "Mo Al Al"), COUNT.format(3)),
    "no elements": (coeff(f"{CELL}.json", ""), COUNT.format(0)),
    "no file": (coeff("", ""), COUNT.format(0)),
    "every type NULL": (coeff(f"{CELL}.json", "NULL NULL"), "every atom type is NULL"),
    "a type NULL": ([*coeff(f"{CELL}.json", "Mo NULL"), *RUN], "All pair coeffs are not set"),
    "one pair": (setup([STYLE, f"pair_coeff 1 2 {CELL}.json Mo Al"]), r"must start with \* \*"),
    "no pair_coeff": ([*setup([STYLE]), *RUN], "All pair coeffs are not set"),
    "style argument": (setup(["pair_style mlpot fast"]), "mlpot argument 'fast': expected"),
    "kernels of no name": (setup(["pair_style mlpot kernels"]), "expected .* kernels and a name"),
    "unknown kernels": (
        setup(["pair_style mlpot kernels mmx", PAIR[1]]),
        '"mmx" cannot be used here; known: auto, scalar',
    ),
    "units real": (["units real", *setup(PAIR)[1:], *RUN], "requires units metal .*, not real"),
    "units lj": (["units lj", *setup(PAIR)[1:], *RUN], "requires units metal .*, not lj"),
    "newton off": (before("newton off"), "requires newton pair on"),
    "atom ids": (one_atom("atom_modify id no"), "requires atom IDs"),
    "two dimensions": (one_atom("dimension 2"), "requires a 3d simulation"),
    "exclude": (after("neigh_modify exclude type 1 2", *RUN), "neigh_modify exclude"),
    "exclude later": (after(*RUN, "neigh_modify exclude type 1 1", *RUN), "neigh_modify exclude"),
    "exclude a group": (
        after(*GROUP, "neigh_modify exclude group some all", *RUN),
        "neigh_modify exclude",
    ),
    "include": (
        after(*GROUP, "atom_modify first some", "neigh_modify include some", *RUN),
        "neigh_modify include",
    ),
    "ghosts of a group": (
        after(*GROUP, "atom_modify first some", "comm_modify group some", *RUN),
        "comm_modify group",
    ),
    "special bonds": (
        [*setup(PAIR, "bond.data", ["atom_style bond"]), *RUN],
        "requires special_bonds lj/coul 1 1 1",
    ),
    "pair_modify shift": (after("pair_modify shift yes"), "pair_modify shift has no meaning"),
    "pair_modify true": (after("pair_modify shift true"), "pair_modify shift has no meaning"),
    "pair_modify tail": (after("pair_modify table 0 tail yes"), "pair_modify tail has no meaning"),
    "pair_modify mix": (after("pair_modify mix arithmetic"), "pair_modify mix has no meaning"),
    "respa inside": (
        after("fix 1 all nve", "run_style respa 2 2 inner 1 2.0 3.0 outer 2", *RUN),
        "does not support rRESPA inner/middle/outer",
    ),
    "pair_write": (after("pair_write 1 1 9 r 1 4 table.txt X"), "does not support pair_write"),
    "not finite": (
        [*setup([STYLE, "pair_coeff * * huge.json Mo Al"], "unit.data"), *RUN],
        "(?i)atom 7[12] is not a finite number",
    ),
    "too close": (
        [
            *setup([STYLE, "pair_coeff * * bare.json Mo Al"]),
            "create_atoms 1 single 5.0 5.0 5.0",
            "create_atoms 1 single 5.0 5.0 5.125",
            *RUN,
        ],
        "Atoms 55 and 56|Atoms 56 and 55",
    ),
}
WORKS = {
    "plain": after(*RUN),
    "pair_coeff twice": after(f"pair_coeff * * {FEW[1]}.json Mo Al", PAIR[1], *RUN),
    "pair_style twice": after(*PAIR, *RUN),
    "former pair_coeff stays": after(
        *RUN, "? pair_coeff * * edited.json Mo Al", f"? pair_coeff * * {CELL}.json Mo W", *RUN
    ),
    "scalar kernels": [*setup(["pair_style mlpot kernels scalar", PAIR[1]]), *RUN],
    "map hash": before("atom_modify map hash"),
    "newton on off": before("newton on off"),
    "no exclusions any more": after(
        "neigh_modify exclude type 1 2", "? run 0", "neigh_modify exclude none", *RUN
    ),
    "special bonds of 1": [
        *setup(PAIR, "bond.data", ["atom_style bond"]), "special_bonds lj/coul 1 1 1", *RUN,
    ],
    "pair_modify no": after("pair_modify shift no tail no table 0 nofdotr", *RUN),
    "neighbors by nsq": after("neighbor 0.5 nsq", *RUN),
    "neighbors by multi": after("neighbor 1.0 multi", "comm_modify mode multi", *RUN),
    "no skin": after("neighbor 0.0 bin", "neigh_modify every 1 delay 0 check no", *RUN),
    "small communication cutoff": after("comm_modify cutoff 0.5", *RUN),
    "ghost velocities": after("comm_modify vel yes", *RUN),
    "respa outside": after("fix 1 all nve", "run_style respa 2 2 pair 1 kspace 2", "run 4"),
    "nve": after("velocity all create 300 5", "fix 1 all nve", "run 20"),
    "npt": after(
        "velocity all create 300 5", "fix 1 all npt temp 300 300 0.1 tri 0 0 1.0", "run 20"
    ),
    "minimize": after("minimize 0 1e-3 20 40"),
    "box/relax": after("fix 1 all box/relax tri 0.0", "minimize 0 1e-3 10 20"),
    "delete, create, delete all": after(
        *RUN, *GROUP, "delete_atoms group some", *RUN, "create_atoms 2 single 3.1 3.2 3.3", *RUN,
    ),
    "no atoms, then two": after(
        *RUN, "delete_atoms group all", *RUN, "create_atoms 1 single 1 1 1",
        "create_atoms 2 single 1 1 3.5", *RUN,
    ),
    "change_box": after(*RUN, "change_box all xz delta 0.3 z scale 1.02 remap units box", *RUN),
    "replicate": after("replicate 1 2 1", *RUN),
    "boundary": after("change_box all boundary p p f", *RUN),
    "a cell smaller than the cutoff": [*setup(PAIR, "unit.data"), *RUN],
    "dynamic group": after("group moving dynamic all every 1", "run 3"),
    "displace and set": after("displace_atoms all move 40 -3 7", "set type 1 type 2", *RUN),
    "centroid stress": after(
        "compute stress all centroid/stress/atom NULL virial",
        "compute sum all reduce sum c_stress[*]",
        "thermo_style custom step pe c_sum[*]",
        *RUN,
    ),
    "compute pair": after(
        "compute pair all pair mlpot epair", "thermo_style custom step pe c_pair", *RUN
    ),
    "write and read data": after(
        "write_data written.data", "clear", *setup(PAIR, "written.data"), *RUN
    ),
    "rerun": after(
        "dump 1 all custom 1 one.dump id type x y z", "dump_modify 1 format float %.17g", *RUN,
        "undump 1", "rerun one.dump dump x y z",
    ),
    "atom/swap": after("fix 1 all atom/swap 1 1 1 30000 types 1 2", "run 3"),
}  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("pair")
    write_files(folder)
    data_file(folder / "unit.data", CELL.unit, ELEMENTS, [72, 71])
    bonds = (folder / "crystal.data").read_text().replace("# atomic", "# bond").splitlines()
    start = bonds.index("Atoms # bond") + 2
    bonds[start:] = [f"{i} 1 {rest}" for i, rest in (row.split(" ", 1) for row in bonds[start:])]
    (folder / "bond.data").write_text("\n".join(bonds) + "\n")
    return folder


@pytest.fixture(scope="module")
def found(folder) -> dict[str, dict]:
    """Every case in one LAMMPS instance; after each that is refused, a plain run."""
    cases = {}
    for name, (commands, _) in REFUSED.items():
        cases |= {name: commands, f"after {name}": WORKS["plain"]}
    return in_one_instance(WORKS | cases, folder)


def line_of(error: str) -> str:
    """LAMMPS' message: one line with ERROR, then at most where it was in the input."""
    lines = [line for line in error.splitlines() if line.startswith("ERROR")]
    assert len(lines) == 1, error
    return lines[0]


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_honoured_is_refused_in_one_line(name, found):
    assert "error" in found[name], found[name]
    assert re.search(REFUSED[name][1], line_of(found[name]["error"]))
    assert found[f"after {name}"] == found["plain"], "the instance is not as it was"


@pytest.mark.parametrize("name", WORKS)
def test_what_is_allowed_gives_the_energy_and_forces_of_the_core(name, found):
    state = found[name]
    assert "energy" in state, state
    symbols = [ELEMENTS[k - 1] for k in state["type"]]
    atoms = Atoms(symbols, state["x"], cell=state["cell"], pbc=state["pbc"])
    truth = evaluate(CELL.model.potential(), atoms)
    assert state["energy"] == pytest.approx(truth["energy"], rel=1e-11)
    assert np.allclose(state["f"], truth["forces"], rtol=0, atol=1e-9)


# On the ranks of one simulation, and in one of three that run side by side.
ON_RANKS = [
    *FILES, "unknown element", "no file", "every type NULL", "unknown kernels", "units real",
    "newton off", "exclude", "ghosts of a group", "special bonds", "pair_modify mix", "too close",
]  # fmt: skip
ENDLESS = "run 1000000"


@pytest.mark.parametrize("name", ON_RANKS)
def test_two_ranks_stop_with_one_line(name, folder):
    commands, line = REFUSED[name]
    done = lmp("\n".join(commands), folder, ranks=2)
    assert done.returncode != 0
    assert [bool(re.search(line, error)) for error in errors(done.stdout)] == [True], done.stdout


@pytest.mark.parametrize("name", [*FILES, "unknown element", "too few elements"])
def test_an_error_in_one_of_three_partitions_stops_all(name, folder):
    commands, line = REFUSED[name]
    script = [*setup(PAIR), f"partition yes 3 {commands[-1]}", f"partition yes 1*2 {ENDLESS}"]
    done = lmp("\n".join(script), folder, "-partition", "3x1", "-pscreen", "screen", ranks=3)
    assert done.returncode != 0
    said = errors((folder / "screen.2").read_text())
    assert [bool(re.search(line, error)) for error in said] == [True], said


def test_an_error_on_one_of_two_ranks_stops_both(folder):
    """Kernels that only the other processor has."""
    style = ["variable kernels getenv KERNELS", "pair_style mlpot kernels ${kernels}"]
    (folder / "kernels.lmp").write_text("\n".join([*setup([*style, PAIR[1]]), ENDLESS]))
    command = [BIN / "mpiexec"]
    for kernels in ("auto", "mmx"):
        command += ["-n", 1, "-env", "KERNELS", kernels, *LMP, "-in", "kernels.lmp", ":"]
    done = run(command[:-1], folder)
    assert done.returncode != 0


def test_suffix_omp_falls_back_to_the_plain_style(folder, found):
    commands = [*WORKS["plain"], 'print "energy $(pe:%.17g)"']
    for options in ([], ["-sf", "omp"], ["-sf", "opt"]):
        done = lmp("\n".join(commands), folder, *options)
        assert done.returncode == 0, done.stdout
        energy = re.search(r"^energy (\S+)", done.stdout, re.MULTILINE)[1]
        assert float(energy) == found["plain"]["energy"], options
