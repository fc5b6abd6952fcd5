"""_core: SHA-256, instruction sets, the strict reader of model files, structures it refuses."""

import hashlib
import json
import random
import re
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from contract.cells import CELLS
from contract.measures import arguments, evaluate
from mlpot import _core
from mlpot.model import Model, seal, unseal
from oracle import bispectrum
from oracle.structures import crowd

CELL = next(cell for cell in CELLS if str(cell) == "bispectrum-two-linear-zbl")
BLOCK = CELL.block | {"two_j_max": 1}
DATA = CELL.model.data | {
    "descriptor": BLOCK,
    "regressor": {"type": "linear", "coefficients": [[0.1, -0.2], [0.3, 0.04]]},
}
TEXT = Model(DATA).to_text()
COEFFICIENTS = ("regressor", "coefficients")


def test_sha256_is_hashlibs():
    data = random.Random(1).randbytes(200)
    for n in range(200):  # every position of the end in its 64-byte block
        assert _core.sha256(data[:n]) == hashlib.sha256(data[:n]).hexdigest()
    long = data * 10_000
    assert _core.sha256(long) == hashlib.sha256(long).hexdigest()
    assert _core.sha256("Ångström") == hashlib.sha256("Ångström".encode()).hexdigest()
    million = "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0"  # FIPS 180-2, B.3
    assert _core.sha256("a" * 1_000_000) == million


def test_kernels_are_those_the_processor_has():
    known = ["scalar", "baseline", "avx2", "avx512"]
    names = _core.kernels()
    assert names[:2] == known[:2] and names == [name for name in known if name in names]
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists() and "flags" in cpuinfo.read_text():
        flags = set(re.search(r"^flags\s*:(.*)$", cpuinfo.read_text(), re.M)[1].split())
        v3, v4 = (
            {"avx2", "fma", "bmi2"},
            {"avx512f", "avx512dq", "avx512bw", "avx512vl", "avx512cd"},
        )
        assert ("avx2" in names) == (v3 <= flags)
        assert ("avx512" in names) == (v3 | v4 <= flags)
    assert _core.Potential(TEXT).kernels == names[-1]
    with pytest.raises(
        ValueError, match=r'"avx" cannot be used here; known: auto, scalar, baseline'
    ):
        _core.Potential(TEXT, kernels="avx")


def test_a_potential_says_what_it_is():
    potential = _core.Potential(TEXT)
    assert potential.name == str(CELL) and potential.elements == ["Mo", "Al"]
    assert (potential.n_features, potential.n_parameters) == (2, 4)
    assert potential.r_cut == pytest.approx(CELL.cutoffs.max(), rel=1e-15)


LINEAR = '{"type": "linear"}'


@pytest.mark.parametrize("two_j_max", [0, 1, 2, 5, 6, 8, 14])
def test_describe_counts_and_fills_in(two_j_max):
    asked = {"type": "bispectrum", "two_j_max": two_j_max, "r_cut": 4.1, "radii": [0.5, 0.7]}
    found = _core.describe(json.dumps(asked), LINEAR, 2)
    n = len(bispectrum.components(two_j_max))
    assert found["size"] == found["n_parameters"] == n
    assert found["r_cut"] == pytest.approx(4.1 * 1.4)
    block = json.loads(found["block"])
    assert set(block) == set(BLOCK) and block | asked == block
    assert block["weights"] == [1.0, 1.0] and block["rfac0"] == 0.99363  # LAMMPS' defaults
    quadratic = _core.describe(json.dumps(asked), '{"type": "quadratic"}', 2)
    assert quadratic["n_parameters"] == n + n * (n + 1) // 2


def test_describe_counts_triples_of_elements():
    asked = {"type": "bispectrum", "two_j_max": 6, "r_cut": 4.1, "chemflag": True}
    for n in (1, 2, 3):
        assert _core.describe(json.dumps(asked), LINEAR, n)["size"] == 30 * n**3


@pytest.mark.parametrize(
    ("block", "message"),
    [
        ({"type": "bispectrum", "r_cut": 4.1, "two_jmax": 6}, 'did you mean "two_j_max"'),
        ({"type": "bispectrum"}, r"descriptor\.r_cut: missing"),
        ({"type": "bispectrun", "r_cut": 4.1}, r'descriptor\.type: .*did you mean "bispectrum"'),
        ({"r_cut": 4.1}, r"descriptor\.type: missing"),
    ],
)
def test_describe_helps_with_mistakes(block, message):
    with pytest.raises(_core.ModelError, match=message):
        _core.describe(json.dumps(block), LINEAR, 1)


def test_describe_knows_the_regressors():
    with pytest.raises(_core.ModelError, match=r'regressor\.type: .*did you mean "linear"'):
        _core.describe('{"type": "bispectrum", "r_cut": 4.1}', '{"type": "lineal"}', 1)


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
    bad("pair", {}, says="null"),
    bad("scaling", [], says="null"),
    bad("ranges", 0, says="null"),
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
    pytest.param("[" * 100_000, "not valid JSON|JSON object", id="deep"),
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


def test_what_is_not_a_structure_is_refused():
    potential = _core.Potential(TEXT)
    positions, cell, pbc, species = arguments(CELL.atoms, potential.elements)
    infinite = positions.copy()
    infinite[3, 1] = np.inf
    flat = cell.copy()
    flat[2] = flat[0]
    wrong = {
        "positions: expected shape": (positions[:, :2], cell, pbc, species),
        "cell: expected shape": (positions, cell[:2], pbc, species),
        "pbc: expected shape": (positions, cell, pbc[:2], species),
        "species: expected one for each": (positions, cell, pbc, species[:-1]),
        "atom 1: its species is not in the model": (positions, cell, pbc, species + 1),
        "atom 0: its species is not in the model": (positions, cell, pbc, species - 1),
        "atom 3: its position is not finite": (infinite, cell, pbc, species),
        "no volume": (positions, flat, pbc, species),
        "too flat for a cutoff": (positions, cell * [1, 1, 1e-4], pbc, species),
    }
    for message, given in wrong.items():
        for method in (potential.evaluate, potential.features, potential.design):
            with pytest.raises(ValueError, match=message):
                method(*given)
    with pytest.raises(_core.AtomsTooClose, match="atoms 0 and 0"):
        bare = _core.Potential(changed("core", None))
        bare.evaluate(positions[:1], np.diag([0.4, 6.0, 6.0]), pbc, species[:1])


def test_nothing_at_all_has_no_energy():
    empty = np.empty((0, 3)), np.eye(3), np.zeros(3, bool), np.empty(0, np.int32)
    found = _core.Potential(TEXT).evaluate(*empty)
    assert found["energy"] == 0.0 and found["forces"].shape == (0, 3)


def test_the_choice_of_lattice_vectors_does_not_matter():
    potential = CELL.model.potential()
    positions, cell, species = crowd()
    here = potential.evaluate(positions, cell, (True,) * 3, species)
    for basis in ([[1, 0, 0], [3, 1, 0], [-2, 4, 1]], [[0, 1, 0], [1, 0, 0], [0, 0, 1]]):
        there = potential.evaluate(positions, np.array(basis) @ cell, (True,) * 3, species)
        assert there["energy"] == pytest.approx(here["energy"], rel=1e-13)
        assert np.allclose(there["forces"], here["forces"], rtol=0, atol=1e-12)
    unused = cell.copy()
    unused[2] = np.nan  # the vector of a direction that is not periodic says nothing
    slab = potential.evaluate(positions, cell, (True, True, False), species)
    again = potential.evaluate(positions, unused, (True, True, False), species)
    assert slab["energy"] == again["energy"] != here["energy"]


def test_threads_do_not_disturb_each_other():
    """Structures, over and over, by a shared potential and by one of each thread: the same bits."""
    structures = [CELL.atoms.repeat((1, 1, 1 + k % 2)) for k in range(8)]
    for k, atoms in enumerate(structures):
        atoms.rattle(0.01, seed=k)
    text = CELL.model.to_text()
    shared = _core.Potential(text)
    truth = [evaluate(shared, atoms) for atoms in structures]

    def cycle(_):
        own = _core.Potential(text)
        return [[evaluate(p, atoms) for atoms in structures] for p in (shared, own) * 5]

    with ThreadPoolExecutor(4) as pool:
        for found in (results for cycles in pool.map(cycle, range(4)) for results in cycles):
            for here, there in zip(found, truth, strict=True):
                assert all(np.array_equal(here[key], there[key]) for key in truth[0])
    assert all(a["energy"] != b["energy"] for a, b in pairwise(truth))
