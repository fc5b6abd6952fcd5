"""Potentials of two elements, from DFT data of Nb-Ta to LAMMPS on two ranks."""

import numpy as np
import pytest
from ase.io import write

from contract.measures import evaluate
from lmp import crystal, data_file, lmp, setup
from mlpot import io, metrics
from mlpot.config import parse_config
from mlpot.fit import fit

ELEMENTS = ["Nb", "Ta"]
CONFIG = """
name: NbTa
data: {train: train.xyz, test: test.xyz}
weights: {energy: 1, force: 0.03}
"""
MODELS = {
    "network": """
descriptor: {type: acsf, r_cut: 4.8, n_radial: 4, n_angular: 4, zeta: [1, 4]}
regressor: {type: neural_network, layers: [8]}
training: {iterations: 50, validation: 0.1}
""",
    "mtp": """
descriptor: {type: moments, level: 8, r_cut: 4.8}
training: {iterations: 40}
""",
}
DUMP = "write_dump all custom forces.dump id fx fy fz modify sort id format float %.17g"


@pytest.fixture(scope="module", params=MODELS)
def trained(request, shared, tmp_path_factory):
    """A quick fit: some of the structures, few functions, few iterations; others to test it."""
    folder, frames = tmp_path_factory.mktemp("NbTa"), {"train": [], "test": []}
    for kind, every in (("Nb", 8), ("Ta", 8), ("NbTa", 16)):
        known = io.read(shared / "data" / "nbmotaw" / f"{kind}_train.xyz.xz").frames
        frames["train"] += known[::every]
        frames["test"] += known[every // 2 :: every]
    for name, chosen in frames.items():
        write(folder / f"{name}.xyz", chosen, format="extxyz")
    return fit(parse_config(CONFIG + MODELS[request.param], "fit.yaml", folder)), folder


def test_training_learns_the_alloy(trained):
    """Far better than energies linear in the composition, and no forces at all."""
    result, folder = trained
    frames = io.read(folder / "test.xyz", elements=ELEMENTS).frames
    known = [io.labels(atoms) for atoms in frames]
    composition = np.array([[a.symbols.count(s) / len(a) for s in ELEMENTS] for a in frames])
    energies = np.array([k.energy / len(a) for k, a in zip(known, frames, strict=True)])
    line = composition @ np.linalg.lstsq(composition, energies, rcond=None)[0]
    found = metrics.evaluate(result.model, frames).to_dict()
    assert found["energy_rmse_meV_per_atom"] < 0.5e3 * np.sqrt(np.mean((energies - line) ** 2))
    size = np.sqrt(np.mean(np.concatenate([k.forces for k in known]) ** 2))
    assert found["force_rmse_eV_per_A"] < 0.5 * size


@pytest.mark.parametrize("ranks", [1, 2])
def test_lammps_gives_the_numbers_of_python(trained, ranks, tmp_path):
    model = trained[0].model
    atoms = crystal(ELEMENTS)
    atoms.set_cell(atoms.cell * (3.32 / 3.147), scale_atoms=True)
    data_file(tmp_path / "crystal.data", atoms, ELEMENTS)
    model.save(tmp_path / "NbTa.json")
    pair = ["pair_style mlpot", f"pair_coeff * * NbTa.json {' '.join(ELEMENTS)}"]
    columns = " ".join(
        f"$({key}:%.17g)" for key in ("pe", "pxx", "pyy", "pzz", "pxy", "pxz", "pyz")
    )
    lines = [*setup(pair), "run 0", DUMP, f'print "{columns}" file thermo']
    done = lmp("\n".join(lines), tmp_path, ranks=ranks)
    assert done.returncode == 0, done.stdout
    truth, found = evaluate(model.potential(), atoms), np.loadtxt(tmp_path / "thermo")
    assert found[0] == pytest.approx(truth["energy"], rel=1e-12)
    six = ([0, 1, 2, 0, 0, 1], [0, 1, 2, 1, 2, 2])
    pressure = -truth["dE_dstrain"][six] / atoms.get_volume() * 1.6021765e6
    assert np.allclose(found[1:], pressure, rtol=1e-10, atol=1e-5)
    forces = np.loadtxt(tmp_path / "forces.dump", skiprows=9)[:, 1:]
    assert np.abs(truth["forces"]).max() > 0.1
    assert np.abs(forces - truth["forces"]).max() < 1e-11
