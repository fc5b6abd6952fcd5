"""Training of the Kruglov potential: features of the volume, pooled ones, a pair term beside."""

from __future__ import annotations

import numpy as np
import pytest
from ase.io import write

from mlpot import _core, io
from mlpot.config import Training, parse_config
from mlpot.errors import InputError
from mlpot.examples import example_config
from mlpot.fit import fit, start_model
from mlpot.metrics import predict, species_of
from mlpot.model import Model
from mlpot.train import initial, prepared, training_set
from mlpot.train.descent import Descent
from mlpot.train.pair_block import PairBlock
from test_train import labelled, squared_errors, with_parameters

CONFIG = """
name: net
data: {{train: train.xyz, test: test.xyz}}
descriptor: {{type: kruglov, r_cut: 4.4, eta: [0.05], zeta: [2]}}
pooling: {pooling}
regressor: {{type: neural_network, layers: [6], activation: tanh_linear, gamma: 0.1}}
weights: {{energy: 1, force: 0.1, stress: 0.001}}
training: {{iterations: 12, validation: 0.2, checkpoint: 4}}
"""
POOLINGS = ("atom", "structure")
PAIR = "pair: {sum: ewald, powers: [2, 4, 6, 9, 12]}\n"
CUT = "pair: {sum: cut, r_cut: 4.5, powers: [0, 4, 6, 9, 12]}\n"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("data")
    write(path / "train.xyz", labelled(12), format="extxyz")
    write(path / "test.xyz", labelled(4, seed=9), format="extxyz")
    return path


def started(folder, pooling, more=""):
    settings = parse_config(CONFIG.format(pooling=pooling) + more, "fit.yaml", folder)
    train = io.read(folder / "train.xyz")
    model, _ = start_model(settings, train.report.elements, train)
    return settings, train, prepared(model, train, settings)


def assert_gradient(loss, parameters, indices, rng):
    _, gradient = loss(parameters, indices)
    for direction in (gradient / np.linalg.norm(gradient), rng.normal(size=len(parameters))):
        step = 1e-3 / np.linalg.norm(direction)
        ahead = [loss(parameters + k * step * direction, indices)[0] for k in (1, 2, 3)]
        behind = [loss(parameters - k * step * direction, indices)[0] for k in (1, 2, 3)]
        numerical = np.dot([45, -9, 1], np.subtract(ahead, behind)) / (60 * step)
        scale = np.linalg.norm(gradient) * np.linalg.norm(direction)
        assert abs(numerical - gradient @ direction) < 1e-7 * scale


@pytest.mark.parametrize("pooling", POOLINGS)
def test_the_loss_is_that_of_the_model_and_its_gradient_the_numerical_one(folder, pooling):
    settings, train, model = started(folder, pooling)
    found, everything = training_set(model, train, settings), np.arange(len(train))
    parameters = initial(model, [3])
    truth = squared_errors(with_parameters(model, parameters), train.frames)
    assert found.loss(parameters, everything)[0] == pytest.approx(truth, rel=1e-10)
    assert_gradient(found.loss, parameters, everything, np.random.default_rng(1))
    assert_gradient(found.loss, parameters, np.array([4, 2]), np.random.default_rng(2))


def test_the_loss_of_energies_alone_and_of_some_with_forces(folder):
    _, train, model = started(folder, "structure")
    everything = np.array([*range(len(train))] * 20)  # full packs, and some lanes free
    for mixed in (False, True):
        found, truth = _core.TrainingSet(model.to_text()), 0.0
        parameters = initial(model, [3])
        fitted = with_parameters(model, parameters)
        for k, atoms in enumerate(train):
            labels, forces = io.labels(atoms), mixed and k % 3 == 0
            place = (atoms.positions, atoms.cell.array, atoms.pbc)
            known = (labels.energy, labels.forces if forces else None, None)
            found.add(*place, species_of(atoms, model.elements), *known, (2.0, 0.1, 0.0))
            error = predict(fitted, atoms)
            truth += 20 * (2.0 * (error.energy - labels.energy) / len(atoms)) ** 2
            truth += 20 * forces * np.sum((0.1 * (error.forces - labels.forces)) ** 2)
        assert found.loss(parameters, everything)[0] == pytest.approx(truth, rel=1e-10)
        assert_gradient(found.loss, parameters, everything, np.random.default_rng(1))


@pytest.mark.parametrize("pooling", POOLINGS)
def test_linear_columns_stand_beside_the_network(folder, pooling):
    settings, train, model = started(folder, pooling)
    plain = training_set(model, train, settings)
    rng, found = np.random.default_rng(4), _core.TrainingSet(model.to_text())
    parameters, z, taken = (
        initial(model, [3]),
        rng.normal(size=3),
        _core.TrainingSet(model.to_text()),
    )
    for atoms in train:
        place = (atoms.positions, atoms.cell.array, atoms.pbc)
        labels = io.labels(atoms)
        species, n = species_of(atoms, model.elements), len(atoms)
        columns = rng.normal(size=3), rng.normal(size=(n, 3, 3)), rng.normal(size=(3, 3, 3))
        weights = (1.0, 0.1, 0.001)
        found.add(*place, species, *labels, weights, linear=columns)
        less = [
            label - column @ z / unit
            for label, column, unit in zip(
                labels, columns, (1.0, 1.0, atoms.get_volume()), strict=True
            )
        ]
        taken.add(*place, species, *less, weights)
    everything = np.arange(len(train))
    both = np.concatenate([parameters, z])
    assert found.n_parameters == plain.n_parameters + 3
    truth = taken.loss(parameters, everything)[0]
    assert found.loss(both, everything)[0] == pytest.approx(truth, rel=1e-12)
    assert_gradient(found.loss, both, everything, rng)


def beside(folder, pair=PAIR, pooling="structure"):
    settings, train, model = started(folder, pooling, pair)
    block = PairBlock(model, train, settings)
    return settings, train, model, block, training_set(model, train, settings, block).loss


@pytest.mark.parametrize("pair", [PAIR, CUT])
def test_the_pair_term_alone_is_the_least_squares_fit(folder, pair):
    settings, train, model, block, loss = beside(folder, pair)
    everything = np.arange(len(train))
    start = block.append(initial(model, [3]), loss, everything)
    alone = block.model(start[-block.n :])
    assert loss(start, everything)[0] == pytest.approx(
        squared_errors(alone, train.frames), rel=1e-9
    )
    rows, targets = [], []
    zeros = model.potential()
    for k, atoms in enumerate(train):
        rows.append(block.columns[k].rows(atoms, settings))
        found, known = predict(zeros, atoms), io.labels(atoms)
        stress = (known.stress - found.stress)[[0, 1, 2, 1, 0, 0], [0, 1, 2, 2, 2, 1]]
        targets += [(known.energy - found.energy) / len(atoms)]
        targets += [*0.1 * (known.forces - found.forces).ravel(), *0.001 * 160.2176634 * stress]
    rows = np.concatenate(rows)
    _, (left,), _, _ = np.linalg.lstsq(rows, np.array(targets), rcond=None)
    assert loss(start, everything)[0] == pytest.approx(left, rel=1e-9)
    assert np.linalg.cond(rows) < 1e3


def test_a_silent_network_keeps_the_radial_functions_of_its_moments(folder):
    text = CONFIG.format(pooling="atom") + PAIR
    moments = "{type: moments, level: 6, r_cut: 4.4, n_chebyshev: 4}"
    settings = parse_config(
        text.replace("{type: kruglov, r_cut: 4.4, eta: [0.05], zeta: [2]}", moments), "x", folder
    )
    train = io.read(folder / "train.xyz")
    model, _ = start_model(settings, train.report.elements, train)
    model, everything = prepared(model, train, settings), np.arange(len(train))
    block = PairBlock(model, train, settings)
    loss = training_set(model, train, settings, block).loss
    start = block.append(initial(model, [3]), loss, everything)
    radial = np.ravel(model.data["descriptor"]["radial"])
    assert np.array_equal(start[: -block.n][-radial.size :], radial)
    alone = squared_errors(block.model(start[-block.n :]), train.frames)
    assert loss(start, everything)[0] == pytest.approx(alone, rel=1e-9)


def test_measures_say_what_the_pair_term_explains(folder):
    _, train, model, block, loss = beside(folder)
    z = block.append(initial(model, [3]), loss, np.arange(len(train)))[-block.n :]
    found, alone = block.measures(z, 0.0 * z), block.model(z)
    known = np.array([io.labels(atoms).energy for atoms in train])
    n = np.array([len(atoms) for atoms in train])
    energies = np.array([predict(alone, atoms).energy for atoms in train])
    rest = (known - energies) / n
    assert found["alone"]["r2"] == pytest.approx(1 - np.var(rest + 0) / np.var(known / n), abs=0.05)
    assert found["alone"]["rmse_meV_per_atom"] == pytest.approx(1e3 * np.sqrt(np.mean(rest**2)))
    e0 = np.array([sum(found["alone"]["E0"][s] for s in atoms.symbols) for atoms in train])
    assert found["alone"]["eta_2body"] == pytest.approx(np.mean((energies - e0) / known))
    assert found["in_the_model"]["eta_2body"] == 0.0


def test_rounds_alternate_and_stop_when_the_loss_is_steady(folder):
    _, train, model, block, loss = beside(folder, "pair: {sum: ewald, powers: [6]}\n")
    everything, rows = np.arange(len(train)), np.full(len(train), 19)
    settings = Training(scheme="alternating", rounds=60, round_iterations=5, validation=0)
    start = block.append(initial(model, [3]), loss, everything)

    def descent():
        return Descent(loss, start, everything, everything[:0], rows, settings, [1], block)

    found = descent()
    while not found.ended:
        found.step()
    losses = found.optimiser.state["losses"]
    assert len(losses) > 4 and np.all(np.diff(losses) <= 0.0)
    assert losses[-1] < 0.5 * losses[0]
    if found.ended == "the loss is steady":
        assert losses[-4] - losses[-1] < 1e-3 * losses[-4]
        assert losses[-5] - losses[-2] >= 1e-3 * losses[-5]
    minimum = block.minimiser(everything)
    network, z = np.split(start, [-block.n])
    other = z + np.random.default_rng(5).normal(size=block.n)
    _, gradient = loss(np.concatenate([network, other]), everything)
    back = minimum(other, gradient[-block.n :])
    assert np.abs(loss(np.concatenate([network, back]), everything)[1][-block.n :]).max() < 1e-8

    stopped, resumed = descent(), descent()
    for _ in range(2):
        stopped.step()
    resumed.restore("0", stopped.arrays("0"))
    for each in (stopped, resumed):
        each.step()
    assert np.array_equal(stopped.state["best"], resumed.state["best"])


@pytest.mark.parametrize("scheme", ["joint", "alternating", "once"])
@pytest.mark.parametrize("pooling", POOLINGS)
def test_every_scheme_gives_a_model_with_both_parts(folder, tmp_path, pooling, scheme):
    text = CONFIG.format(pooling=pooling) + PAIR
    length = "rounds: 2, round_iterations: 3" if scheme == "alternating" else "iterations: 6"
    text = text.replace("iterations: 12", f"scheme: {scheme}, {length}")
    settings = parse_config(text, "fit.yaml", folder)
    settings = settings.model_copy(update={"output": str(tmp_path)})
    result = fit(settings)
    model = Model.load(tmp_path / "net.json")
    assert np.any(model.data["pair"]["coefficients"]) and model.data["pooling"] == pooling
    assert np.any(model.data["regressor"]["coefficients"])
    assert (tmp_path / "net.training.png").stat().st_size > 1000
    assert (tmp_path / "net.pair.png").is_file()
    if scheme != "once":
        alone = result.outcome.metrics["pair"]["alone"]
        assert "eta_2body" in alone and "E0" in alone and alone["r2"] <= 1.0
        log = (tmp_path / "net.log").read_text()
        assert "pair term alone: R2" in log and "pair term in the model: eta_2body" in log


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("rounds: 3", "rounds is for scheme: alternating"),
        ("scheme: alternating, optimiser: adam", "alternating is for optimiser: lbfgs"),
        ("scheme: jointly", "scheme"),
    ],
)
def test_wrong_schemes_are_refused(folder, change, message):
    text = CONFIG.format(pooling="atom").replace("iterations: 12", change)
    with pytest.raises(InputError, match=message):
        parse_config(text, "fit.yaml", folder)


def test_the_example_is_valid():
    settings = parse_config(example_config("kruglov"))
    assert settings.descriptor["type"] == "kruglov" and settings.training.scheme == "joint"


def fit_e0_of(train):
    counts = np.array([[sum(a.symbols == s) for s in train.report.elements] for a in train])
    energies = [io.labels(atoms).energy for atoms in train]
    return np.linalg.lstsq(counts, np.array(energies), rcond=None)[0]


def test_pooled_features_are_fitted_by_least_squares_too(folder, tmp_path):
    text = CONFIG.format(pooling="structure").replace("neural_network, layers: [6], ", "quadratic ")
    text = text.replace("activation: tanh_linear, gamma: 0.1", "")
    text = "\n".join(line for line in text.splitlines() if not line.startswith("training"))
    settings = parse_config(text, "fit.yaml", folder)
    result = fit(settings.model_copy(update={"output": str(tmp_path)}))
    data, train = result.model.data, io.read(folder / "train.xyz")
    zeros = {**data["regressor"], "coefficients": 0.0 * np.array(data["regressor"]["coefficients"])}
    without = Model({**data, "E0": fit_e0_of(train), "regressor": zeros})
    found = squared_errors(result.model, train.frames)
    assert found < 0.5 * squared_errors(without, train.frames)
