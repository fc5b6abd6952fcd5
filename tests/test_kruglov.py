"""The Kruglov features: their set, normalisation and order parameter; what pooling means."""

import json
from itertools import permutations

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from typer.testing import CliRunner

from contract.cells import CELLS
from lmp import lmp, pair_of, save
from mlpot import _core
from mlpot.cli import app
from mlpot.errors import InputError
from mlpot.kruglov import expand, is_set, read_set
from mlpot.model import Model
from mlpot.order import order, smooth_order
from mlpot.verify.structures import radii_of
from oracle.common import pairs

LINE = {"type": "kruglov", "r_cut": 6.0}
FCC = bulk("Cu", "fcc", a=2.8 * np.sqrt(2.0))  # nearest neighbours at 2.8 Å


def features(atoms: Atoms, block: dict, elements: list[str]) -> np.ndarray:
    size = _core.describe(json.dumps(block), '{"type": "linear"}', len(elements))["size"]
    regressor = {"type": "linear", "coefficients": [[0.0] * size for _ in elements]}
    data = {"elements": elements, "E0": [0.0] * len(elements)}
    potential = Model({**data, "descriptor": block, "regressor": regressor}).potential()
    species = [elements.index(symbol) for symbol in atoms.symbols]
    return potential.features(atoms.positions, atoms.cell.array, atoms.pbc, species)


def rattled(crystal: Atoms, seed: int = 3) -> Atoms:
    atoms = crystal.repeat(2)
    atoms.rattle(0.1, rng=np.random.default_rng(seed))
    return atoms


def test_one_line_is_fifty_features():
    assert is_set(LINE) and not is_set(expand(read_set(LINE), 1))
    block = expand(read_set(LINE), 1)
    assert len(block["angular"]) == 48 and not block["radial"]
    etas = sorted({f[3] for f in block["angular"]})
    assert np.allclose(etas, etas[0] * 2.0 ** np.arange(6), rtol=1e-15)
    assert {f[5] for f in block["angular"]} == {1.0, 2.0, 4.0, 16.0}
    atoms = rattled(FCC)
    found = features(atoms, block, ["Cu"])
    assert found.shape == (len(atoms), 50)
    assert np.allclose(found[:, 48], atoms.get_volume() / len(atoms), rtol=1e-14)


def test_two_elements_have_fifty_features_each_in_its_own_places():
    block = expand(read_set(LINE), 2)
    assert len(block["angular"]) == 48
    atoms = rattled(bulk("NaCl", "rocksalt", a=5.6))
    found = features(atoms, block, ["Cl", "Na"])
    is_na = atoms.symbols == "Na"
    assert found.shape == (len(atoms), 50)
    assert np.all(found[~is_na, :24] > 0.0) and not found[is_na, :24].any()
    assert np.all(found[is_na, 24:48] > 0.0) and not found[~is_na, 24:48].any()


def test_normalisation_is_the_sum_over_ordered_pairs_of_neighbours():
    atoms = rattled(FCC)
    block = expand(read_set({**LINE, "r_cut": 4.5, "eta": [0.05], "zeta": [1, 4]}), 1)
    found = features(atoms, block, ["Cu"])
    cutoff = lambda i, j: np.full(i.shape, 4.5)  # noqa: E731
    i, _, vectors, r = pairs(atoms.positions, atoms.cell.array, atoms.pbc, cutoff)
    vectors, r = vectors[i == 0], r[i == 0]
    for column, (*_, eta, sign, zeta, _, r_cut, _) in enumerate(block["angular"]):
        total = 0.0
        for a, b in permutations(range(len(r)), 2):
            sides = np.array([r[a], r[b], np.linalg.norm(vectors[a] - vectors[b])])
            fade = np.where(sides < r_cut, 0.5 * (np.cos(np.pi * sides / r_cut) + 1.0), 0.0)
            cos = vectors[a] @ vectors[b] / (r[a] * r[b])
            term = ((1.0 + sign * cos) / 2.0) ** zeta
            total += term * np.exp(-eta * (sides**2).sum()) * fade.prod()
        assert found[0, column] == pytest.approx(total, rel=1e-12)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"r_cutt": 5.0}, "r_cutt: unknown key; did you mean 'r_cut'"),
        ({"eta": [-1.0]}, "eta.0: should be greater than 0"),
        ({"zeta": []}, "zeta"),
    ],
)
def test_wrong_options_are_named(change, message):
    with pytest.raises(InputError, match=message):
        read_set({**LINE, **change})


def test_order_of_a_crystal_is_the_known_number():
    assert order(FCC).mean == pytest.approx(4.7526, abs=5e-5)
    assert smooth_order(FCC).mean == pytest.approx(1.2670, abs=5e-5)


@pytest.mark.parametrize("words", [["--r-max", "0"], ["--sigma", "0"], ["--r-max", "inf"]])
def test_order_of_no_reach_or_width_is_refused(words, tmp_path):
    FCC.write(tmp_path / "fcc.xyz")
    done = CliRunner().invoke(app, ["order", str(tmp_path / "fcc.xyz"), *words])
    assert done.exit_code == 2 and "must be above 0" in done.stderr


def test_order_falls_with_disorder_and_does_not_depend_on_the_cell():
    for measure in (order, smooth_order):
        disordered = measure(rattled(FCC))
        assert disordered.mean < 0.9 * measure(FCC).mean
        larger = measure(rattled(FCC).repeat((1, 1, 2)))
        assert np.allclose(larger.atoms, np.tile(disordered.atoms, 2), rtol=1e-12)
    one, two = order(FCC), order(bulk("NaCl", "rocksalt", a=5.6))
    assert one.structure > one.mean  # by the first bin
    assert two.structure > two.mean > one.mean


def test_order_wants_a_periodic_structure():
    slab = FCC.copy()
    slab.pbc = [True, True, False]
    for measure in (order, smooth_order):
        with pytest.raises(InputError, match="not periodic in all three directions"):
            measure(slab)


def test_order_on_the_command_line(tmp_path):
    FCC.write(tmp_path / "fcc.xyz")
    result = CliRunner().invoke(app, ["order", str(tmp_path / "fcc.xyz"), "--atoms"])
    assert result.exit_code == 0 and result.output.count("4.7526") == 2
    result = CliRunner().invoke(app, ["order", str(tmp_path / "fcc.xyz"), "--smooth"])
    assert result.exit_code == 0 and "1.2670" in result.output
    missing = CliRunner().invoke(app, ["order", str(tmp_path / "none.xyz")])
    assert missing.exit_code == 2 and "none.xyz" in missing.output


def test_volume_needs_a_periodic_cell(tmp_path):
    cell = next(c for c in CELLS if str(c) == "kruglov-two-linear-bare")
    atoms = cell.atoms.copy()
    atoms.pbc = [True, True, False]
    species = [cell.elements.index(symbol) for symbol in atoms.symbols]
    with pytest.raises(ValueError, match="periodic in all three directions"):
        cell.model.potential().evaluate(
            atoms.positions, atoms.cell.array, atoms.pbc, np.array(species)
        )
    save([cell], tmp_path)
    box = ["boundary p p f", "lattice fcc 4", "region r block 0 3 0 3 0 3", "create_box 2 r"]
    script = ["units metal", *box, "create_atoms 1 box", "mass * 1.0", *pair_of(cell), "run 0"]
    done = lmp("\n".join(script), tmp_path)
    assert done.returncode != 0 and "requires boundary p p p" in done.stdout


def test_a_pair_term_of_the_lattice_has_no_radius_to_verify():
    cell = next(c for c in CELLS if str(c) == "kruglov-one-linear-bare")
    pair = {"sum": "ewald", "powers": [6], "coefficients": [[1.0]], "r_min": [0.0]}
    found = radii_of(Model({**cell.model.data, "pair": pair}))
    assert cell.block["r_cut"] in found


def test_a_crystal_of_one_kind_of_site_has_the_same_energy_either_way():
    block = expand(read_set({**LINE, "r_cut": 4.5}), 1)
    rng = np.random.default_rng(1)
    network = {"type": "neural_network", "layers": [5], "activation": "tanh", "gamma": 0.0}
    network |= {"coefficients": [rng.normal(size=51 * 5 + 6) / 5]}
    data = {"elements": ["Cu"], "E0": [-1.0], "descriptor": block, "regressor": network}
    energies, rattled_energies = [], []
    for pooling in ("atom", "structure"):
        potential = Model({**data, "pooling": pooling}).potential()
        for atoms, found in ((FCC, energies), (rattled(FCC), rattled_energies)):
            place = atoms.positions, atoms.cell.array, atoms.pbc, np.zeros(len(atoms), int)
            found.append(potential.evaluate(*place)["energy"])
    assert energies[0] == pytest.approx(energies[1], rel=1e-12)
    assert abs(rattled_energies[0] - rattled_energies[1]) > 1e-6
