"""The fit against a potential in closed form: pair sums of f_c(r) r^-k, one c_k per species."""

import json
import sys
from types import SimpleNamespace

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from ase.io import write
from ase.neighborlist import neighbor_list

import mlpot
from mlpot import io
from mlpot.config import Weights, parse_config
from mlpot.design import KINDS, count_rows, design_rows, estimate, parse_bytes
from mlpot.errors import InputError
from mlpot.fit import fit, zero_model
from mlpot.io import with_labels
from mlpot.linear import collect

TRUTH = {"Mo": [-9.0, 30.0, -11.0, 4.0], "Nb": [-7.0, 18.0, -5.0, 2.0]}  # E0, then c_k


class PowerPotential:
    """E_i = E0 + sum_k c_k sum_j (1 - r/r_cut)^3 r^-k; the interface of _core.Potential."""

    def __init__(self, text, where="model", kernels="auto"):
        data = json.loads(text)
        block, regressor = data["descriptor"], data["regressor"]
        if unknown := set(regressor) - {"type", "coefficients"}:
            raise FakeModelError(f"{where}: regressor: unknown key {unknown.pop()}")
        self.elements, self.r_cut = data["elements"], block["r_cut"]
        self.powers, self.E0 = np.array(block["powers"]), np.array(data["E0"])
        self.coefficients = np.array(regressor["coefficients"])
        self.n_features, self.n_parameters = len(self.powers), self.coefficients.size
        self.n_pair_parameters = 0

    def _pairs(self, positions, cell, pbc):
        atoms = Atoms(positions=positions, cell=cell, pbc=pbc)
        i, j, r, vectors = neighbor_list("ijdD", atoms, self.r_cut)
        r, k, tail = r[:, None], self.powers, 1.0 - r[:, None] / self.r_cut
        phi = tail**3 * r**-k
        slope = -3.0 / self.r_cut * tail**2 * r**-k - k * tail**3 * r ** (-k - 1.0)
        return i, j, vectors, phi, slope / r

    def evaluate(self, positions, cell, pbc, species):
        design = self.design(positions, cell, pbc, species)
        c = self.coefficients.ravel()
        return {
            "energy": float(design["energy"] @ c + self.E0[species].sum()),
            "forces": design["forces"] @ c,
            "dE_dstrain": design["dE_dstrain"] @ c,
        }

    def features(self, positions, cell, pbc, species):
        i, _, _, phi, _ = self._pairs(positions, cell, pbc)
        q = np.zeros((len(positions), len(self.powers)))
        np.add.at(q, i, phi)
        return q

    def rows(self, *structure):
        q = self.features(*structure)
        return np.hstack([np.ones((len(q), 1)), q])

    def set_ranges(self, low, high):
        assert (low < high).all()

    def set_active_set(self, inverse):
        n = len(self.powers) + 1
        assert inverse.shape == (len(self.elements), n, n)

    def design(self, positions, cell, pbc, species):
        i, j, vectors, phi, slope = self._pairs(positions, cell, pbc)
        n, k = len(positions), len(self.powers)
        energy = np.zeros((len(self.elements), k))
        forces = np.zeros((n, 3, len(self.elements), k))
        strain = np.zeros((3, 3, len(self.elements), k))
        np.add.at(energy, species[i], phi)
        pull = vectors[:, :, None] * slope[:, None, :]
        np.add.at(forces, (i, slice(None), species[i]), pull)
        np.add.at(forces, (j, slice(None), species[i]), -pull)
        for s in range(len(self.elements)):
            mine = species[i] == s
            strain[:, :, s] = np.einsum(
                "pa,pb,pk->abk", *(x[mine] for x in (vectors, vectors, slope))
            )
        return {
            "energy": energy.ravel(),
            "forces": forces.reshape(n, 3, -1),
            "dE_dstrain": strain.reshape(3, 3, -1),
        }


class FakeModelError(ValueError):
    pass


def describe(text, regressor, n_species):
    block = {"type": "powers", "r_cut": 4.0, "powers": [2, 4, 6]} | json.loads(text)
    if unknown := set(block) - {"type", "r_cut", "powers"}:
        raise FakeModelError(f"descriptor: unknown key {unknown.pop()}")
    if unknown := set(json.loads(regressor)) - {"type"}:
        raise FakeModelError(f"regressor: unknown key {unknown.pop()}")
    return {
        "size": len(block["powers"]),
        "block": json.dumps(block),
        "r_cut": block["r_cut"],
        "n_parameters": len(block["powers"]),
    }


@pytest.fixture(autouse=True)
def core(monkeypatch):
    fake = SimpleNamespace(
        Potential=PowerPotential,
        ModelError=FakeModelError,
        describe=describe,
    )
    monkeypatch.setitem(sys.modules, "mlpot._core", fake)
    monkeypatch.setattr(mlpot, "_core", fake, raising=False)


def truth(elements):
    rows = [TRUTH[symbol] for symbol in elements]
    return PowerPotential(
        json.dumps(
            {
                "elements": elements,
                "E0": [row[0] for row in rows],
                "descriptor": {"r_cut": 4.0, "powers": [2, 4, 6]},
                "regressor": {"type": "linear", "coefficients": [row[1:] for row in rows]},
            }
        )
    )


def structures(elements, count=24, seed=0, noise=0.0):
    rng, potential = np.random.default_rng(seed), truth(sorted(elements))
    frames = []
    for index in range(count):
        atoms = bulk("Mo", "bcc", a=3.1, cubic=True) * (2, 1, 1)
        atoms.set_cell(
            atoms.cell @ (np.eye(3) + rng.uniform(-0.06, 0.06, (3, 3))), scale_atoms=True
        )
        atoms.rattle(0.12, rng=rng)
        atoms.symbols = rng.choice(elements, len(atoms))
        species = np.array([potential.elements.index(s) for s in atoms.symbols])
        found = potential.evaluate(atoms.positions, atoms.cell.array, atoms.pbc, species)
        stress = found["dE_dstrain"] / atoms.get_volume()
        with_labels(
            atoms,
            found["energy"] + noise * rng.normal(),
            found["forces"] + noise * rng.normal(size=(len(atoms), 3)),
            (stress + stress.T) / 2,
        )
        atoms.info["group"] = "even" if index % 2 == 0 else "odd"
        frames.append(atoms)
    return frames


CONFIG = """
name: powers
data: {train: train.xyz, test: test.xyz}
descriptor: {type: powers}
weights: {energy: 1, force: 0.1, stress: 0.01}
ridge: 0
"""


@pytest.fixture
def folder(tmp_path):
    write(tmp_path / "train.xyz", structures(["Mo", "Nb"]), format="extxyz")
    write(tmp_path / "test.xyz", structures(["Mo", "Nb"], 4, seed=9), format="extxyz")
    return tmp_path


def config(folder, *changes):
    text = CONFIG
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    return parse_config(text, "fit.yaml", folder)


def test_the_fake_potential_is_consistent():
    atoms, potential = structures(["Mo", "Nb"], 1)[0], truth(["Mo", "Nb"])
    species = np.array(["MoNb".index(s) // 2 for s in atoms.symbols])
    reference = atoms.calc.results
    step = 1e-5
    for index, axis in ((0, 0), (3, 2)):
        energies = []
        for sign in (1, -1):
            moved = atoms.positions.copy()
            moved[index, axis] += sign * step
            found = potential.evaluate(moved, atoms.cell.array, atoms.pbc, species)
            energies.append(found["energy"])
        slope = (energies[0] - energies[1]) / (2 * step)
        assert abs(slope + reference["forces"][index, axis]) < 1e-7


@pytest.mark.parametrize("fit_e0", [True, False])
def test_rows_times_coefficients_are_the_weighted_labels(fit_e0):
    potential = truth(["Mo", "Nb"])
    c = potential.coefficients.ravel()
    e0 = potential.E0
    potential.coefficients = potential.coefficients * 0.0
    if fit_e0:
        c, potential.E0 = np.append(c, e0), e0 * 0.0
    weights = Weights(energy=2.0, force=0.5, stress=0.1, groups={"odd": {"force": 0.0}})
    for atoms in structures(["Mo", "Nb"], 3):
        rows, targets, kinds = design_rows(potential, atoms, weights, fit_e0)
        results = atoms.calc.results
        n_force = 3 * len(atoms) if atoms.info["group"] == "even" else 0
        fixed = 0.0 if fit_e0 else e0[["MoNb".index(s) // 2 for s in atoms.symbols]].sum()
        expected = [2.0 * (results["energy"] - fixed) / len(atoms)]
        expected += [*(0.5 * results["forces"].ravel()[:n_force])]
        expected += [*(0.1 * 160.2176634 * results["stress"])]
        np.testing.assert_allclose(targets, expected, rtol=1e-11, atol=1e-12)
        np.testing.assert_allclose(rows @ c, expected, rtol=1e-9, atol=1e-10)
        assert [KINDS[kind] for kind in kinds] == ["energy"] + n_force * ["force"] + 6 * ["stress"]
        assert sum(count_rows(atoms, weights).values()) == len(rows)


@pytest.mark.parametrize("ridge", ["0", "auto"])
def test_a_known_potential_is_recovered(folder, ridge):
    result = fit(config(folder, ("ridge: 0", f"ridge: {ridge}")))
    data = result.model.data
    assert data["elements"] == ["Mo", "Nb"]
    np.testing.assert_allclose(data["E0"], [-9.0, -7.0], atol=2e-5)  # energies have 8 decimals
    np.testing.assert_allclose(
        data["regressor"]["coefficients"], [TRUTH["Mo"][1:], TRUTH["Nb"][1:]], atol=1e-4
    )
    errors = result.metrics_test.to_dict()
    assert errors["energy_rmse_meV_per_atom"] < 1e-4
    assert errors["force_rmse_eV_per_A"] < 1e-6
    assert errors["stress_rmse_GPa"] < 1e-4
    assert {path.name for path in result.files} == {
        "powers.json",
        "powers.metrics.json",
        "powers.parity.png",
        "powers.log",
    }
    metrics = json.loads((folder / "powers.metrics.json").read_text())
    assert metrics["test"] == errors
    assert (folder / "powers.parity.png").read_bytes().startswith(b"\x89PNG")
    assert "condition" in (folder / "powers.log").read_text()


def test_given_atomic_energies_are_kept(folder):
    result = fit(config(folder, ("ridge: 0", "ridge: 0\nE0: {Nb: -7.0, Mo: -9.0}")))
    assert result.model.data["E0"] == [-9.0, -7.0]
    np.testing.assert_allclose(
        result.model.data["regressor"]["coefficients"][0], TRUTH["Mo"][1:], atol=1e-4
    )


def test_the_same_input_gives_the_same_bytes(folder):
    first = fit(config(folder, ("ridge: 0", "ridge: auto\noutput: a/b")))
    again = fit(config(folder, ("ridge: 0", "ridge: auto\noutput: c")))
    written = [(folder / p / "powers.json").read_bytes() for p in ("a/b", "c")]
    assert written[0] == written[1]
    assert str(folder).encode() not in written[0]
    assert first.model.to_text() == again.model.to_text()
    other = fit(config(folder, ("ridge: 0", "ridge: auto\nseed: 1")))
    assert other.model.data["provenance"]["seed"] == 1


def test_copies_of_a_structure_share_a_fold(tmp_path):
    frames = structures(["Mo", "Nb"], 5)
    write(tmp_path / "train.xyz", frames * 4, format="extxyz")
    settings = config(tmp_path)
    train = io.read(tmp_path / "train.xyz")
    problem = collect(zero_model(settings, ["Mo", "Nb"]), train, settings, n_folds=5)
    rows = 1 + 12 + 6
    assert problem.n_rows.sum() == 20 * rows
    assert all(count % (4 * rows) == 0 for count in problem.n_rows)


def test_provenance_tells_data_and_choices(folder):
    from hashlib import sha256

    provenance = fit(config(folder)).model.data["provenance"]
    digest = sha256((folder / "train.xyz").read_bytes()).hexdigest()
    assert provenance["data"]["train"] == [
        {"file": "train.xyz", "sha256": digest, "structures": 24}
    ]
    assert provenance["weights"] == {"energy": 1.0, "force": 0.1, "stress": 0.01, "groups": {}}
    assert provenance["ridge"] == 0.0
    assert provenance["errors"]["test"]["n_structures"] == 4


def test_elements_never_together_leave_e0_of_least_norm(tmp_path):
    # At one composition only the sum of the atomic energies is known.
    frames = structures(["Mo", "Nb"], 12)
    for atoms in frames:
        atoms.symbols = ["Mo", "Nb"] * 2
        relabel(atoms)
    write(tmp_path / "train.xyz", frames, format="extxyz")
    result = fit(config(tmp_path, (", test: test.xyz", "")))
    e0 = result.model.data["E0"]
    assert abs(sum(e0) + 16.0) < 1e-3
    assert any("least norm" in text for text in result.warnings)
    assert result.metrics_test is None
    assert result.metrics_train.to_dict()["energy_rmse_meV_per_atom"] < 1e-3


def relabel(atoms):
    potential = truth(["Mo", "Nb"])
    species = np.array(["MoNb".index(s) // 2 for s in atoms.symbols])
    found = potential.evaluate(atoms.positions, atoms.cell.array, atoms.pbc, species)
    with_labels(atoms, found["energy"], found["forces"], found["dE_dstrain"] / atoms.get_volume())


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("train: train.xyz", "train: absent.xyz", "fit.yaml: data.train: no file absent.xyz"),
        ("ridge: 0", "ridge: 0\nelements: [Mo]", "Nb"),
        ("ridge: 0", "ridge: 0\nelements: [Mo, Nb, W]", "no training structure has W"),
        ("ridge: 0", "ridge: 0\nE0: {Mo: -9}", "E0: is for Mo; expected Mo, Nb, or fit"),
        ("stress: 0.01", "groups: {evn: {energy: 2}}", "no such group; did you mean 'even'"),
        ("energy: 1, force: 0.1, stress: 0.01", "energy: 0, force: 0", "nothing is left to fit"),
        ("{type: powers}", "{type: powers, rcut: 3}", "fit.yaml: descriptor: unknown key rcut"),
        ("ridge: 0", "ridge: 0\nregressor: {type: linear, size: 3}", "unknown key size"),
    ],
)
def test_mistakes_are_one_line_and_write_nothing(folder, old, new, message):
    with pytest.raises(InputError) as caught:
        fit(config(folder, (old, new)))
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)
    assert not (folder / "powers.json").exists()


def test_a_weight_without_any_reference_is_refused(tmp_path):
    frames = structures(["Mo"], 6)
    for atoms in frames:
        with_labels(atoms, atoms.calc.results["energy"], atoms.calc.results["forces"])
    write(tmp_path / "train.xyz", frames, format="extxyz")
    with pytest.raises(InputError, match=r"weights\.stress is 0\.01, but no training structure"):
        fit(config(tmp_path, (", test: test.xyz", "")))


def test_too_little_memory_is_refused_before_it_starts(folder):
    with pytest.raises(InputError, match=r"8 columns, 1 folds.*--max-memory"):
        fit(config(folder), max_memory=1000)


def test_estimate_counts_rows(folder):
    model = zero_model(config(folder), ["Mo", "Nb"])
    frames = structures(["Mo", "Nb"], 5)
    weights = Weights(energy=1.0, force=1.0, groups={"odd": {"stress": 1.0}})
    found = estimate(model.potential(), frames, weights, fit_e0=True)
    assert found.rows == 5 * (1 + 12) + 2 * 6
    assert found.columns == 8


@pytest.mark.parametrize(
    ("text", "size"),
    [("1GiB", 2**30), ("500 MB", 5e8), ("2e9", 2e9), ("1.5k", 1500), ("8Mi", 2**23)],
)
def test_sizes_of_memory(text, size):
    assert parse_bytes(text) == size


@pytest.mark.parametrize("text", ["", "GiB", "-1GB", "1 TB", "1..2", "0", "1e999"])
def test_sizes_that_are_none(text):
    with pytest.raises(InputError, match="is not a size"):
        parse_bytes(text)
