"""Published SNAP potentials, converted, in pair_style mlpot against LAMMPS' own pair_style snap."""

import shutil
from itertools import product

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk

import oracle
from contract.measures import arguments, evaluate, relative
from mlpot.convert import convert, export
from mlpot.model import Model
from mlpot.verify.in_lammps import Tallies, commands
from oracle import bispectrum, common
from test_convert_snap import POTENTIALS, files_of, lammps_commands

CRYSTALS = {
    "Cu": bulk("Cu", cubic=True),
    "Ge": bulk("Ge", cubic=True),
    "Li": bulk("Li", cubic=True).repeat((2, 1, 1)),
    "Mo": bulk("Mo", cubic=True).repeat((2, 1, 1)),
    "Ni": bulk("Ni", cubic=True),
    "Si": bulk("Si", cubic=True),
    "InP": bulk("InP", "zincblende", a=5.87, cubic=True),
    "NbMoTaW": bulk("Mo", cubic=True, a=3.25).repeat((2, 2, 1)),
}
CRYSTALS["NbMoTaW"].symbols = "NbMoTaW" * 2
ZUO = [
    f"{element}_Zuo_JPCA2020{kind}"
    for element in ("Cu", "Ge", "Li", "Mo", "Ni", "Si")
    for kind in ("", ".quadratic")
]


def perturbed(name: str, seed: int) -> Atoms:
    """The crystal, rattled, strained and sheared into a triclinic cell."""
    atoms = CRYSTALS[name].copy()
    strain = np.random.default_rng(seed).uniform(-0.06, 0.06, (3, 3))
    atoms.set_cell(atoms.cell.array @ (np.eye(3) + strain), scale_atoms=True)
    atoms.rattle(0.12, seed=seed)
    return atoms


def both(name: str) -> list[Atoms]:
    return [perturbed(name, seed) for seed in (1, 2)]


def assert_same_as_snap(model, files, structures, folder, virial=1e-9):
    file, elements = model.save(folder / "model.json"), model.elements
    with (
        Tallies(commands(file, elements), elements) as ours,
        Tallies(lammps_commands(files, elements), elements, centroid=False) as snap,
    ):
        for atoms in structures:
            truth, inside = snap.tally(atoms), ours.tally(atoms)
            assert np.abs(truth["forces"]).max() > 0.1
            assert relative(inside["virials"], truth["virials"]) <= virial
            for found in (inside, evaluate(model.potential(), atoms)):
                assert relative(found["energy"], truth["energy"]) <= 1e-10
                assert relative(found["energies"], truth["energies"]) <= 1e-10
                assert np.abs(found["forces"] - truth["forces"]).max() <= 1e-9
                assert relative(found["dE_dstrain"], truth["dE_dstrain"]) <= virial


@pytest.mark.parametrize("name", ZUO)
def test_zuo_2020(name, tmp_path):
    files = files_of(POTENTIALS / f"{name}.snapcoeff")
    assert_same_as_snap(convert(files), files, both(name[:2]), tmp_path)


def test_indium_phosphide_with_chemical_elements_and_core(tmp_path):
    """LAMMPS takes its coefficients for symmetric in the elements; as printed they are not quite,
    and the virial of pair_style snap is off by 5e-10 of its terms. Ours is the true derivative."""
    files = files_of(POTENTIALS / "InP_JCPA2020.snapcoeff")
    model = convert(files)
    assert_same_as_snap(model, files, both("InP"), tmp_path, virial=1e-8)

    atoms = perturbed("InP", 1)
    positions, cell, pbc, species = arguments(atoms, model.elements)
    strain = np.random.default_rng(1).normal(size=(3, 3))

    def energy(t):
        deform = np.eye(3) + t * strain
        return oracle.energies(model.data, positions @ deform, cell @ deform, pbc, species).sum()

    found = np.sum(evaluate(model.potential(), atoms)["dE_dstrain"] * strain)
    assert relative(found, common.complex_step(energy, 0.0)) <= 1e-11

    exact = Model(model.data | {"name": "symmetric", "regressor": symmetric(model.data)})
    written = export(exact, "snap", tmp_path / "symmetric")
    assert_same_as_snap(exact, written, both("InP"), tmp_path)


def symmetric(data: dict) -> dict:
    """Linear coefficients, those of the same set of (element, j) replaced by their mean."""
    triples = product(
        product(range(len(data["elements"])), repeat=3),
        bispectrum.components(data["descriptor"]["two_j_max"]),
    )
    keys = [tuple(sorted(zip(elements, j, strict=True))) for elements, j in triples]
    same = np.array([[a == b for b in keys] for a in keys], dtype=float)
    rows = np.array(data["regressor"]["coefficients"]) @ (same / same.sum(axis=0))
    return {"type": "linear", "coefficients": rows}


def test_nbmotaw(shared, tmp_path):
    coeff, param = sorted((shared / "models" / "NbMoTaW" / "snap").iterdir())
    # this LAMMPS refuses diagonalstyle 3, which was always its only set of components
    lines = param.read_text().splitlines()
    files = [tmp_path / "a.snapcoeff", tmp_path / "a.snapparam"]
    shutil.copy(coeff, files[0])
    files[1].write_text("\n".join(s for s in lines if "diagonalstyle" not in s))
    assert_same_as_snap(convert(files), files, both("NbMoTaW"), tmp_path)
