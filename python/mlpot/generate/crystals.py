"""The crystal to start from: its name, its melting point, its relaxed lattice constant."""

import math
import re
from pathlib import Path

from ase import Atoms
from ase.build import bulk
from ase.data import atomic_numbers, reference_states
from scipy.optimize import minimize_scalar

from mlpot.errors import InputError, did_you_mean
from mlpot.io import structures

# Nearest-neighbour distance in units of a.
LATTICES = {
    "bcc": math.sqrt(3) / 2,
    "fcc": math.sqrt(1 / 2),
    "hcp": 1.0,
    "diamond": math.sqrt(3) / 4,
    "wurtzite": math.sqrt(3 / 8),  # of one element: hexagonal diamond
    "sc": 1.0,
}

# K at normal pressure, CRC Handbook of Chemistry and Physics (carbon: where graphite sublimes).
_TABLE = """
Li 453.65 Be 1560 B 2349 C 4098 Ne 24.56 Na 370.94 Mg 923 Al 933.47 Si 1687 Ar 83.81 K 336.7
Ca 1115 Sc 1814 Ti 1941 V 2183 Cr 2180 Mn 1519 Fe 1811 Co 1768 Ni 1728 Cu 1357.77 Zn 692.68
Ga 302.91 Ge 1211.4 Kr 115.78 Rb 312.45 Sr 1050 Y 1795 Zr 2127 Nb 2750 Mo 2895 Tc 2430 Ru 2606
Rh 2236 Pd 1828.05 Ag 1234.93 Cd 594.22 In 429.75 Sn 505.08 Sb 903.78 Te 722.66 Xe 161.4 Cs 301.65
Ba 1000 La 1193 Hf 2506 Ta 3290 W 3687 Re 3458 Os 3306 Ir 2719 Pt 2041.4 Au 1337.33 Tl 577
Pb 600.61 Bi 544.55 Th 2023 U 1408
"""
MELTING_POINTS = {symbol: float(t) for symbol, t in re.findall(r"([A-Z]\w?) (\S+)", _TABLE)}


def parse_structure(text: str, a: float | None = None) -> Atoms:
    """The conventional cell of "bcc:Mo" (one of LATTICES), or the crystal in a file.

    a in Å; without it, that of the element's own crystal, or one with its distance between
    neighbours. Files are those ASE reads, of a structure periodic in three directions. Raises
    InputError with the right spelling.
    """
    if Path(text).is_file():
        return check_crystal(_read(text), text)
    lattice, colon, symbol = text.partition(":")
    if not colon:
        raise InputError(f"structure {text!r}: no such file, and not written like 'bcc:Mo'")
    if lattice not in LATTICES:
        hint = did_you_mean(lattice, LATTICES)
        raise InputError(f"structure {text!r}: {lattice!r} is none of {', '.join(LATTICES)}{hint}")
    if symbol not in atomic_numbers or symbol == "X":
        hint = did_you_mean(symbol, atomic_numbers)
        raise InputError(f"structure {text!r}: no element {symbol!r}{hint}")
    a = _lattice_constant(lattice, symbol) if a is None else a
    if not 0.5 < a < 50.0:
        raise InputError(f"structure {text!r}: lattice constant {a} Å must be within 0.5 to 50")
    if lattice in ("hcp", "wurtzite"):
        return bulk(symbol * (2 if lattice == "wurtzite" else 1), lattice, a=a)
    return bulk(symbol, lattice, a=a, cubic=True)


def check_crystal(atoms: Atoms, where: str) -> Atoms:
    """`atoms` if it is periodic in three directions with a volume, else InputError."""
    if not atoms.pbc.all() or atoms.cell.rank < 3:
        raise InputError(f"{where}: a crystal needs a cell and periodicity in three directions")
    return atoms


def relax_lattice(crystal: Atoms, calculator) -> Atoms:
    """The crystal scaled to the nearest minimum of its energy; shape and fractions are kept.

    Walks downhill in steps of 1 % of the lattice constant to bracket it, then bounded Brent; good
    to 1e-7 or so of a, as the energy is flat there. InputError when none is within 25 %.
    """
    known = {}

    def energy(percent: float) -> float:
        if percent not in known:
            known[percent] = calculator.get_property("energy", _scaled(crystal, percent))
        return known[percent]

    best = 0
    while not energy(best) <= min(energy(best - 1), energy(best + 1)):
        best += 1 if energy(best + 1) < energy(best - 1) else -1
        if abs(best) > 25:
            raise InputError("no minimum of the energy within 25 % of the lattice constant: give a")
    found = minimize_scalar(
        energy, bounds=(best - 1, best + 1), method="bounded", options={"xatol": 1e-6}
    )
    return _scaled(crystal, found.x)


def kelvin(temperature: float | str, crystal: Atoms, melting_point: float | None = None) -> float:
    """K of 300 or "300", or of a part of the melting point: "0.5Tm".

    Raises InputError for anything else, and where the melting point is needed but not known.
    """
    text = str(temperature).strip()
    try:
        value = float(text.removesuffix("Tm"))
    except ValueError:
        value = math.nan
    if not 0.0 < value < 1e5:
        raise InputError(f"temperature {text!r}: write kelvin, 300, or a part of melting, 0.5Tm")
    if not text.endswith("Tm"):
        return value
    kinds = set(crystal.symbols)
    melting_point = melting_point or (MELTING_POINTS.get(*kinds) if len(kinds) == 1 else None)
    if melting_point is None:
        name = crystal.get_chemical_formula(empirical=True)
        raise InputError(f"temperature {text!r}: the melting point of {name} is not known; give it")
    return value * melting_point


def _scaled(crystal: Atoms, percent: float) -> Atoms:
    atoms = crystal.copy()
    atoms.set_cell(crystal.cell * (1 + percent / 100), scale_atoms=True)
    return atoms


def _lattice_constant(lattice: str, symbol: str) -> float:
    own = reference_states[atomic_numbers[symbol]] or {}
    if own.get("symmetry") not in LATTICES:
        raise InputError(f"structure '{lattice}:{symbol}': lattice constant not known; give a in Å")
    return own["a"] * LATTICES[own["symmetry"]] / LATTICES[lattice]


def _read(path: str) -> Atoms:
    atoms = structures(path)[-1]
    return Atoms(atoms.symbols, positions=atoms.positions, cell=atoms.cell, pbc=atoms.pbc)
