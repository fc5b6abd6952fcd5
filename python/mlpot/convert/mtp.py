"""Reads the moment tensor potentials of MLIP-2 and MLIP-3 (.mtp).

Novikov et al., Mach. Learn.: Sci. Technol. 2, 025002 (2021); Podryabinkin et al., J. Chem. Phys.
159, 084112 (2023).  A file does not name its elements: the caller does, in the order of its types.
"""

from __future__ import annotations

import re
from itertools import chain, product
from pathlib import Path
from typing import Any

import numpy as np

from mlpot.convert.lines import Line, lines, sources
from mlpot.errors import InputError, did_you_mean
from mlpot.model import Model

# Key of the file and its synonyms; what is not here is not read.
KEYS = {
    "version": (),
    "potential_name": (),
    "potential_tag": (),
    "scaling": (),
    "species_count": (),
    "radial_basis_type": (),
    "min_dist": ("min_val", "min"),
    "max_dist": ("max_val", "max"),
    "radial_basis_size": ("basis_size", "size"),
    "radial_funcs_count": (),
    "alpha_moments_count": (),
    "alpha_index_basic_count": (),
    "alpha_index_basic": (),
    "alpha_index_times_count": (),
    "alpha_index_times": (),
    "alpha_scalar_moments": (),
    "alpha_moment_mapping": (),
    "species_coeffs": (),
    "moment_coeffs": (),
}
NAMES = {name: key for key, others in KEYS.items() for name in (key, *others)}
LEVELS = range(2, 29, 2)
PRIME = 2**61 - 1


def read_mtp(files: list[Path], elements: list[str]) -> Model:
    """Model of one .mtp file; elements: of its types 0, 1, ...

    Invariants that are those of a level are stored as the level, others as lists. Coefficients keep
    their bits. Raises InputError naming the file and the line.
    """
    if len(files) != 1:
        raise InputError(f"{files[1]}: a second file; an MTP is one .mtp")
    file = MTPFile(Path(files[0]))
    n_species = file.integer("species_count")
    if len(elements) != n_species:
        raise InputError(
            f"{file.path}: a potential of {n_species} elements; give --elements with as many"
        )
    if (kind := file["radial_basis_type"]).words[-1] != "RBChebyshev":
        kind.refuse(f"radial basis {kind.words[-1]!r}; only RBChebyshev is known")
    lists, coefficients = file.lists(), np.array(file.numbers("moment_coeffs"))
    if len(coefficients) != len(lists["invariants"]):
        file["moment_coeffs"].refuse(
            f"{len(coefficients)} coefficients for {len(lists['invariants'])} invariants"
        )
    level, order = known_level(lists)
    if level:
        coefficients, lists = coefficients[order], {key: [] for key in lists}
        used = 1 + _moments(level)["basics"][:, 0].max()
    else:
        used = 1 + max(basic[0] for basic in lists["basics"])
    return Model(
        {
            "name": file.path.stem,
            "elements": elements,
            "E0": file.numbers("species_coeffs", n_species),
            "descriptor": {
                "type": "moments",
                "level": level,
                **lists,
                "r_cut": file.real("max_dist"),
                "r_min": file.real("min_dist"),
                "scale": file.real("scaling") if "scaling" in file.found else 1.0,
                "n_chebyshev": file.integer("radial_basis_size"),
                "radial": file.radial(n_species, used),
            },
            "regressor": {"type": "linear", "coefficients": [coefficients] * n_species},
            "provenance": {"converted_from": "MLIP MTP", "files": sources(file.path)},
        }
    )


def known_level(lists: dict[str, Any]) -> tuple[int, list[int]]:
    """(level, order): invariant k of the level is the file's invariant order[k]; (0, []): none.

    Polynomials of the basic moments are told apart by their values modulo a prime at a random
    point.
    """
    values = _values(lists)
    place = {value: k for k, value in enumerate(values)}
    for level in LEVELS:
        if len(known := _moments(level)["invariants"]) == len(values):
            order = [place.get(value, -1) for value in _values(_moments(level))]
            if -1 not in order and len(set(order)) == len(known):
                return level, order
    return 0, []


def _moments(level: int) -> dict[str, Any]:
    from mlpot import _core

    return _core.moments(level)


def _values(lists: dict[str, Any]) -> list[int]:
    """Of the invariants, where basic moment (mu, a, b, c) is a number drawn for it."""
    rng = np.random.default_rng(1)
    drawn = rng.integers(1, PRIME, size=(6, 17, 17, 17)).tolist()
    values = [drawn[mu][a][b][c] for mu, a, b, c in np.asarray(lists["basics"]).tolist()]
    products = np.asarray(lists["products"]).reshape(-1, 4).tolist()
    values += [0] * (1 + max((k for *_, k in products), default=-1) - len(values))
    for i, j, factor, k in products:
        values[k] = (values[k] + factor * values[i] * values[j]) % PRIME
    return [values[k] for k in np.asarray(lists["invariants"]).tolist()]


class MTPFile:
    """The entries of a file by their names, and the rows of its radial coefficients."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.found: dict[str, Line] = {}
        self.rows: dict[tuple[int, int], list[Line]] = {}
        read = lines(path, comments="#", quotes="{},=")
        if (head := next(read, None)) is None or head.words != ["MTP"]:
            raise InputError(f"{path}: not a potential of MLIP; its first line is MTP")
        pair: list[Line] | None = None
        for line in read:
            name = line.words[0]
            if name == "radial_coeffs":
                pair = []
            elif pair is not None and (species := re.fullmatch(r"(\d+)-(\d+)", name)):
                pair = self.rows[int(species[1]), int(species[2])] = []
            elif pair is not None and not name[0].isalpha():
                pair.append(line)
            else:
                pair = None
                self._enter(line)

    def _enter(self, line: Line) -> None:
        name = line.words[0]
        if name not in NAMES:
            line.refuse(f"unknown key {name!r}{did_you_mean(name, NAMES)}")
        if NAMES[name] in self.found:
            line.refuse(f"{name} is there twice")
        self.found[NAMES[name]] = line

    def __getitem__(self, key: str) -> Line:
        if key not in self.found:
            hint = ": the potential is not trained" if key.endswith("_coeffs") else ""
            raise InputError(f"{self.path}: {key} is missing{hint}")
        return self.found[key]

    def numbers(self, key: str, n: int | None = None) -> list[float]:
        line = self[key]
        if n is not None and len(line.words) != n + 1:
            line.refuse(f"{key}: expected {n} numbers, got {len(line.words) - 1}")
        return [line.real(word) for word in line.words[1:]]

    def real(self, key: str) -> float:
        return self.numbers(key, 1)[0]

    def integer(self, key: str) -> int:
        self.numbers(key, 1)
        return self[key].integer(self[key].words[1])

    def lists(self) -> dict[str, list]:
        """basics, products and invariants as in the model file."""
        n_moments, n_basics = map(self.integer, ("alpha_moments_count", "alpha_index_basic_count"))
        basics = self._quadruples("alpha_index_basic", n_basics)
        products = self._quadruples("alpha_index_times", self.integer("alpha_index_times_count"))
        invariants = self._integers("alpha_moment_mapping", self.integer("alpha_scalar_moments"))
        named = chain(invariants, *([i, j, k] for i, j, _, k in products))
        if max(named, default=0) >= n_moments:
            self["alpha_index_times"].refuse(f"a moment that is not one of {n_moments}")
        if any(mu >= 6 or a + b + c > 16 for mu, a, b, c in basics):
            self["alpha_index_basic"].refuse("more than 6 radial functions or 16 indices")
        return {"basics": basics, "products": products, "invariants": invariants}

    def _integers(self, key: str, n: int) -> list[int]:
        self.numbers(key, n)
        return [self[key].integer(word) for word in self[key].words[1:]]

    def _quadruples(self, key: str, n: int) -> list[list[int]]:
        flat = self._integers(key, 4 * n)
        return [flat[k : k + 4] for k in range(0, len(flat), 4)]

    def radial(self, n_species: int, used: int) -> list[list[float]]:
        """Rows of the model file: of the radial functions that the moments use."""
        n_functions, n = map(self.integer, ("radial_funcs_count", "radial_basis_size"))
        if n_functions < used:
            self["radial_funcs_count"].refuse(f"the moments need {used} radial functions")
        table = []
        for a, b in product(range(n_species), repeat=2):
            rows = self.rows.get((a, b), [])
            if len(rows) != n_functions:
                raise InputError(
                    f"{self.path}: radial_coeffs {a}-{b}: expected {n_functions} rows, "
                    f"got {len(rows)}"
                )
            for row in rows[:used]:
                if len(row.words) != n:
                    row.refuse(f"expected {n} numbers, got {len(row.words)}")
                table.append([row.real(word) for word in row.words])
        return table
