"""Reads LAMMPS' SNAP potentials: .snapcoeff, .snapparam and the .snap script that goes with them.

Keys, defaults and order are those of LAMMPS' pair_style snap (docs.lammps.org/pair_snap.html).
Where LAMMPS lets a slip pass (a repeated key, a second value, text after the last coefficient) this
reader refuses it.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from mlpot.convert.lines import NUMBER, Line, lines, sources
from mlpot.convert.snap_script import read_script
from mlpot.errors import InputError, did_you_mean
from mlpot.model import Model

QUOTES = "\"'"
# SNAP's key, the model file's key, LAMMPS' default
NUMBERS = [("rcutfac", "r_cut", None), ("rfac0", "rfac0", 0.99363), ("rmin0", "rmin0", 0.0)]
FLAGS = {
    "switchflag": True,
    "bzeroflag": True,
    "wselfallflag": False,
    "chemflag": False,
    "bnormflag": False,
    "switchinnerflag": False,
}
IGNORED = ("chunksize", "parallelthresh")  # they change LAMMPS' speed only
KEYS = ["twojmax", "quadraticflag", "sinner", "dinner", "diagonalstyle", *FLAGS, *IGNORED]
KEYS += [snap for snap, _, _ in NUMBERS]
ENDINGS = (".snapcoeff", ".snapparam", ".snap")


def read_snap(files: list[Path]) -> Model:
    """Model of a SNAP potential: its .snapcoeff, .snapparam and perhaps .snap, in any order.

    The constant of each element becomes E0; a `zbl inner outer` of the .snap becomes the core, and
    without a .snap there is none. Elements keep the file's order. Raises InputError naming the file
    and the line.
    """
    coeff, param, script = _sort([Path(f) for f in files])
    values = _read_parameters(param)
    table = _read_coefficients(coeff)
    block, quadratic = _descriptor(param, values, table)
    _check_count(table, block, quadratic)
    core = None
    if script is not None:
        core = read_script(script).core(table.elements, block["chemflag"], coeff, param)
    return Model(
        {
            "name": coeff.stem,
            "elements": table.elements,
            "E0": [c[0] for c in table.coefficients],
            "core": core,
            "descriptor": block,
            "regressor": {
                "type": "quadratic" if quadratic else "linear",
                "coefficients": [c[1:] for c in table.coefficients],
            },
            "provenance": {
                "converted_from": "LAMMPS SNAP",
                "files": sources(coeff, param, script),
            },
        }
    )


def n_components(two_j_max: int) -> int:
    """How many bispectrum components (j1 >= j2, j >= j1) there are: 30 for 6, 55 for 8."""
    half = two_j_max // 2 + 1
    step = 2 * half + 1 if two_j_max % 2 == 0 else 2 * (half + 2)
    return half * (half + 1) * step // 6


def _sort(files: list[Path]) -> tuple[Path, Path, Path | None]:
    found: dict[str, Path] = {}
    for path in files:
        if path.suffix not in ENDINGS:
            raise InputError(f"{path}: a SNAP potential's files end in {', '.join(ENDINGS)}")
        if path.suffix in found:
            raise InputError(f"{path}: a second {path.suffix} beside {found[path.suffix]}")
        found[path.suffix] = path
    for ending in ENDINGS[:2]:
        if ending not in found:
            given = ", ".join(map(str, files)) or "no file"
            raise InputError(f"{given}: the {ending} is missing; give it too")
    return found[".snapcoeff"], found[".snapparam"], found.get(".snap")


def _read_parameters(path: Path) -> dict[str, Line]:
    found: dict[str, Line] = {}
    for line in lines(path, quotes=QUOTES):
        key = line.words[0]
        if key not in KEYS:
            line.refuse(f"unknown key {key!r}{did_you_mean(key, KEYS)}")
        if key in found:
            line.refuse(f"{key} was given in line {found[key].number} already")
        if key not in ("sinner", "dinner") and len(line.words) != 2:
            line.refuse(f"{key} takes one value, not {len(line.words) - 1}")
        found[key] = line
    for key in ("rcutfac", "twojmax"):
        if key not in found:
            raise InputError(f"{path}: {key} is missing")
    if (line := found.get("diagonalstyle")) and line.words[1] != "3":
        line.refuse(
            "diagonalstyle is 3 in every SNAP since 2019; other sets of components are not known"
        )
    return found


class Table(NamedTuple):
    """A .snapcoeff: one radius, weight and row of coefficients (the constant first) per element."""

    path: Path
    elements: list[str]
    radii: list[float]
    weights: list[float]
    coefficients: list[list[float]]


def _read_coefficients(path: Path) -> Table:
    left = lines(path, quotes=QUOTES)
    table = Table(path, [], [], [], [])

    def following(what: str) -> Line:
        if (line := next(left, None)) is None:
            raise InputError(f"{path}: the file ends where {what} should be")
        return line

    head = following("'number of elements, number of coefficients'")
    if len(head.words) != 2:
        head.refuse("expected two whole numbers: elements and coefficients of each")
    n_elements, n = map(head.integer, head.words)
    for _ in range(n_elements):
        line = following(f"element {len(table.elements) + 1} of {n_elements}")
        if len(line.words) != 3 or NUMBER.fullmatch(line.words[0]):
            line.refuse("expected an element, its radius and its weight")
        if line.words[0] in table.elements:
            line.refuse(f"element {line.words[0]} stands in this file already")
        table.elements.append(line.words[0])
        table.radii.append(line.real(line.words[1]))
        table.weights.append(line.real(line.words[2]))
        table.coefficients.append(row := [])
        for k in range(n):
            line = following(f"coefficient {k + 1} of {n} of {table.elements[-1]}")
            if len(line.words) != 1:
                line.refuse(
                    f"expected coefficient {k + 1} of {n} of {table.elements[-1]}, one number"
                )
            row.append(line.real(line.words[0]))
    if (line := next(left, None)) is not None:
        line.refuse(f"text after the last of {n_elements} x {n} coefficients")
    return table


def _descriptor(path: Path, values: dict[str, Line], table: Table) -> tuple[dict, bool]:
    def flag(key: str, default: bool) -> bool:
        return values[key].flag(values[key].words[1]) if key in values else default

    block: dict = {
        "type": "bispectrum",
        "two_j_max": values["twojmax"].integer(values["twojmax"].words[1]),
    }
    for snap, key, default in NUMBERS:
        block[key] = values[snap].real(values[snap].words[1]) if snap in values else default
    block |= {"radii": table.radii, "weights": table.weights}
    block |= {key: flag(key, default) for key, default in FLAGS.items()}
    for key in ("sinner", "dinner"):
        line = values.get(key)
        if line is not None and not block["switchinnerflag"]:
            line.refuse(f"{key} has a meaning only with switchinnerflag 1")
        if line is None and block["switchinnerflag"]:
            raise InputError(f"{path}: switchinnerflag 1 needs {key}, one value per element")
        if line is not None and len(line.words) != len(table.elements) + 1:
            line.refuse(f"{key} takes {len(table.elements)} values, one per element")
        block[key] = [line.real(word) for word in line.words[1:]] if line else []
    return block, flag("quadraticflag", False)


def _check_count(table: Table, block: dict, quadratic: bool) -> None:
    n = n_components(block["two_j_max"])
    if block["chemflag"]:
        n *= len(table.elements) ** 3
    wanted = 1 + n + (n * (n + 1) // 2 if quadratic else 0)
    if table.coefficients and len(table.coefficients[0]) == wanted:
        return
    held = len(table.coefficients[0]) if table.coefficients else 0
    kind = ("quadratic" if quadratic else "linear") + (" chemflag" if block["chemflag"] else "")
    raise InputError(
        f"{table.path}: {held} coefficients for each of {len(table.elements)} elements; "
        f"a {kind} SNAP with twojmax {block['two_j_max']} has {wanted}"
    )
