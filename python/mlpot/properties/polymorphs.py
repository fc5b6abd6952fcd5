"""Energies of an element's other crystal structures, each relaxed, over that of the given one."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from ase import Atoms
from ase.calculators.calculator import BaseCalculator
from ase.neighborlist import neighbor_list

from mlpot.errors import InputError, did_you_mean
from mlpot.figures import COLOURS, new_figure, png
from mlpot.generate.crystals import LATTICES, parse_structure
from mlpot.properties.base import PropertyError, Result, SettingError, quantity
from mlpot.properties.relax import relax_cell

# Neighbours within 1.1 and 1.8 times the distance of the nearest: no two structures have the same.
NEIGHBOURS = {
    "bcc": (8, 26),
    "fcc": (12, 42),
    "hcp": (12, 38),
    "diamond": (4, 16),
    "wurtzite": (4, 17),
    "sc": (6, 26),
}
# The one of lowest energy, by which Zuo et al. (2020) judge how potentials extrapolate.
OF_THE_PAPER = {"fcc": "bcc", "bcc": "fcc", "hcp": "fcc", "diamond": "wurtzite"}


@dataclass(frozen=True, kw_only=True)
class Polymorphs(Result):
    """Energies an atom over the crystal's own; polymorph: of the one in Zuo et al., polymorph_name.

    volumes: of the relaxed polymorphs.
    """

    polymorph_energies_meV_per_atom: dict[str, float] = quantity("polymorph {}", "meV/atom", 1)
    polymorph_meV_per_atom: float | None
    polymorph_name: str | None
    polymorph_volumes_A3_per_atom: dict[str, float]


def polymorphs(
    crystal: Atoms,
    calculator: BaseCalculator,
    *,
    structures: tuple = tuple(NEIGHBOURS),
    fmax: float = 1e-3,
) -> Polymorphs:
    """Energies of other structures of the element, relaxed (fmax in eV/Å), over the crystal's.

    wurtzite, of one element, is hexagonal diamond. One that does not relax, or not to itself, is a
    problem of its own; PropertyError where there are several elements or none relaxes.
    """
    for name in structures:
        if name not in NEIGHBOURS:
            hint = did_you_mean(name, NEIGHBOURS)
            known = ", ".join(NEIGHBOURS)
            raise SettingError(f"polymorphs.structures {name!r}: must be among {known}{hint}")
    if len(set(crystal.symbols)) > 1:
        raise PropertyError("several elements: only those of one are known")
    own, base = structure_of(crystal), _energy(crystal, calculator)
    energies, volumes, problems = {}, {}, []
    for name in structures:
        if name == own:
            continue
        try:
            other = relax_cell(_start(name, crystal), calculator, fmax)
            if structure_of(other) != name:
                raise PropertyError("relaxes to another structure")
        except InputError as error:
            problems.append(f"{name}: {error}")
            continue
        energies[name] = 1e3 * (_energy(other, calculator) - base)
        volumes[name] = float(other.get_volume()) / len(other)
    if not energies:
        raise PropertyError("; ".join(problems) or "there is no other structure to compare with")
    lowest = OF_THE_PAPER.get(own or "")
    return Polymorphs(
        polymorph_energies_meV_per_atom=energies,
        polymorph_meV_per_atom=energies.get(lowest or ""),
        polymorph_name=lowest if lowest in energies else None,
        polymorph_volumes_A3_per_atom=volumes,
        problems=tuple(problems),
    )


def structure_of(crystal: Atoms) -> str | None:
    """The name of the crystal's structure by NEIGHBOURS, None for any other."""
    distances = _distances(crystal)
    counts = tuple(round((distances < x).sum() / len(crystal)) for x in (1.1, 1.8))
    return next((name for name, known in NEIGHBOURS.items() if known == counts), None)


def plot(results: dict[str, Polymorphs]) -> bytes:
    """PNG: a group of bars for each structure."""
    figure = new_figure(5.6, 4.2)
    axes = figure.subplots()
    all_of_them = (r.polymorph_energies_meV_per_atom for r in results.values())
    names = list(dict.fromkeys(name for energies in all_of_them for name in energies))
    width = 0.8 / len(results)
    for i, (method, result) in enumerate(results.items()):
        heights = [result.polymorph_energies_meV_per_atom.get(name, np.nan) for name in names]
        places = np.arange(len(names)) + (i + 0.5) * width - 0.4
        axes.bar(places, heights, width, label=method, color=COLOURS[i % len(COLOURS)])
    axes.axhline(0.0, color="0.3", linewidth=0.8)
    axes.set_xticks(range(len(names)), names)
    axes.set(ylabel="energy over the crystal (meV/atom)")
    axes.legend(fontsize="small")
    return png(figure, "Polymorphs")


def _start(name: str, crystal: Atoms) -> Atoms:
    """The structure with bonds of about the right length: more neighbours, longer bonds."""
    (nearest, scaled) = _distances(crystal, scaled=False), _distances(crystal)
    before, after = (scaled < 1.1).sum() / len(crystal), NEIGHBOURS[name][0]
    bond = nearest.min() * (after / before) ** 0.12
    return parse_structure(f"{name}:{crystal.symbols[0]}", bond / LATTICES[name])


def _distances(crystal: Atoms, scaled: bool = True) -> np.ndarray:
    """Of all pairs, each counted twice, up to about three nearest distances; Å or those."""
    reach = 2.2 * (crystal.get_volume() / len(crystal)) ** (1 / 3)
    distances = neighbor_list("d", crystal, reach)
    return distances / distances.min() if scaled else distances


def _energy(crystal: Atoms, calculator: BaseCalculator) -> float:
    return calculator.get_property("energy", crystal) / len(crystal)
