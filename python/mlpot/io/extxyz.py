"""What ASE's reader of extended XYZ passes over in silence, looked for before it reads."""

import numpy as np
from ase.io.extxyz import key_val_str_to_dict

from mlpot.errors import InputError
from mlpot.io.checks import ASYMMETRIC, is_symmetric


def must_be_whole(text: str) -> None:
    """Raise InputError naming frame and line where ASE would stop early or drop something.

    ASE takes a blank line for the end, ignores columns that Properties does not name, and keeps the
    upper triangle of the stress only.
    """
    lines = text.rstrip().splitlines()
    start = frame = 0
    while start < len(lines):
        where, head = f"frame {frame}: line {start + 1}", lines[start].strip()
        if not head.isdecimal():
            raise InputError(f"{where}: {head[:40]!r}; expected the number of atoms")
        end = start + 2 + int(head)
        if end > len(lines):
            found = max(len(lines) - start - 2, 0)
            raise InputError(f"{where}: {head} atoms expected, {found} found")
        if int(head):
            _check(lines[start + 1], lines[start + 2], where)
        while end < len(lines) and lines[end].startswith("VEC"):
            end += 1
        start, frame = end, frame + 1


def _check(comment: str, row: str, where: str) -> None:
    info = key_val_str_to_dict(comment) if comment.strip() else {}
    named = sum(int(count) for count in info.get("Properties", "").split(":")[2::3])
    if named and len(row.split()) != named:
        raise InputError(
            f"{where}: atoms have {len(row.split())} columns, Properties names {named}"
        )
    stress = info.get("stress")
    if np.shape(stress) == (3, 3) and not is_symmetric(stress):
        raise InputError(f"{where}: {ASYMMETRIC}")
