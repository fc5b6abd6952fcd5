"""The fit's YAML file: what it accepts, and that each mistake is one line that names its place."""

import pytest

from mlpot.config import FitConfig, Training, Weights, load_config, parse_config
from mlpot.errors import InputError
from mlpot.examples import EXAMPLES, example_config
from mlpot.symmetry_functions import FunctionSet

EXAMPLE = example_config()


def edited(old, new):
    assert EXAMPLE.count(old) == 1
    return EXAMPLE.replace(old, new)


def line_of(text, part):
    return next(n for n, line in enumerate(text.splitlines(), 1) if part in line)


@pytest.mark.parametrize("example", EXAMPLES.values(), ids=EXAMPLES)
def test_the_examples_are_valid_and_say_the_defaults(example):
    config = parse_config(example)
    given = {"name", "data", "descriptor", "pair", "regressor", "weights"}
    minimal = FitConfig.model_validate(config.model_dump(include=given))
    own = {key: getattr(Training(), key) for key in ("iterations", "checkpoint")}  # of each method
    training = config.training and config.training.model_copy(update=own)
    assert training in (None, Training())
    assert config.model_copy(update={"training": None}) == minimal


def test_every_key_is_explained_in_an_example():
    for name in [*FitConfig.model_fields, *Training.model_fields, *FunctionSet.model_fields]:
        assert any(f"{name}:" in example for example in EXAMPLES.values())


@pytest.mark.parametrize(
    ("old", "new", "place", "message"),
    [
        ("weights:   ", "weigths:   ", "weigths", "did you mean 'weights'"),
        ("  force: 0.003", "  forces: 0.01", "forces", "did you mean 'force'"),
        ("  force: 0.003", "  force: -1", "force: -1", "-1 is not a number of 0 or more"),
        ("  force: 0.003", "  force: .nan", "force: .nan", "weights.force: nan is not a number"),
        ("  force: 0.003", "  force: .inf", "force: .inf", "weights.force: is not finite"),
        ("  force: 0.003", "  force: true", "force: true", "True is not a number"),
        ("groups: {}", "groups: {A: {enrgy: 1}}", "groups: {A", "did you mean 'energy'"),
        ("ridge: auto", "ridge: aut", "ridge: aut", "'aut' is neither auto nor a number"),
        ("folds: 5", "folds: 1", "folds: 1", "greater than or equal to 2, not 1"),
        ("folds: 5", "folds: 5.5", "folds: 5.5", "folds: should be a valid integer, not 5.5"),
        ("seed: 0", "seed: 0\nseed: 1", "seed: 1", "seed: already on line"),
        ("E0: fit ", "E0: {Moo: 1} ", "E0: {Moo", "'Moo' is not a chemical symbol"),
        ("E0: fit ", "E0: 3 ", "E0: 3", "3 is neither fit nor energies"),
        ("core: null", "core: zbl", "core: zbl", "expected keys and values, not 'zbl'"),
        (
            "core: null",
            "core: {type: zbl, inner: 2, outer: 1}",
            "core: {",
            "inner 2 must be below outer 1",
        ),
        ("core: null", "core: {type: zbl, inner: 2}", "core: {", "core.outer: missing"),
        ("train: train.xyz", "train: []", "train: []", "at least 1 item"),
        ("train: train.xyz", "train: 3", "train: 3", "data.train: should be a valid list"),
        ("  type: linear", "  typ: linear", "regressor:", "needs a key type"),
        ("name: Mo ", "name: ../Mo ", "name: ../Mo", "should match pattern"),
        ("name: Mo ", "[a]: Mo ", "[a]: Mo", "a key must be a word"),
    ],
)
def test_mistakes_name_file_line_and_key(old, new, place, message):
    text = edited(old, new)
    with pytest.raises(InputError) as caught:
        parse_config(text, "fit.yaml")
    report = str(caught.value)
    assert report.startswith(f"fit.yaml:{line_of(text, place)}: ")
    assert message in report
    assert "\n" not in report


@pytest.mark.parametrize(
    "text",
    [
        "",
        "- 1",
        "a: [1",
        "a: b: c",
        "\ttab: 1",
        "a: \x01",
        "&a [*a]",
        "a: " + "[" * 3000,
        "name: x",
    ],
)
def test_whatever_is_not_a_configuration_is_one_line(text):
    with pytest.raises(InputError, match=r"^fit\.yaml") as caught:
        parse_config(text, "fit.yaml")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(("text", "value"), [("1e-8", 1e-8), ("1E-8", 1e-8), (".5", 0.5), ("0", 0)])
def test_numbers_are_numbers(text, value):
    assert parse_config(edited("ridge: auto", f"ridge: {text}")).ridge == value


def test_nobelium_is_an_element():
    assert parse_config(EXAMPLE + "elements: [No, Y]\n").elements == ["No", "Y"]


def test_weights_of_a_group_replace_only_what_they_give():
    weights = Weights(energy=2.0, force=3.0, groups={"Elastic": {"energy": 10.0, "force": 0.0}})
    assert weights.of("Elastic") == (10.0, 0.0, 0.0)
    assert weights.of("Surface") == weights.of(None) == (2.0, 3.0, 0.0)


def test_paths_start_from_the_folder_of_the_file(tmp_path):
    folder = tmp_path / "data"
    folder.mkdir()
    for name in ("b.xyz", "a.xyz", "c[1].xyz", "d.txt"):
        (folder / name).write_text("")
    config_path = tmp_path / "fit.yaml"
    config_path.write_text(edited("train: train.xyz", 'train: [data/b.xyz, "data/*.xyz"]'))
    config = load_config(config_path)
    assert [p.name for p in config.paths("train")] == ["b.xyz", "a.xyz", "c[1].xyz"]
    assert config.output_folder == tmp_path
    config_path.write_text(edited("train: train.xyz", 'train: "data/c[1].xyz"'))
    assert [p.name for p in load_config(config_path).paths("train")] == ["c[1].xyz"]


def test_missing_files_are_named(tmp_path):
    with pytest.raises(InputError, match=r"absent\.yaml: no such file"):
        load_config(tmp_path / "absent.yaml")
    (tmp_path / "fit.yaml").write_text(EXAMPLE)
    with pytest.raises(InputError, match=r"fit.yaml: data.train: no file train.xyz"):
        load_config(tmp_path / "fit.yaml").paths("train")
