"""What is wrong with a frame (refused), and what looks odd in a data set (said, not refused)."""

import re
from collections import Counter
from collections.abc import Iterator, Sequence

import numpy as np
from ase import Atoms
from ase.data import chemical_symbols
from ase.units import Hartree

from mlpot.io.labels import as_matrix, labels

STRESS_LIMIT = 2.0  # eV/Å³ (320 GPa): beyond it kbar or GPa is likelier
OUTLIER = 1.0, 20.0  # eV/atom, and standard deviations
ASYMMETRIC = "stress is not symmetric; expected xx xy xz yx yy yz zx zy zz"
LABEL_LIKE = re.compile("energy|force|stress|virial|pressure", re.IGNORECASE)


def problems(
    atoms: Atoms, elements: Sequence[str] | None = None, labelled: bool = True
) -> Iterator[str]:
    """Everything that forbids training on `atoms`, each with what would be right.

    labelled: it must have an energy.
    """
    if len(atoms) == 0:
        yield "has no atoms"
        return
    yield from _element_problems(atoms, elements)
    yield from _cell_problems(atoms)
    results = getattr(atoms.calc, "results", {})
    if labelled:
        yield from _energy_problems(results, atoms)
    quantities = (
        ("positions", atoms.positions, [(len(atoms), 3)]),
        ("forces", results.get("forces"), [(len(atoms), 3)]),
        ("stress", results.get("stress"), [(6,), (3, 3)]),
    )
    for name, value, shapes in quantities:
        yield from _array_problems(name, value, shapes)


def suspicions(frames: Sequence[Atoms], where: Sequence[str]) -> list[str]:
    """One line for each thing that looks like wrong units; `where` names the frames."""
    return [*_large_stresses(frames, where), *_odd_energies(frames, where)]


def leftovers(atoms: Atoms) -> list[str]:
    """Names stored with `atoms` that look like labels but are not read as such."""
    names = [*atoms.info, *atoms.arrays, *getattr(atoms.calc, "results", {})]
    return [
        name
        for name in names
        if LABEL_LIKE.search(name) and name not in ("energy", "forces", "stress")
    ]


def is_symmetric(stress: np.ndarray) -> bool:
    """Whether a 3x3 stress (eV/Å³) is one up to rounding."""
    return np.allclose(stress, stress.T, rtol=1e-4, atol=1e-6, equal_nan=True)


def _element_problems(atoms: Atoms, elements: Sequence[str] | None) -> Iterator[str]:
    known = elements if elements is not None else chemical_symbols[1:]
    for symbol, count in Counter(atoms.symbols).items():
        if symbol not in known:
            right = "a chemical symbol" if elements is None else " ".join(elements)
            yield f"unknown element {symbol} ({count} atoms); expected {right}"


def _cell_problems(atoms: Atoms) -> Iterator[str]:
    lengths = atoms.cell.lengths()
    bare = [axis for axis, wrong in zip("abc", atoms.pbc & (lengths == 0), strict=True) if wrong]
    flatness = abs(np.linalg.det(atoms.cell.complete())) / np.prod(lengths[lengths > 0])
    if not np.isfinite(lengths).all():
        yield "cell is not finite; expected three vectors in Å"
    elif bare:
        yield f"periodic along {' '.join(bare)} without a cell vector; give one or set pbc to F"
    elif atoms.pbc.any() and flatness < 1e-6:
        yield "cell has zero volume; its vectors must not lie in one plane"
    elif atoms.cell.rank < 3 and "stress" in getattr(atoms.calc, "results", {}):
        yield "stress without a volume; give three cell vectors or remove the stress"


def _energy_problems(results: dict, atoms: Atoms) -> Iterator[str]:
    if results.get("energy") is None:
        spare = ", ".join(name for name in leftovers(atoms) if "energy" in name.lower())
        right = f"there is {spare}: rename it to energy" if spare else "expected energy in eV"
        yield f"no energy; {right}"
    for name in ("energy", "free_energy"):
        value = results.get(name)
        if not isinstance(value, int | float | np.number | None) or not np.isfinite(value or 0.0):
            yield f"{name} is {value}; expected a finite number in eV"


def _array_problems(name: str, value: object, shapes: list[tuple[int, ...]]) -> Iterator[str]:
    if value is None:
        return
    value = np.asarray(value)
    if value.shape not in shapes:
        yield f"{name} of shape {value.shape}; expected {' or '.join(map(str, shapes))}"
    elif value.dtype.kind not in "fiu":
        yield f"{name} are not numbers"
    elif not np.isfinite(value).all():
        bad = np.argwhere(~np.isfinite(value))[0]
        place = f"of atom {bad[0]}" if name != "stress" else f"component {' '.join(map(str, bad))}"
        yield f"{name} {place} not finite ({value[tuple(bad)]}); expected finite numbers"
    elif name == "stress" and not is_symmetric(as_matrix(value)):
        yield ASYMMETRIC


def _large_stresses(frames: Sequence[Atoms], where: Sequence[str]) -> Iterator[str]:
    stresses = [labels(atoms).stress for atoms in frames]
    largest = np.array([0.0 if stress is None else np.abs(stress).max() for stress in stresses])
    count = np.count_nonzero(largest > STRESS_LIMIT)
    if count:
        worst = int(largest.argmax())
        yield (
            f"{count} frames have stresses above {STRESS_LIMIT:g} eV/Å³ "
            f"({where[worst]}: {largest[worst]:.4g}); kbar or GPa instead of eV/Å³?"
        )


def _odd_energies(frames: Sequence[Atoms], where: Sequence[str]) -> Iterator[str]:
    energies = np.array([labels(atoms).energy / len(atoms) for atoms in frames])
    usual = _usual_energies(frames, energies)
    distance = np.abs(energies - usual)
    limit = max(OUTLIER[0], OUTLIER[1] * 1.4826 * np.median(distance))
    far = np.flatnonzero(distance > limit)
    in_hartree = np.abs(energies * Hartree - usual) < np.minimum(limit, 0.05 * np.abs(usual))
    stray = [i for i in far if in_hartree[i]]
    if stray:
        shown = _first(stray, where, energies)
        yield f"{len(stray)} frames have energies that look like Hartree, not eV ({shown})"
    others = [i for i in far if not in_hartree[i]]
    if others:
        yield (
            f"{len(others)} frames have energies more than {limit:.3g} eV/atom from the usual of "
            f"their composition ({_first(others, where, energies)})"
        )


def _usual_energies(frames: Sequence[Atoms], energies: np.ndarray) -> np.ndarray:
    # Least absolute deviations by reweighting: a sum of atomic energies that outliers cannot pull.
    kinds = sorted({symbol for atoms in frames for symbol in atoms.symbols})
    shares = np.array(
        [[atoms.symbols.formula.count().get(k, 0) / len(atoms) for k in kinds] for atoms in frames]
    )
    weights = np.ones(len(frames))
    for _ in range(50):
        usual = (
            shares @ np.linalg.lstsq(shares * weights[:, None], energies * weights, rcond=None)[0]
        )
        weights = 1 / np.sqrt(np.maximum(np.abs(energies - usual), 1e-6))
    return usual


def _first(indices: Sequence[int], where: Sequence[str], energies: np.ndarray) -> str:
    shown = ", ".join(f"{where[i]}: {energies[i]:.6g} eV/atom" for i in indices[:3])
    return shown + (", ..." if len(indices) > 3 else "")
