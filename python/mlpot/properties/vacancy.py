"""Vacancies: formation, migration by nudged elastic bands, activation of self-diffusion.

E_v = E(N - 1 atoms) - (N - 1) E(crystal)/atom, relaxed in the cell of the crystal; E_m: the highest
point of the minimum-energy path on which a neighbour jumps into the vacancy; E_a = E_v + E_m.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from ase import Atoms
from ase.calculators.calculator import BaseCalculator
from ase.geometry import find_mic
from ase.neighborlist import neighbor_list

from mlpot.errors import did_you_mean
from mlpot.figures import line_style, new_figure, png
from mlpot.generate import cells
from mlpot.properties.base import PropertyError, Result, SettingError, quantity
from mlpot.properties.neb import ROUTES, Band
from mlpot.properties.relax import relax_atoms

SHELL = 1.1  # neighbours up to this times the nearest distance can jump
SAME = 1e-3  # eV: two states closer than that are one


@dataclass(frozen=True, kw_only=True)
class Vacancy(Result):
    """Energies in eV; migration is the lowest of all inequivalent jumps, each listed in hops.

    A hop: distance_A between the sites; barrier_eV; coordinates_A along the path and energies_eV,
    relative to the first, of its images.
    """

    vacancy_formation_eV: float = quantity("vacancy formation E_v", "eV", 3)
    vacancy_migration_eV: float | None = quantity("vacancy migration E_m", "eV", 3)
    vacancy_activation_eV: float | None = quantity("vacancy activation E_a", "eV", 3)
    vacancy_atoms: int
    vacancy_hops: list[dict[str, Any]]


def vacancy(
    crystal: Atoms,
    calculator: BaseCalculator,
    *,
    supercell: int = 54,
    images: int = 7,
    fmax: float = 0.01,
    route: str = "ase",
    site: int = 0,
    steps: int = 500,
    progress=None,
) -> Vacancy:
    """Vacancy formation, migration (CI-NEB) and activation, at the volume of the crystal.

    supercell: least number of atoms of the cell without vacancy; images: of the band with its ends,
    0 for formation only; fmax: eV/Å left on them (a tenth of it on the ends); route: "ase", in this
    process, or "lammps", its `neb` with a process for each image; site: index of the missing atom.
    A crystal of several elements has no formation energy without chemical potentials: refused.
    """
    _check(crystal, images, route, site)
    perfect = cells.supercell(crystal, supercell)
    bulk = calculator.get_property("energy", crystal) / len(crystal)
    start = _without(perfect, site)
    start = relax_atoms(start, calculator, fmax / 10, what="atoms about the vacancy")
    formation = start.get_potential_energy() - bulk * len(start)
    hops, problems = [], []
    jumps = neighbour_jumps(crystal, site) if images else []
    for number, jump in enumerate(jumps):
        if progress:
            progress(number + 1, len(jumps))
        try:
            end = _without(_jumped(perfect, site, jump), site)
            end = relax_atoms(end, calculator, fmax / 10, what="atoms after the jump")
            band = ROUTES[route](start, end, calculator, images, fmax, steps)
            hops.append(_hop(jump, band))
        except PropertyError as error:
            problems.append(f"migration by {np.linalg.norm(jump):.2f} Å: {error}")
    migration = min((hop["barrier_eV"] for hop in hops), default=None)
    return Vacancy(
        vacancy_formation_eV=formation,
        vacancy_migration_eV=migration,
        vacancy_activation_eV=None if migration is None else formation + migration,
        vacancy_atoms=len(start),
        vacancy_hops=hops,
        problems=tuple(problems),
    )


def neighbour_jumps(crystal: Atoms, site: int) -> list[np.ndarray]:
    """(3,) vectors (Å) to the near neighbours of the site, one of each set symmetry makes equal."""
    reach = 2 * (crystal.get_volume() / len(crystal)) ** (1 / 3)
    i, vectors = neighbor_list("iD", crystal, reach)
    vectors = vectors[i == site]
    lengths = np.linalg.norm(vectors, axis=1)
    near = vectors[lengths < SHELL * lengths.min()]
    near = near[np.argsort(np.linalg.norm(near, axis=1).round(6), kind="stable")]
    turns = _site_rotations(crystal, site)
    jumps: list[np.ndarray] = []
    for vector in near:
        images = [vector @ turn for turn in turns]
        if not any(np.allclose(image, jump, atol=1e-3) for image in images for jump in jumps):
            jumps.append(vector)
    return jumps


def plot(results: dict[str, Vacancy]) -> bytes | None:
    """PNG: energy along the path of the lowest jump; None where no method has a path."""
    hops = {
        name: min(result.vacancy_hops, key=lambda hop: hop["barrier_eV"])
        for name, result in results.items()
        if result.vacancy_hops
    }
    if not hops:
        return None
    figure = new_figure(5.6, 4.2)
    axes = figure.subplots()
    for i, name in enumerate(results):
        if name in hops:
            x, energies = (hops[name][key] for key in ("coordinates_A", "energies_eV"))
            label = f"{name}: {hops[name]['barrier_eV']:.3f} eV"
            axes.plot(x, energies, "o", label=label, **line_style(i))
    axes.set(xlabel="path (Å)", ylabel="energy (eV)")
    axes.legend(fontsize="small")
    return png(figure, "Jump of a neighbour into the vacancy")


def _without(atoms: Atoms, index: int) -> Atoms:
    atoms = atoms.copy()
    del atoms[index]
    return atoms


def _jumped(perfect: Atoms, site: int, jump: np.ndarray) -> Atoms:
    """The supercell with the neighbour that lies `jump` from the site on the site itself."""
    vectors = perfect.get_distances(site, range(len(perfect)), mic=True, vector=True)
    apart = [np.linalg.norm(find_mic(vector - jump, perfect.cell)[0]) for vector in vectors]
    atoms = perfect.copy()
    atoms.positions[np.argmin(apart)] -= jump
    return atoms


def _hop(jump: np.ndarray, band: Band) -> dict[str, Any]:
    """What is told of a hop. Raises PropertyError where its ends are no states of lowest energy."""
    energies = band.energies - band.energies[0]
    if abs(energies[-1]) > SAME or energies.min() < -SAME:
        raise PropertyError(f"the path goes {-energies.min():.3f} eV below the relaxed vacancy")
    return {
        "distance_A": float(np.linalg.norm(jump)),
        "barrier_eV": float(energies.max()),
        "coordinates_A": band.coordinates,
        "energies_eV": energies,
    }


def _site_rotations(crystal: Atoms, site: int) -> list[np.ndarray]:
    """(3,3) rotations of vectors about the site that leave the crystal as it is."""
    cell, fractional = crystal.cell.array, crystal.get_scaled_positions()
    about = fractional - fractional[site]
    same = crystal.numbers[:, None] == crystal.numbers[None, :]
    turns = []
    for matrix in cells.rotations(crystal):
        apart = (about @ matrix)[:, None] - about[None, :]
        apart = (apart - np.round(apart)) @ cell
        if ((np.linalg.norm(apart, axis=2) < 1e-3) & same).any(axis=1).all():
            turns.append(np.linalg.inv(cell) @ matrix @ cell)
    return turns


def _check(crystal: Atoms, images: int, route: str, site: int) -> None:
    if len(set(crystal.symbols)) > 1:
        raise PropertyError("several elements: a vacancy's energy depends on chemical potentials")
    if route not in ROUTES:
        hint = did_you_mean(route, ROUTES)
        raise SettingError(f"vacancy.route {route!r}: must be one of {', '.join(ROUTES)}{hint}")
    if images and (images < 5 or images % 2 == 0):
        raise SettingError(f"vacancy.images {images}: must be odd, 5 or more, with both ends; or 0")
    if not 0 <= site < len(crystal):
        raise SettingError(f"vacancy.site {site}: the crystal has atoms 0 to {len(crystal) - 1}")
