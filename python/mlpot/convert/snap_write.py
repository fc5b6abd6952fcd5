"""Writes a model as LAMMPS' SNAP files, and refuses what they cannot express."""

from __future__ import annotations

import re
from pathlib import Path
from typing import NoReturn

from mlpot.convert.snap import ENDINGS, FLAGS, NUMBERS
from mlpot.convert.snap_script import Script
from mlpot.errors import InputError
from mlpot.files import write_atomic
from mlpot.model import Model


def write_snap(model: Model, stem: str | Path) -> list[Path]:
    """Writes stem.snapcoeff, stem.snapparam and stem.snap, and returns them.

    stem.snap holds the commands for LAMMPS (`include` it), with hybrid/overlay zbl where the model
    has a core. Coefficients read back to the same bits. Raises InputError for what SNAP cannot
    express.
    """
    stem = Path(stem)
    _check_expressible(model.data, stem)
    texts = (_coefficient_text(model), _parameter_text(model), Script.of(model, stem.name).text())
    paths = [stem.with_name(stem.name + ending) for ending in ENDINGS]
    return [write_atomic(path, text) for path, text in zip(paths, texts, strict=True)]


def _check_expressible(data: dict, stem: Path) -> None:
    def refuse(why: str) -> NoReturn:
        raise InputError(f"{data['name']}: SNAP cannot express {why}")

    if not re.fullmatch(r"[\w.+=,@-]+", stem.name):
        raise InputError(
            f"{stem}: LAMMPS takes file names of letters, digits and . _ - + = , @ only"
        )
    if data["descriptor"]["type"] != "bispectrum":
        refuse(f"the descriptor {data['descriptor']['type']!r}, only 'bispectrum'")
    if data["regressor"]["type"] not in ("linear", "quadratic"):
        refuse(f"the regressor {data['regressor']['type']!r}, only 'linear' and 'quadratic'")
    for key in ("pair", "scaling"):
        if data[key] is not None:
            refuse(f"{key!r}")
    if data["pooling"] != "atom":
        refuse(f"pooling {data['pooling']!r}, only 'atom'")
    if data["core"] is not None and data["core"]["type"] != "zbl":
        refuse(f"the core {data['core']['type']!r}, only 'zbl'")
    if data["core"] is not None and data["core"]["inner"] <= 0:
        refuse("a core with inner 0: LAMMPS' zbl needs a positive one")


def _coefficient_text(model: Model) -> str:
    block, rows = model.data["descriptor"], model.data["regressor"]["coefficients"]
    lines = [f"# {model.name}, written by mlpot", "", f"{len(rows)} {len(rows[0]) + 1}"]
    heads = zip(model.elements, block["radii"], block["weights"], strict=True)
    for (element, radius, weight), constant, row in zip(heads, model.data["E0"], rows, strict=True):
        lines.append(f"{element} {_exact(radius)} {_exact(weight)}")
        lines += [_exact(c) for c in (constant, *row)]
    return "\n".join(lines) + "\n"


def _parameter_text(model: Model) -> str:
    block = model.data["descriptor"]
    lines = [f"# {model.name}, written by mlpot", ""]
    lines += [f"twojmax {block['two_j_max']}"]
    lines += [f"{snap} {_exact(block[key])}" for snap, key, _ in NUMBERS]
    lines += [f"quadraticflag {int(model.data['regressor']['type'] == 'quadratic')}"]
    # older LAMMPS do not know every flag: one that is off by default is written only when it is on
    lines += [f"{key} {int(block[key])}" for key, default in FLAGS.items() if default or block[key]]
    if block["switchinnerflag"]:
        lines += [f"{key} {' '.join(map(_exact, block[key]))}" for key in ("sinner", "dinner")]
    return "\n".join(lines) + "\n"


def _exact(value: float) -> str:
    return repr(float(value))
