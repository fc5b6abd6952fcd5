"""mlpot.metrics, against errors put in by hand and against ASE's own calculators."""

import io as text_io

import numpy as np
import pytest
from ase.build import bulk, molecule
from ase.calculators.emt import EMT
from ase.constraints import FixAtoms
from ase.units import GPa
from rich.console import Console
from rich.progress import Progress

from mlpot.errors import InputError
from mlpot.io import with_labels
from mlpot.metrics import comparison, evaluate, predict, species_of


class Springs:
    """Stands for _core.Potential: E = Σ k_s |r_i|²/2 + tr(cell)."""

    elements = ("Cu", "Au")

    def evaluate(self, positions, cell, pbc, species):
        assert species.dtype == np.int32
        k = np.array([1.0, 3.0])[species]
        return {
            "energy": 0.5 * float(k @ (positions**2).sum(1)) + np.trace(cell),
            "forces": -k[:, None] * positions,
            "dE_dstrain": np.arange(9.0).reshape(3, 3) + np.arange(9.0).reshape(3, 3).T,
        }


class Holder:
    """Stands for Model: gives its potential."""

    elements = Springs.elements

    def potential(self):
        return Springs()


@pytest.fixture
def frames():
    made = []
    for i, group in enumerate(["crystal", "crystal", "liquid"]):
        atoms = bulk("Cu", cubic=True) * (1 + i, 1, 1)
        atoms.symbols[::2] = "Au"
        atoms.rattle(0.1, seed=i)
        atoms.info["group"] = group
        made.append(atoms)
    return made


def labelled(frames, errors):
    """Frames labelled with the Springs' answers minus (energy/atom, forces, stress)."""
    for atoms, (energy, forces, stress) in zip(frames, errors, strict=True):
        truth = predict(Springs(), atoms)
        with_labels(
            atoms, truth.energy - energy * len(atoms), truth.forces - forces, truth.stress - stress
        )
    return frames


def test_errors_put_in_by_hand_come_out(frames):
    shear = GPa * np.array([[0, 0, 0], [0, 0, 3], [0, 3, 0]])
    errors = [(1e-3, 0.1, 0.0), (-3e-3, -0.3, shear), (5e-3, 0.0, 0.0)]
    found = evaluate(Springs(), labelled(frames, errors)).to_dict()
    assert (found["n_structures"], found["n_atoms"]) == (3, 4 + 8 + 12)
    assert found["energy_mae_meV_per_atom"] == pytest.approx(3.0)
    assert found["energy_rmse_meV_per_atom"] == pytest.approx(np.sqrt(35 / 3))
    assert found["force_mae_eV_per_A"] == pytest.approx((4 * 0.1 + 8 * 0.3) / 24)
    assert found["force_rmse_eV_per_A"] == pytest.approx(np.sqrt((4 * 0.01 + 8 * 0.09) / 24))
    # One of six components of one of three structures is 3 GPa off.
    assert found["stress_mae_GPa"] == pytest.approx(3 / 18)
    assert found["stress_rmse_GPa"] == pytest.approx(np.sqrt(9 / 18))
    crystal, liquid = found["per_group"]["crystal"], found["per_group"]["liquid"]
    assert (crystal["n_structures"], crystal["n_atoms"], liquid["n_atoms"]) == (2, 12, 12)
    assert crystal["energy_mae_meV_per_atom"] == pytest.approx(2.0)
    assert liquid["energy_mae_meV_per_atom"] == pytest.approx(5.0)
    assert liquid["force_rmse_eV_per_A"] == pytest.approx(0.0, abs=1e-12)


def test_missing_labels_are_none_and_leave_the_others(frames):
    first, *rest = labelled(frames, [(0.0, 0.0, 0.0)] * 3)
    for atoms in rest:
        with_labels(atoms, energy=predict(Springs(), atoms).energy)
    found = evaluate(Springs(), [first, *rest])
    row = found.to_dict()["per_group"]["liquid"]
    assert row["energy_mae_meV_per_atom"] == pytest.approx(0.0, abs=1e-9)
    assert row["force_mae_eV_per_A"] is row["force_rmse_eV_per_A"] is row["stress_mae_GPa"] is None
    assert set(found.forces.structure) == {0}
    assert found.forces.reference.shape == (3 * len(first),)
    assert found.stress.reference.shape == (6,)


def test_calculators_constraints_and_no_volume():
    atoms = bulk("Cu", cubic=True) * (2, 1, 1)
    atoms.rattle(0.05, seed=3)
    atoms.set_constraint(FixAtoms([0, 1]))
    found = predict(EMT(), atoms)
    atoms.calc = EMT()
    assert found.energy == pytest.approx(atoms.get_potential_energy(), abs=1e-12)
    np.testing.assert_allclose(found.forces, atoms.get_forces(apply_constraint=False), atol=1e-12)
    stress = atoms.get_stress(voigt=False, apply_constraint=False)
    np.testing.assert_allclose(found.stress, stress, atol=1e-12)
    water = molecule("H2O")
    assert predict(EMT(), water).stress is None


def test_stress_of_a_potential_is_per_volume(frames):
    atoms = frames[0]
    stress = predict(Holder(), atoms).stress
    np.testing.assert_allclose(stress[0, 1], (1 + 3) / atoms.get_volume())
    atoms.set_cell(None)
    assert predict(Holder(), atoms).stress is None


def test_a_model_and_its_potential_agree(frames):
    for got, expected in zip(
        predict(Holder(), frames[1]), predict(Springs(), frames[1]), strict=True
    ):
        np.testing.assert_array_equal(got, expected)


def test_species_follow_the_models_order(frames):
    assert species_of(frames[0], ["Cu", "Au"]).tolist() == [1, 0, 1, 0]
    assert species_of(frames[0], ["Au", "X", "Cu"]).tolist() == [0, 2, 0, 2]
    with pytest.raises(InputError, match=r"Au is not among the model's elements \(Cu Ni\)"):
        species_of(frames[0], ["Cu", "Ni"])


def test_refusals_name_the_frame(frames):
    frames = labelled(frames, [(0.0, 0.0, 0.0)] * 3)
    frames[2].info["source"] = "a.xyz: frame 2"
    frames[2].symbols[0] = "Mo"
    with pytest.raises(InputError, match=r"a\.xyz: frame 2: Mo is not among"):
        evaluate(Springs(), frames)
    frames[1].positions[0] = np.inf
    with pytest.raises(InputError, match="frame 1: the model gives numbers that are not finite"):
        evaluate(Springs(), frames)
    with pytest.raises(InputError, match="no structures"):
        evaluate(Springs(), [])


def test_table_and_progress(frames):
    frames = labelled(frames, [(1e-3, 0.25, 0.0)] * 3)
    with_labels(frames[2], energy=predict(Springs(), frames[2]).energy)
    console = Console(file=text_io.StringIO(), width=120)
    with Progress(console=console, disable=True) as progress:
        metrics = evaluate(Springs(), frames, progress)
        assert progress.tasks[0].completed == 3
    console.print(metrics.table("test"))
    lines = console.file.getvalue().splitlines()
    crystal, liquid, overall = (
        [cell.strip() for cell in line.split("│")[1:-1]]
        for line in lines
        if any(name in line for name in ("crystal", "liquid", "overall"))
    )
    assert crystal == ["crystal", "2", "1.00", "1.00", "0.2500", "0.2500", "0.000", "0.000"]
    assert liquid == ["liquid", "1", "0.00", "0.00", "-", "-", "-", "-"]
    assert overall[:3] == ["overall", "3", "0.67"]


def test_another_zero_of_energy_is_found_and_taken_off(frames):
    """Errors of random size about an offset of its own for each element."""
    rng = np.random.default_rng(2)
    random = rng.normal(0.0, 1e-3, len(frames))
    offsets = [
        a.symbols.count("Cu") * 2.0 / len(a) + a.symbols.count("Au") * -3.0 / len(a) for a in frames
    ]
    labelled(frames, [(e + d, 0.0, 0.0) for e, d in zip(random, offsets, strict=True)])
    plain, aligned = evaluate(Springs(), frames), evaluate(Springs(), frames, align=True)
    assert plain.offset == pytest.approx(np.mean(offsets), abs=1e-3) and aligned.offset == 0.0
    assert plain.to_dict()["energy_rmse_meV_per_atom"] > 400
    # of the three compositions, all one half of each element, only the mean error is known
    expected = np.sqrt(np.mean((random - random.mean()) ** 2)) * 1e3
    assert aligned.to_dict()["energy_rmse_meV_per_atom"] == pytest.approx(expected, rel=1e-9)


def test_a_comparison_has_a_section_for_each_group(frames):
    labelled(frames, [(0.001, 0.0, 0.0)] * 3)
    errors = {name: evaluate(Springs(), frames) for name in ("first", "second")}
    screen = Console(file=text_io.StringIO(), width=150)
    screen.print(comparison(errors, "both"))
    words = screen.file.getvalue()
    assert [words.count(name) for name in ("crystal", "liquid", "overall", "second")] == [
        1,
        1,
        1,
        3,
    ]
