"""n2p2's potentials to models and back; energies against n2p2's own and its formulas."""

import io
import json
import lzma
import re
from math import exp, log, tanh

import ase.io
import numpy as np
import pytest

import oracle
from mlpot.convert import convert, export
from mlpot.convert.n2p2 import ENERGIES, LENGTHS
from mlpot.errors import InputError
from mlpot.features import feature_statistics
from mlpot.io import read
from mlpot.model import Model
from oracle import acsf
from oracle.structures import crowd

PUBLISHED = "1.8897261328,0.0367493254"  # cflength and cfenergy of the published files
# symmetry functions in n2p2's order, written out by hand; lengths in bohr
SI = """Si 2 Mo 0.3 0.0 5.0
Si 2 Si 0.1 0.0 6.0
Si 2 Mo 0.1 0.0 6.0
Si 2 Si 0.1 1.5 6.0
Si 3 Mo Si 0.01 -1 1 6.0
Si 3 Si Si 0.01 1 1 6.0
Si 3 Si Si 0.01 -1 4 6.0
Si 9 Mo Mo 0.02 1.0 2.0 5.5 0.5""".splitlines()
MO = """Mo 2 Mo 0.2 0.0 6.0
Mo 3 Si Mo 0.05 1 2 6.0 0.0
Mo 9 Mo Si 0.01 1 1 6.0""".splitlines()
ROWS = {
    "radial": [
        [0, 1, 0.3, 0.0, 5.0],
        [0, 0, 0.1, 0.0, 6.0],
        [0, 1, 0.1, 0.0, 6.0],
        [0, 0, 0.1, 1.5, 6.0],
        [1, 1, 0.2, 0.0, 6.0],
    ],
    "angular": [
        [0, 0, 1, 0.01, -1, 1, 0.0, 6.0, 0],
        [0, 0, 0, 0.01, 1, 1, 0.0, 6.0, 0],
        [0, 0, 0, 0.01, -1, 4, 0.0, 6.0, 0],
        [0, 1, 1, 0.02, 1, 2, 0.5, 5.5, 1],
        [1, 0, 1, 0.05, 1, 2, 0.0, 6.0, 0],
        [1, 0, 1, 0.01, 1, 1, 0.0, 6.0, 1],
    ],
}
SETTINGS = {
    "number_of_elements": "2",
    "elements": "Mo Si",
    "cutoff_type": "1",
    "global_hidden_layers_short": "2",
    "global_nodes_short": "4 3",
    "global_activation_short": "t t l",
    "epochs": "30",  # of training: passed over
}
E0 = {"Mo": -4.14, "Si": -0.79}
RANGE = {"scale_min_short": "-1.0", "scale_max_short": "2.5"}
SCALE, CENTER = {"scale_symmetry_functions": ""}, {"center_symmetry_functions": ""}
SIGMA = {"scale_symmetry_functions_sigma": ""}
NORMALIZED = {"mean_energy": "-1.25", "conv_energy": "17.5", "conv_length": "0.9"}
VARIANTS = {
    "plain": {},
    "range": SCALE,
    "wider range": SCALE | RANGE,
    "center": CENTER,
    "range and center": SCALE | CENTER | RANGE,
    "sigma": SIGMA | {"scale_min_short": "-0.1", "scale_max_short": "0.05"},
    "inner cutoff": {"cutoff_type": "1 0.3"},
    "tanh3": {"cutoff_type": "2 0.5"},
    "polynomial": {"cutoff_type": "6", "cutoff_alpha": "0.25"} | SCALE,
    "softplus": {"global_activation_short": "p p l"} | SIGMA,
    "linear": {"global_activation_short": "l l l"},
    "logistic": {"global_activation_short": "s t l"},
    "logistic, normalized": {"global_activation_short": "t s l", "normalize_nodes": ""},
    "normalized": NORMALIZED | {"normalize_nodes": ""} | SCALE,
}
NAMES = ["input.nn", "scaling.data", "weights.014.data", "weights.042.data"]
STATISTICS = np.random.default_rng(8).uniform(0.1, 0.9, (11, 4)) * [1, 3, 2, 1]
CONNECTIONS = {
    n: np.random.default_rng(n).normal(size=(n + 1) * 4 + 5 * 3 + 4) for n in (len(SI), len(MO))
}


def write(folder, settings, functions=(*SI, *MO), lines=()):
    """The four files; the functions in an order that is not n2p2's."""
    shuffled = [functions[k] for k in np.random.default_rng(1).permutation(len(functions))]
    text = [f"{key} {value} # a comment" for key, value in settings.items()]
    text += [f"atom_energy {symbol} {energy}" for symbol, energy in E0.items()]
    text += ["", *lines, *(f"symfunction_short {f}" for f in shuffled)]
    counts = [(e, k) for e, n in ((1, len(SI)), (2, len(MO))) for k in range(1, n + 1)]
    table = [
        f"{e} {k} {' '.join(map(str, s))}"
        for (e, k), s in zip(counts, STATISTICS.tolist(), strict=True)
    ]
    texts = ["\n".join(text), "# min max mean sigma\n" + "\n".join(table)]
    for n in CONNECTIONS:
        kinds = "a" * 4 * n + "bbbb" + "a" * 12 + "bbb" + "aaab"
        values = CONNECTIONS[n].tolist()
        texts += ["\n".join(f"  {v!r} {t}  1  0  1" for v, t in zip(values, kinds, strict=True))]
    paths = [folder / name for name in NAMES]
    for path, content in zip(paths, texts, strict=True):
        path.write_text(content)
    return paths


def scaled(g, statistics, settings):
    """n2p2's formulas for one function."""
    low, high, mean, sigma = statistics
    bottom, top = (float(settings.get(f"scale_{m}_short", d)) for m, d in (("min", 0), ("max", 1)))
    by_range, by_mean = (
        "scale_symmetry_functions" in settings,
        "center_symmetry_functions" in settings,
    )
    if "scale_symmetry_functions_sigma" in settings:
        return bottom + (top - bottom) * (g - mean) / sigma
    if by_range:
        return bottom + (top - bottom) * (g - (mean if by_mean else low)) / (high - low)
    return g - mean if by_mean else g


def propagate(x, settings):
    """n2p2's network, one connection after another."""
    values = iter(CONNECTIONS[len(x)])
    functions = {
        "t": tanh,
        "p": lambda x: log(1 + exp(x)),
        "s": lambda x: 1 / (1 + exp(-x)),
        "l": lambda x: x,
    }
    letters = settings["global_activation_short"].split()
    for n_out, letter in zip((4, 3, 1), letters, strict=True):
        out = [0.0] * n_out
        for v in x:
            for k in range(n_out):
                out[k] += v * next(values)
        out = [v + next(values) for v in out]
        if "normalize_nodes" in settings:
            out = [v / len(x) for v in out]
        x = [functions[letter](v) for v in out]
    return x[0]


def n2p2_energies(settings, positions, cell, species):
    """Energies (N,) in hartree of positions in bohr; species 0 is Si."""
    kind, *alpha = settings["cutoff_type"].split()
    inner = float(settings.get("cutoff_alpha", (*alpha, "0")[0])) if kind != "2" else 0.0
    cutoff = {"1": "cosine", "2": "tanh3", "6": "polynomial"}[kind]
    block = {"cutoff": cutoff, "inner": inner} | ROWS
    features = acsf.features(positions, cell, (1, 1, 1), species, block)
    energies = []
    for row, s in zip(features, species, strict=True):
        n, first = (len(MO), len(SI)) if s else (len(SI), 0)
        x = [scaled(float(row[k]), STATISTICS[first + k], settings) for k in range(n)]
        e = propagate(x, settings) / float(settings.get("conv_energy", 1))
        energies.append(e + float(settings.get("mean_energy", 0)) + E0["Mo" if s else "Si"])
    return np.array(energies)


def content(model):
    return {key: value for key, value in model.data.items() if key != "provenance"}


@pytest.mark.parametrize("variant", VARIANTS)
def test_two_elements_give_the_energies_of_the_formulas(variant, tmp_path):
    settings = SETTINGS | VARIANTS[variant]
    model = convert(write(tmp_path, settings))
    assert model.elements == ["Si", "Mo"]  # by atomic number, as n2p2 counts them
    positions, cell, species = crowd(scale=0.8)
    truth = n2p2_energies(settings, positions / LENGTHS["bohr"], cell / LENGTHS["bohr"], species)
    found = oracle.energies(model.data, positions, cell, (1, 1, 1), species)
    assert np.ptp(truth[species == 0]) > 1e-6  # the neighbourhoods matter: nothing is saturated
    assert found == pytest.approx(truth * ENERGIES["hartree"], rel=1e-12)

    files = export(model, "n2p2", tmp_path / "again")
    assert sorted(f.name for f in files) == NAMES
    assert content(convert(files)) == content(model)


@pytest.mark.parametrize("element, weights", [("Mo", "042"), ("Si", "014")])
def test_published_potentials_give_the_energies_of_n2p2(element, weights, shared, tmp_path):
    folder = shared / "models" / element / "nnp"
    files = [folder / name for name in ("input.nn", "scaling.data", f"weights.{weights}.data")]
    model = convert(files, elements=[element], units=PUBLISHED)
    packed = shared / "data" / "zuo2020" / f"{element}_test.xyz.xz"
    frames = ase.io.read(
        io.StringIO(lzma.decompress(packed.read_bytes()).decode()), ":4", format="extxyz"
    )
    reference = json.loads((shared / "models" / "reference.json").read_text())
    truth = reference["elements"][element]["nnp"]["energy_eV"]
    for atoms, energy in zip(frames, truth, strict=False):
        species = np.zeros(len(atoms), dtype=int)
        found = oracle.energies(model.data, atoms.positions, atoms.cell[:], atoms.pbc, species)
        assert found.sum() == pytest.approx(energy, abs=1e-8)
    assert content(convert(export(model, "n2p2", tmp_path / "n2p2"))) == content(model)


@pytest.mark.parametrize("element", ["Mo", "Si"])
def test_published_ranges_are_those_of_the_features_in_training(element, shared):
    """n2p2 found them on the very training set."""
    model = convert((shared / "models" / element / "nnp").iterdir(), units=PUBLISHED)
    low, high = (np.array(model.data["ranges"][key][0]) for key in ("low", "high"))
    train = read(shared / "data" / "zuo2020" / f"{element}_train.xyz.xz").frames
    (features,) = feature_statistics(model.potential(), train)
    for found, known in ((features.low, low), (features.high, high)):
        assert np.abs((found - known) / (high - low)).max() < 2e-6  # as its files are written


def test_a_fitted_model_means_the_same_in_n2p2(tmp_path):
    """Elements, functions and features in an order of its own; features scaled to nothing."""
    data = convert(write(tmp_path, SETTINGS | SIGMA)).data
    rng = np.random.default_rng(6)
    swap = {0: 1, 1: 0}
    radial = [[swap[a], swap[b], *row] for a, b, *row in reversed(data["descriptor"]["radial"])]
    angular = [
        [swap[a], *sorted((swap[b], swap[c])), *row]
        for a, b, c, *row in reversed(data["descriptor"]["angular"])
    ]
    scale = rng.uniform(0.5, 2.0, (2, 8))
    scale[1, 3] = scale[0, 1] = 0.0
    change = {
        "elements": ["Mo", "Si"],
        "E0": [-3.0, -7.0],
        "descriptor": data["descriptor"] | {"radial": radial, "angular": angular},
        "scaling": {"shift": rng.normal(size=(2, 8)), "scale": scale},
    }
    model = Model(data | change)
    back = convert(export(model, "n2p2", tmp_path / "out"))
    positions, cell, species = crowd(scale=0.8)
    truth = oracle.energies(model.data, positions, cell, (1, 1, 1), species)
    found = oracle.energies(back.data, positions, cell, (1, 1, 1), 1 - species)
    assert found == pytest.approx(truth, rel=1e-12)
    assert content(convert(export(back, "n2p2", tmp_path / "out2"))) == content(back)


def test_units_are_stated_by_the_caller_or_a_comment(tmp_path):
    files = write(tmp_path, SETTINGS)
    bohr = convert(files)
    assert bohr.data["provenance"]["units"] == "bohr,hartree"
    assert content(convert(files, units="bohr hartree")) == content(bohr)
    metal = convert(files, units="angstrom,eV")
    assert metal.data["E0"] == [-0.79, -4.14]
    assert metal.data["descriptor"]["radial"] == ROWS["radial"]
    assert bohr.data["E0"][1] == pytest.approx(-4.14 * 27.2113862, rel=1e-8)
    _, _, eta, r_s, r_cut = bohr.data["descriptor"]["radial"][3]
    assert (eta, r_s, r_cut) == pytest.approx((0.35710648, 0.79376582, 3.17506327), rel=1e-8)
    assert content(convert(write(tmp_path, SETTINGS, lines=["# units: angstrom, eV"]))) == content(
        metal
    )
    for units, message in [
        ("bohr,hartree", "input.nn: its units are angstrom,eV, not bohr,hartree"),
        ("bohr", "expected a length and an energy, e.g. bohr,hartree"),
        ("angstroem,eV", "'angstroem' is none of bohr, angstrom; did you mean 'angstrom'?"),
        ("bohr,0", "'0' is none of hartree, eV"),
    ]:
        with pytest.raises(InputError, match=re.escape(message)):
            convert(files, units=units)
    with pytest.raises(InputError, match="the units of its format are fixed"):
        convert([tmp_path / "a.snapcoeff"], units="bohr,hartree")


BAD_SETTINGS = {
    "elements is missing": {"elements": None},
    "there are 2 elements, not 3": {"number_of_elements": "3"},
    "'X' is not one more element's symbol": {"elements": "Mo X"},
    "'Mo' is not one more element's symbol": {"elements": "Mo Mo"},
    "'Si' is not one of the elements, Mo W": {"elements": "Mo W"},
    "expected cutoff_type 1 (cosine), 2 (tanh3), 6 (polynomial)": {"cutoff_type": "3"},
    "alpha is at least 0 and below 1": {"cutoff_type": "1 1.0"},
    "alpha was given in line 3 already": {"cutoff_type": "1 0.1", "cutoff_alpha": "0.1"},
    "global_nodes_short takes 2 values, not 1": {"global_nodes_short": "4"},
    "one hidden layer at least": {"global_hidden_layers_short": "0"},
    "the output is linear, l, not t": {"global_activation_short": "t t t"},
    "activation 'g'; those known are": {"global_activation_short": "g g l"},
    "all hidden layers have one activation": {"global_activation_short": "p s l"},
    "the shape of the global_ keywords": {"element_nodes_short": "Mo 4 4"},
    "only the short-range type 2G-HDNNP": {"nnp_gen": "4G-HDNNP"},
    "a model file has no charges": {"use_electrostatics": ""},
    "write the functions out": {"global_symfunction_short": "2 0.1 0.0 6.0"},
    "did you mean 'normalize_nodes'?": {"normalise_nodes": ""},
    "normalize_nodes takes 0 values, not 1": {"normalize_nodes": "yes"},
    "conv_length is missing": {"mean_energy": "1", "conv_energy": "2"},
    "conv_energy and conv_length are above 0": NORMALIZED | {"conv_energy": "0"},
    "or the other scalings, not both": SCALE | SIGMA,
    "this range of the function cannot be scaled": SCALE | {"scale_max_short": "0"},
    "'1e999' is not a finite number": SCALE | {"scale_max_short": "1e999"},
}
BAD_FUNCTIONS = {
    "symmetry functions of type 12 are not known here, only 2, 3 and 9": "Si 12 0.1 0.0 6.0",
    "expected: center 2 neighbor eta r_s r_cut": "Si 2 Si 0.1 0.0",
    "expected: center 9 neighbor neighbor eta lambda zeta r_cut [r_s]": "Si 9 Si 0.1 1 1 6.0",
    "'Ge' is not one of the elements, Si Mo": "Si 2 Ge 0.1 0.0 6.0",
    "lambda is 1 or -1 and zeta a whole number": "Si 3 Si Si 0.1 1 1.5 6.0",
    "'nan' is not a finite number": "Si 2 Si nan 0.0 6.0",
}
BAD_FILES = [
    ("scaling.data", "1 2 ", "1 3 ", "line 3: expected function 2 of element 1"),
    ("scaling.data", "\n2 3 ", "\n# ", "it ends before function 3 of Mo"),
    ("scaling.data", "# ", "7 7 7\n", "line 1: expected function 1 of element 1"),
    ("weights.014.data", "\n", "\n1.0 a\n", "56 weights; a network of 8-4-3-1 has 55"),
    ("weights.042.data", " a ", " b ", "line 1: expected a weight, a"),
    ("weights.042.data", "  ", "  x", "is not a finite number"),
]


@pytest.mark.parametrize("message", BAD_SETTINGS)
def test_bad_settings_are_refused(message, tmp_path):
    settings = {k: v for k, v in (SETTINGS | BAD_SETTINGS[message]).items() if v is not None}
    with pytest.raises(InputError, match=rf"(input\.nn|scaling\.data): .*{re.escape(message)}"):
        convert(write(tmp_path, settings))


@pytest.mark.parametrize("message", BAD_FUNCTIONS)
def test_bad_symmetry_functions_are_refused(message, tmp_path):
    files = write(tmp_path, SETTINGS, (*SI, BAD_FUNCTIONS[message]))
    with pytest.raises(InputError, match=rf"input\.nn: line \d+: {re.escape(message)}"):
        convert(files)


@pytest.mark.parametrize("name, old, new, message", BAD_FILES)
def test_bad_tables_are_refused(name, old, new, message, tmp_path):
    files = write(tmp_path, SETTINGS | SCALE)
    path = tmp_path / name
    path.write_text(path.read_text().replace(old, new, 1))
    with pytest.raises(InputError, match=rf"{re.escape(name)}: .*{re.escape(message)}"):
        convert(files)


def test_scaling_may_end_with_the_range_of_energies_and_lack_sigma(tmp_path):
    files = write(tmp_path, SETTINGS | SCALE)
    model = convert(files)
    rows = files[1].read_text().splitlines()[1:]
    short = [row.rsplit(" ", 1)[0] for row in rows]
    files[1].write_text("\n".join([*short, "-7.5 3.25"]))
    assert content(convert(files)) == content(model)
    files[0].write_text(
        files[0].read_text().replace("scale_symm", "scale_symmetry_functions_sigma #")
    )
    with pytest.raises(InputError, match=r"line 1: expected element, function, min, max, mean and"):
        convert(files)
    files[1].write_text("\n".join([*rows, "1 2 3"]))
    with pytest.raises(InputError, match="line 12: text after the last of 11 functions"):
        convert(files)


def test_files_must_be_one_potential(tmp_path):
    settings, scaling, si, mo = files = write(tmp_path, SETTINGS)
    (tmp_path / "b").mkdir()
    for given, message in [
        ([scaling, si, mo], r"weights\.042\.data: input\.nn is missing; give it too"),
        ([settings, si, mo], "scaling.data is missing; give it too"),
        ([settings, scaling, si], "Mo needs weights.042.data; give it too"),
        ([*files, tmp_path / "weights.001.data"], r"weights\.001\.data: its element is not in"),
        ([*files, tmp_path / "input.data"], "files are input.nn, scaling.data, weights.ZZZ.data"),
        ([*files, tmp_path / "b" / "input.nn"], "a second input.nn beside"),
        ([*files[1:], tmp_path / "b" / "input.nn"], "no such file"),
    ]:
        with pytest.raises(InputError, match=message):
            convert(given)
    with pytest.raises(InputError, match="elements are Si Mo in this order, not Mo Si"):
        convert(files, elements=["Mo", "Si"])


@pytest.mark.parametrize(
    "change, message",
    [
        ({"descriptor": {"type": "bispectrum"}}, "the descriptor 'bispectrum', only 'acsf'"),
        ({"regressor": {"type": "linear"}}, "the regressor 'linear', only 'neural_network'"),
        ({"core": {"type": "zbl", "inner": 1.0, "outer": 2.0}}, "n2p2 cannot express 'core'"),
        ({"pair": {}}, "n2p2 cannot express 'pair'"),
        ({"pooling": "structure"}, "n2p2 cannot express pooling 'structure'"),
        ({"elements": ["Si", "Mo", "W"]}, "an element without symmetry functions"),
        ({"activation": "silu"}, "the activation 'silu', only tanh, softplus, linear"),
        ({"layers": []}, "a network without hidden layers"),
    ],
)
def test_what_n2p2_cannot_express_is_refused(change, message, tmp_path):
    data = convert(write(tmp_path, SETTINGS)).data
    if "activation" in change or "layers" in change:
        change = {"regressor": data["regressor"] | change}
    with pytest.raises(InputError, match=message):
        export(Model(data | change), "n2p2", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_the_folder_must_be_possible(tmp_path):
    model = convert(write(tmp_path, SETTINGS))
    with pytest.raises(InputError, match="cannot make this folder: No such file"):
        export(model, "n2p2", tmp_path / "absent" / "out")
    with pytest.raises(InputError, match="cannot make this folder: File exists"):
        export(model, "n2p2", tmp_path / "input.nn")
