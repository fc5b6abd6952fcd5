"""Training of the Kruglov potential: features of the volume, pooled ones, a pair term beside."""

from __future__ import annotations

import numpy as np
import pytest
from ase.io import write

from mlpot import _core, io
from mlpot.config import parse_config
from mlpot.fit import start_model
from mlpot.metrics import species_of
from mlpot.train import initial, prepared, training_set
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
