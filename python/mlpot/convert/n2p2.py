"""Reads the neural network potentials of n2p2 and RuNNer: input.nn, scaling.data, weights.*.data.

Meaning and order of everything are n2p2's (github.com/CompPhysVienna/n2p2, src/libnnp). Input.nn
does not say its units; they are bohr and hartree unless the caller or a comment says otherwise.
"""

from __future__ import annotations

import re
from itertools import pairwise
from pathlib import Path

import numpy as np
from ase.data import atomic_numbers

from mlpot.convert.lines import NUMBER, Line, lines, sources
from mlpot.convert.n2p2_settings import (
    ACTIVATIONS,
    LOGISTIC,
    SCALINGS,
    SIGMA,
    Function,
    Settings,
)
from mlpot.domain import widened
from mlpot.errors import InputError, did_you_mean
from mlpot.model import Model

UNITS = "bohr,hartree"
OPEN = 1e90  # a range up to here is none
# angstrom and eV in one of them, CODATA 2018
LENGTHS = {"bohr": 0.529177210903, "angstrom": 1.0}
ENERGIES = {"hartree": 27.211386245988, "eV": 1.0}
Layers = list[tuple[np.ndarray, np.ndarray]]  # weights (out, in) and biases (out,), output last


def read_n2p2(files: list[Path], units: str | None = None) -> Model:
    """Model of an n2p2 potential: its input.nn, scaling.data and one weights.ZZZ.data per element.

    units: 'length,energy' of the files, each a name (bohr, angstrom; hartree, eV) or the number of
    them in one Å or eV (LAMMPS' cflength, cfenergy). Species are ordered by atomic number and
    features as n2p2 orders them. Raises InputError naming the file and the line.
    """
    settings_path, scaling_path, weights = _sort([Path(f) for f in files])
    settings = Settings(settings_path)
    units = _choose_units(settings, units)
    length, energy = _factors(units)
    functions = settings.functions()
    hidden, letters = settings.network()
    mean, conv = settings.normalization()
    n_features = max(map(len, functions))
    coefficients = []
    for path, of_element in zip(_weight_files(settings, weights), functions, strict=True):
        layers = _read_weights(path, [len(of_element), *hidden, 1])
        layers = _plain(layers, letters, settings.has("normalize_nodes"), energy / conv)
        coefficients.append(_flat(layers, n_features))
    return Model(
        {
            "name": "".join(settings.elements) + "_nnp",
            "elements": settings.elements,
            "E0": [(e + mean) * energy for e in settings.atom_energies()],
            "descriptor": _descriptor(settings, functions, length),
            "scaling": _read_scaling(scaling_path, settings, [*map(len, functions)]),
            "ranges": _read_ranges(scaling_path, [*map(len, functions)]),
            "regressor": {
                "type": "neural_network",
                "layers": hidden,
                "activation": ACTIVATIONS[letters[0].replace(LOGISTIC, "t")],
                "gamma": 0.0,
                "coefficients": coefficients,
            },
            "provenance": {
                "converted_from": "n2p2",
                "units": units,
                "files": sources(settings_path, scaling_path, *weights.values()),
            },
        }
    )


def _sort(files: list[Path]) -> tuple[Path, Path, dict[int, Path]]:
    """input.nn, scaling.data and the weights by atomic number."""
    found: dict[str | int, Path] = {}
    for path in files:
        number = re.fullmatch(r"weights\.(\d{3})\.data", path.name)
        kind = int(number[1]) if number else path.name
        if path.suffix == ".nn":
            kind = "input.nn"
        if kind in found:
            raise InputError(f"{path}: a second {kind} beside {found[kind]}")
        if not isinstance(kind, int) and kind not in ("input.nn", "scaling.data"):
            raise InputError(
                f"{path}: an n2p2 potential's files are input.nn, scaling.data, weights.ZZZ.data"
            )
        found[kind] = path
    for name in ("input.nn", "scaling.data"):
        if name not in found:
            given = ", ".join(map(str, files)) or "no file"
            raise InputError(f"{given}: {name} is missing; give it too")
    return found.pop("input.nn"), found.pop("scaling.data"), dict(sorted(found.items()))


def _choose_units(settings: Settings, asked: str | None) -> str:
    stated = settings.units()
    if asked and stated and _factors(asked) != _factors(stated):
        raise InputError(f"{settings.path}: its units are {stated}, not {asked}")
    return asked or stated or UNITS


def _factors(units: str) -> tuple[float, float]:
    """Angstrom and eV in the units of the files."""
    words = units.replace(",", " ").split()
    if len(words) != 2:
        raise InputError(f"units {units!r}: expected a length and an energy, e.g. {UNITS}")
    factors = []
    for word, known in zip(words, (LENGTHS, ENERGIES), strict=True):
        if word in known:
            factors.append(known[word])
        elif NUMBER.fullmatch(word) and 0 < float(word) < float("inf"):
            factors.append(1 / float(word))
        else:
            names = ", ".join(known)
            raise InputError(
                f"units {units!r}: {word!r} is none of {names}{did_you_mean(word, known)}"
            )
    return factors[0], factors[1]


def _descriptor(settings: Settings, functions: list[list[Function]], length: float) -> dict:
    rows = [f.row(center, length) for center, fs in enumerate(functions) for f in fs]
    return {
        "type": "acsf",
        **settings.cutoff(),
        "radial": [row for row in rows if len(row) == 5],
        "angular": [row for row in rows if len(row) == 9],
    }


def _read_scaling(path: Path, settings: Settings, counts: list[int]) -> dict | None:
    """The model file's scaling: (q - shift) * scale, exact for the numbers as they are written."""
    left = list(lines(path))
    n_features = max(counts)
    shift, scale = np.zeros((len(counts), n_features)), np.ones((len(counts), n_features))
    none = not any(settings.has(key) for key in (*SCALINGS, SIGMA))
    for center, n in enumerate(counts):
        for k in range(n):
            if not left:
                element = settings.elements[center]
                raise InputError(f"{path}: it ends before function {k + 1} of {element}")
            line = left.pop(0)
            if line.words[:2] != [str(center + 1), str(k + 1)]:
                line.refuse(f"expected function {k + 1} of element {center + 1}")
            if not none:
                shift[center, k], scale[center, k] = _scaling(line, settings)
    # RuNNer's last line is the range of the energies
    if left and (len(left) > 1 or len(left[0].words) != 2):
        left[0].refuse(f"text after the last of {sum(counts)} functions")
    return None if none else {"shift": shift, "scale": scale}


def _read_ranges(path: Path, counts: list[int]) -> dict | None:
    """The model file's ranges, of a file that _read_scaling took; None if one is left open."""
    low, high = np.zeros((2, len(counts), max(counts)))  # the functions an element lacks are 0
    of_functions = iter(lines(path))
    for center, n in enumerate(counts):
        for k in range(n):
            words = next(of_functions).words[2:4]
            low[center, k], high[center, k] = (
                map(float, words) if len(words) == 2 else (-OPEN, OPEN)
            )
    if not (np.all(np.abs([low, high]) < OPEN) and np.all(low <= high)):
        return None
    wider = zip((low, high), widened(low, high), strict=True)  # for those that never varied
    return {
        key: np.where(low < high, exact, wide)
        for key, (exact, wide) in zip(("low", "high"), wider, strict=True)
    }


def _scaling(line: Line, settings: Settings) -> tuple[float, float]:
    """Shift and scale of one function from its statistics: min, max, mean and sigma."""
    by_range, by_mean = (settings.has(key) for key in SCALINGS)
    by_sigma = settings.has(SIGMA)
    if by_sigma and (by_range or by_mean):
        settings.need(SIGMA).refuse(f"give {SIGMA} or the other scalings, not both")
    if len(line.words) not in (5, 6) or (by_sigma and len(line.words) == 5):
        line.refuse("expected element, function, min, max, mean and sigma")
    low, high, mean, *sigma = map(line.exact, line.words[2:])
    if by_mean and not by_range:
        return float(mean), 1.0
    bottom = settings.number("scale_min_short", "0")
    top = settings.number("scale_max_short", "1")
    try:
        scale = (top - bottom) / (sigma[0] if by_sigma else high - low)
        start = mean if by_sigma or by_mean else low
        return float(start - bottom / scale), float(scale)
    except (ZeroDivisionError, OverflowError):
        line.refuse("this range of the function cannot be scaled to that of the settings")


def _weight_files(settings: Settings, weights: dict[int, Path]) -> list[Path]:
    """The file of each element; there must be one, and no other."""
    numbers = [atomic_numbers[symbol] for symbol in settings.elements]
    for z, symbol in zip(numbers, settings.elements, strict=True):
        if z not in weights:
            raise InputError(f"{settings.path}: {symbol} needs weights.{z:03d}.data; give it too")
    if other := [path for z, path in weights.items() if z not in numbers]:
        raise InputError(f"{other[0]}: its element is not in {settings.path}")
    return [weights[z] for z in numbers]


def _read_weights(path: Path, sizes: list[int]) -> Layers:
    """One network; all weights from one node to the next layer stand together, then the biases."""
    held = list(lines(path))
    shapes = list(pairwise(sizes))
    kinds = "".join("a" * (n_in * n_out) + "b" * n_out for n_in, n_out in shapes)
    if len(held) != len(kinds):
        shape = "-".join(map(str, sizes))
        raise InputError(f"{path}: {len(held)} weights; a network of {shape} has {len(kinds)}")
    for line, kind in zip(held, kinds, strict=True):
        if line.words[1:2] not in ([], [kind]):
            line.refuse(f"expected a {'weight, a' if kind == 'a' else 'bias, b'}")
    flat = np.array([line.real(line.words[0]) for line in held])
    layers = []
    for n_in, n_out in shapes:
        w, b, flat = np.split(flat, [n_in * n_out, (n_in + 1) * n_out])
        layers.append((w.reshape(n_in, n_out).T, b))
    return layers


def _plain(layers: Layers, letters: list[str], normalized: bool, energy: float) -> Layers:
    """The same network without n2p2's normalisation and logistic functions, in eV."""
    if normalized:
        layers = [(w / w.shape[1], b / w.shape[1]) for w, b in layers]
    for k, letter in enumerate(letters):
        if letter == LOGISTIC:  # 1 / (1 + e^-x) = (1 + tanh(x / 2)) / 2
            (w, b), (v, c) = layers[k : k + 2]
            layers[k : k + 2] = [(w / 2, b / 2), (v / 2, c + v.sum(axis=1) / 2)]
    w, b = layers[-1]
    return [*layers[:-1], (w * energy, b * energy)]


def _flat(layers: Layers, n_features: int) -> np.ndarray:
    """A model file's coefficients; inputs an element has not are multiplied by zero."""
    (w, b), *others = layers
    padded = np.pad(w, ((0, 0), (0, n_features - w.shape[1])))
    return np.concatenate([x.ravel() for layer in [(padded, b), *others] for x in layer])
