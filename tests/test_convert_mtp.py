"""MLIP's potentials: the published ones, and motep's engine as an independent evaluator."""

import json

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk

from contract.measures import evaluate, relative
from mlpot import _core, io
from mlpot.convert import convert, export
from mlpot.errors import InputError
from mlpot.model import Model
from oracle import moments

LEVELS = list(range(2, 29, 2))
# alpha_scalar_moments of MLIP's own untrained files
COUNTS = [1, 2, 5, 9, 16, 29, 52, 92, 163, 288, 500, 864, 1464, 2445]


def random_model(level: int, elements: list[str], seed: int = 0) -> Model:
    """An MTP of a level whose terms are all of order 1; all elements share the coefficients."""
    rng, table = np.random.default_rng(seed), _core.moments(level)
    n = len(elements)
    n_functions = 1 + table["basics"][:, 0].max()
    coefficients = rng.normal(size=len(table["invariants"]))
    block = {"type": "moments", "level": level, "basics": [], "products": [], "invariants": []}
    block |= {"r_cut": 4.2, "r_min": 1.8, "scale": 0.03, "n_chebyshev": 7}
    block["radial"] = rng.uniform(-1, 1, (n * n * n_functions, 7))
    regressor = {"type": "linear", "coefficients": [coefficients] * n}
    e0 = rng.normal(size=n)
    return Model({"elements": elements, "E0": e0, "descriptor": block, "regressor": regressor})


def crystal(elements: list[str]) -> Atoms:
    atoms = bulk("Mo", cubic=True)
    atoms.symbols = [elements[k % len(elements)] for k in range(2)]
    atoms.set_cell(atoms.cell.array @ (np.eye(3) + np.triu(np.full((3, 3), 0.03))), True)
    atoms.rattle(0.15, seed=3)
    return atoms


def by_motep(path, elements: list[str], atoms: Atoms) -> dict:
    mtp = pytest.importorskip("motep.io.mlip.mtp")
    engine = pytest.importorskip("motep.potentials.mtp.cext.engine")
    data = mtp.read_mtp(path)
    data.species = Atoms(elements).numbers
    return engine.CExtMTPEngine(data).calculate(atoms)


def assert_same(model: Model, path, atoms: Atoms) -> None:
    ours, theirs = evaluate(model.potential(), atoms), by_motep(path, model.elements, atoms)
    assert abs(ours["energy"] - theirs["energy"]) <= 1e-10 * np.abs(ours["energies"]).max()
    assert relative(ours["energies"], theirs["energies"]) <= 1e-10
    assert relative(ours["forces"], theirs["forces"]) <= 1e-9


@pytest.mark.parametrize(("level", "count"), list(zip(LEVELS, COUNTS, strict=True)))
def test_levels_are_those_of_mlip(level, count, tmp_path):
    model = random_model(level, ["Mo"], seed=level)
    assert model.potential().n_features == count
    (path,) = export(model, "mtp", tmp_path / "pot")
    assert_same(model, path, crystal(["Mo"]))
    back = convert([path], ["Mo"])
    assert back.data["descriptor"] == model.data["descriptor"]
    assert back.data["regressor"] == model.data["regressor"]
    assert back.data["E0"] == model.data["E0"]


def test_levels_are_the_contractions_of_motep():
    """Found there by contracting tensors in all ways and comparing numbers."""
    motep = pytest.importorskip("motep")
    from pathlib import Path

    folder = Path(motep.__file__).parent / "potentials/mtp/jax/precomputed_moments"
    for level, count in zip(range(2, 25, 2), COUNTS, strict=False):
        assert len(json.loads((folder / f"moments_level{level}.json").read_text())) == count


@pytest.mark.parametrize("level", [2, 8, 16])
def test_order_of_invariants_is_that_of_the_twin(level):
    found = moments.invariants(level)
    assert len(found) == COUNTS[LEVELS.index(level)]
    lower = moments.invariants(level - 2) if level > 2 else []
    assert found[: len(lower)] == lower


def test_several_elements_and_unequal_lists(tmp_path):
    elements = ["Nb", "Mo", "Ta"]
    model = random_model(8, elements)
    (path,) = export(model, "mtp", tmp_path / "pot")
    atoms = crystal(elements).repeat((2, 1, 1))
    atoms.symbols = ["Nb", "Ta", "Mo", "Nb"]
    assert_same(model, path, atoms)
    assert convert([path], elements).data["descriptor"]["level"] == 8
    # Without one invariant it is no level: the lists themselves are stored.
    text = path.read_text().replace("alpha_scalar_moments = 9", "alpha_scalar_moments = 8")
    lines = text.splitlines()
    for k, line in enumerate(lines):
        if line.startswith(("alpha_moment_mapping", "moment_coeffs")):
            lines[k] = line[: line.rindex(",")] + "}"
    path.write_text("\n".join(lines))
    shorter = convert([path], elements)
    block = shorter.data["descriptor"]
    assert block["level"] == 0 and len(block["invariants"]) == 8 and block["products"]
    assert_same(shorter, path, atoms)
    (again,) = export(shorter, "mtp", tmp_path / "again")
    assert convert([again], elements).data["descriptor"] == block


@pytest.mark.parametrize("element", ["Mo", "Si"])
def test_published_potentials_give_the_reference_energies(element, shared):
    model = convert([shared / "models" / element / "mtp" / "fitted.mtp"], [element])
    assert model.data["descriptor"]["level"] == {"Mo": 20, "Si": 24}[element]
    reference = json.loads((shared / "models" / "reference.json").read_text())
    energies = reference["elements"][element]["mtp"]["energy_eV"]
    frames = io.read(shared / "data" / "zuo2020" / f"{element}_test.xyz.xz").frames
    for atoms, energy in zip(frames, energies, strict=True):
        assert abs(evaluate(model.potential(), atoms)["energy"] - energy) <= 1e-8


def edited(path, old: str, new: str):
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))
    return path


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("MTP\n", "PTM\n", "not a potential of MLIP"),
        ("RBChebyshev", "RBShapeev", "line 7: radial basis 'RBShapeev'"),
        ("scaling = ", "scalling = ", "line 4: unknown key 'scalling'.*scaling"),
        ("max_dist = 4.2", "max_dist = far", "'far' is not a finite number"),
        ("species_count = 1", "species_count = 2", "of 2 elements; give --elements"),
        ("radial_funcs_count = 2", "radial_funcs_count = 1", "need 2 radial functions"),
        ("alpha_moments_count = 18", "alpha_moments_count = 9", "not one of 9"),
        ("alpha_index_times_count = 14", "alpha_index_times_count = 13", "expected 52 numbers"),
        ("species_coeffs", "species_coefs", "unknown key 'species_coefs'"),
    ],
)
def test_bad_files_are_refused(old, new, message, tmp_path):
    (path,) = export(random_model(8, ["Mo"]), "mtp", tmp_path / "pot")
    with pytest.raises(InputError, match=message):
        convert([edited(path, old, new)], ["Mo"])


def test_what_an_mtp_cannot_express_is_refused(tmp_path):
    model = random_model(4, ["Mo", "Nb"])
    rows = [[1.0, 2.0], [1.0, 3.0]]
    other = model.data | {"regressor": {"type": "linear", "coefficients": rows}}
    with pytest.raises(InputError, match="differ between the elements"):
        export(Model(other), "mtp", tmp_path / "pot")
    with pytest.raises(InputError, match="cannot express 'core'"):
        core = {"type": "zbl", "inner": 1.0, "outer": 2.0}
        export(Model(model.data | {"core": core}), "mtp", tmp_path / "pot")


def test_elements_must_be_given(tmp_path):
    (path,) = export(random_model(4, ["Mo"]), "mtp", tmp_path / "pot")
    with pytest.raises(InputError, match="does not name its elements; give --elements"):
        convert([path])
