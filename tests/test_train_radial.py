"""Training of moment tensor potentials: exact gradients, steps that resume to the same bits."""

import numpy as np
import pytest
from ase.io import write

from mlpot import io
from mlpot.config import PairConfig, parse_config
from mlpot.errors import InputError
from mlpot.fit import fit, start_model
from mlpot.train import initial, prepared, radial_parameters, training_set
from mlpot.train.radial import WINDOW, Descent
from mlpot.train.separable import Separable
from test_train import labelled

CONFIG = """
name: mtp
data: {train: train.xyz, test: test.xyz}
descriptor: {type: moments, level: 6, r_cut: 4.6, n_chebyshev: 4}
weights: {energy: 1, force: 0.1, stress: 0.001}
training: {iterations: 60, checkpoint: 4}
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("data")
    write(path / "train.xyz", labelled(16), format="extxyz")
    write(path / "test.xyz", labelled(6, seed=9), format="extxyz")
    return path


def config(folder, output=".", *changes):
    text = CONFIG
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    return parse_config(text, "fit.yaml", folder).model_copy(update={"output": str(output)})


def started(settings, folder):
    train = io.read(folder / "train.xyz")
    return train, start_model(settings, train.report.elements, train)[0]


@pytest.mark.parametrize("regressor", ["linear", "neural_network"])
def test_the_gradient_is_the_numerical_derivative(folder, regressor):
    layers = "regressor: {type: neural_network, layers: [4]}\nweights"
    changes = [("weights", layers), ("training: {iterations: 60, checkpoint: 4}", "")]
    settings = config(folder, ".", *(changes if regressor == "neural_network" else []))
    train, model = started(settings, folder)
    if regressor == "neural_network":
        model = prepared(model, train, settings)
        x = initial(model, [1])
    else:
        radial = np.ravel(model.data["descriptor"]["radial"])
        x = np.concatenate([np.random.default_rng(1).normal(size=10), radial])
    loss = training_set(model, train, settings).loss
    _, gradient = loss(x, [0, 1])
    assert len(x) == len(gradient)
    direction = np.random.default_rng(2).normal(size=len(x))
    for chosen in (slice(0, len(x) - 32), slice(len(x) - 32, None)):  # of regressor and descriptor
        along = np.zeros_like(x)
        along[chosen] = direction[chosen]
        pair = [loss(x + sign * 1e-5 * along, [0, 1])[0] for sign in (1, -1)]
        assert gradient @ along == pytest.approx((pair[0] - pair[1]) / 2e-5, rel=1e-6)


def test_the_slope_of_the_sum_that_is_left_when_coefficients_are_eliminated(folder):
    settings = config(folder, ".")
    train, model = started(settings, folder)
    problem = Separable(settings, model, train, memory=2**20)
    at = problem.solve(radial_parameters(model))
    k, t = problem.linearise(at)
    direction = np.random.default_rng(3).normal(size=len(at.radial))
    squares = [problem.solve(at.radial + sign * 1e-4 * direction).square for sign in (1, -1)]
    assert -2.0 * (k @ direction) @ t == pytest.approx((squares[0] - squares[1]) / 2e-4, rel=1e-4)
    again = Separable(settings, model, train, memory=0)  # nothing kept
    assert np.array_equal(again.linearise(again.solve(at.radial))[0], k)


def test_threads_do_not_change_the_file(folder, tmp_path, monkeypatch):
    few = ("iterations: 60", "iterations: 3")
    files = []
    for threads in "12":
        monkeypatch.setenv("OMP_NUM_THREADS", threads)
        files.append(fit(config(folder, tmp_path / threads, few)).files[0].read_bytes())
    assert files[0] == files[1]


def test_a_pair_term_stands_beside(folder, tmp_path):
    settings = config(folder, tmp_path)
    pair = PairConfig(sum="cut", r_cut=5.0, taper=1.0, powers=[2, 4, 6])
    result = fit(settings.model_copy(update={"pair": pair}))
    curve = np.array(result.outcome.metrics["curves"][0], dtype=float)[:, 0]
    assert result.model.data["pair"] and curve[-1] < 0.5 * curve[0]


def test_training_lowers_the_error_of_least_squares_alone(folder, tmp_path):
    settings = config(folder, tmp_path)
    _, model = started(settings, folder)
    fixed = settings.model_copy(
        update={"descriptor": model.data["descriptor"], "training": None, "name": "fixed"}
    )
    before = fit(fixed).metrics_test.to_dict()
    after = fit(settings)
    for key in ("energy_mae_meV_per_atom", "force_mae_eV_per_A"):
        assert after.metrics_test.to_dict()[key] < 0.5 * before[key]
    curve = np.array(after.outcome.metrics["curves"][0], dtype=float)[:, 0]
    assert len(curve) > WINDOW and curve[-1] < 0.5 * curve[0]
    assert not (tmp_path / "mtp.checkpoint.npz").exists()
    assert "radial functions: 32 parameters" in (tmp_path / "mtp.log").read_text()


def test_a_stopped_training_resumes_to_the_same_file(folder, tmp_path, monkeypatch):
    whole = fit(config(folder, tmp_path / "whole")).files[0].read_bytes()
    steps = 0
    step = Descent._step

    def stopping(self, at):
        nonlocal steps
        steps += 1
        if steps == 6:  # behind the checkpoint
            raise KeyboardInterrupt
        return step(self, at)

    with monkeypatch.context() as patched:
        patched.setattr(Descent, "_step", stopping)
        with pytest.raises(KeyboardInterrupt):
            fit(config(folder, tmp_path / "stopped"))
    assert (tmp_path / "stopped" / "mtp.checkpoint.npz").exists()
    resumed = fit(config(folder, tmp_path / "stopped"), resume=True)
    assert resumed.files[0].read_bytes() == whole


def test_defaults_follow_from_level_and_cutoff(folder):
    settings = config(folder, ".", (", n_chebyshev: 4", ""))
    _, model = started(settings, folder)
    block = model.data["descriptor"]
    shortest = min(np.min(a.get_all_distances(mic=True) + 9 * np.eye(len(a))) for a in labelled(16))
    assert block["n_chebyshev"] == 8 and shortest - 0.1 <= block["r_min"] <= shortest
    assert np.shape(block["radial"]) == (2 * 2 * 2, 8)
    atoms = labelled(16)[0]
    q = model.potential().features(
        atoms.positions, atoms.cell.array, atoms.pbc, [["Au", "Cu"].index(s) for s in atoms.symbols]
    )
    assert 0.1 < np.abs(q).max() < 100.0


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("level: 6", "level: 30", "descriptor.level: expected a whole number from 2 to 28"),
        ("r_cut: 4.6", "r_cut: far", "descriptor.r_cut: expected a length"),
        ("n_chebyshev: 4", "n_chebyshev: 1", "descriptor.n_chebyshev: expected 2"),
        ("level: 6", "level: 6, rcut: 3", "descriptor.rcut: unknown key"),
        ("checkpoint: 4", "committee: 4", "training.committee: is for networks"),
    ],
)
def test_mistakes_are_told(folder, old, new, message):
    with pytest.raises(InputError, match=message):
        fit(config(folder, ".", (old, new)))
