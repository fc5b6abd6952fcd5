"""Lattice sums against published constants, an Epstein zeta library, and identities."""

from itertools import combinations_with_replacement, product

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from epsteinlib import epstein_zeta

from mlpot.errors import InputError
from mlpot.lattice_sums import LatticeSums, shortest_distances

K = np.arange(1, 16)
FCC = np.array([[0.0, 1.0, 1.0], [1.0, 0.0, 1.0], [1.0, 1.0, 0.0]]) / np.sqrt(2.0)
BCC = np.array([[-1.0, 1.0, 1.0], [1.0, -1.0, 1.0], [1.0, 1.0, -1.0]]) / np.sqrt(3.0)
HCP = bulk("Mg", "hcp", a=1.0, c=np.sqrt(8.0 / 3.0))


def of_atom(atoms: Atoms, eta: float = 6.0) -> np.ndarray:
    """(15,) sums over the neighbours of one atom; nearest ones 1 Å away."""
    found = LatticeSums(sorted(set(atoms.symbols))).compute(atoms, eta=eta)
    return 2.0 * found.values[: len(K)] / len(atoms)


def lattice(cell) -> Atoms:
    return Atoms("H", cell=cell, pbc=True)


def mixture(seed: int) -> Atoms:
    """A2B3 in a triclinic cell."""
    rng = np.random.default_rng(seed)
    while True:
        cell = np.diag(rng.uniform(3.0, 5.0, 3)) + np.tril(rng.uniform(-1.5, 1.5, (3, 3)), -1)
        atoms = Atoms("H2He3", scaled_positions=rng.random((5, 3)), cell=cell, pbc=True)
        if shortest_distances([atoms], ["H", "He"]).min() > 0.8:
            return atoms


@pytest.mark.parametrize(
    ("atoms", "k", "known"),
    [
        (lattice(FCC), 6, 14.453921043744),
        (lattice(FCC), 12, 12.131880196545),
        (lattice(FCC), 4, 25.3383043051),
        (lattice(FCC), 5, 16.9675184584),
        (lattice(BCC), 6, 12.253667867292),
        (lattice(BCC), 12, 9.114183268075),
        (HCP, 6, 14.454897277842),
        (HCP, 12, 12.132293769099),
        (lattice(np.eye(3)), 1, -2.837297479480619),
        (lattice(np.eye(3)), 2, -8.91363291758515),
        (lattice(np.eye(3)), 3, 3.8219235039406),
    ],
)
def test_constants_of_lattices(atoms, k, known):
    digits = len(f"{known}".split(".")[1])
    assert abs(of_atom(atoms)[k - 1] - known) <= max(0.51 * 10.0**-digits, 1e-14 * abs(known))


@pytest.mark.parametrize(
    ("structure", "known"),
    [("rocksalt", 1.74756459463318), ("cesiumchloride", 1.76267477307099),
     ("zincblende", 1.63805505338879)],
)  # fmt: skip
def test_madelung_constants(structure, known):
    atoms = bulk("NaCl", structure, a=1.0)
    nearest = {"rocksalt": 0.5, "cesiumchloride": np.sqrt(0.75), "zincblende": np.sqrt(3.0) / 4.0}
    sums = LatticeSums(["Cl", "Na"], [1]).compute(atoms, eta=6.0).values
    assert abs(-(sums[0] - sums[1] + sums[2]) * nearest[structure] - known) <= 1e-14 * known


def zeta(cell, shift, k: int) -> float:
    """sum over the lattice of |L + shift|^-k without a term that is infinite."""
    return epstein_zeta(float(k), np.ascontiguousarray(cell.T), -shift, np.zeros(3)).real


@pytest.mark.parametrize("seed", range(4))
def test_epstein_zeta_of_random_cells(seed):
    """An independent library, for all powers but 3, where the zeta function has its pole."""
    atoms = mixture(seed)
    found = LatticeSums(["H", "He"]).compute(atoms)
    species = atoms.numbers - 1
    truth = np.zeros((3, len(K)))
    for which, (a, b) in enumerate(combinations_with_replacement((0, 1), 2)):
        for i, j in product(range(5), repeat=2):
            if {species[i], species[j]} == {a, b}:
                shift = atoms.positions[j] - atoms.positions[i]
                truth[which] += [
                    0.5 * zeta(atoms.cell.array, shift, k) if k != 3 else 0.0 for k in K
                ]
    chosen = np.tile(K != 3, 3)
    assert np.abs(found.values[chosen] / truth.ravel()[chosen] - 1.0).max() <= 2e-12


def test_simple_cubic_is_the_epstein_zeta():
    ours = of_atom(lattice(np.eye(3)))
    theirs = np.array([zeta(np.eye(3), np.zeros(3), k) if k != 3 else ours[2] for k in K])
    assert np.abs(ours / theirs - 1.0).max() <= 1e-14
    near_3 = [zeta(np.eye(3), np.zeros(3), k) for k in (3 - 1e-4, 3 + 1e-4)]  # odd poles cancel
    assert abs(np.mean(near_3) - ours[2]) <= 1e-7


def test_nothing_depends_on_alpha():
    atoms = mixture(0)
    sums = LatticeSums(["H", "He"])
    here = sums.compute(atoms, eta=6.0)
    for alpha in (0.6, 1.1):
        there = sums.compute(atoms, alpha=alpha, eta=6.0)
        for name in ("values", "forces", "dE_dstrain"):
            a, b = getattr(here, name), getattr(there, name)
            size = np.abs(a).reshape(-1, a.shape[-1]).max(axis=0)
            assert (
                np.abs(a - b).reshape(size.shape if a.ndim == 1 else (-1, len(size))) / size
            ).max() <= 5e-13


def test_error_falls_with_eta_as_said():
    atoms = mixture(1)
    sums = LatticeSums(["H", "He"])
    truth = sums.compute(atoms, eta=6.5).values
    for eta, bound in ((4.0, 1e-6), (4.5, 2e-8), (5.0, 5e-10), (5.5, 5e-12)):
        error = np.abs(sums.compute(atoms, eta=eta).values / truth - 1.0).max()
        assert error <= bound


def test_virial_identity():
    """X_k scales as length^-k, and X_3, whose finite part has no scale, with a constant."""
    atoms = mixture(2)
    found = LatticeSums(["H", "He"]).compute(atoms, eta=6.0)
    k = np.tile(K, 3)
    counts = np.repeat([2 * 2, 2 * 2 * 3, 3 * 3], len(K))  # m N_a N_b
    expected = -k * found.values
    expected -= np.where(k == 3, 4.0 * np.pi * counts / (2.0 * atoms.get_volume()), 0.0)
    assert np.abs(np.trace(found.dE_dstrain) / expected - 1.0).max() <= 1e-12


def test_supercells_are_extensive():
    atoms = mixture(3)
    sums = LatticeSums(["H", "He"])
    once, twice = sums.compute(atoms, eta=6.0), sums.compute(atoms.repeat((2, 1, 2)), eta=6.0)
    assert np.abs(twice.values / once.values / 4.0 - 1.0).max() <= 1e-12
    assert np.abs(twice.forces[:5] - once.forces).max() <= 1e-12 * np.abs(once.forces).max()


@pytest.mark.parametrize("r_cut", [None, 3.7])
def test_forces_and_strain_are_slopes(r_cut):
    from contract.measures import deformed, moved, slope

    atoms = mixture(4)
    powers = K if r_cut is None else [0, *K]
    sums = LatticeSums(
        ["H", "He"], [int(k) for k in powers], r_cut=r_cut, taper=1.0 if r_cut else 0.0
    )
    found = sums.compute(atoms)
    step = np.random.default_rng(0).normal(size=(5, 3))
    force = slope(lambda t: sums.compute(moved(atoms, t * step), derivatives=False).values, 1e-3)
    expected = -np.einsum("iap,ia->p", found.forces, step)
    assert np.abs(force / expected - 1.0).max() <= 1e-7
    strain = np.random.default_rng(1).normal(size=(3, 3))
    strain += strain.T
    by_strain = slope(
        lambda t: sums.compute(deformed(atoms, t * strain), derivatives=False).values, 1e-3
    )
    expected = np.einsum("abp,ab->p", found.dE_dstrain, strain)
    assert np.abs(by_strain / expected - 1.0).max() <= 1e-7


def test_cut_sums_count_and_add_pairs():
    atoms = mixture(5)
    powers = [0, 1, 6]
    found = LatticeSums(["H", "He"], powers, r_cut=4.0).compute(atoms).values.reshape(3, 3)
    from ase.neighborlist import neighbor_list

    i, j, d = neighbor_list("ijd", atoms, 4.0)
    kind = atoms.numbers[i] + atoms.numbers[j] - 2
    for which, k in product(range(3), range(3)):
        expected = 0.5 * np.sum(d[kind == which] ** -float(powers[k]))
        assert abs(found[which, k] - expected) <= 1e-12 * max(expected, 1.0)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"powers": [0, 6]}, "powers"),
        ({"powers": [6, 16]}, "powers"),
        ({"powers": [12, 6]}, "rising order"),
        ({"powers": []}, "at least one"),
        ({"powers": [6], "r_cut": -1.0}, "r_cut"),
        ({"powers": [6], "r_cut": 4.0, "taper": 5.0}, "taper"),
    ],
)
def test_mistakes_are_named(options, says):
    with pytest.raises(InputError, match=says):
        LatticeSums(["H"], **options)


def test_a_lattice_sum_needs_a_lattice():
    slab = Atoms("H", cell=[3, 3, 10], pbc=[True, True, False])
    with pytest.raises(InputError, match="periodic in all directions"):
        LatticeSums(["H"]).compute(slab)
    with pytest.raises(InputError, match="no volume"):
        LatticeSums(["H"]).compute(Atoms("H", pbc=True))
    with pytest.raises(InputError, match="He is not among"):
        LatticeSums(["H"]).compute(mixture(0))
