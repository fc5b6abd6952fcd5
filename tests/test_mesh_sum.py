"""The lattice sum on a mesh (long pme) against the sum vector by vector (long ewald)."""

from __future__ import annotations

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk

from lmp import data_file, lmp
from mlpot.lammps import LammpsEngine
from mlpot.model import Model
from mlpot.verify.in_lammps import NINE, SIX, Tallies, commands, virial_of
from mlpot.verify.measures import deformed, moved, relative, slope

POWERS = [1, 2, 3, 4, 6, 9, 12]


def model(elements: list[str]) -> Model:
    n = len(elements)
    rng = np.random.default_rng(3)
    coefficients = rng.uniform(-1.0, 1.0, (n * (n + 1) // 2, len(POWERS))) * 2.0 ** np.array(POWERS)
    pair = {"sum": "ewald", "powers": POWERS, "coefficients": coefficients}
    pair |= {"r_min": [0.0] * len(coefficients)}
    nothing = {"type": "linear", "coefficients": [[] for _ in elements]}
    parts = {"pair": pair, "descriptor": {"type": "none"}, "regressor": nothing}
    return Model({"elements": elements, "E0": [0.0] * n, **parts})


def crystal(elements: list[str], size=(4, 3, 3)) -> Atoms:
    """A rattled triclinic crystal with an odd number of each element."""
    rng = np.random.default_rng(5)
    atoms = bulk("Mo", cubic=True).repeat(size)
    atoms.symbols = rng.choice(elements, len(atoms), p=[0.7, 0.3] if len(elements) == 2 else None)
    tilts = [[0, 0, 0], [1.3, 0, 0], [-0.9, 0.7, 0]]
    atoms.set_cell(atoms.cell.array + tilts, scale_atoms=True)
    atoms.rattle(0.12, seed=5)
    return atoms


def style(file, elements: list[str], long: str) -> list[str]:
    lines = commands(file, elements)
    return [f"{lines[0]} long {long}", *lines[1:]]


def rms(values: np.ndarray) -> float:
    return float(np.sqrt(np.mean(values**2)))


@pytest.mark.parametrize("elements", [["Mo"], ["Mo", "Al"], ["Mo", "Al", "W"]], ids=len)
@pytest.mark.parametrize("accuracy", [1e-4, 1e-5, 1e-6])
def test_error_is_within_the_accuracy(elements, accuracy, tmp_path):
    file, atoms = model(elements).save(tmp_path / "model.json"), crystal(elements)
    with LammpsEngine(style(file, elements, "ewald 1e-13"), elements) as engine:
        exact = engine.evaluate(atoms)
    with LammpsEngine(style(file, elements, f"pme {accuracy}"), elements) as engine:
        found = engine.evaluate(atoms)
    error = rms(found["forces"] - exact["forces"]) / rms(exact["forces"])
    assert 1e-3 * accuracy < error <= accuracy
    assert np.abs(found["energies"] - exact["energies"]).max() <= 10 * accuracy
    assert abs(found["energy"] - exact["energy"]) / len(atoms) <= accuracy
    virial = np.abs(found["dE_dstrain"] - exact["dE_dstrain"]).max() / len(atoms)
    assert virial <= 2 * accuracy


@pytest.mark.parametrize("long", ["pme 1e-5", "ewald 1e-10"])
def test_a_hybrid_style_has_the_same_pressure(long, tmp_path):
    """LAMMPS would sum r f for a hybrid style, which is not the virial of a sum over a lattice."""
    elements = ["Mo", "Al"]
    file, atoms = model(elements).save(tmp_path / "model.json"), crystal(elements, (3, 3, 3))
    lines = style(file, elements, long)
    alone, coefficients, *more = lines
    hybrid = [
        f"pair_style hybrid/overlay {alone.removeprefix('pair_style ')} zero 6.0",
        coefficients.replace("* * ", "* * mlpot ", 1),
        "pair_coeff * * zero",
        *more,
    ]
    with LammpsEngine(lines, elements) as engine:
        expected = engine.evaluate(atoms)
    with LammpsEngine(hybrid, elements) as engine:
        found = engine.evaluate(atoms)
    for name in ("energy", "forces", "dE_dstrain"):
        assert relative(found[name], expected[name]) <= 1e-11


def test_tallies_and_slopes(tmp_path):
    """Energies of atoms sum up, and forces and virial are the slopes of the mesh's own energy."""
    elements = ["Mo", "Al"]
    file, atoms = model(elements).save(tmp_path / "model.json"), crystal(elements, (3, 3, 3))
    with Tallies(style(file, elements, "pme 1e-5"), elements) as engine:
        found = engine.tally(atoms)
        assert relative(found["energies"].sum(), found["energy"]) <= 1e-12
        virial = virial_of(found, engine.box)
        assert relative(found["virials"].sum(axis=0), virial[SIX]) <= 1e-11
        assert relative(found["centroid_virials"].sum(axis=0), virial[NINE]) <= 1e-11
        step = np.random.default_rng(2).normal(size=atoms.positions.shape)
        step -= step.mean(axis=0)  # the net force is taken off
        along = slope(lambda t: engine.evaluate(moved(atoms, t * step))["energy"], 2e-3)
        assert abs(along / np.sum(-found["forces"] * step) - 1.0) <= 1e-6
        strain = np.diag([1.0, -0.4, 0.3]) + 0.2 * (1.0 - np.eye(3))
        along = slope(lambda t: engine.evaluate(deformed(atoms, t * strain))["energy"], 2e-4)
        assert abs(along / np.sum(found["dE_dstrain"] * strain) - 1.0) <= 1e-5
        assert np.abs(found["forces"].sum(axis=0)).max() <= 1e-9


SCRIPT = """
units metal
processors {grid}
box tilt large
read_data crystal.data
pair_style mlpot long pme 1e-5
pair_coeff * * model.json Mo Al
compute stress all stress/atom NULL virial
compute sums all reduce sum c_stress[1] c_stress[4]
thermo_style custom pe c_sums[1] c_sums[2] pxx pyy pzz pxy pxz pyz
thermo_modify format float %.17g
velocity all create 300 7 loop geom
fix move all {fix}
run 4
write_dump all custom final.{ranks} id fx fy fz modify sort id format float %.17g
"""


@pytest.mark.parametrize("fix", ["nve", "npt temp 300 300 0.1 iso 0 0 1"], ids=["nve", "npt"])
def test_any_number_of_ranks_gives_the_same(fix, tmp_path):
    elements = ["Mo", "Al"]
    model(elements).save(tmp_path / "model.json")
    data_file(tmp_path / "crystal.data", crystal(elements), elements)
    last = {}
    for ranks, grid in {1: "1 1 1", 2: "1 2 1", 3: "3 1 1", 4: "2 1 2"}.items():
        done = lmp(SCRIPT.format(grid=grid, ranks=ranks, fix=fix), tmp_path, ranks=ranks)
        assert done.returncode == 0, done.stdout
        lines = done.stdout.splitlines()
        end = next(i for i, line in enumerate(lines) if line.startswith("Loop time"))
        thermo = np.array(lines[end - 1].split(), dtype=float)
        last[ranks] = thermo, np.loadtxt(tmp_path / f"final.{ranks}", skiprows=9)[:, 1:]
    for ranks in (2, 3, 4):
        assert relative(last[ranks][0], last[1][0]) <= 1e-11
        assert relative(last[ranks][1], last[1][1]) <= 1e-10
