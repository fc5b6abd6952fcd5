"""The input.nn of an n2p2 or RuNNer potential: what of it the energy depends on.

Keywords, defaults and order are those of n2p2 (compphysvienna.github.io/n2p2/topics/keywords.html).
Keywords of training are passed over; what would change the energy and cannot be kept is refused.
"""

from __future__ import annotations

import re
from difflib import get_close_matches
from fractions import Fraction
from pathlib import Path
from typing import NamedTuple

from ase.data import atomic_numbers

from mlpot.convert.lines import Line, lines
from mlpot.errors import InputError
from mlpot.files import read_text

RADIAL, NARROW, WIDE = 2, 3, 9  # types of symmetry functions: G2, G4, G5
CUTOFFS = {"1": "cosine", "2": "tanh3", "6": "polynomial"}
ACTIVATIONS = {"t": "tanh", "p": "softplus", "l": "linear"}
LOGISTIC = "s"
ALIASES = {"symfunction": "symfunction_short"}
ALIASES |= {key: "nnp_type" for key in ("nnp_generation", "nnp_type_gen", "nnp_gen")}
REPEATED = ("symfunction_short", "atom_energy")
SCALINGS = ("scale_symmetry_functions", "center_symmetry_functions")
SIGMA = "scale_symmetry_functions_sigma"
NORMALIZATION = ("mean_energy", "conv_energy", "conv_length")
SHAPE = ("global_hidden_layers_short", "global_nodes_short", "global_activation_short")
KEYS = ["number_of_elements", "elements", "cutoff_type", "cutoff_alpha", "nnp_type"]
KEYS += ["scale_min_short", "scale_max_short", "normalize_nodes"]
KEYS += [*REPEATED, *SCALINGS, SIGMA, *NORMALIZATION, *SHAPE, "conv_charge"]
_OWN = "the networks of all elements have the shape of the global_ keywords in a model file"
_LISTED = "write the functions out, one symfunction_short a line"
REFUSED = {
    "element_hidden_layers_short": _OWN,
    "element_nodes_short": _OWN,
    "element_activation_short": _OWN,
    "element_symfunction_short": _LISTED,
    "global_symfunction_short": _LISTED,
    "use_electrostatics": "a model file has no charges",
    "use_fixed_charges": "a model file has no charges",
    "use_vdw": "a model file has no dispersion term",
}


class Function(NamedTuple):
    """A symmetry function. As tuples they sort as n2p2 sorts them (operator< of its SymFnc*.cpp).

    scaling.data and the weights count an element's functions in that order.
    """

    type: int
    r_cut: float
    eta: float
    r_s: float
    zeta: float
    lambda_: float
    first: int  # species of the neighbours, by atomic number
    second: int

    def row(self, center: int, length: float) -> list[float]:
        """The model file's row, for lengths that are `length` angstrom."""
        eta, r_s, r_cut = self.eta / length**2, self.r_s * length, self.r_cut * length
        if self.type == RADIAL:
            return [center, self.first, eta, r_s, r_cut]
        angle = [self.lambda_, self.zeta]
        return [center, self.first, self.second, eta, *angle, r_s, r_cut, int(self.type == WIDE)]


class Settings:
    """An input.nn. Raises InputError naming the line; numbers are in the file's units."""

    def __init__(self, path: Path):
        self.path = path
        self.held: dict[str, list[Line]] = {}
        for line in lines(path, comments="#!"):
            key = ALIASES.get(line.words[0], line.words[0])
            if key in REFUSED:
                line.refuse(f"{key} cannot be converted: {REFUSED[key]}")
            if key not in KEYS:
                if near := get_close_matches(key, KEYS, n=1, cutoff=0.9):
                    line.refuse(f"unknown keyword {key!r}; did you mean {near[0]!r}?")
                continue
            if key in self.held and key not in REPEATED:
                line.refuse(f"{key} was given in line {self.held[key][0].number} already")
            self.held.setdefault(key, []).append(line)
        if (line := self.get("nnp_type")) and line.words[1:] not in (["2G-HDNNP"], ["2"]):
            line.refuse("only the short-range type 2G-HDNNP has a model file")
        self.elements = self._elements()

    def get(self, key: str) -> Line | None:
        """The line of a keyword, or None."""
        return self.held.get(key, [None])[0]

    def need(self, key: str, n: int | None = None) -> Line:
        """The line of a keyword that must be there, with n values."""
        line = self.get(key)
        if line is None:
            raise InputError(f"{self.path}: {key} is missing")
        if n is not None and len(line.words) != n + 1:
            line.refuse(f"{key} takes {n} values, not {len(line.words) - 1}")
        return line

    def has(self, key: str) -> bool:
        """Whether a keyword without values is there."""
        return self.get(key) is not None and bool(self.need(key, 0))

    def number(self, key: str, default: str) -> Fraction:
        """The value of a keyword, exactly as it is written."""
        if self.get(key) is None:
            return Fraction(default)
        line = self.need(key, 1)
        return line.exact(line.words[1])

    def units(self) -> str | None:
        """What a comment '# units: length, energy' says."""
        found = re.search(r"^# units: *(\S+), *(\S+)\s*$", read_text(self.path), re.MULTILINE)
        return f"{found[1]},{found[2]}" if found else None

    def _elements(self) -> list[str]:
        line = self.need("elements")
        for symbol in line.words[1:]:
            if atomic_numbers.get(symbol, 0) == 0 or line.words.count(symbol) > 1:
                line.refuse(f"{symbol!r} is not one more element's symbol")
        count = self.need("number_of_elements", 1)
        if count.integer(count.words[1]) != len(line.words) - 1:
            count.refuse(f"there are {len(line.words) - 1} elements, not {count.words[1]}")
        return sorted(line.words[1:], key=atomic_numbers.__getitem__)

    def species(self, line: Line, word: str) -> int:
        if word not in self.elements:
            line.refuse(f"{word!r} is not one of the elements, {' '.join(self.elements)}")
        return self.elements.index(word)

    def atom_energies(self) -> list[float]:
        """The energy of a free atom of each element; 0 where none is given."""
        found: dict[int, float] = {}
        for line in self.held.get("atom_energy", []):
            if len(line.words) != 3:
                line.refuse("atom_energy takes an element and its energy")
            if (s := self.species(line, line.words[1])) in found:
                line.refuse(f"a second energy of {line.words[1]}")
            found[s] = line.real(line.words[2])
        return [found.get(s, 0.0) for s in range(len(self.elements))]

    def normalization(self) -> tuple[float, float]:
        """mean_energy and conv_energy: a network's energy is conv_energy (E - mean_energy).

        conv_length has no effect: the functions are of the same lengths in every unit.
        """
        held = [key for key in NORMALIZATION if self.get(key)]
        if not held:
            return 0.0, 1.0
        mean, energy, length = (self.need(key, 1) for key in NORMALIZATION)
        if not (energy.real(energy.words[1]) > 0 and length.real(length.words[1]) > 0):
            energy.refuse("conv_energy and conv_length are above 0")
        return mean.real(mean.words[1]), energy.real(energy.words[1])

    def cutoff(self) -> dict:
        """The descriptor's keys `cutoff` and `inner`."""
        line = self.need("cutoff_type")
        kind, *alpha = line.words[1:] or [""]
        if kind not in CUTOFFS or len(alpha) > 1:
            known = ", ".join(f"{key} ({name})" for key, name in CUTOFFS.items())
            line.refuse(f"expected cutoff_type {known}, and the inner cutoff alpha or nothing")
        inner = line.real(alpha[0]) if alpha else 0.0
        if other := self.get("cutoff_alpha"):
            if alpha:
                other.refuse(f"alpha was given in line {line.number} already")
            inner = other.real(self.need("cutoff_alpha", 1).words[1])
        if not 0 <= inner < 1:
            line.refuse("alpha is at least 0 and below 1")
        # n2p2 does not use alpha with tanh^3
        return {"cutoff": CUTOFFS[kind], "inner": 0.0 if kind == "2" else inner}

    def functions(self) -> list[list[Function]]:
        """The symmetry functions of each element in n2p2's order."""
        self.need("symfunction_short")
        found: list[list[Function]] = [[] for _ in self.elements]
        for line in self.held["symfunction_short"]:
            center, function = self._function(line)
            found[center].append(function)
        for symbol, of_element in zip(self.elements, found, strict=True):
            if not of_element:
                raise InputError(f"{self.path}: {symbol} has no symfunction_short")
        return [sorted(of_element) for of_element in found]

    def _function(self, line: Line) -> tuple[int, Function]:
        words = line.words[1:]
        kind = words[1] if len(words) > 1 else ""
        if kind not in ("2", "3", "9"):
            line.refuse(f"symmetry functions of type {kind} are not known here, only 2, 3 and 9")
        first, last = (3, 6) if kind == "2" else (4, 8)
        if len(words) not in (last, last + (kind != "2")):
            names = "eta r_s r_cut" if kind == "2" else "neighbor eta lambda zeta r_cut [r_s]"
            line.refuse(f"expected: center {kind} neighbor {names}")
        center, *near = (self.species(line, words[k]) for k in (0, *range(2, first)))
        values = [line.real(word) for word in words[first:]]
        if kind == "2":
            eta, r_s, r_cut = values
            return center, Function(RADIAL, r_cut, eta, r_s, 0.0, 0.0, near[0], -1)
        eta, lambda_, zeta, r_cut, r_s = (*values, 0.0)[:5]
        if abs(lambda_) != 1 or zeta != round(zeta) or not 1 <= zeta <= 1000:
            line.refuse("lambda is 1 or -1 and zeta a whole number from 1 to 1000 in a model file")
        return center, Function(int(kind), r_cut, eta, r_s, zeta, lambda_, *sorted(near))

    def network(self) -> tuple[list[int], list[str]]:
        """Numbers of nodes and letters of the activations of the hidden layers."""
        count, nodes, kinds = map(self.need, SHAPE)
        n = count.integer(self.need(SHAPE[0], 1).words[1])
        if n < 1:
            count.refuse("n2p2's networks have one hidden layer at least")
        self.need(SHAPE[1], n)
        *hidden, output = self.need(SHAPE[2], n + 1).words[1:]
        if output != "l":
            kinds.refuse(f"the output is linear, l, not {output}")
        for letter in hidden:
            if letter not in ACTIVATIONS and letter != LOGISTIC:
                known = ", ".join(f"{key} ({name})" for key, name in ACTIVATIONS.items())
                kinds.refuse(f"activation {letter!r}; those known are {known} and s (logistic)")
        if len({letter.replace(LOGISTIC, "t") for letter in hidden}) > 1:
            kinds.refuse("all hidden layers have one activation in a model file")
        return [nodes.integer(word) for word in nodes.words[1:]], hidden
