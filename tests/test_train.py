"""Training of networks: gradients, descents that resume to the same bits, and what is kept."""

import json
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from ase.calculators.morse import MorsePotential
from ase.io import write
from scipy.optimize import minimize, rosen, rosen_der

from mlpot import io
from mlpot.committee import Committee
from mlpot.config import Training, load_config, parse_config
from mlpot.errors import InputError
from mlpot.features import feature_statistics
from mlpot.fit import fit, start_model
from mlpot.io import with_labels
from mlpot.metrics import evaluate, predict
from mlpot.model import Model
from mlpot.train import initial, prepared, training_set
from mlpot.train.descent import Descent
from mlpot.train.optimisers import CURVATURE, DECREASE, LBFGS, Adam, line_search
from mlpot.train.start import fit_e0, initial_weights, scaling, split

ALL = np.arange(1)

CONFIG = """
name: net
data: {train: train.xyz, test: test.xyz}
descriptor: {type: acsf, r_cut: 4.6, n_radial: 5, n_angular: 2, zeta: [2]}
regressor: {type: neural_network, layers: [6]}
weights: {energy: 1, force: 0.1, stress: 0.001}
training: {iterations: 12, validation: 0.2, checkpoint: 4}
"""


def labelled(count, seed=0, elements=("Cu", "Au"), spread=0.05):
    """Strained and rattled fcc cells with the energies of a Morse potential."""
    rng, frames = np.random.default_rng(seed), []
    for index in range(count):
        atoms = bulk("Cu", "fcc", a=3.7, cubic=True)
        strain = np.eye(3) + rng.uniform(-spread, spread, (3, 3))
        atoms.set_cell(atoms.cell @ strain, scale_atoms=True)
        atoms.rattle(0.1, rng=rng)
        atoms.calc = MorsePotential(epsilon=0.35, rho0=4.5, r0=2.6, rcut1=3.6, rcut2=4.6)
        results = [atoms.get_potential_energy(), atoms.get_forces(), atoms.get_stress(voigt=False)]
        atoms.symbols = rng.choice(elements, len(atoms))
        results[0] += sum({"Cu": -3.0, "Au": -5.0}[symbol] for symbol in atoms.symbols)
        atoms.info["group"] = "even" if index % 2 == 0 else "odd"
        frames.append(with_labels(atoms, *results) or atoms)
    return frames


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("data")
    write(path / "train.xyz", labelled(20), format="extxyz")
    write(path / "test.xyz", labelled(6, seed=9), format="extxyz")
    return path


def config(folder, output=".", **training):
    settings = parse_config(CONFIG, "fit.yaml", folder)
    given = settings.training.model_dump() | training
    return settings.model_copy(update={"output": str(output), "training": Training(**given)})


def curve(result, k=0):
    return np.array(result.outcome.metrics["curves"][k], dtype=float)


def started(folder, **training):
    settings = config(folder, **training)
    train = io.read(folder / "train.xyz")
    model, _ = start_model(settings, train.report.elements, train)
    return settings, train, prepared(model, train, settings)


def test_the_gradient_is_the_numerical_derivative(folder):
    settings, train, model = started(folder)
    loss = training_set(model, train, settings).loss
    parameters, rng = initial(model, [3]), np.random.default_rng(1)
    for indices in (np.arange(len(train)), np.array([4, 2])):
        _, gradient = loss(parameters, indices)
        for direction in (gradient / np.linalg.norm(gradient), rng.normal(size=len(parameters))):
            step = 1e-3 / np.linalg.norm(direction)
            ahead = [loss(parameters + k * step * direction, indices)[0] for k in (1, 2, 3)]
            behind = [loss(parameters - k * step * direction, indices)[0] for k in (1, 2, 3)]
            numerical = np.dot([45, -9, 1], np.subtract(ahead, behind)) / (60 * step)
            scale = np.linalg.norm(gradient) * np.linalg.norm(direction)
            assert abs(numerical - gradient @ direction) < 1e-7 * scale


def test_the_loss_is_the_weighted_error_of_the_model(folder):
    settings, train, model = started(folder)
    parameters = initial(model, [3])
    found, _ = training_set(model, train, settings).loss(parameters, np.arange(len(train)))
    assert found == pytest.approx(squared_errors(with_parameters(model, parameters), train.frames))


def with_parameters(model, parameters):
    coefficients = parameters.reshape(len(model.data["regressor"]["coefficients"]), -1)
    regressor = {**model.data["regressor"], "coefficients": coefficients}
    return Model({**model.data, "regressor": regressor})


def squared_errors(model, frames):
    """By the weights of CONFIG, from energies, forces and stresses of the saved model."""
    total = 0.0
    for atoms in frames:
        found, known = predict(model, atoms), io.labels(atoms)
        total += ((found.energy - known.energy) / len(atoms)) ** 2
        total += 0.1**2 * ((found.forces - known.forces) ** 2).sum()
        stress = (found.stress - known.stress)[np.triu_indices(3)] * 160.2176634
        total += 0.001**2 * (stress**2).sum()
    return total


def quadratic(n=30, seed=0):
    rng = np.random.default_rng(seed)
    q, _ = np.linalg.qr(rng.normal(size=(n, n)))
    matrix = q @ np.diag(np.logspace(0, 4, n)) @ q.T
    target = rng.normal(size=n)
    return matrix, target, lambda x, _: (0.5 * x @ matrix @ x - target @ x, matrix @ x - target)


def test_lbfgs_solves_an_ill_conditioned_quadratic():
    matrix, target, loss = quadratic()
    descent = LBFGS(loss, ALL, np.zeros(len(target)))
    while descent.step():
        pass
    np.testing.assert_allclose(
        descent.state["parameters"], np.linalg.solve(matrix, target), rtol=1e-5, atol=1e-7
    )


def test_lbfgs_is_as_fast_as_that_of_scipy():
    count = 0

    def loss(x, _):
        nonlocal count
        count += 1
        return rosen(x), rosen_der(x)

    start = np.full(20, -1.2)
    descent = LBFGS(loss, ALL, start)
    while descent.state["value"] > 1e-12 and descent.step():
        pass
    np.testing.assert_allclose(descent.state["parameters"], np.ones(20), atol=1e-5)
    options = {"maxcor": 40, "ftol": 0, "gtol": 1e-6, "maxiter": 1000}
    scipy = minimize(rosen, start, jac=rosen_der, method="L-BFGS-B", options=options)
    assert count < 1.5 * scipy.nfev


@pytest.mark.parametrize("length", [1e-6, 0.3, 40.0, 1e6])
def test_line_search_meets_the_wolfe_conditions(length):
    def loss(x):
        return float(np.log1p(x @ x) + 0.1 * np.sin(9 * x[0])), 2 * x / (1 + x @ x) + np.array(
            [0.9 * np.cos(9 * x[0]), 0.0]
        )

    start = np.array([3.0, 1.0])
    value, gradient = loss(start)
    direction = -length * gradient
    point, trial, there = line_search(loss, start, value, gradient, direction)
    slope, t = gradient @ direction, (point - start)[0] / direction[0]
    assert loss(point)[0] == trial
    assert trial <= value + DECREASE * t * slope
    assert there @ direction >= CURVATURE * slope


def test_line_search_steps_back_from_what_is_not_a_number():
    def loss(x):
        with np.errstate(invalid="ignore"):
            return float(-np.sqrt(1.0 - x[0])), np.array([0.5 / np.sqrt(abs(1.0 - x[0]))])

    start = np.array([0.0])
    value, gradient = loss(start)
    _, trial, _ = line_search(loss, start, value, gradient, np.array([-1.0]))
    assert trial < value
    assert line_search(loss, start, value, gradient, np.array([1.0])) is None


def test_adam_finds_the_mean_from_batches():
    points = np.random.default_rng(0).normal(size=(40, 3)) * 0.01 + [1.0, -2.0, 0.5]

    def loss(x, indices):
        errors = x - points[indices]
        return float((errors**2).sum()), 2 * errors.sum(axis=0)

    descent = Adam(loss, np.arange(40), np.zeros(3), rate=0.05, batch=8, passes=60, seed=[0])
    for _ in range(60):
        descent.step()
    np.testing.assert_allclose(descent.state["parameters"], points.mean(axis=0), atol=2e-3)


@pytest.mark.parametrize("optimiser", ["lbfgs", "adam"])
def test_a_restored_descent_goes_on_to_the_same_bits(optimiser):
    _, _, simple = quadratic(12)

    def loss(x, indices):
        value, gradient = simple(x, None)
        return (value + 100.0) * len(indices), gradient * len(indices)

    sets, rows = (np.arange(7), np.arange(7, 9)), np.full(9, 3)
    settings = Training(optimiser=optimiser, iterations=20)

    def start():
        return Descent(loss, np.ones(12), *sets, rows, settings, [1, 2])

    whole, first, second = start(), start(), start()
    for _ in range(20):
        whole.step()
    for _ in range(8):
        first.step()
    second.restore("7", first.arrays("7"))
    while not second.ended:
        second.step()
    assert whole.ended == second.ended == "all iterations"
    one, other = whole.arrays("0"), second.arrays("0")
    assert one.keys() == other.keys()
    assert all(one[name].tobytes() == other[name].tobytes() for name in one)


@pytest.mark.parametrize("core", [None, {"type": "zbl", "inner": 1.0, "outer": 3.0}])
def test_e0_is_found_beside_the_bonds(core):
    frames = [Atoms(s, positions=np.eye(len(s))[:, :1] * [9.0, 0, 0]) for s in (["Cu"], ["Au"])]
    frames.append(Atoms("CuAu2", positions=[[0, 0, 0], [2, 0, 0], [0, 9, 0]]))
    pair = {"sum": "cut", "r_cut": 5.0, "taper": 0.0, "powers": [6]}
    pair |= {"coefficients": [[0.0]] * 3, "r_min": [0.0] * 3}
    data = {"elements": ["Au", "Cu"], "E0": [0.0] * 2, "core": core, "pair": pair}
    data |= {"descriptor": {"type": "none"}}
    model = Model(data | {"regressor": {"type": "linear", "coefficients": [[], []]}})
    bonds = [predict(model, atoms).energy for atoms in frames]
    assert (bonds[2] > 1.0) == (core is not None)
    for atoms, bond in zip(frames, bonds, strict=True):
        with_labels(atoms, bond + sum({"Cu": -3.0, "Au": -5.0}[s] for s in atoms.symbols))
    np.testing.assert_allclose(fit_e0(model, frames), [-5.0, -3.0])


def test_scaled_features_have_the_range_or_the_deviation_asked_for(folder):
    _, train, model = started(folder)
    potential = Model({**model.data, "scaling": None}).potential()
    statistics = feature_statistics(potential, train.frames)
    for kind in ("range", "standard"):
        block = scaling(statistics, kind)
        for s in range(2):
            features = np.vstack([of_species(potential, atoms, s) for atoms in train])
            scaled = (features - block["shift"][s]) * block["scale"][s]
            if kind == "range":
                np.testing.assert_allclose(scaled.min(axis=0), -1.0, atol=1e-9)
                np.testing.assert_allclose(scaled.max(axis=0), 1.0, atol=1e-9)
            else:
                np.testing.assert_allclose(scaled.mean(axis=0), 0.0, atol=1e-9)
                np.testing.assert_allclose(scaled.std(axis=0), 1.0, atol=1e-9)


def of_species(potential, atoms, s):
    species = np.array([potential.elements.index(x) for x in atoms.symbols], dtype=np.int32)
    return potential.features(atoms.positions, atoms.cell.array, atoms.pbc, species)[species == s]


def test_initial_weights_keep_the_size_of_signals():
    weights = initial_weights(200, [100], np.random.default_rng(0))
    first, biases = weights[:20000].reshape(100, 200), weights[20000:20100]
    assert len(weights) == 201 * 100 + 101
    assert weights[-1] == 0.0
    assert -1 < biases.min() < -0.9 < 0.9 < biases.max() < 1
    # Glorot and Bengio: variance 2 / (n_in + n_out).
    assert first.var() == pytest.approx(2 / 300, rel=0.03)


def test_the_split_is_stratified_and_keeps_copies_together(tmp_path):
    frames = labelled(30)
    for atoms in frames[24:]:
        atoms.info["group"] = "few"
    write(tmp_path / "all.xyz", [*frames, *frames[:8]], format="extxyz")
    data = io.read(tmp_path / "all.xyz")
    trains, validates = split(data, 0.25, np.random.default_rng(5))
    assert sorted([*trains, *validates]) == list(range(38))
    assert all((k in validates) == (30 + k in validates) for k in range(8))
    groups = [data.frames[i].info["group"] for i in validates]
    assert [groups.count(name) for name in ("even", "odd", "few")] == [4, 4, 2]
    other, _ = split(data, 0.25, np.random.default_rng(6))
    assert list(trains) != list(other)
    assert len(split(data, 0.0, np.random.default_rng(5))[1]) == 0


def test_a_fit_learns_a_known_potential(tmp_path):
    for name, count, seed in (("train", 60, 0), ("test", 8, 9)):
        write(tmp_path / f"{name}.xyz", labelled(count, seed, ["Cu"]), format="extxyz")
    text = CONFIG.replace("n_radial: 5", "n_radial: 8").replace(
        "iterations: 12, validation: 0.2", "iterations: 250"
    )
    result = fit(parse_config(text, "fit.yaml", tmp_path))
    energy, forces = result.metrics_test.energy, result.metrics_test.forces
    errors = result.metrics_test.to_dict()
    assert errors["force_rmse_eV_per_A"] < 0.1 * forces.reference.std()
    assert errors["energy_rmse_meV_per_atom"] < 0.1 * 1e3 * energy.reference.std()
    names = {path.name.removeprefix("net.") for path in result.files}
    assert names == {"json", "metrics.json", "parity.png", "training.png", "log"}
    assert not list(tmp_path.glob("*.npz"))
    assert (tmp_path / "net.training.png").read_bytes().startswith(b"\x89PNG")
    assert Model.load(tmp_path / "net.json").to_text() == result.model.to_text()


@pytest.mark.parametrize("optimiser", ["lbfgs", "adam"])
def test_the_same_seed_gives_the_same_bytes(folder, tmp_path, optimiser):
    texts = [
        fit(
            config(folder, tmp_path / str(k), optimiser=optimiser, iterations=3).model_copy(
                update={"seed": seed}
            )
        ).model.to_text()
        for k, seed in enumerate((0, 0, 1))
    ]
    assert texts[0] == texts[1] != texts[2]


def test_what_validates_best_is_kept(folder, tmp_path):
    # Four training structures and a high rate: the validation error goes up and down.
    settings = config(
        folder, tmp_path, optimiser="adam", learning_rate=0.2, iterations=60, patience=6
    )
    result = fit(settings)
    points, kept = curve(result), result.model.data["provenance"]["iterations"]
    assert kept == np.argmin(points[:, 1])
    assert len(points) == kept + 6 + 1 < 61
    train = io.read(folder / "train.xyz")
    _, validates = split(train, 0.2, np.random.default_rng([0, 0]))
    chosen = [train.frames[i] for i in validates]
    rows = sum(1 + 3 * len(atoms) + 6 for atoms in chosen)
    found = np.sqrt(squared_errors(result.model, chosen) / rows)
    assert found == pytest.approx(points[kept, 1], rel=1e-9)


def test_the_best_restart_is_kept(folder, tmp_path):
    result = fit(config(folder, tmp_path, restarts=3, iterations=6))
    scores = [curve(result, k)[:, 1].min() for k in range(3)]
    kept = result.model.data["provenance"]["weighted_rmse"]["validation"]
    assert kept == min(scores)
    assert len(set(scores)) == 3


def test_a_committee_tells_how_far_its_members_differ(folder, tmp_path):
    result = fit(config(folder, tmp_path, committee=3, iterations=6))
    paths = [tmp_path / f"net.{k}.json" for k in (1, 2, 3)]
    assert set(paths) < set(result.files)
    members = [Model.load(path) for path in paths]
    assert members[0].data["regressor"] == result.model.data["regressor"]
    atoms = labelled(1, seed=4)[0]
    atoms.calc = Committee(paths)
    found = [predict(member, atoms) for member in members]
    energies, forces = [p.energy for p in found], np.array([p.forces for p in found])
    assert atoms.get_potential_energy() == pytest.approx(np.mean(energies))
    np.testing.assert_allclose(atoms.get_forces(), forces.mean(axis=0), atol=1e-12)
    assert atoms.calc.results["energy_std"] == pytest.approx(np.std(energies))
    spread = np.sqrt(forces.var(axis=0).sum(axis=1))
    np.testing.assert_allclose(atoms.calc.get_property("force_std", atoms), spread)
    assert np.std(energies) > 0
    with pytest.raises(InputError, match="two or more"):
        Committee(paths[:1])


def test_out_of_time_it_writes_what_it_has_and_can_go_on(folder, tmp_path):
    whole = fit(config(folder, tmp_path / "a", restarts=2))
    stopped = fit(config(folder, tmp_path / "b", restarts=2, max_minutes=1e-9))
    assert any("--resume goes on from net.checkpoint.npz" in text for text in stopped.warnings)
    assert (tmp_path / "b" / "net.checkpoint.npz").is_file()
    assert len(curve(stopped)) == 1
    resumed = fit(config(folder, tmp_path / "b", restarts=2), resume=True)
    assert resumed.model.to_text() == whole.model.to_text()
    assert not (tmp_path / "b" / "net.checkpoint.npz").exists()


def test_a_checkpoint_of_something_else_is_refused(folder, tmp_path):
    fit(config(folder, tmp_path, max_minutes=1e-9))
    with pytest.raises(InputError, match="is of another configuration or other data"):
        fit(config(folder, tmp_path, patience=7), resume=True)
    for content in (b"", b"PK\x03\x04 half", b"\x80\x04pickle"):
        (tmp_path / "net.checkpoint.npz").write_bytes(content)
        with pytest.raises(InputError, match="not a checkpoint"):
            fit(config(folder, tmp_path), resume=True)


def test_a_killed_fit_resumes_to_the_same_file(folder, tmp_path):
    text = CONFIG.replace("iterations: 12", "iterations: 300, patience: 300")
    for name in ("train.xyz", "test.xyz"):
        text = text.replace(f": {name}", f": {folder}/{name}")
    path, killed = tmp_path / "fit.yaml", tmp_path / "killed"
    path.write_text(text)
    whole = fit(load_config(path))
    program = "from mlpot.cli import main; main()"
    command = [sys.executable, "-c", program, "fit", path, "--output", killed]
    saved = killed / "net.checkpoint.npz"
    running = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    while not saved.exists() and running.poll() is None:
        time.sleep(0.01)
    running.kill()
    with running.stderr:
        assert running.wait() == -signal.SIGKILL, running.stderr.read()
    assert not (killed / "net.json").exists()
    with np.load(saved) as arrays:
        assert 4 <= len(arrays["0.curve"]) - 1 < 300
    subprocess.run([*command, "--resume", "--quiet"], check=True)
    assert (killed / "net.json").read_bytes() == whole.files[0].read_bytes()


def test_mistakes_in_the_training_block(folder):
    cases = {
        "training: {iterations: 12": ("training: {iteratons: 12", "did you mean 'iterations'"),
        "layers: [6]}": ("layers: [6]}\nridge: 0.1", "ridge: is for linear and quadratic"),
        "type: neural_network, layers: [6]": ("type: linear", "training: is for regressor"),
        "validation: 0.2": ("batch: 3", "batch is for optimiser: adam"),
    }
    for old, (new, message) in cases.items():
        assert old in CONFIG
        with pytest.raises(InputError) as caught:
            parse_config(CONFIG.replace(old, new), "fit.yaml", folder)
        assert str(caught.value).startswith("fit.yaml")
        assert message in str(caught.value)


def test_the_log_and_the_metrics_tell_of_the_training(folder, tmp_path):
    result = fit(config(folder, tmp_path))
    log = (tmp_path / "net.log").read_text()
    assert "L-BFGS, 218 weights" in log
    assert "of 12 (all iterations), kept" in log
    metrics = json.loads((tmp_path / "net.metrics.json").read_text())
    assert len(metrics["curves"][0]) == 13
    assert metrics["test"] == evaluate(result.model, io.read(folder / "test.xyz")).to_dict()
