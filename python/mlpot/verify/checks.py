"""What physics asks of every potential, each as a number that should be (nearly) zero.

potential: a _core.Potential; atoms: crowded, no distance within a step of a radius at which the
potential is not smooth (see `structures`). `mlpot.verify` has the bounds.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import combinations_with_replacement, product
from operator import itemgetter

import numpy as np
from ase import Atoms

from mlpot.verify.in_lammps import SIX, Tallies, virial_of
from mlpot.verify.measures import deformed, difference, evaluate, moved, relative, slope

ALONG = np.array([1.0, 2.0, 3.0]) / np.sqrt(14.0)
DIRECTIONS = [np.array(v) / np.linalg.norm(v) for v in product((-2, 1, 3), (-3, 2), (-1, 2, 4))]
ROOM = 1.0  # Å that an atom put on a radius must have to all others


def forces(potential, atoms: Atoms, step: float, rounding: float = 0.0) -> float:
    """Relative difference of the forces and -dE/dx; step in Å, rounding of the energy in eV."""
    slopes = np.empty((len(atoms), 3))
    for i, axis in np.ndindex(slopes.shape):
        unit = np.zeros_like(slopes)
        unit[i, axis] = 1.0
        along = lambda t, u=unit: evaluate(potential, moved(atoms, t * u))["energy"]  # noqa: E731
        slopes[i, axis] = -slope(along, step)
    return relative(evaluate(potential, atoms)["forces"], slopes, rounding / step)


def virial(potential, atoms: Atoms, step: float, rounding: float = 0.0) -> float:
    """Relative difference of dE/dstrain and the slopes of the energy; step of the strain, rounding
    of the energy in eV."""
    strains = np.zeros((6, 3, 3))
    for k, (a, b) in enumerate(zip(*SIX, strict=True)):
        strains[k, a, b] += 0.5
        strains[k, b, a] += 0.5
    slopes = [
        slope(lambda t, s=s: evaluate(potential, deformed(atoms, t * s))["energy"], step)
        for s in strains
    ]
    return relative(evaluate(potential, atoms)["dE_dstrain"][SIX], slopes, rounding / step)


def sums(potential, atoms: Atoms, lammps: Tallies) -> tuple[float, float]:
    """Relative differences of sums over atoms and totals: energies (core, LAMMPS) and virials."""
    core, found = evaluate(potential, atoms), lammps.tally(atoms)
    energies = [relative(each["energies"].sum(), each["energy"]) for each in (core, found)]
    virial = virial_of(found, lammps.box)[SIX]
    return max(energies), relative(found["virials"].sum(axis=0), virial)


def periodicity(
    evaluators: Sequence[Callable[[Atoms], dict]],
    potential,
    unit: Atoms,
    boundaries: Iterable[tuple[bool, bool, bool]],
) -> tuple[float, float]:
    """Of a unit cell repeated twice and three times: largest |dE| per cell (eV), and |dF| (eV/Å)
    beyond the rounding of large forces."""
    energy = force = 0.0
    for pbc in boundaries:
        unit = unit.copy()
        unit.pbc = pbc
        once = evaluate(potential, unit)
        rounding = 1e-12 * np.abs(once["forces"]).max()
        for n in (2, 3):
            large = unit.repeat([n if p else 1 for p in pbc])
            copies = len(large) // len(unit)
            for evaluator in evaluators:
                many = evaluator(large)
                energy = max(energy, abs(many["energy"] / copies - once["energy"]))
                apart = many["forces"] - np.tile(once["forces"], (copies, 1))
                force = max(force, np.abs(apart).max() - rounding)
    return float(energy), float(force)


def frame(potential, atoms: Atoms, rounding: dict[str, float] | None = None) -> float:
    """Relative change of results by rotation, inversion, mirror, permutation and translation,
    beyond the rounding of each."""
    here, rng = evaluate(potential, atoms), np.random.default_rng(1)
    turn = np.linalg.qr(rng.normal(size=(3, 3)))[0]
    worst = 0.0
    for map_ in (turn * np.sign(np.linalg.det(turn)), -np.eye(3), np.diag([1.0, 1.0, -1.0])):
        turned = atoms.copy()
        turned.set_cell(atoms.cell.array @ map_, scale_atoms=True)
        there = evaluate(potential, turned)
        there["forces"] = there["forces"] @ map_.T
        there["dE_dstrain"] = map_ @ there["dE_dstrain"] @ map_.T
        worst = max(worst, difference(there, here, rounding=rounding))
    order = rng.permutation(len(atoms))
    expected = here | {key: here[key][order] for key in ("energies", "forces")}
    worst = max(worst, difference(evaluate(potential, atoms[order]), expected, rounding=rounding))
    lattice = rng.integers(-2, 3, (len(atoms), 3)) @ atoms.cell.array
    shifted = [evaluate(potential, moved(atoms, shift)) for shift in ([1.234, -5.6, 7.8], lattice)]
    return max(worst, *(difference(there, here, rounding=rounding) for there in shifted))


def gaps_in_ids(lammps: Tallies, atoms: Atoms) -> float:
    """Relative change of LAMMPS' results by ids with gaps, in no order."""
    here, rng = lammps.evaluate(atoms), np.random.default_rng(2)
    order = rng.permutation(len(atoms))
    ids = np.empty(len(atoms), dtype=int)
    ids[order] = np.cumsum(rng.integers(2, 40, len(atoms)))
    types = [lammps.elements.index(symbol) + 1 for symbol in atoms.symbols]
    lammps.command("delete_atoms group all compress no")
    x = lammps.box.positions.ravel().tolist()
    assert lammps.lammps.create_atoms(len(ids), ids.tolist(), types, x) == len(ids)
    lammps.command("run 0 post no")
    expected = here | {key: here[key][order] for key in ("energies", "forces")}
    return difference(lammps.results(), expected)


def crossings(
    elements: list[str], radii: Iterable[float], atoms: Atoms, box: Callable[[Atoms], Atoms]
) -> Iterator[tuple[Atoms, int, np.ndarray]]:
    """Dimers (in a `box`) and crystals with an atom on a radius of another one, that atom, and its
    direction from the other. Crystals without room for it, or without the two, are left out."""
    for (a, b), r in product(combinations_with_replacement(elements, 2), radii):
        yield box(Atoms([a, b], [[0.0] * 3, r * ALONG])), 1, ALONG
        crystal = atoms.copy()
        symbols = list(enumerate(crystal.symbols))
        i = next((i for i, symbol in symbols if symbol == a), None)
        j = next((j for j, symbol in symbols if symbol == b and j != i), None)
        if i is None or j is None:
            continue
        rest = [k for k in range(len(crystal)) if k not in (i, j)]

        def room(away, i=i, j=j, r=r, crystal=crystal, rest=rest):
            crystal.positions[j] = crystal.positions[i] + r * away
            return crystal.get_distances(j, rest, mic=True).min()

        away = max(DIRECTIONS, key=room)
        if room(away) > ROOM:
            yield crystal, j, away


def jump(potential, atoms: Atoms, j: int, along: np.ndarray) -> tuple[float, float]:
    """Of energy (eV) and forces (eV/Å) where atom j crosses a radius; the change to both sides is
    taken off, and the rounding of the energy."""
    delta = 1e-11 * np.eye(len(atoms))[j][:, None] * along
    energy, forces = zip(
        *(itemgetter("energy", "forces")(evaluate(potential, moved(atoms, k * delta)))
          for k in (-3, -1, 1, 3)), strict=True,
    )  # fmt: skip
    work = -np.sum((forces[1] + forces[2]) * delta)
    change = (forces[3] - forces[2] + forces[1] - forces[0]) / 2
    rounding = 4 * np.spacing(abs(energy[1]))
    of_energy = max(abs(energy[2] - energy[1] - work) - rounding, 0.0)
    return float(of_energy), float(np.abs(forces[2] - forces[1] - change).max())
