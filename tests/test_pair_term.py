"""The pair term over the whole lattice: slow twin, slopes, LAMMPS on any ranks; its part in fits.

Pair terms with a cutoff, with a descriptor, keep the contract: test_contract.py.
"""

from __future__ import annotations

import json

import numpy as np
import pytest
from ase import Atoms

from contract.measures import (
    assert_agree,
    by_oracle,
    deformed,
    evaluate,
    moved,
    relative,
    slope,
)
from lmp import crystal, data_file, errors, lmp
from mlpot.config import parse_config
from mlpot.errors import InputError
from mlpot.fit import fit
from mlpot.generate import write
from mlpot.io import with_labels
from mlpot.lammps import LammpsEngine
from mlpot.lattice_sums import LatticeSums
from mlpot.model import Model
from mlpot.verify.in_lammps import NINE, SIX, Tallies, commands, virial_of
from oracle.structures import crowd

ELEMENTS = ["Mo", "Al"]
POWERS = [1, 2, 3, 4, 6, 9, 12, 15]
NOTHING = {
    "descriptor": {"type": "none"},
    "regressor": {"type": "linear", "coefficients": [[], []]},
}


def model(powers=POWERS, r_min=(0.0, 0.0, 0.0), **more) -> Model:
    rng = np.random.default_rng(1)
    coefficients = rng.uniform(-1.0, 1.0, (3, len(powers))) * 1.5 ** np.array(powers)
    pair = {"sum": "ewald", "powers": powers, "coefficients": coefficients, "r_min": r_min}
    return Model({"elements": ELEMENTS, "E0": [-1.5, -2.5], "pair": pair, **NOTHING, **more})


def atoms(seed: int = 9) -> Atoms:
    positions, cell, species = crowd(seed, n=5)
    return Atoms([ELEMENTS[s] for s in species], positions, cell=cell, pbc=True)


WALLED = model(r_min=(2.9, 2.6, 2.7))


@pytest.mark.parametrize("model", [model(), WALLED], ids=["bare", "walled"])
def test_results_are_those_of_the_slow_twin(model):
    found, truth = evaluate(model.potential(), atoms()), by_oracle(model.data, atoms())
    assert_agree(found, truth, 1e-11)


@pytest.mark.parametrize("model", [model(), WALLED], ids=["bare", "walled"])
def test_forces_and_virial_are_slopes(model):
    potential, here = model.potential(), atoms()
    found = evaluate(potential, here)
    step = np.random.default_rng(2).normal(size=here.positions.shape)
    along = slope(lambda t: evaluate(potential, moved(here, t * step))["energy"], 2e-3)
    assert abs(along + np.sum(found["forces"] * step)) <= 1e-8 * np.abs(found["forces"]).max()
    strain = np.diag([1.0, -0.5, 0.3]) + 0.4 * (1.0 - np.eye(3))
    along = slope(lambda t: evaluate(potential, deformed(here, t * strain))["energy"], 5e-4)
    expected = np.sum(found["dE_dstrain"] * strain)
    assert abs(along / expected - 1.0) <= 1e-7


def test_lammps_is_python_and_tallies_sum_up(tmp_path):
    potential = model(r_min=(0.0, 2.6, 0.0))
    here = evaluate(potential.potential(), atoms())
    file = potential.save(tmp_path / "pair.json")
    with Tallies(commands(file, ELEMENTS), ELEMENTS) as engine:
        found = engine.tally(atoms())
        assert_agree(found, here, 1e-11)
        assert relative(found["energies"].sum(), found["energy"]) <= 1e-12
        virial = virial_of(found, engine.box)
        assert relative(found["virials"].sum(axis=0), virial[SIX]) <= 1e-11
        assert relative(found["centroid_virials"].sum(axis=0), virial[NINE]) <= 1e-11
        large = engine.evaluate(atoms().repeat((2, 1, 2)))  # another box, another split
        assert relative(large["energy"], 4.0 * here["energy"]) <= 1e-11
        assert relative(large["forces"][:5], here["forces"]) <= 1e-11


RANKS = """
units metal
processors {grid}
box tilt large
read_data crystal.data
pair_style mlpot
pair_coeff * * pair.json Mo Al
compute energy all pe/atom
compute stress all stress/atom NULL virial
compute sums all reduce sum c_energy c_stress[1] c_stress[4]
thermo_style custom pe c_sums[1] c_sums[2] c_sums[3] pxx pyy pzz pxy pxz pyz
thermo_modify format float %.17g
fix move all nve
velocity all create 300 7 loop geom
run 5
write_dump all custom final.{ranks} id fx fy fz modify sort id format float %.17g
"""


def test_any_number_of_ranks_gives_the_same(tmp_path):
    model(r_min=(1.5, 1.5, 1.5), powers=[1, 2, 3, 6, 12]).save(tmp_path / "pair.json")
    data_file(tmp_path / "crystal.data", crystal(ELEMENTS), ELEMENTS)
    last = {}
    grids = {1: "1 1 1", 2: "2 1 1", 3: "1 1 3", 4: "1 2 2"}
    for ranks, grid in grids.items():
        script = RANKS.format(grid=grid, ranks=ranks)
        done = lmp(script, tmp_path, ranks=ranks)
        assert done.returncode == 0, done.stdout
        lines = done.stdout.splitlines()
        end = next(i for i, line in enumerate(lines) if line.startswith("Loop time"))
        thermo = np.array(lines[end - 1].split(), dtype=float)
        forces = np.loadtxt(tmp_path / f"final.{ranks}", skiprows=9)[:, 1:]
        last[ranks] = thermo, forces
    for ranks in (2, 3, 4):
        assert relative(last[ranks][0], last[1][0]) <= 1e-12
        assert relative(last[ranks][1], last[1][1]) <= 1e-11


def test_a_cut_of_the_lattice_sum(tmp_path):
    """long cut RADIUS is the same model with sum: cut, tapered over the last tenth."""
    ewald = model(powers=[4, 6, 12])
    ewald.save(tmp_path / "ewald.json")
    pair = ewald.data["pair"] | {"sum": "cut", "r_cut": 7.0, "taper": 0.7}
    expected = evaluate(Model(ewald.data | {"pair": pair}).potential(), atoms())
    style = commands(tmp_path / "ewald.json", ELEMENTS)
    style[0] += " long cut 7.0"
    with LammpsEngine(style, ELEMENTS) as engine:
        assert_agree(engine.evaluate(atoms()), expected, 1e-11)
        slab = atoms()
        slab.pbc = [True, True, False]
        assert np.isfinite(engine.evaluate(slab)["energy"])


@pytest.mark.parametrize(
    ("style", "boundary", "says"),
    [
        ("pair_style mlpot", "p p f", "needs boundary p p p"),
        ("pair_style mlpot long ewald 1.0", "p p p", "accuracy must be from"),
        ("pair_style mlpot long cut -1", "p p p", "must be above 0"),
        ("pair_style mlpot long direct 5", "p p p", "Unknown pair_style mlpot long method"),
        ("pair_style mlpot long ewald", "p p p", "Unknown pair_style mlpot argument"),
    ],
)
def test_lammps_refuses_in_one_line(style, boundary, says, tmp_path):
    model().save(tmp_path / "pair.json")
    script = f"units metal\nboundary {boundary}\nregion box block 0 8 0 8 0 8\ncreate_box 2 box\n"
    script += "create_atoms 1 single 1 1 1\ncreate_atoms 2 single 4 4 4\nmass * 50\n"
    script += f"{style}\npair_coeff * * pair.json Mo Al\nrun 0\n"
    done = lmp(script, tmp_path)
    assert done.returncode != 0
    assert len(errors(done.stdout)) == 1 and says in errors(done.stdout)[0]


def test_python_refuses_what_is_not_a_lattice():
    slab = atoms()
    slab.pbc = [True, True, False]
    with pytest.raises(ValueError, match="periodic in all directions"):
        evaluate(model().potential(), slab)


@pytest.mark.parametrize("r", [1e-3, 0.1, 0.5, 1.0, 1.4])
def test_the_wall_repels_and_joins_smoothly(r):
    powers, a = [6, 12], 2.0**12  # V = a (r^-12 - 2^-6 r^-6): repels below 2.2 Å
    table = np.array([[-a / 64.0, a]] * 3)
    pair = {"sum": "ewald", "powers": powers, "coefficients": table, "r_min": [1.5] * 3}
    potential = model(pair=pair).potential()
    v, dv = potential.pair_energy(0, 1, r)
    assert v > potential.pair_energy(0, 1, r + 0.01)[0] and dv < 0.0
    rate = slope(lambda t: potential.pair_energy(0, 1, r * (1.0 + t))[0], 1e-3) / r
    assert abs(rate / dv - 1.0) <= 1e-8
    inside, outside = (potential.pair_energy(0, 1, 1.5 + d) for d in (-1e-9, 1e-9))
    assert abs(inside[1] - outside[1]) <= 1e-6 * abs(inside[1])


# Fits


TRUTH = {6: [-40.0, -30.0, -20.0], 12: [900.0, 700.0, 500.0]}


def structures(n: int, seed: int = 0, noise: float = 0.0, forces: bool = True) -> list[Atoms]:
    """Random mixtures whose energies are a Lennard-Jones lattice sum, and E0."""
    rng = np.random.default_rng(seed)
    sums = LatticeSums(ELEMENTS, list(TRUTH))
    coefficients = np.transpose(list(TRUTH.values())).ravel()
    frames = []
    while len(frames) < n:
        size = int(rng.integers(2, 7))
        cell = np.eye(3) + np.tril(rng.uniform(-0.4, 0.4, (3, 3)), -1)
        cell *= (size * rng.uniform(8.0, 14.0)) ** (1.0 / 3.0)
        frame = Atoms(rng.choice(ELEMENTS, size), scaled_positions=rng.random((size, 3)), cell=cell)
        frame.pbc = True
        if frame.get_all_distances(mic=True)[np.triu_indices(size, 1)].min() < 1.5:
            continue
        found = sums.compute(frame)
        energy = found.values @ coefficients + np.sum(np.where(frame.symbols == "Mo", -3.0, -1.0))
        force = found.forces @ coefficients if forces else None
        frames.append(with_labels(frame, float(energy + noise * rng.normal()), force))
    return frames


def run_fit(folder, text: str, frames: list[Atoms]):
    write(frames[: 4 * len(frames) // 5], folder / "train.xyz")
    write(frames[4 * len(frames) // 5 :], folder / "test.xyz")
    data = "data: {train: train.xyz, test: test.xyz}\n"
    return fit(parse_config(f"name: pair\n{data}{text}", folder=folder))


def test_elimination_leaves_exactly_what_is_there(tmp_path):
    # The sums are good to about 1e-12 eV: what explains less is no power.
    text = "pair: {core: false, eliminate: 1.0e-10}\nridge: 0.0\nweights: {force: 0.0}\n"
    result = run_fit(tmp_path, text, structures(300))
    pair = result.model.data["pair"]
    assert pair["powers"] == [6, 12]
    order = {"Al-Al": 2, "Al-Mo": 1, "Mo-Mo": 0}
    for row, which in zip(pair["coefficients"], order.values(), strict=True):
        expected = [TRUTH[6][which], TRUTH[12][which]]
        assert relative(row, expected) <= 1e-10
    assert result.metrics_test.to_dict()["energy_rmse_meV_per_atom"] <= 1e-9
    assert np.abs(np.array(result.model.data["E0"]) - [-1.0, -3.0]).max() <= 1e-9
    assert pair["r_min"] == [0.0] * 3
    log = (tmp_path / "pair.log").read_text()
    assert "39 powers left out" in log and "V_Al-Mo(r) = -30" in log
    assert (tmp_path / "pair.pair.png").read_bytes().startswith(b"\x89PNG")
    rows = np.loadtxt(tmp_path / "pair.pair.txt")
    r, v = rows[-1, 0], rows[-1, 2]
    assert abs(v - (TRUTH[6][1] * r**-6 + TRUTH[12][1] * r**-12)) <= 1e-9


def test_cut_pair_term_before_a_descriptor(tmp_path):
    """A pair term and a bispectrum in one least-squares problem, forces too."""
    text = (
        "pair: {sum: cut, r_cut: 4.0, powers: [0, 1, 6, 12], eliminate: false}\n"
        "descriptor: {type: bispectrum, two_j_max: 2, r_cut: 3.5}\nridge: 1e-8\n"
        "weights: {force: 0.1}\n"
    )
    result = run_fit(tmp_path, text, structures(60, seed=1))
    data = result.model.data
    assert data["descriptor"]["type"] == "bispectrum" and data["pair"]["r_cut"] == 4.0
    assert all(1.5 <= r < 2.5 for r in data["pair"]["r_min"])
    alone = run_fit(tmp_path, text.split("\n", 1)[1], structures(60, seed=1))
    of, without = (r.metrics_test.to_dict()["force_rmse_eV_per_A"] for r in (result, alone))
    assert of < 0.7 * without


def test_pair_term_first_then_a_network(tmp_path):
    """The network learns what the pair term leaves."""
    text = (
        "descriptor: {type: acsf, set: auto, r_cut: 4.0, n_radial: 4, n_angular: 0}\n"
        "regressor: {type: neural_network, layers: [4]}\nweights: {force: 0.1}\n"
        "training: {iterations: 60}\n"
    )
    frames = structures(60, seed=2)
    result = run_fit(tmp_path, "pair: {powers: [6, 12]}\n" + text, frames)
    assert result.model.data["pair"]["powers"] == [6, 12]
    plain = run_fit(tmp_path, text, frames)
    errors = [r.metrics_train.to_dict()["energy_rmse_meV_per_atom"] for r in (result, plain)]
    assert errors[0] < 0.1 * errors[1]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("pair: {sum: cut}\n", "pair: sum: cut needs r_cut"),
        ("pair: {r_cut: 5.0}\n", "pair: r_cut is for sum: cut"),
        ("pair: {powers: [0, 6]}\n", "powers: expected whole numbers from 1 to 15"),
        ("pair: {power: [6]}\n", "unknown key; did you mean 'powers'"),
        ("pair: {}\nregressor: {type: neural_network}\n", "descriptor: missing"),
        ("ridge: 0.0\n", "descriptor: missing"),
    ],
)
def test_mistakes_in_a_configuration(text, says, tmp_path):
    with pytest.raises(InputError, match=says):
        parse_config(f"name: pair\ndata: {{train: train.xyz}}\n{text}")


def test_the_model_file_reads_back_the_same(tmp_path):
    path = model(r_min=(1.0, 0.0, 2.0)).save(tmp_path / "pair.json")
    again = Model.load(path)
    assert again.to_text() == path.read_text()
    assert json.loads(path.read_text())["pair"]["powers"] == POWERS
