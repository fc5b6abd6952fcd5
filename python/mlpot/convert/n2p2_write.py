"""Writes a model as an n2p2 potential, and refuses what that cannot express."""

from __future__ import annotations

from collections import Counter
from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from typing import NoReturn

import numpy as np
from ase.data import atomic_numbers

from mlpot.convert.n2p2_settings import ACTIVATIONS, CUTOFFS, NARROW, RADIAL, SIGMA, WIDE, Function
from mlpot.errors import InputError
from mlpot.files import write_atomic
from mlpot.model import Model

OPEN = -1e99, 1e99


def write_n2p2(model: Model, folder: str | Path) -> list[Path]:
    """Writes folder/input.nn, scaling.data and weights.ZZZ.data, and returns them.

    Their units are angstrom and eV: LAMMPS' pair_style hdnnp takes cflength 1 cfenergy 1. Read
    back, a model that came from n2p2 has the same bits. Raises InputError for what n2p2 cannot
    express.
    """
    _check_expressible(model.data)
    folder = Path(folder)
    if not folder.is_dir():
        try:
            folder.mkdir()
        except OSError as error:
            raise InputError(f"{folder}: cannot make this folder: {error.strerror}") from None
    order = sorted(range(len(model.elements)), key=lambda s: atomic_numbers[model.elements[s]])
    inputs = [_inputs(model.data, s, order) for s in order]
    texts = {
        "input.nn": _settings_text(model, order, inputs),
        "scaling.data": _scaling_text(model.data, order, inputs),
    }
    for s, of_element in zip(order, inputs, strict=True):
        name = f"weights.{atomic_numbers[model.elements[s]]:03d}.data"
        texts[name] = _weights_text(model.data, s, [k for _, k in of_element])
    return [write_atomic(folder / name, text) for name, text in texts.items()]


def _check_expressible(data: dict) -> None:
    def refuse(why: str) -> NoReturn:
        raise InputError(f"{data['name']}: n2p2 cannot express {why}")

    descriptor, regressor = data["descriptor"]["type"], data["regressor"]["type"]
    if descriptor != "acsf":
        refuse(f"the descriptor {descriptor!r}, only 'acsf'")
    if regressor != "neural_network":
        refuse(f"the regressor {regressor!r}, only 'neural_network'")
    for key in ("core", "pair"):
        if data[key] is not None:
            refuse(f"{key!r}")
    if (activation := data["regressor"]["activation"]) not in ACTIVATIONS.values():
        refuse(f"the activation {activation!r}, only {', '.join(ACTIVATIONS.values())}")
    if data["pooling"] != "atom":
        refuse(f"pooling {data['pooling']!r}, only 'atom'")
    if not data["regressor"]["layers"]:
        refuse("a network without hidden layers")
    if len({row[0] for row in _rows(data)}) < len(data["elements"]):
        refuse("an element without symmetry functions")


def _inputs(data: dict, species: int, order: list[int]) -> list[tuple[Function, int]]:
    """A species' functions in n2p2's order, and which feature each is."""
    functions = []
    for center, near, eta, r_s, r_cut in data["descriptor"]["radial"]:
        if center == species:
            place = order.index(near)
            functions.append(Function(RADIAL, r_cut, eta, r_s, 0.0, 0.0, place, -1))
    for center, *near, eta, lambda_, zeta, r_s, r_cut, wide in data["descriptor"]["angular"]:
        if center == species:
            kind, places = WIDE if wide else NARROW, sorted(map(order.index, near))
            functions.append(Function(kind, r_cut, eta, r_s, zeta, lambda_, *places))
    return sorted((function, k) for k, function in enumerate(functions))


def _settings_text(model: Model, order: list[int], inputs: list) -> str:
    block, regressor = model.data["descriptor"], model.data["regressor"]
    symbols = [model.elements[s] for s in order]
    cutoff = next(key for key, name in CUTOFFS.items() if name == block["cutoff"])
    letter = next(key for key, name in ACTIVATIONS.items() if name == regressor["activation"])
    n = len(regressor["layers"])
    lines = [
        f"# {model.name}, written by mlpot; in LAMMPS: cflength 1 cfenergy 1",
        "# units: angstrom, eV",
        f"number_of_elements {len(symbols)}",
        f"elements {' '.join(symbols)}",
        *(f"atom_energy {model.elements[s]} {model.data['E0'][s]!r}" for s in order),
        f"cutoff_type {cutoff} {block['inner']!r}",
        f"global_hidden_layers_short {n}",
        f"global_nodes_short {' '.join(map(str, regressor['layers']))}",
        f"global_activation_short {' '.join(letter * n)} l",
    ]
    if model.data["scaling"] is not None:
        lines += [SIGMA, "scale_min_short 0", "scale_max_short 1"]
    for symbol, of_element in zip(symbols, inputs, strict=True):
        lines += [_function_line(symbol, function, symbols) for function, _ in of_element]
    return "\n".join(lines) + "\n"


def _function_line(center: str, f: Function, symbols: list[str]) -> str:
    if f.type == RADIAL:
        near, numbers = [f.first], [f.eta, f.r_s, f.r_cut]
    else:
        near, numbers = [f.first, f.second], [f.eta, f.lambda_, f.zeta, f.r_cut, f.r_s]
    words = [center, str(f.type), *(symbols[s] for s in near), *map(repr, numbers)]
    return f"symfunction_short {' '.join(words)}"


def _scaling_text(data: dict, order: list[int], inputs: list) -> str:
    """Statistics that give the model's scaling, and its ranges; those not known are wide open."""
    lines, known = ["# element, function, min, max, mean, sigma"], data["ranges"]
    for i, (s, of_element) in enumerate(zip(order, inputs, strict=True), 1):
        shift, scale, _ = _scaling(data, s)
        for n, (_, k) in enumerate(of_element, 1):
            # 1 / sigma must give scale to the last bit: more digits than a double has
            low, high = (known[key][s][k] for key in known) if known else OPEN
            lines.append(f"{i} {n} {low!r} {high!r} {shift[k]!r} {1 / Decimal(scale[k]):.24E}")
    return "\n".join(lines) + "\n"


def _scaling(data: dict, species: int) -> tuple[list[float], list[float], np.ndarray]:
    """Shift and scale of the features, 0 and 1 for those that are scaled to zero, and which are."""
    if data["scaling"] is None:
        n = max(Counter(row[0] for row in _rows(data)).values())
        return [0.0] * n, [1.0] * n, np.zeros(n, dtype=bool)
    shift, scale = (np.array(data["scaling"][key][species]) for key in ("shift", "scale"))
    dead = scale == 0
    return np.where(dead, 0.0, shift).tolist(), np.where(dead, 1.0, scale).tolist(), dead


def _layers(data: dict, species: int, inputs: list[int]) -> list[tuple[np.ndarray, np.ndarray]]:
    """Weights (out, in) and biases of a species' layers, for its own functions only."""
    shift, scale, dead = _scaling(data, species)
    flat = np.array(data["regressor"]["coefficients"][species])
    layers = []
    for n_in, n_out in pairwise([len(dead), *data["regressor"]["layers"], 1]):
        w, b, flat = np.split(flat, [n_in * n_out, (n_in + 1) * n_out])
        layers.append((w.reshape(n_out, n_in), b))
    w, b = layers[0]
    w = np.where(dead, 0.0, w)
    # features this species has not are zero before the scaling: constants after it
    absent = np.setdiff1d(np.arange(len(dead)), inputs)
    b = b - w[:, absent] @ (np.array(shift) * scale)[absent]
    return [(w[:, inputs], b), *layers[1:]]


def _weights_text(data: dict, species: int, inputs: list[int]) -> str:
    rows = []
    for layer, (w, b) in enumerate(_layers(data, species, inputs)):
        for j, from_node in enumerate(w.T.tolist(), 1):
            for i, value in enumerate(from_node, 1):
                rows.append(f"{value!r} a {len(rows) + 1} {layer} {j} {layer + 1} {i}")
        for i, value in enumerate(b.tolist(), 1):
            rows.append(f"{value!r} b {len(rows) + 1} {layer + 1} {i}")
    head = "# value, a weight or b bias, index, from layer, node, to layer, node"
    return "\n".join([head, *rows]) + "\n"


def _rows(data: dict) -> list[list[float]]:
    return data["descriptor"]["radial"] + data["descriptor"]["angular"]
