"""Energies of all low-index surfaces, relaxed and as cut.

γ = (E(slab) - N E(crystal)) / 2A, the mean of the two faces of a stoichiometric slab.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from ase import Atoms
from ase.calculators.calculator import BaseCalculator
from ase.units import J, m

from mlpot.errors import InputError
from mlpot.figures import line_style, new_figure, png
from mlpot.generate.cells import facets, slab
from mlpot.properties.base import PropertyError, Result, SettingError, quantity
from mlpot.properties.checked import positive
from mlpot.properties.relax import relax_atoms


@dataclass(frozen=True, kw_only=True)
class Surfaces(Result):
    """Energies by Miller indices of the cell that was given, "111" or "1 -1 0".

    unrelaxed: as cut, so that only the broken bonds count; slab_atoms: of each slab.
    """

    surface_energy_J_per_m2: dict[str, float] = quantity("surface energy ({})", "J/m²", 3)
    surface_energy_unrelaxed_J_per_m2: dict[str, float] | None = None
    slab_atoms: dict[str, int] | None = None


def surfaces(
    crystal: Atoms,
    calculator: BaseCalculator,
    *,
    max_miller: int = 3,
    thickness: float = 10.0,
    vacuum: float = 10.0,
    fmax: float = 0.01,
    progress: Callable[[int, int], None] | None = None,
) -> Surfaces:
    """Energies of all low-index surfaces, relaxed to fmax (eV/Å), not reconstructed.

    Slabs of at least `thickness` Å with `vacuum` Å between images. The facets are those of Zuo et
    al. (J. Phys. Chem. A 124, 731): one of each set that the symmetry of the crystal makes equal,
    up to max_miller. A slab that does not relax is a problem of its own; PropertyError where none
    does. Raises SettingError for settings that cannot be.
    """
    if max_miller < 1:
        raise SettingError(f"surfaces.max_miller {max_miller}: must be at least 1")
    positive("surfaces", thickness=thickness, vacuum=vacuum, fmax=fmax)
    bulk = calculator.get_property("energy", crystal) / len(crystal)
    chosen = facets(crystal, max_miller)
    relaxed, cut, sizes, problems = {}, {}, {}, []
    for number, miller in enumerate(chosen, 1):
        name, atoms = label(miller), slab(crystal, miller, thickness, vacuum)
        try:
            cut[name] = energy(atoms, bulk, calculator)
            relaxed[name] = energy(
                relax_atoms(atoms, calculator, fmax, what=f"slab ({name})"), bulk, calculator
            )
        except InputError as error:
            problems.append(f"surface ({name}): {error}")
        sizes[name] = len(atoms)
        if progress:
            progress(number, len(chosen))
    if not relaxed:
        raise PropertyError(problems[0])
    return Surfaces(
        surface_energy_J_per_m2=relaxed,
        surface_energy_unrelaxed_J_per_m2=cut,
        slab_atoms=sizes,
        problems=tuple(problems),
    )


def plot(results: dict[str, Surfaces]) -> bytes:
    """PNG: energies of the facets, as bars side by side for several methods."""
    names = list(dict.fromkeys(k for r in results.values() for k in r.surface_energy_J_per_m2))
    figure = new_figure(max(5.6, 0.5 * len(names) + 1.5), 4.2)
    axes, width = figure.subplots(), 0.8 / len(results)
    for number, (name, found) in enumerate(results.items()):
        places = np.arange(len(names)) + (number - (len(results) - 1) / 2) * width
        heights = [found.surface_energy_J_per_m2.get(facet, np.nan) for facet in names]
        axes.bar(places, heights, width, label=name, color=line_style(number)["color"])
    axes.set_xticks(range(len(names)), [f"({name})" for name in names], rotation=60)
    axes.set(ylabel="surface energy (J/m²)")
    axes.margins(y=0.2)
    axes.legend(fontsize="small")
    return png(figure, "Surfaces, relaxed")


def energy(slab: Atoms, bulk: float, calculator: BaseCalculator) -> float:
    """Surface energy in J/m² of a slab spanned by its first two cell vectors; bulk in eV/atom."""
    area = 2.0 * float(np.linalg.norm(np.cross(*slab.cell.array[:2])))
    excess = calculator.get_property("energy", slab) - bulk * len(slab)
    return excess / area / (J / m**2)


def label(miller: tuple[int, int, int]) -> str:
    """ "110", or "1 -1 0" where an index is negative."""
    return ("" if min(miller) >= 0 else " ").join(map(str, miller))
