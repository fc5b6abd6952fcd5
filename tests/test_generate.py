"""Training structures: counts, volumes, splits and files against what is known otherwise."""

import gzip
import io
import lzma
import re
from itertools import product
from math import gcd

import ase.io
import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from ase.calculators.emt import EMT
from ase.neighborlist import neighbor_list
from rich.console import Console

from mlpot.errors import InputError
from mlpot.generate import GROUPS, generate, parse_structure, relax_lattice, summary, write
from mlpot.generate.cells import MODES, facets, rotations, slab, strained, supercell
from mlpot.generate.crystals import kelvin
from mlpot.io.copies import leaks
from mlpot.lammps import LammpsCalculator

COPPER = ["pair_style eam/alloy", "pair_coeff * * Cu_mishin1.eam.alloy Cu"]
QUICK = {
    "temperatures": (300, "0.5Tm"),
    "snapshots": 5,
    "vacancy_temperatures": (300,),
    "vacancy_snapshots": 10,
    "interval": 20.0,
    "equilibration": 40.0,
    "timestep": 2.0,
    "supercell": 32,
}


@pytest.fixture(scope="module")
def copper() -> list[Atoms]:
    return generate("fcc:Cu", calculator=COPPER, seed=3, **QUICK)


def members(frames: list[Atoms], group: str) -> list[Atoms]:
    return [frame for frame in frames if frame.info["group"] == group]


def test_the_groups_are_complete_and_in_order(copper):
    # six modes x 20 strains; 13 facets (the paper's list leaves out 221); 2 x 5; 1 x 10
    counts = {group: len(members(copper, group)) for group in GROUPS}
    assert counts == {"Ground": 1, "Elastic": 120, "Surface": 13, "AIMD-NVT": 10, "Vacancy": 10}
    assert [frame.info["index"] for frame in copper] == list(range(154))
    assert {len(frame) for frame in members(copper, "AIMD-NVT")} == {32}
    assert {len(frame) for frame in members(copper, "Vacancy")} == {31}
    assert len({frame.info["label"] for frame in copper}) > 140
    assert not any(frame.constraints or frame.has("momenta") for frame in copper)


def test_the_ground_state_is_the_published_one(copper):
    # Mishin et al., Phys. Rev. B 63, 224106 (2001): a = 3.615 Å, -3.54 eV/atom
    ground = copper[0]
    assert ground.cell.lengths() == pytest.approx([3.615] * 3, abs=1e-4)
    assert ground.get_potential_energy() / len(ground) == pytest.approx(-3.54, abs=1e-3)
    assert np.abs(ground.get_stress()).max() < 1e-6


def test_labels_are_those_of_another_engine(copper):
    calculator = LammpsCalculator(COPPER, ["Cu"])
    for frame in copper[::17]:
        again = frame.copy()
        again.calc = calculator
        assert again.get_potential_energy() == pytest.approx(frame.get_potential_energy())
        assert np.allclose(again.get_forces(), frame.get_forces(), atol=1e-10)
        assert np.allclose(again.get_stress(), frame.get_stress(), atol=1e-10)


def test_one_in_ten_is_for_testing_in_each_group(copper):
    test = {g: sum(f.info["split"] == "test" for f in members(copper, g)) for g in GROUPS}
    assert test == {"Ground": 0, "Elastic": 12, "Surface": 1, "AIMD-NVT": 1, "Vacancy": 1}


def test_symmetry_copies_share_a_split(copper):
    splits = {}
    for frame in members(copper, "Elastic"):
        number, strain = re.match(r"mode (\d).*strain (\S+)", frame.info["label"]).groups()
        # In a cube a stretch is the same along every axis, a shear also in its sign.
        key = float(strain) if int(number) <= 3 else ("shear", abs(float(strain)))
        splits.setdefault(key, set()).add(frame.info["split"])
    assert len(splits) == 30
    parts = [[f for f in copper if f.info["split"] == split] for split in ("train", "test")]
    assert leaks(*parts) == []
    assert all(len(split) == 1 for split in splits.values())


def test_the_same_seed_gives_the_same_frames(copper, tmp_path):
    again = generate("fcc:Cu", calculator=COPPER, seed=3, **QUICK)
    other = generate("fcc:Cu", calculator=COPPER, seed=4, groups=("AIMD-NVT",), **QUICK)
    write(copper, tmp_path / "a.xyz")
    write(again, tmp_path / "b.xyz")
    assert (tmp_path / "a.xyz").read_bytes() == (tmp_path / "b.xyz").read_bytes()
    first = members(copper, "AIMD-NVT")[0]
    assert not np.allclose(first.positions, other[0].positions, atol=1e-3)
    repeated = {tuple(f.positions.ravel()) for f in members(copper, "AIMD-NVT")}
    assert len(repeated) == 10


def test_snapshots_differ_and_hotter_ones_more(copper):
    def mean_square_force(temperature: int) -> float:
        run = f" {temperature} K"
        of_run = [f for f in members(copper, "AIMD-NVT") if run in f.info["label"]]
        assert len(of_run) == 5
        return float(np.mean([np.square(f.get_forces()).mean() for f in of_run]))

    assert mean_square_force(679) > 1.3 * mean_square_force(300) > 0


def test_six_modes_keep_or_stretch_the_volume():
    crystal = bulk("Mo", cubic=True, a=3.15)
    for mode, strain in product(MODES, (-0.1, 0.03)):
        ratio = strained(crystal, mode, strain).get_volume() / crystal.get_volume()
        assert ratio == pytest.approx(1 + strain if mode[0] == mode[1] else 1.0, rel=1e-12)


def test_strained_cells_are_those_of_the_published_data(shared):
    crystal = bulk("Mo", cubic=True, a=9.503 / 3).repeat(3)
    packed = (shared / "data/zuo2020/Mo_train.xyz.xz").read_bytes()
    text = lzma.decompress(packed).decode()
    seen = set()
    for frame in ase.io.read(io.StringIO(text), ":", format="extxyz"):
        if found := re.search(r"mode (\d), strain (\S+)", frame.info["label"]):
            mode, strain = list(MODES)[int(found[1]) - 1], float(found[2])
            ours = strained(crystal, mode, strain)
            assert ours.cell.cellpar() == pytest.approx(frame.cell.cellpar(), abs=2e-3)
            seen.add(mode)
    assert seen == set(MODES)


@pytest.mark.parametrize("name", ["bcc:Mo", "fcc:Cu", "diamond:Si"])
def test_a_cube_has_thirteen_facets(name):
    expected = {h for h in product(range(4), repeat=3) if gcd(*h) == 1 and h[0] >= h[1] >= h[2]}
    crystal = parse_structure(name)
    assert set(facets(crystal, 3)) == expected and len(expected) == 13
    assert len(rotations(crystal)) == 48


def test_facets_of_less_symmetric_crystals():
    tetragonal = Atoms("Mo", cell=[3.0, 3.0, 4.0], pbc=True)
    planes = product(range(4), repeat=3)
    assert len(facets(tetragonal, 3)) == sum(gcd(*h) == 1 and h[0] >= h[1] for h in planes)
    assert len(rotations(parse_structure("hcp:Ti"))) == 24
    triclinic = Atoms(
        "MoW", positions=[[0, 0, 0], [1, 1.3, 1.6]], cell=[3, 4, 5, 80, 95, 77], pbc=1
    )
    assert len(rotations(triclinic)) == 1
    every = sum(gcd(*h) == 1 for h in product(range(-2, 3), repeat=3))
    assert len(facets(triclinic, 2)) == every / 2


@pytest.mark.parametrize("name", ["bcc:Mo", "fcc:Cu", "diamond:Si", "hcp:Ti"])
def test_slabs_are_crystal_inside_and_vacuum_outside(name):
    crystal = parse_structure(name)
    reach = 1.1 * neighbor_list("d", crystal, 4.0).min()
    inside = len(neighbor_list("i", crystal, reach)) / len(crystal)
    for miller in facets(crystal, 2):
        atoms = slab(crystal, miller, thickness=10.0, vacuum=12.0)
        z = atoms.positions[:, 2]
        per_atom = crystal.get_volume() / len(crystal)
        area = np.linalg.norm(np.cross(*atoms.cell[:2]))
        assert atoms.cell[2, 2] - np.ptp(z) == pytest.approx(12.0)
        assert len(atoms) * per_atom / area >= 10.0 - 1e-9
        coordination = np.bincount(neighbor_list("i", atoms, reach), minlength=len(atoms))
        middle = np.abs(z - atoms.cell[2, 2] / 2) < 1.5
        assert set(coordination[middle]) == {inside}
        assert coordination.min() < inside


def test_the_cut_breaks_the_fewest_bonds():
    # Diamond (111) between its double layers: one bond a surface atom, not three.
    atoms = slab(parse_structure("diamond:Si"), (1, 1, 1))
    assert np.bincount(neighbor_list("i", atoms, 2.6)).min() == 3


def test_supercells_are_the_papers():
    sizes = {name: len(supercell(parse_structure(name), 54)) for name in ("bcc:Mo", "fcc:Cu")}
    assert sizes == {"bcc:Mo": 54, "fcc:Cu": 108}
    assert len(supercell(parse_structure("diamond:Si"), 54)) == 64


def test_any_ase_calculator_moves_and_labels():
    settings = {**QUICK, "snapshots": 2, "groups": ("Ground", "AIMD-NVT")}
    frames = generate("fcc:Cu", calculator=EMT(), **settings)
    again = generate("fcc:Cu", calculator=EMT(), **settings)
    assert len(frames) == 5
    assert np.array_equal(frames[-1].positions, again[-1].positions)
    fresh = frames[-1].copy()
    fresh.calc = EMT()
    assert frames[-1].get_potential_energy() == pytest.approx(fresh.get_potential_energy())


def test_a_lammps_style_moves_and_another_calculator_labels():
    settings = {**QUICK, "snapshots": 1, "groups": ("AIMD-NVT",), "temperatures": (300,)}
    seen = []
    settings["progress"] = lambda *done: seen.append(done)
    frames = generate(bulk("Cu", cubic=True), calculator=EMT(), md=COPPER, **settings)
    fresh = frames[0].copy()
    fresh.calc = EMT()
    assert frames[0].get_potential_energy() == pytest.approx(fresh.get_potential_energy())
    assert seen == [(1, 1, "NVT at 300 K, snapshot 1 of 1")]


def test_relaxation_ends_where_the_pressure_does():
    calculator = EMT()
    relaxed = relax_lattice(bulk("Cu", cubic=True, a=3.9), calculator)
    assert abs(calculator.get_property("stress", relaxed)[:3].sum()) < 1e-6
    with pytest.raises(InputError, match="no minimum"):
        relax_lattice(bulk("Cu", cubic=True, a=6.5), calculator)


@pytest.mark.parametrize("ending", [".xyz", ".xyz.xz", ".xyz.gz"])
def test_files_read_back_bit_by_bit(copper, tmp_path, ending):
    some = copper[::11]
    path = tmp_path / f"cu{ending}"
    write(some, path)
    unpack = {".xyz": bytes, ".xyz.xz": lzma.decompress, ".xyz.gz": gzip.decompress}[ending]
    text = unpack(path.read_bytes()).decode()
    frames = ase.io.read(io.StringIO(text), ":", format="extxyz")
    assert len(frames) == len(some)
    for frame, truth in zip(frames, some, strict=True):
        assert np.array_equal(frame.positions, truth.positions)
        assert np.array_equal(frame.cell, truth.cell) and frame.pbc.all()
        assert frame.get_potential_energy() == truth.get_potential_energy()
        assert np.array_equal(frame.get_forces(), truth.get_forces())
        assert np.array_equal(frame.get_stress(), truth.get_stress())
        assert frame.info == truth.info


def test_labels_with_quotes_survive(copper, tmp_path):
    frame = copper[0].copy()
    frame.calc = copper[0].calc
    frame.info["label"] = 'a "quoted" = label'
    write([frame], tmp_path / "a.xyz")
    assert ase.io.read(tmp_path / "a.xyz").info["label"] == frame.info["label"]


def test_the_table_counts_every_frame(copper):
    console = Console(width=120, record=True, file=io.StringIO())
    console.print(summary(copper))
    text = console.export_text()
    assert "154 structures" in text
    assert re.search(r"Elastic\W+108\W+12\W+480", text)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("bbc:Mo", "did you mean 'bcc'"),
        ("bcc:Mp", "no element 'Mp'"),
        ("Mo", "not written like 'bcc:Mo'"),
        ("bcc:Ga", "give a"),
    ],
)
def test_misspelt_structures_are_named(text, words):
    with pytest.raises(InputError, match=words):
        parse_structure(text)


def test_structures_from_files_and_given_constants(tmp_path):
    assert parse_structure("bcc:Mo", a=3.2).cell.lengths() == pytest.approx([3.2] * 3)
    # The distance between neighbours of fcc copper, 3.61 Å / sqrt 2, is kept in bcc copper.
    distance = neighbor_list("d", parse_structure("bcc:Cu"), 3.0).min()
    assert distance == pytest.approx(3.61 / np.sqrt(2))
    path = tmp_path / "mo.cif"
    bulk("Mo", cubic=True).write(path)
    assert len(parse_structure(str(path))) == 2
    (tmp_path / "bad.cif").write_text("nonsense")
    with pytest.raises(InputError, match=r"bad\.cif"):
        parse_structure(str(tmp_path / "bad.cif"))
    Atoms("Mo").write(tmp_path / "molecule.xyz")
    with pytest.raises(InputError, match="periodicity"):
        parse_structure(str(tmp_path / "molecule.xyz"))


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"groups": ("Surfaces",)}, "did you mean 'Surface'"),
        ({"snapshot": 3}, "did you mean 'snapshots'"),
        ({"temperatures": ("hot",)}, "0.5Tm"),
        ({"interval": 0}, "interval"),
        ({"calculator": 3}, "ASE calculator"),
        ({"test_fraction": 1.5}, "test_fraction"),
        ({"strains": (5, -5)}, "0.1 for 10 %"),
    ],
)
def test_wrong_settings_are_named(wrong, words):
    with pytest.raises(InputError, match=words):
        generate("fcc:Cu", **({"calculator": EMT()} | wrong))


def test_temperatures_are_kelvin_or_parts_of_melting():
    copper = parse_structure("fcc:Cu")
    assert kelvin(300, copper) == kelvin("300", copper) == 300.0
    assert kelvin("0.5Tm", copper) == pytest.approx(1357.77 / 2)
    alloy = Atoms("CuAu", cell=[3, 3, 4], pbc=True)
    assert kelvin("2Tm", alloy, melting_point=1183.0) == 2366.0
    with pytest.raises(InputError, match="melting point of AuCu is not known"):
        kelvin("2Tm", alloy)


def test_other_file_names_are_refused(copper, tmp_path):
    with pytest.raises(InputError, match="must end in"):
        write(copper, tmp_path / "cu.json")
