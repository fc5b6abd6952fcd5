"""The slow twins against LAMMPS itself: the truth must be true first."""

import numpy as np
import pytest

from oracle import bispectrum, common, regress, zbl
from oracle.lammps_reference import evaluate
from oracle.structures import crowd

BLOCK = {
    "type": "bispectrum",
    "two_j_max": 6,
    "r_cut": 4.1,
    "rfac0": 0.99363,
    "rmin0": 0.0,
    "radii": [0.5, 0.62],
    "weights": [1.0, 0.7],
    "switchflag": True,
    "bzeroflag": False,
    "wselfallflag": False,
    "chemflag": False,
    "bnormflag": False,
    "switchinnerflag": False,
    "sinner": [],
    "dinner": [],
}
INNER = {"switchinnerflag": True, "sinner": [2.6, 2.4], "dinner": [0.3, 0.5]}
CHEM = {"chemflag": True, "bnormflag": True, "two_j_max": 3}
FLAGS = ("switchflag", "bzeroflag", "bnormflag", "wselfallflag", "switchinnerflag")
VARIANTS = [
    {},
    {"two_j_max": 5},
    {"two_j_max": 8},
    {"bzeroflag": True},
    {"bnormflag": True, "bzeroflag": True},
    {"wselfallflag": True, "bzeroflag": True},
    {"switchflag": False},
    {"rmin0": 0.9, "rfac0": 0.97},
    {"rmin0": 2.4},
    {"weights": [0.9, -0.4], **INNER},
    CHEM,
    {**CHEM, "bzeroflag": True},
    {**CHEM, "bnormflag": False, "bzeroflag": True},
    {**CHEM, "bzeroflag": True, "wselfallflag": True},
    {**CHEM, **INNER},
]


def words(values):
    return " ".join(map(repr, values))


def compute_command(block):
    text = f"sna/atom {block['r_cut']} {block['rfac0']} {block['two_j_max']} "
    text += words(block["radii"] + block["weights"]) + f" rmin0 {block['rmin0']} "
    text += " ".join(f"{key} {int(block[key])}" for key in FLAGS)
    if block["chemflag"]:
        text += " chem 2 0 1"
    if block["switchinnerflag"]:
        text += f" sinner {words(block['sinner'])} dinner {words(block['dinner'])}"
    return text


def potential_commands(folder, block, coefficients, quadratic):
    coeff, param = folder / "t.snapcoeff", folder / "t.snapparam"
    lines = [f"2 {coefficients.shape[1]}"]
    for name, radius, weight, row in zip(
        "AB", block["radii"], block["weights"], coefficients.tolist(), strict=True
    ):
        lines += [f"{name} {radius} {weight}", *map(repr, row)]
    coeff.write_text("\n".join(lines) + "\n")
    lines = [f"rcutfac {block['r_cut']}", f"twojmax {block['two_j_max']}"]
    lines += [f"quadraticflag {int(quadratic)}", f"chemflag {int(block['chemflag'])}"]
    lines += [f"{key} {block[key]}" for key in ("rfac0", "rmin0")]
    lines += [f"{key} {int(block[key])}" for key in FLAGS]
    if block["switchinnerflag"]:
        lines += [f"{key} {words(block[key])}" for key in ("sinner", "dinner")]
    param.write_text("\n".join(lines) + "\n")
    return ["pair_style snap", f"pair_coeff * * {coeff} {param} A B"]


def random_coefficients(block, quadratic):
    """Two species' rows. With chemflag they depend on the unordered set of (element, j) only:
    LAMMPS' forces take that for granted, and are not the derivative of its energy otherwise."""
    keys = [
        tuple(sorted(zip(e, j, strict=True))) if block["chemflag"] else j
        for e in np.ndindex(*[2 if block["chemflag"] else 1] * 3)
        for j in bispectrum.components(block["two_j_max"])
    ]
    last = {key: k for k, key in enumerate(keys)}
    same = [last[key] for key in keys]
    rng = np.random.default_rng(7)
    rows = rng.normal(size=(2, len(keys)))[:, same]
    if not quadratic:
        return rows
    upper = np.triu_indices(len(keys))
    matrices = rng.normal(size=(2, len(keys), len(keys)))
    matrices = (matrices + matrices.transpose(0, 2, 1))[:, same][:, :, same]
    return np.concatenate([rows, matrices[:, upper[0], upper[1]]], axis=1)


@pytest.mark.parametrize("pbc", [(True, True, True), (True, False, True)])
@pytest.mark.parametrize("variant", VARIANTS, ids=str)
def test_features_are_those_of_compute_sna_atom(variant, pbc):
    positions, cell, species = crowd()
    block = BLOCK | variant
    zero = ["pair_style zero 5.5", "pair_coeff * *"]
    truth = evaluate(positions, cell, pbc, species + 1, zero, compute_command(block))["compute"]
    ours = bispectrum.features(positions, cell, pbc, species, block)
    assert ours.shape == truth.shape
    assert np.abs(ours - truth).max() <= 1e-13 * np.abs(truth).max()
    assert np.all(np.abs(ours - truth) <= 1e-12 * np.maximum(1.0, np.abs(truth)))


@pytest.mark.parametrize("quadratic", [False, True])
@pytest.mark.parametrize(
    "variant",
    [{}, {"two_j_max": 3}, {"rmin0": 0.9}, {"bnormflag": True}, INNER, CHEM, {**CHEM, **INNER}],
    ids=str,
)
def test_energy_forces_and_virial_are_those_of_pair_snap(variant, quadratic, tmp_path):
    positions, cell, species = crowd(n=4)
    block = BLOCK | {"two_j_max": 4} | variant
    rows = random_coefficients(block, quadratic)
    e0 = np.array([-1.5, -2.5])
    commands = potential_commands(tmp_path, block, np.column_stack([e0, rows]), quadratic)
    truth = evaluate(positions, cell, (1, 1, 1), species + 1, commands)

    def energy(x, c):
        q = bispectrum.features(x, c, (1, 1, 1), species, block)
        regressor = {"type": "quadratic" if quadratic else "linear", "coefficients": rows}
        return e0[species] + regress(q, species, regressor)

    ours = {
        "energies": energy(positions, cell),
        "forces": common.forces(energy, positions, cell),
        "dE_dstrain": common.dE_dstrain(energy, positions, cell),
    }
    for key, value in ours.items():
        assert np.abs(value - truth[key]).max() <= 1e-12 * np.abs(truth[key]).max(), key


def test_zbl_is_that_of_lammps():
    positions, cell, species = crowd()
    commands = ["pair_style zbl 2.0 3.5", "pair_coeff 1 1 42 42", "pair_coeff 2 2 4 4"]
    truth = evaluate(positions, cell, (1, 1, 1), species + 1, commands)

    def energy(x, c):
        return zbl.energies(x, c, (1, 1, 1), np.array([42, 4])[species], 2.0, 3.5)

    assert energy(positions, cell) == pytest.approx(truth["energies"], rel=1e-13)
    for name, function in (("forces", common.forces), ("dE_dstrain", common.dE_dstrain)):
        value = function(energy, positions, cell)
        assert np.abs(value - truth[name]).max() <= 1e-13 * np.abs(truth[name]).max()


def test_clebsch_gordan_coefficients_are_orthonormal_and_known():
    for j1, j2, j in bispectrum.components(8):
        c = bispectrum.clebsch_gordan(j1, j2, j)
        assert np.einsum("abm,abn->mn", c, c) == pytest.approx(np.eye(j + 1), abs=1e-14)
    half = bispectrum.clebsch_gordan(1, 1, 0)[:, :, 0]
    assert half == pytest.approx(np.sqrt(0.5) * np.array([[0, -1], [1, 0]]))
    # <1 1 1 -1 | 2 0> = 1/sqrt(6), <1 0 1 0 | 0 0> = -1/sqrt(3) (Particle Data Group tables)
    assert bispectrum.clebsch_gordan(2, 2, 4)[2, 0, 2] == pytest.approx(6**-0.5)
    assert bispectrum.clebsch_gordan(2, 2, 0)[1, 1, 0] == pytest.approx(-(3**-0.5))


def test_features_do_not_change_under_rotation_and_inversion():
    positions, _, species = crowd()
    free, cell = (False, False, False), np.eye(3)
    rotation = np.linalg.qr(np.random.default_rng(3).normal(size=(3, 3)))[0]
    block = BLOCK | CHEM
    q = bispectrum.features(positions, cell, free, species, block)
    for turned in (positions @ rotation.T, -positions):
        assert bispectrum.features(turned, cell, free, species, block) == pytest.approx(
            q, abs=1e-13
        )
