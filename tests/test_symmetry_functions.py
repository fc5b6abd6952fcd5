"""Sets of symmetry functions: what they contain, and that pruning finds what was planted."""

import json
import re
from itertools import pairwise

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from ase.units import Bohr

from mlpot import _core
from mlpot.errors import InputError
from mlpot.features import FeatureStatistics, feature_statistics
from mlpot.fit import UNITS
from mlpot.model import Model
from mlpot.symmetry_functions import (
    FunctionSet,
    expand,
    gaussians,
    is_set,
    prune,
    read_set,
    shortest_distance,
)

LINE = {"type": "acsf", "set": "auto", "r_cut": 5.2, "n_radial": 12, "n_angular": 18}


def model(block, elements=("Mo",)):
    size = _core.describe(json.dumps(block), '{"type": "linear"}', len(elements))["size"]
    return Model(
        {
            "units": UNITS,
            "elements": list(elements),
            "E0": [0.0] * len(elements),
            "descriptor": block,
            "regressor": {"type": "linear", "coefficients": [[0.0] * size] * len(elements)},
        }
    )


def crystals(count=6, seed=0, elements=("Mo",)):
    rng, frames = np.random.default_rng(seed), []
    for _ in range(count):
        atoms = bulk("Mo", "bcc", a=3.1, cubic=True) * (2, 2, 2)
        atoms.rattle(0.15, rng=rng)
        atoms.symbols = rng.choice(elements, len(atoms))
        frames.append(atoms)
    return frames


def test_one_line_becomes_functions_the_core_takes():
    block = expand(read_set(LINE), 1, 2.2)
    found = _core.describe(json.dumps(block), '{"type": "linear"}', 1)
    assert (len(block["radial"]), len(block["angular"]), found["size"]) == (12, 18, 30)
    assert found["r_cut"] == 5.2


def test_every_pair_and_triple_of_species_gets_the_same_functions():
    block = expand(read_set(LINE), 2, 2.2)
    radial, angular = ([tuple(f) for f in block[kind]] for kind in ("radial", "angular"))
    assert len(set(radial)) == len(radial) == 4 * 12
    assert len(set(angular)) == len(angular) == 2 * 3 * 18
    assert all(first <= second for _, first, second, *_ in angular)
    one = {f[2:] for f in radial if f[:2] == (1, 0)}
    assert one == {f[2:] for f in radial if f[:2] == (0, 0)}
    assert {f[4:6] for f in angular} == {(s, z) for s in (-1.0, 1.0) for z in (1.0, 4.0, 16.0)}


def test_shells_cover_the_cutoff_and_overlap_alike():
    even = gaussians("shifted", 6, 2.0, 5.0, "even")
    assert [r_s for _, r_s in even] == pytest.approx([2.0, 2.5, 3.0, 3.5, 4.0, 4.5])
    for (eta, a), (next_eta, b) in pairwise(even):
        middle = (a + b) / 2
        heights = [np.exp(-eta * (middle - a) ** 2), np.exp(-next_eta * (middle - b) ** 2)]
        assert heights == pytest.approx([np.exp(-1 / 8)] * 2)
    log = [r_s for _, r_s in gaussians("shifted", 6, 2.0, 5.0, "log")]
    assert [b / a for a, b in pairwise(log)] == pytest.approx([2.5 ** (1 / 6)] * 5)
    widths = [eta**-0.5 / 2**0.5 for eta, _ in gaussians("centred", 4, 2.0, 5.0, "even")]
    assert widths == pytest.approx([2.0, 3.0, 4.0, 5.0])


def test_the_set_of_zuo_is_the_published_one(shared):
    text = (shared / "models" / "Mo" / "nnp" / "input.nn").read_text()
    lines = [line.split()[2:] for line in text.splitlines() if line.startswith("symfunction_short")]
    published = {"2": set(), "3": set()}
    for kind, *rest in lines:
        numbers = np.array([x for x in rest if not re.match("[A-Z]", x)], dtype=float)
        numbers[0] /= Bohr**2
        if kind == "2":
            numbers[1] *= Bohr
        numbers[-1] *= Bohr
        published[kind].add(tuple(float(f"{x:.5g}") for x in numbers))
    block = expand(read_set({"type": "acsf", "set": "zuo2020", "r_cut": 5.2}), 1, 2.2)
    radial = {tuple(float(f"{x:.5g}") for x in f[2:]) for f in block["radial"]}
    angular = {tuple(float(f"{x:.5g}") for x in (*f[3:6], f[7])) for f in block["angular"]}
    assert radial == published["2"]
    assert angular == published["3"]
    assert all(f[6] == 0.0 and f[8] == 0 for f in block["angular"])


def test_explicit_functions_are_not_a_set():
    assert is_set(LINE)
    assert is_set({"type": "acsf", "r_cut": 5.0, "radial": "centred"})
    assert not is_set({"type": "acsf", "radial": [[0, 0, 1.0, 0.0, 5.0]], "angular": []})
    assert not is_set({"type": "bispectrum", "r_cut": 5.0})


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"n_angular": 17}, "n_angular 17 is not a multiple of 6 (2 lambda x 3 zeta)"),
        ({"n_radal": 3}, "n_radal: unknown key; did you mean 'n_radial'?"),
        ({"r_cut": -1.0}, "r_cut: should be greater than 0, not -1.0"),
        ({"r_min": 6.0}, "r_min 6 must be below r_cut 5.2"),
        ({"set": "zuo2020", "n_radial": 3, "n_angular": 18}, "n_radial is for set: auto"),
        ({"spacing": "odd"}, "spacing: should be 'even' or 'log', not 'odd'"),
    ],
)
def test_mistakes_are_one_line(change, message):
    with pytest.raises(InputError) as caught:
        read_set(LINE | change, "fit.yaml")
    assert str(caught.value).startswith("fit.yaml: descriptor")
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_cutoff_without_neighbors_is_refused():
    with pytest.raises(InputError, match="is below the shortest distance"):
        expand(read_set(LINE), 1, 5.9)


def test_shortest_distance():
    dimers = [Atoms("Mo2", [[0, 0, 0], [0, 0, d]]) for d in (3.1, 2.37, 2.9, 9.0)]
    assert shortest_distance(dimers, 5.0) == 2.3
    assert shortest_distance(dimers[3:], 5.0) == 5.0
    wire = Atoms("Mo", cell=[9, 9, 1.75], pbc=True)  # its own neighbor
    assert shortest_distance([*dimers, wire], 5.0) == 1.7


def test_statistics_are_those_of_numpy_however_they_are_added():
    rng = np.random.default_rng(3)
    features = rng.normal(size=(50, 4)) @ rng.normal(size=(4, 4)) + [5.0, -300.0, 0.0, 1e-3]
    whole, pieces = FeatureStatistics(4), FeatureStatistics(4)
    whole.add(features)
    for part in np.split(features, [1, 7, 7, 30]):
        pieces.add(part)
    for found in (whole, pieces):
        np.testing.assert_allclose(found.mean, features.mean(axis=0), rtol=1e-12)
        np.testing.assert_allclose(found.deviation, features.std(axis=0), rtol=1e-11)
        np.testing.assert_allclose(
            found.correlations(), np.corrcoef(features, rowvar=False), atol=1e-12
        )
        assert (found.low == features.min(axis=0)).all()
        assert (found.high == features.max(axis=0)).all()
        for k in range(4):
            before = np.column_stack([np.ones(50), features[:, :k]])
            rest = features[:, k] - before @ np.linalg.lstsq(before, features[:, k], rcond=None)[0]
            assert found.unexplained()[k] == pytest.approx(rest.std() / features[:, k].std())


def test_pruning_finds_planted_functions():
    good = {
        "radial": [[0, 0, 1.0, 2.5, 5.0], [0, 0, 1.0, 4.0, 5.0]],
        "angular": [[0, 0, 0, 0.05, 1.0, 2.0, 0.0, 4.5, 0]],
    }
    planted = {
        "radial": [
            good["radial"][0],
            [0, 0, 900.0, 0.5, 5.0],  # no atom is so near
            good["radial"][1],
            good["radial"][0],  # a copy
            [0, 0, 1.0, 2.5 + 1e-9, 5.0],  # nearly one
        ],
        "angular": [good["angular"][0], good["angular"][0]],
    }
    block = {"type": "acsf", "cutoff": "cosine", "inner": 0.0, **planted}
    found = feature_statistics(model(block).potential(), crystals())
    pruned, left_out = prune(block, found, 1e-6)
    assert pruned == {**block, **good}
    assert [text.split(" (")[0] for text in left_out] == [
        *(f"radial function {k}" for k in (2, 4, 5)),
        "angular function 2",
    ]
    assert "constant" in left_out[0]
    assert "nearest: radial 1, correlation 1.000000" in left_out[1]
    assert prune(block, found, 0.0) == (block, [])


def test_pruning_treats_each_center_by_itself():
    # The same functions around Mo are redundant only if they repeat around Mo.
    radial = [[0, 0, 1.0, 2.5, 5.0], [1, 0, 1.0, 2.5, 5.0], [1, 0, 1.0, 2.5, 5.0]]
    block = {"type": "acsf", "cutoff": "cosine", "inner": 0.0, "radial": radial, "angular": []}
    frames = crystals(elements=("Mo", "Nb"))
    found = feature_statistics(model(block, ("Mo", "Nb")).potential(), frames)
    pruned, left_out = prune(block, found, 1e-6)
    assert pruned["radial"] == radial[:2]
    assert len(left_out) == 1


def test_pruning_everything_is_refused():
    block = {"type": "acsf", "radial": [[0, 0, 900.0, 0.1, 5.0]], "angular": []}
    block |= {"cutoff": "cosine", "inner": 0.0}
    found = feature_statistics(model(block).potential(), crystals(1))
    with pytest.raises(InputError, match="all functions are constant"):
        prune(block, found, 1e-6)


def test_defaults_make_a_set_that_nothing_is_pruned_from():
    block = expand(FunctionSet(r_cut=5.2), 1, shortest_distance(crystals(), 5.2))
    found = feature_statistics(model(block).potential(), crystals(20))
    assert prune(block, found, FunctionSet(r_cut=5.2).prune)[1] == []
