"""mlpot.io: what is read equals what was written, and nothing wrong goes by in silence."""

import gzip
import hashlib
import json
import lzma
import re

import ase.io
import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk, molecule
from ase.calculators.emt import EMT
from ase.calculators.singlepoint import SinglePointCalculator
from ase.constraints import FixAtoms
from ase.stress import voigt_6_to_full_3x3_stress
from ase.units import GPa, Hartree

from mlpot.errors import InputError
from mlpot.io import labels, leaks, read, with_labels

VASP = (("xx", "yy", "zz", "xy", "yz", "zx"), {("Li", "AIMD-NVT"), ("Li", "Elastic")})
VASP[1].update({("Si", "Elastic"), ("Ge", "Elastic")})
ELSEWHERE = ("xx", "yy", "zz", "xy", "zx", "yz")


def copper(seed=0, **info):
    """Rattled copper with EMT's labels as plain stored numbers."""
    atoms = bulk("Cu", cubic=True)
    atoms.set_cell(
        atoms.cell.array @ [[1.01, 0.02, 0], [0, 1, 0.03], [0, 0, 0.98]], scale_atoms=True
    )
    atoms.rattle(0.1, seed=seed)
    atoms.info.update(info)
    atoms.calc = EMT()
    stress = voigt_6_to_full_3x3_stress(atoms.get_stress())
    return with_labels(atoms, atoms.get_potential_energy(), atoms.get_forces(), stress)


def assert_same(a, b, tolerance=1e-7):
    assert a.get_chemical_symbols() == b.get_chemical_symbols()
    assert a.pbc.tolist() == b.pbc.tolist()
    for x, y in [
        (a.positions, b.positions),
        (a.cell, b.cell),
        *zip(labels(a), labels(b), strict=True),
    ]:
        np.testing.assert_allclose(x, y, atol=tolerance, rtol=0)


def write_text(path, text):
    path.write_text(text)
    return path


def xyz(atoms, **change):
    """One extended XYZ frame, its parts replaceable."""
    known = labels(atoms)
    parts = {
        "count": len(atoms),
        "lattice": 'Lattice="' + " ".join(map(str, atoms.cell.array.ravel())) + '"',
        "properties": "Properties=species:S:1:pos:R:3:forces:R:3",
        "energy": f"energy={float(known.energy)!r}",
        "stress": 'stress="' + " ".join(map(str, known.stress.ravel())) + '"',
        "pbc": 'pbc="T T T"',
    } | change
    head, count = parts, parts.pop("count")
    rows = np.hstack([atoms.positions, known.forces])
    lines = [
        s + " " + " ".join(map(repr, r.tolist())) for s, r in zip(atoms.symbols, rows, strict=True)
    ]
    return "\n".join([str(count), " ".join(head.values()), *lines]) + "\n"


def mlearn_entry(atoms, order):
    """A pymatgen dictionary as mlearn stores them; stress in kbar, positive under compression."""
    known = labels(atoms)
    kbar = -10 * known.stress / GPa
    sites = [
        {"species": [{"element": s, "occu": 1}], "abc": abc.tolist(), "xyz": r.tolist(), "label": s}
        for s, r, abc in zip(
            atoms.symbols, atoms.positions, atoms.get_scaled_positions(wrap=False), strict=True
        )
    ]
    virial = [kbar["xyz".index(name[0]), "xyz".index(name[1])] for name in order]
    return {
        "structure": {"lattice": {"matrix": atoms.cell.tolist()}, "sites": sites},
        "outputs": {
            "energy": known.energy,
            "forces": known.forces.tolist(),
            "virial_stress": virial,
        },
        "num_atoms": len(atoms),
        "group": atoms.info["group"],
        "tag": "train",
        "description": "made by hand",
    }


# What is read equals what was written


@pytest.mark.parametrize("ending", ["", ".xz", ".gz"])
def test_extended_xyz_plain_and_packed(tmp_path, ending):
    frames = [
        copper(seed, group="rattled", label=f"no {seed}", index=seed + 5) for seed in range(3)
    ]
    plain = tmp_path / "cu.xyz"
    ase.io.write(plain, frames, format="extxyz")
    path = tmp_path / f"cu.xyz{ending}"
    if ending:
        path.write_bytes({".xz": lzma, ".gz": gzip}[ending].compress(plain.read_bytes()))
    data = read(path)
    for got, expected in zip(data, frames, strict=True):
        assert_same(got, expected)
    report = data.report
    assert [atoms.info["index"] for atoms in data] == [5, 6, 7]
    assert data.frames[1].info["source"] == f"{path}: frame 1"
    assert (report.n_frames, report.n_atoms, report.n_forces, report.n_stress) == (3, 12, 3, 3)
    assert (report.elements, report.groups) == (["Cu"], {"rattled": 3})
    assert report.warnings == []
    assert report.files[0].sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert "eV/Å³ and positive under tension" in report.files[0].units
    assert json.loads(json.dumps(report.to_dict()))["n_atoms"] == 12


@pytest.mark.parametrize("name", ["cu.traj", "cu.traj.xz", "cu.json", "cu.db"])
def test_other_formats_of_ase(tmp_path, name):
    frames = [copper(seed) for seed in range(2)]
    plain = tmp_path / name.removesuffix(".xz")
    ase.io.write(plain, frames)
    if name.endswith(".xz"):
        (tmp_path / name).write_bytes(lzma.compress(plain.read_bytes()))
    for got, expected in zip(read(tmp_path / name), frames, strict=True):
        assert_same(got, expected, 1e-12)


def test_several_files_keep_their_order(tmp_path):
    frames = [copper(seed, config_type=f"run {seed}") for seed in (4, 2)]
    paths = [tmp_path / "b.xyz", tmp_path / "a.xyz"]
    for path, atoms in zip(paths, frames, strict=True):
        ase.io.write(path, atoms)
    data = read(map(str, paths), elements=["Ni", "Cu"])
    assert [atoms.info["group"] for atoms in data] == ["run 4", "run 2"]
    assert [file.frames for file in data.report.files] == [1, 1]
    assert data.report.elements == ["Ni", "Cu"]
    assert data.report.warnings == ["no atoms of Ni"]


@pytest.mark.parametrize("element", ["Li", "Si", "Ge", "Mo", "Cu"])
@pytest.mark.parametrize("group", ["AIMD-NVT", "Elastic"])
def test_mlearn_order_sign_and_unit_of_stress(tmp_path, element, group):
    atoms = copper(group=group)
    atoms.symbols[:] = element
    order = VASP[0] if (element, group) in VASP[1] else ELSEWHERE
    path = tmp_path / f"{element}.json"
    path.write_text(json.dumps([mlearn_entry(atoms, order)]))
    data = read(path)
    assert_same(data.frames[0], atoms, 1e-12)
    info = data.frames[0].info
    assert (info["group"], info["split"], info["label"]) == (group, "train", "made by hand")
    assert "kbar" in data.report.files[0].units


def test_mlearn_round_trip_of_published_data(tmp_path, shared):
    for element in ("Li", "Si", "Mo"):
        frames = read(shared / f"data/zuo2020/{element}_test.xyz.xz").frames
        entries = [
            mlearn_entry(
                a,
                VASP[0] if (element, a.info["group"]) in VASP[1] or element == "Li" else ELSEWHERE,
            )
            for a in frames
        ]
        path = tmp_path / f"{element}.json.xz"
        path.write_bytes(lzma.compress(json.dumps(entries).encode(), preset=0))
        for got, expected in zip(read(path), frames, strict=True):
            assert_same(got, expected, 1e-12)


def test_published_data(shared):
    report = read(shared / "data/zuo2020/Mo_train.xyz.xz", elements=["Mo"]).report
    assert (report.n_frames, report.n_forces, report.n_stress) == (194, 194, 194)
    assert report.groups == {"Vacancy": 21, "AIMD-NVT": 108, "Surface": 9, "Elastic": 56}
    assert report.warnings == []
    report = read(shared / "data/ionic/KCl_phonopy_test.xyz.xz").report
    assert (report.n_forces, report.n_stress) == (20, 0)


VASPRUN = """<?xml version="1.0" encoding="ISO-8859-1"?>
<modeling>
 <generator><i name="version" type="string">6.3.0</i></generator>
 <parameters><separator name="electronic"><i name="ISPIN">1</i></separator></parameters>
 <atominfo><atoms>1</atoms><types>1</types>
  <array name="atoms"><set><rc><c>Cu</c><c>1</c></rc></set></array></atominfo>
 <kpoints><varray name="kpointlist"><v>0.0 0.0 0.0</v></varray>
  <varray name="weights"><v>1.0</v></varray></kpoints>
 <structure name="initialpos"><crystal><varray name="basis">
   <v>0.0 1.8 1.8</v><v>1.8 0.0 1.8</v><v>1.8 1.8 0.0</v></varray></crystal>
  <varray name="positions"><v>0.0 0.0 0.0</v></varray></structure>
 <calculation>
  <scstep><energy><i name="e_fr_energy">-3.75</i><i name="e_0_energy">-3.73</i></energy></scstep>
  <structure><crystal><varray name="basis">
   <v>0.0 1.8 1.8</v><v>1.8 0.0 1.8</v><v>1.8 1.8 0.0</v></varray>
   <i name="volume">11.664</i></crystal>
   <varray name="positions"><v>0.0 0.0 0.0</v></varray></structure>
  <varray name="forces"><v>0.1 -0.2 0.3</v></varray>
  <varray name="stress"><v>10.0 4.0 6.0</v><v>4.0 20.0 5.0</v><v>6.0 5.0 30.0</v></varray>
  <energy><i name="e_fr_energy">-3.75</i><i name="e_0_energy">-3.73</i></energy>
 </calculation>
</modeling>
"""


def test_vasprun(tmp_path):
    # VASP writes kbar, positive under compression.
    path = tmp_path / "vasprun.xml.gz"
    path.write_bytes(gzip.compress(VASPRUN.encode()))
    data = read(path)
    energy, forces, stress = labels(data.frames[0])
    assert energy == pytest.approx(-3.73)
    np.testing.assert_allclose(forces, [[0.1, -0.2, 0.3]])
    kbar = [[10, 4, 6], [4, 20, 5], [6, 5, 30]]
    np.testing.assert_allclose(stress, -0.1 * GPa * np.array(kbar), rtol=1e-12)
    (said,) = data.report.warnings
    assert said.startswith("free_energy differs from energy by up to 20 meV/atom")


OUTCAR = """ vasp.6.3.0 20Jan22 (build Jan 25 2022) complex
 POTCAR:    PAW_PBE Cu 22Jun2005
   VRHFIN =Cu: d10 p1
   ions per type =               1
   NIONS =      1
   ISPIN  =      1    spin polarized calculation?

--------------------- Iteration      1(   1)  ---------------------
      direct lattice vectors                 reciprocal lattice vectors
     0.000000000  1.800000000  1.800000000    -0.277777778  0.277777778  0.277777778
     1.800000000  0.000000000  1.800000000     0.277777778 -0.277777778  0.277777778
     1.800000000  1.800000000  0.000000000     0.277777778  0.277777778 -0.277777778
  in kB      10.00000    20.00000    30.00000     4.00000     5.00000     6.00000
  external pressure =       20.00 kB  Pullay stress =        0.00 kB
 POSITION                                       TOTAL-FORCE (eV/Angst)
 -----------------------------------------------------------------------------------
      0.00000      0.00000      0.00000         0.100000     -0.200000      0.300000
 -----------------------------------------------------------------------------------
  FREE ENERGIE OF THE ION-ELECTRON SYSTEM (eV)
  ---------------------------------------------------
  free  energy   TOTEN  =        -3.75000000 eV

  energy  without entropy=       -3.71000000  energy(sigma->0) =       -3.73000000

 General timing and accounting informations for this job:
"""


def test_outcar(tmp_path):
    # "in kB" is in VASP's order: xx yy zz xy yz zx.
    path = write_text(tmp_path / "OUTCAR", OUTCAR)
    energy, forces, stress = labels(read(path).frames[0])
    assert energy == pytest.approx(-3.73)
    np.testing.assert_allclose(forces, [[0.1, -0.2, 0.3]])
    kbar = [[10, 4, 6], [4, 20, 5], [6, 5, 30]]
    np.testing.assert_allclose(stress, -0.1 * GPa * np.array(kbar), rtol=1e-12)


@pytest.mark.parametrize(("name", "text"), [("vasprun.xml", VASPRUN), ("OUTCAR", OUTCAR)])
def test_unfinished_vasp_runs_are_told(tmp_path, name, text):
    whole = write_text(tmp_path / name, text)
    assert not any("unfinished" in said for said in read(whole).report.warnings)
    cut = write_text(whole, "\n".join(text.splitlines()[:-1]))
    data = read(cut)
    assert len(data) == 1
    assert any(f"{cut}: unfinished run" in said for said in data.report.warnings)


# What is refused


@pytest.mark.parametrize(
    ("edit", "says"),
    [
        (lambda a: a.calc.results.update(energy=np.inf), "energy is inf"),
        (
            lambda a: a.calc.results["forces"].__setitem__((3, 0), -np.inf),
            "forces of atom 3 not finite",
        ),
        (
            lambda a: a.calc.results["stress"].__setitem__(4, np.nan),
            "stress component 4 not finite",
        ),
        (lambda a: a.calc.results.pop("energy"), "no energy; expected energy in eV"),
        (
            lambda a: a.calc.results.update(forces=np.zeros((3, 3))),
            "forces of shape (3, 3); expected (4, 3)",
        ),
        (lambda a: a.set_cell([[1, 0, 0], [0, 1, 0], [1, 1, 0]]), "cell has zero volume"),
        (lambda a: a.set_cell(None), "periodic along a b c without a cell vector"),
        (
            lambda a: a.set_cell([[4, 0, 0], [0, 4, 0], [0, 0, 0]]),
            "periodic along c without a cell",
        ),
        (lambda a: (a.set_cell(None), a.set_pbc(False)), "stress without a volume"),
        (lambda a: a.numbers.__setitem__(1, 0), "unknown element X (1 atoms); expected Cu Mo"),
        (lambda a: a.numbers.__setitem__(1, 79), "unknown element Au (1 atoms); expected Cu Mo"),
    ],
)
def test_bad_frames_are_refused_by_file_and_index(tmp_path, edit, says):
    frames = [copper(seed) for seed in range(3)]
    edit(frames[1])
    results = frames[1].calc.results
    frames[1].calc = SinglePointCalculator(frames[1])  # ASE writes results of these positions only
    frames[1].calc.results = results
    path = tmp_path / "bad.traj"
    ase.io.write(path, frames)
    with pytest.raises(InputError, match=re.escape(f"{path}: frame 1: {says}")):
        read(path, elements=["Cu", "Mo"])


def test_the_number_of_other_bad_frames_is_told(tmp_path):
    frames = [copper(seed) for seed in range(4)]
    for atoms in frames[1:]:
        del atoms.calc.results["energy"]
    ase.io.write(tmp_path / "bad.traj", frames)
    with pytest.raises(InputError, match=r"frame 1: no energy.*\(2 more frames are refused\)"):
        read(tmp_path / "bad.traj")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "the file is empty"),
        (
            xyz(copper()) + "\n" + xyz(copper(1)),
            "frame 1: line 7: ''; expected the number of atoms",
        ),
        (xyz(copper()) + xyz(copper(1), count=3) + xyz(copper(2)), "frame 2: line 12: 'Cu"),
        (xyz(copper()).rsplit("\n", 3)[0], "frame 0: line 1: 4 atoms expected, 2 found"),
        (xyz(copper(), energy="energy=nan"), "frame 0: energy is"),
        (
            re.sub(r"(?m)^Cu \S+", "Cu nan", xyz(copper())),
            "frame 0: positions of atom 0 not finite (nan)",
        ),
        (xyz(copper(), energy="energy=low"), "frame 0: energy is low"),
        (xyz(copper(), pbc="free_energy=low"), "frame 0: free_energy is low"),
        (
            xyz(copper(), energy="dft_energy=-1.0"),
            "frame 0: no energy; there is dft_energy: rename it",
        ),
        (
            xyz(copper(), properties="Properties=species:S:1:pos:R:3"),
            "frame 0: line 1: atoms have 7 columns, Properties names 4",
        ),
        (
            xyz(copper(), properties="Properties=species:S:1:pos:R:3:forces:R:2:extra:R:1"),
            "frame 0: forces of shape (4, 2); expected (4, 3)",
        ),
        (
            xyz(copper(), stress='stress="1 2 3 4 5 6 7 8 9"'),
            "frame 0: line 1: stress is not symmetric",
        ),
        (xyz(copper(), lattice="", pbc='pbc="T F F"'), "frame 0: periodic along a without a cell"),
        (xyz(copper()).replace("Cu", "Qq"), "frame 0: cannot read as extxyz: unknown element Qq"),
        (
            xyz(copper()) + xyz(copper()).replace("Cu", "Cu one"),
            "frame 1: line 7: atoms have 8 columns",
        ),
        (
            xyz(copper()).replace("Cu 0", "Cu O").replace("Cu -0", "Cu O"),
            "frame 0: cannot read as extxyz",
        ),
    ],
)
def test_bad_extended_xyz(tmp_path, text, says):
    path = write_text(tmp_path / "bad.xyz", text)
    with pytest.raises(InputError, match=re.escape(f"{path}: {says}")):
        read(path)


def test_unreadable_files(tmp_path):
    good = write_text(tmp_path / "Mo_train.xyz", xyz(copper()))
    with pytest.raises(
        InputError, match=r"Mo_tran\.xyz: no such file; did you mean 'Mo_train\.xyz'"
    ):
        read(tmp_path / "Mo_tran.xyz")
    with pytest.raises(InputError, match=r"no such file$"):
        read(tmp_path / "no" / "folder.xyz")
    with pytest.raises(InputError, match="is a folder"):
        read(tmp_path)
    with pytest.raises(InputError, match="no data files"):
        read([])
    packed = tmp_path / "cut.xyz.xz"
    packed.write_bytes(lzma.compress(good.read_bytes())[:-20])
    with pytest.raises(InputError, match=r"cut\.xyz\.xz: cannot unpack"):
        read(packed)
    with pytest.raises(InputError, match=r"cut\.xyz\.gz: cannot unpack"):
        read(packed.rename(tmp_path / "cut.xyz.gz"))
    with pytest.raises(InputError, match="noise: unknown format"):
        read(write_text(tmp_path / "noise", "what is this\n"))
    (tmp_path / "noise.xyz").write_bytes(b"\xff\xfe\x00\x80")
    with pytest.raises(InputError, match=r"noise\.xyz: frame 0: cannot read"):
        read(tmp_path / "noise.xyz")


@pytest.mark.parametrize(
    ("edit", "says"),
    [
        (lambda e: e.pop("outputs"), "not as in mlearn (KeyError: 'outputs')"),
        (lambda e: e["outputs"].pop("energy"), "no energy"),
        (lambda e: e["outputs"].update(energy=float("nan")), "energy is nan"),
        (lambda e: e["outputs"]["virial_stress"].pop(), "virial_stress has 5 components; six"),
        (lambda e: e["outputs"]["forces"].pop(), "forces of shape (3, 3); expected (4, 3)"),
        (lambda e: e["outputs"]["forces"][0].pop(), "not as in mlearn (ValueError"),
        (lambda e: e.update(num_atoms=5), "num_atoms is 5, but there are 4 sites"),
        (
            lambda e: e["structure"]["sites"][0]["species"].append({"element": "Ni", "occu": 0.5}),
            "a site is",
        ),
        (
            lambda e: e["structure"]["sites"][0].update(species=[{"element": "Qq", "occu": 1}]),
            "not as in",
        ),
    ],
)
def test_bad_mlearn(tmp_path, edit, says):
    entries = [mlearn_entry(copper(seed, group="a"), ELSEWHERE) for seed in range(2)]
    edit(entries[1])
    path = write_text(tmp_path / "bad.json", json.dumps(entries))
    with pytest.raises(InputError, match=re.escape(f"{path}: frame 1: {says}")):
        read(path)


# What is said


def warnings_of(tmp_path, frames):
    ase.io.write(tmp_path / "said.traj", frames)
    return read(tmp_path / "said.traj").report.warnings


def test_missing_forces_and_stress_are_counted(tmp_path):
    frames = [copper(seed) for seed in range(3)]
    del frames[1].calc.results["stress"]
    frames[2].calc.results = {"energy": -1.0}
    ase.io.write(tmp_path / "some.traj", frames)
    report = read(tmp_path / "some.traj").report
    assert (report.n_frames, report.n_forces, report.n_stress) == (3, 2, 1)
    assert "energy of 3, forces of 2, stress of 1" in report.lines()


def test_molecules_need_no_cell(tmp_path):
    water = with_labels(molecule("H2O"), -14.2, np.zeros((3, 3)))
    assert warnings_of(tmp_path, [water]) == []


def test_kbar_for_ev_per_cubic_angstrom(tmp_path):
    frames = [copper(seed) for seed in range(3)]
    frames[2].calc.results["stress"] *= 10 / GPa
    (said,) = warnings_of(tmp_path, frames)
    assert re.search(r"1 frames have stresses above 2 eV/Å³ \(.*frame 2: .*kbar or GPa", said)


@pytest.mark.parametrize("scale", [1 / Hartree, 3.0])
def test_stray_energies(tmp_path, scale):
    frames = []
    for seed in range(12):
        atoms = copper(seed) * (1, 1, 1 + seed % 2)
        atoms.symbols[: seed % 4] = "Au"
        energy = -3.5 * len(atoms) - 1.0 * (seed % 4) + 0.01 * seed
        frames.append(with_labels(atoms, energy))
    frames[5].calc.results["energy"] *= scale
    (said,) = warnings_of(tmp_path, frames)
    expected = (
        "1 frames have energies that look like Hartree"
        if scale < 1
        else "1 frames have energies more"
    )
    assert said.startswith(expected)
    assert "frame 5: " in said


def test_labels_under_other_names_and_constraints(tmp_path):
    atoms = copper()
    atoms.info["REF_virial"] = np.zeros(9)
    atoms.set_constraint(FixAtoms([0]))
    said = warnings_of(tmp_path, [atoms])
    assert said == [
        "'REF_virial' of 1 frames is not used",
        "1 frames have constraints: removed, forces taken as computed",
    ]
    got = read(tmp_path / "said.traj").frames[0]
    np.testing.assert_array_equal(got.get_forces(), labels(atoms).forces)


def moved(atoms, seed=1):
    """The same structure, rotated, reflected, shifted and renumbered, with its labels."""
    rng = np.random.default_rng(seed)
    turn, _ = np.linalg.qr(rng.normal(size=(3, 3)))
    order = rng.permutation(len(atoms))
    known = labels(atoms)
    copy = Atoms(
        atoms.numbers[order],
        positions=(atoms.positions @ turn)[order] + rng.normal(size=3),
        cell=atoms.cell.array @ turn,
        pbc=True,
    )
    copy.wrap()
    return with_labels(
        copy, known.energy, (known.forces @ turn)[order], turn.T @ known.stress @ turn
    )


def test_copies_are_found_and_near_ones_are_not(tmp_path):
    train = [copper(seed) for seed in range(4)]
    test = [copper(9), moved(train[2]), train[0].copy()]
    test[2].calc = train[0].calc
    assert leaks(train, test) == [(2, 1), (0, 2)]
    near = with_labels(train[1].copy(), labels(train[1]).energy)
    near.positions[0] += 0.01
    swapped = moved(train[3])
    swapped.symbols[0] = "Ni"
    assert leaks(train, [near, swapped]) == []
    ase.io.write(tmp_path / "twice.traj", [*train, moved(train[1]), moved(train[1], 5)])
    report = read(tmp_path / "twice.traj").report
    assert report.duplicates == [(1, 4), (1, 5)]
    assert re.match(
        r"2 frames are copies of earlier frames \(first: .*frame 4 of .*frame 1\)",
        report.warnings[0],
    )


def test_order_on_one_lattice_is_not_a_copy():
    layers, mixed = (bulk("Cu", cubic=True) * (2, 2, 2) for _ in range(2))
    layers.symbols[layers.positions[:, 2] < 3.0] = "Au"
    mixed.symbols[::2] = "Au"
    assert layers.symbols.formula.count() == mixed.symbols.formula.count()
    assert leaks([with_labels(layers, -1.0)], [with_labels(mixed, -1.0)]) == []


def test_same_structure_with_two_energies(tmp_path):
    frames = [copper(), copper()]
    frames[1].calc.results["energy"] += 0.004
    (said,) = warnings_of(tmp_path, frames)
    assert said.startswith("1 frames are earlier structures with another energy")


def test_leaks_of_published_data(shared):
    # Copies by symmetry counted independently in the data's own notes: Elastic, 11 of Cu, 3 of Li.
    for element, expected in {"Cu": 11, "Li": 3, "Mo": 0}.items():
        train, test = (
            read(shared / f"data/zuo2020/{element}_{part}.xyz.xz").frames
            for part in ("train", "test")
        )
        found = leaks(train, test)
        assert len(found) == expected
        assert {test[j].info["group"] for _, j in found} <= {"Elastic"}
        assert all(train[i].info["group"] == "Elastic" for i, _ in found)
