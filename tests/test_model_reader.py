"""The strict reader of model files, in C++: what it refuses, and that no edit passes unnoticed."""

import json
import random
import re

import numpy as np
import pytest

from contract.cells import CELLS
from contract.measures import evaluate
from mlpot import _core
from mlpot.model import Model, seal, unseal

CELL = next(cell for cell in CELLS if str(cell) == "bispectrum-two-linear-zbl")
BLOCK = CELL.block | {"two_j_max": 1}
REGRESSOR = {"type": "linear", "coefficients": [[0.1, -0.2], [0.3, 0.04]]}
RANGES = {"low": [[-7.5, -6.5]] * 2, "high": [[7.5, 6.5]] * 2}
ACTIVE_SET = {"rows": "atoms", "inverse": [[1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0]] * 2}
CONTENT = {"descriptor": BLOCK, "regressor": REGRESSOR, "ranges": RANGES, "active_set": ACTIVE_SET}
TEXT = Model(CELL.model.data | CONTENT).to_text()
COEFFICIENTS = ("regressor", "coefficients")
EWALD = {"sum": "ewald", "powers": [6, 12], "coefficients": [[-1.0, 1.0]] * 3, "r_min": [0.0] * 3}
CUT = EWALD | {"sum": "cut", "r_cut": 4.0, "taper": 1.0}


def changed(*path_and_value) -> str:
    """TEXT with a value replaced (or a key removed: Ellipsis), sealed again."""
    *path, key, value = path_and_value
    place = data = unseal(TEXT)
    for step in path:
        place = place[step]
    if value is ...:
        del place[key]
    else:
        place[key] = value
    return seal(data)


def edited(old: str, new: str) -> str:
    assert TEXT.count(old) == 1, old
    return seal(TEXT.replace(old, new))


def bad(*path_and_value, says: str = "", place: str | None = None):
    *path, value = path_and_value
    name = ".".join(map(str, path)) if place is None else place
    return pytest.param(changed(*path_and_value), f"{name}.*{says}", id=f"{name} {value}"[:60])


BAD = [
    bad("format", "mlip", says="mlpot"),
    bad("format", ..., says="missing"),
    bad("version", 2, says="newer than this mlpot"),
    bad("version", 0, says="whole number from 1"),
    bad("version", 1.0, says="whole number"),
    bad("version", "1", says="whole number"),
    bad("name", 5, says="text in quotes"),
    bad("units", "energy", "Ry", says="eV"),
    bad("units", "length", "bohr", says="angstrom"),
    bad("units", "time", "ps", says="unknown"),
    bad("units", None, says="object"),
    bad("elements", [], says="at least one"),
    bad("elements", ["Mo", "Mo"], says="twice"),
    bad("elements", ["Mo", "Xx"], says='no such element: "Xx"'),
    bad("elements", ["mo", "Al"], says="no such element"),
    bad("elements", "Mo", says="list of words"),
    bad("elements", [42, 13], says="list of words"),
    bad("elements", ["Mo"], says="2", place="E0"),
    bad("E0", [-1.5], says="list of 2 numbers, got 1"),
    bad("E0", [-1.5, None], says=r"\[1\]: expected a number"),
    bad("E0", [-1.5, "0"], says=r"\[1\]: expected a number"),
    bad("core", {}, says="missing", place="core.type"),
    bad("core", "zbl", says="object"),
    bad("core", "type", "zb1", says='did you mean "zbl"'),
    bad("core", "inner", -0.1, says="from 0 to"),
    bad("core", "outer", 1.0, says="larger than inner"),
    bad("core", "Z", 42, says="unknown"),
    bad("core", ..., says="missing"),
    bad("pair", {}, says="missing", place="pair.sum"),
    bad("pair", {"sum": "ewlad"}, says='did you mean "ewald"', place="pair.sum"),
    bad("pair", EWALD | {"powers": []}, says="at least one", place="pair.powers"),
    bad("pair", EWALD | {"powers": [12, 6]}, says="rising order", place="pair.powers"),
    bad("pair", EWALD | {"powers": [0, 6]}, says="from 1 to 15", place="pair.powers"),
    bad("pair", EWALD | {"powers": [6, 16]}, says="from 1 to 15", place="pair.powers"),
    bad("pair", EWALD | {"powers": [6, 6.5]}, says="whole numbers", place="pair.powers"),
    bad("pair", EWALD | {"coefficients": [[1.0, 2.0]]}, says="3 lists", place="pair.coefficients"),
    bad("pair", EWALD | {"r_min": [1.0]}, says="list of 3", place="pair.r_min"),
    bad("pair", EWALD | {"r_min": [1.0, -1.0, 0.0]}, says=r"\[1\]", place="pair.r_min"),
    bad("pair", EWALD | {"r_cut": 4.0}, says="unknown", place="pair.r_cut"),
    bad("pair", EWALD | {"sum": "cut"}, says="missing", place="pair.r_cut"),
    bad("pair", CUT | {"taper": 3.9}, says="0.9 times", place="pair.taper"),
    bad("pair", CUT | {"r_min": [3.5, 0, 0]}, says="from 0 to 3", place="pair.r_min"),
    bad("scaling", [], says="object"),
    bad("scaling", {"shift": [[0.0] * 2] * 2}, says="missing", place="scaling.scale"),
    bad("scaling", {"shift": [[0.0]] * 2, "scale": [[1.0] * 2] * 2}, says="list of 2 numbers"),
    bad("ranges", 0, says="object"),
    bad("ranges", ..., says="missing"),
    bad("ranges", {"low": [[0.0] * 2] * 2}, says="missing", place="ranges.high"),
    bad("ranges", {"low": [[0.0] * 2] * 2, "high": [[1.0] * 2]}, says="2 lists"),
    bad("ranges", {"low": [[0.0, 1.0]] * 2, "high": [[1.0, 1.0]] * 2}, says="below"),
    bad("ranges", {"low": [[0.0] * 2] * 2, "high": [[1.0] * 2] * 2, "q": 1}, says="unknown"),
    bad("active_set", ..., says="missing"),
    bad("active_set", {"inverse": [[0.0] * 4] * 2}, says="missing", place="active_set.rows"),
    bad("active_set", {"rows": "atom", "inverse": []}, says='did you mean "atoms"'),
    bad("active_set", {"rows": "atoms", "inverse": [[0.0] * 4] * 2}, says="list of 9 numbers"),
    bad("active_set", {"rows": "structures", "inverse": [[0.0] * 9]}, says="list of 36 numbers"),
    bad("provenance", ..., says="missing"),
    bad("descriptor", "type", "snap", says="bispectrum"),
    bad("descriptor", "two_j_max", 15, says="from 0 to 14"),
    bad("descriptor", "two_j_max", -1, says="from 0 to 14"),
    bad("descriptor", "two_j_max", 1e9, says="whole number"),
    bad("descriptor", "two_j_max", 2, says="2 numbers|5 numbers", place="regressor.coefficients"),
    bad("descriptor", "r_cut", 0.0, says="expected a number from 0.1"),
    bad("descriptor", "r_cut", "4.1", says="expected a number"),
    bad("descriptor", "r_cut", True, says="expected a number"),
    bad("descriptor", "rmin0", 5.0, says="below every cutoff"),
    bad("descriptor", "radii", [0.5], says="list of 2"),
    bad("descriptor", "radii", [0.5, 0.0], says=r"\[1\]"),
    bad("descriptor", "weights", [1.0, 1.0, 1.0], says="got 3"),
    bad("descriptor", "switchflag", 1, says="true or false"),
    bad("descriptor", "sinner", [2.0, 2.0], says="list of 0"),
    bad("descriptor", "chemflag", True, says="16 numbers", place="regressor.coefficients"),
    bad("descriptor", "bnormflag", ..., says="missing"),
    bad("descriptor", "bnormflags", True, says='unknown.*did you mean|unknown'),
    bad("regressor", "type", "lineer", says='did you mean "linear"'),
    bad("regressor", "type", "quadratic", says="5 numbers", place="regressor.coefficients"),
    bad("regressor", "bias", 0.0, says="unknown"),
    bad(*COEFFICIENTS, [[0.1, -0.2]], says="2 lists"),
    bad(*COEFFICIENTS, [[0.1, -0.2], 0.3], says=r"\[1\]"),
    bad(*COEFFICIENTS, 1, [0.3], says=r"2 numbers, got 1", place="coefficients"),
    bad(*COEFFICIENTS, 1, [0.3, 1e301], says=r"\[1\]\[1\]", place="coefficients"),
    bad("comment", "hello", says="unknown|sha256"),
    pytest.param(edited("-0.2", "NaN"), "not valid JSON", id="nan"),
    pytest.param(edited("-0.2", "1e999"), "out of range|finite|not valid", id="overflow"),
    pytest.param(edited("-0.2", "+0.2"), "not valid JSON", id="plus"),
    pytest.param(edited("-0.2", "-0.2,"), "not valid JSON", id="trailing comma"),
    pytest.param(edited('"pair": null', '"pair": null, "pair": null'), "pair.*twice", id="twice"),
    pytest.param(edited('"rmin0": 0.0', '"rmin0": 0.0, "rmin0": 0'), "rmin0.*twice", id="twice in"),
    pytest.param(TEXT.replace("-0.2", "-0.3"), "sha256: does not match", id="edited"),
    pytest.param(TEXT.replace("\n", "\r\n"), "sha256: does not match", id="line ends"),
    pytest.param(TEXT + "\n", "sha256: does not match", id="a line more"),
    pytest.param(TEXT + "{}", "not valid JSON", id="two documents"),
    pytest.param(TEXT[: len(TEXT) // 2], "not valid JSON", id="half"),
    pytest.param(TEXT.replace("0.1", "0.1Å"), "not valid JSON", id="not ASCII"),
    pytest.param("", "not valid JSON", id="empty"),
    pytest.param("[1, 2]", "JSON object", id="list"),
    pytest.param("{}", "missing", id="nothing in it"),
    pytest.param("[" * 100_000, "nested more than 32 levels", id="deep"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "message"), BAD)
def test_a_bad_file_is_refused_by_name_and_place(text, message):
    with pytest.raises(_core.ModelError, match=f"(?s)^some/Mo.json.*{message}") as caught:
        _core.Potential(text, where="some/Mo.json")
    assert len(str(caught.value)) < 400 and "\n" not in str(caught.value)


def test_a_good_file_is_read_whatever_its_layout():
    here = evaluate(_core.Potential(TEXT), CELL.atoms)["energy"]
    again = seal(json.dumps(json.loads(TEXT), indent=3))
    for text in (again, edited("-0.2", "-2e-1"), edited("-0.2", "-0.20")):
        assert evaluate(_core.Potential(text), CELL.atoms)["energy"] == here


def mutations(n: int, seed: int):
    """TEXT with one edit: a character replaced, inserted, removed or swapped, a part doubled."""
    rng = random.Random(seed)
    alphabet = '0123456789.eE+-"[]{},: \n\\tfnulabs\0é'
    for _ in range(n):
        i = rng.randrange(len(TEXT))
        j = min(len(TEXT), i + rng.randrange(1, 20))
        c = rng.choice(alphabet)
        yield rng.choice(
            [TEXT[:i] + c + TEXT[i + 1 :], TEXT[:i] + c + TEXT[i:], TEXT[:i] + TEXT[i + 1 :],
             TEXT[:i] + TEXT[i : i + 2][::-1] + TEXT[i + 2 :], TEXT[:j] + TEXT[i:], TEXT[:i]]
        )  # fmt: skip


def test_no_edit_goes_unnoticed():
    count = 0
    for text in mutations(10_000, seed=1):
        if text != TEXT:
            count += 1
            with pytest.raises(_core.ModelError, match=r"^m\.json"):
                _core.Potential(text, where="m.json")
    assert count > 9_000


def test_an_edit_that_is_sealed_again_is_read_or_refused_but_never_worse():
    read, atoms = 0, CELL.atoms
    for text in mutations(10_000, seed=2):
        match = re.search(r'"sha256": "[0-9a-f]{64}"\s*}\s*$', text)
        if match is None:
            continue
        try:
            potential = _core.Potential(seal(text), where="m.json")
        except _core.ModelError as error:
            assert str(error).startswith("m.json")
            continue
        read += 1
        if potential.elements == ["Mo", "Al"] and potential.r_cut < 20.0:
            assert np.isfinite(evaluate(potential, atoms)["energy"])
    assert read > 100  # digits and spaces
