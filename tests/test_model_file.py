"""Model files made to hurt: the reader refuses them in one line, and never crashes or hangs.

Ordinary mistakes and one-character edits are in test_model_reader.py. Everything here runs in a
process of its own, since a crash would end the tests.
"""

from __future__ import annotations

import copy
import json
import random
import sys
from collections.abc import Iterator
from math import isfinite
from pathlib import Path

import numpy as np
import pytest
from ase.data import chemical_symbols

from lmp import FEW, run
from mlpot import _core
from mlpot.errors import InputError
from mlpot.model import seal

MODEL = FEW[0].model
TEXT = MODEL.to_text()
PROVENANCE = f'"provenance": {json.dumps(MODEL.data["provenance"])}'


def nested(opening: str, closing: str, n: int = 200_000) -> str:
    return opening * n + "0" + closing * n


def edited(old: str, new: str) -> str:
    assert TEXT.count(old) == 1, old
    return seal(TEXT.replace(old, new))


def many_elements(n: int, two_j_max: int, regressor: str) -> str:
    """n^3 features times the bispectrum's own, and far from enough coefficients."""
    data = copy.deepcopy(MODEL.data) | {"elements": chemical_symbols[1 : n + 1], "E0": [0.0] * n}
    data["descriptor"] |= {"two_j_max": two_j_max, "radii": [0.5] * n, "weights": [1.0] * n}
    data["descriptor"]["chemflag"] = True
    data["regressor"] = {"type": regressor, "coefficients": [[0.0] * 9] * n}
    return seal(data)


def network(layers: list[int]) -> str:
    block = {"type": "neural_network", "layers": layers, "activation": "tanh", "gamma": 0.0}
    return seal(MODEL.data | {"regressor": block | {"coefficients": [[0.0]] * 2}})


def many_keys(n: int) -> str:
    return ", ".join(f'"{k}": 0' for k in range(n))


HOSTILE = {  # the file, and what is said of it
    "deep list in provenance": lambda: edited(PROVENANCE, f'"provenance": {nested("[", "]")}'),
    "deep dict in provenance": lambda: edited(
        PROVENANCE, f'"provenance": {nested(chr(123) + chr(34) + "a" + chr(34) + ":", "}")}'
    ),
    "deep name": lambda: edited(f'"name": "{MODEL.name}"', f'"name": {nested("[", "]")}'),
    "deep type": lambda: edited('"type": "bispectrum"', f'"type": {nested("[", "]")}'),
    "deep coefficients": lambda: edited(
        '"coefficients": [[', f'"coefficients": [{nested("[", "]")}, ['
    ),
    "deep unknown key": lambda: edited('"pair": null', f'"pair": null, "x": {nested("[", "]")}'),
    "a million unknown keys": lambda: edited('"pair": null', f'"pair": null, {many_keys(10**6)}'),
    "a million keys inside": lambda: edited(PROVENANCE, f'"provenance": {{{many_keys(10**6)}}}'),
    "a key of a megabyte": lambda: edited('"pair"', f'"{"x" * 10**6}": 0, "pair"'),
    "a key of two lines": lambda: edited('"pair"', r'"two\nlines": 0, "pair"'),
    "a name of two lines": lambda: edited('"type": "bispectrum"', r'"type": "two\nlines"'),
    "features beyond int": lambda: many_elements(118, 14, "linear"),
    "products beyond int": lambda: many_elements(10, 8, "quadratic"),
    "features beyond memory": lambda: many_elements(60, 8, "linear"),
    "weights beyond int": lambda: network([10000] * 14),
}
READ = """
import json
import resource
from pathlib import Path
resource.setrlimit(resource.RLIMIT_AS, (4 << 30, 4 << 30))
resource.setrlimit(resource.RLIMIT_CPU, (10, 10))
from mlpot import _core
try:
    _core.Potential(Path("Mo.json").read_text(), "Mo.json")
    print("null")
except _core.ModelError as error:
    print(json.dumps(str(error)))
"""


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_file_is_refused_in_one_line(name, tmp_path):
    (tmp_path / "Mo.json").write_text(HOSTILE[name]())
    done = run([sys.executable, "-c", READ], tmp_path)
    assert done.returncode == 0, f"exit {done.returncode}: {done.stdout[-500:]}"
    message = json.loads(done.stdout)
    assert message is not None, "accepted"
    assert message.startswith("Mo.json") and message.isprintable() and len(message) < 400


VALUES = [
    None, True, False, -1, 0, 1, 2, 7, 15, 100, 2**31, 2**63, 2**64, -0.0, 0.5, 1e-310, 5e-324,
    1e-9, 1e300, -1e300, 1.7e308, "", "x", "Mo", "linear", "quadratic", "zbl", [], {}, [[]],
    [1.0], [[0.1, 0.2]], {"type": "zbl", "inner": 0.0, "outer": 1e-3},
]  # fmt: skip


def mutations(data: dict, n: int, rng: random.Random) -> Iterator[dict]:
    """Copies with one value replaced, scaled, moved, removed, doubled or renamed."""
    for _ in range(n):
        mutant = copy.deepcopy(data)
        places = list(_places(mutant))
        holder, key = rng.choice(places)
        value, (other, other_key) = holder[key], rng.choice(places)
        kind = rng.randrange(6)
        if kind == 0 and isinstance(value, float):
            holder[key] = value * rng.choice([0.0, -1.0, 1e-300, 1e-3, 3.0, 1e3, 1e300])
        elif kind == 1:
            holder[key] = copy.deepcopy(other[other_key])
        elif kind == 2:
            del holder[key]
        elif kind == 3 and isinstance(holder, list):
            holder.insert(key, copy.deepcopy(value))
        elif kind == 4 and isinstance(holder, dict):
            holder[rng.choice([key + "s", key[:-1], "x", other_key])] = holder.pop(key)
        else:
            holder[key] = copy.deepcopy(rng.choice(VALUES))
        yield mutant


def _places(node: dict | list) -> Iterator[tuple]:
    """Every value's holder and its key there; of long lists the first four."""
    keys = list(node) if isinstance(node, dict) else range(min(len(node), 4))
    for key in keys:
        yield node, key
        if isinstance(node[key], dict | list):
            yield from _places(node[key])


def read_mutants(model_file: str, n: int, seed: int) -> None:
    """Prints a line before each, so that the last one tells of a crash."""
    data = json.loads(Path(model_file).read_text())
    del data["sha256"]
    positions = np.array([[0.0, 0, 0], [2.1, 0.3, 0.2], [0.4, 2.6, -0.3], [-0.2, 0.5, 3.1]])
    counts, bulk = {"refused": 0, "accepted": 0}, data["descriptor"]["type"] == "kruglov"
    for mutant in mutations(data, n, random.Random(seed)):
        try:
            text = seal(mutant)
        except InputError:  # beyond what JSON can hold: infinity
            continue
        print("mutant", text, flush=True)
        try:
            potential = _core.Potential(text, "m.json")
        except _core.ModelError as error:
            assert str(error).startswith("m.json"), error
            counts["refused"] += 1
            continue
        counts["accepted"] += 1
        species = np.arange(4, dtype=np.int32) % len(potential.elements)
        try:
            result = potential.evaluate(positions, 12.0 * np.eye(3), (bulk,) * 3, species)
        except (ValueError, RuntimeError) as error:
            assert "not a finite number" in str(error), error
            continue
        assert isfinite(result["energy"]) and np.isfinite(result["forces"]).all()
    print("done", json.dumps(counts))


@pytest.mark.parametrize("cell", FEW, ids=str)
def test_a_sealed_mutant_is_refused_or_gives_finite_numbers(cell, tmp_path):
    cell.model.save(tmp_path / "m.json")
    done = run([sys.executable, __file__, "m.json", 1000, 3], tmp_path)
    lines = done.stdout.splitlines()
    assert done.returncode == 0, done.stdout[-6000:]
    counts = json.loads(lines[-1].removeprefix("done "))
    assert counts["refused"] > 500 and counts["accepted"] > 50, counts


if __name__ == "__main__":
    read_mutants(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
