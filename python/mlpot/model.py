"""The model file: one JSON document, sealed with its own SHA-256 (docs/model_format.md).

Python writes it; the strict reader is the C++ core's, and the only one.
"""

from __future__ import annotations

import hashlib
import json
import re
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mlpot.errors import InputError
from mlpot.files import read_text, write_atomic

if TYPE_CHECKING:
    from mlpot import _core

VERSION = 1
_DEFAULTS: dict[str, Any] = {
    "format": "mlpot",
    "version": VERSION,
    "name": "model",
    "units": {"energy": "eV", "length": "angstrom"},
    "elements": [],
    "E0": [],
    "core": None,
    "pair": None,
    "descriptor": None,
    "scaling": None,
    "pooling": "atom",
    "regressor": None,
    "ranges": None,
    "active_set": None,
    "provenance": {},
}
_SEAL = re.compile(r'("sha256": ")([0-9a-f]{64})("\s*}\s*)$')
_ZEROS = "0" * 64


def seal(model: str | dict) -> str:
    """Text of a model file with the right SHA-256, from its content or an edited file's text.

    Raises InputError where a value cannot be written or the text does not end with its sha256.
    """
    text = model if isinstance(model, str) else _format({**model, "sha256": _ZEROS})
    match = _SEAL.search(text)
    if match is None:
        raise InputError('a model file ends with "sha256": "<64 hexadecimal digits>" and }')
    return text[: match.start(2)] + _digest(text, match) + text[match.end(2) :]


def unseal(text: str, where: str = "model") -> dict:
    """Content of a model file's text without its sha256, which must be right; raises InputError."""
    try:
        data = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InputError(f"{where}: not a model file: {error}") from None
    match = _SEAL.search(text)
    if not isinstance(data, dict) or match is None:
        raise InputError(f'{where}: not a model file: its last key must be "sha256"')
    if match[2] != _digest(text, match):
        raise InputError(f"{where}: sha256: the file was damaged or edited after it was written")
    del data["sha256"]
    return data


class Model:
    """A potential as its model file holds it: coefficients, cutoffs, units and provenance.

    data: the file's content; keys with only one sensible value (format, version, units, absent
    terms) may be left out. NumPy numbers and arrays are taken. Not to be changed afterwards.
    """

    def __init__(self, data: dict):
        ordered = {key: data.get(key, default) for key, default in _DEFAULTS.items()} | data
        ordered.pop("sha256", None)
        self.data: dict = json.loads(_format(ordered))  # plain, and the same as after save and load
        self._potential: _core.Potential | None = None

    @classmethod
    def load(cls, path: str | PathLike) -> Model:
        """Reads a model file with the core's strict reader.

        Raises InputError naming the file, the place and what would be right.
        """
        text = read_text(path)
        potential = _read(text, str(path))
        model = cls(unseal(text, str(path)))
        model._potential = potential
        return model

    def save(self, path: str | PathLike) -> Path:
        """Writes the model file: the old file or the whole new one, never half of it."""
        return write_atomic(path, self.to_text())

    def to_text(self) -> str:
        """The model file's text: one key a line, doubles as short as they read back exactly."""
        return seal(self.data)

    def potential(self) -> _core.Potential:
        """The core's evaluator of this model; raises InputError where the model is not valid."""
        if self._potential is None:
            self._potential = _read(self.to_text(), self.name)
        return self._potential

    @property
    def name(self) -> str:
        return self.data["name"]

    @property
    def elements(self) -> list[str]:
        return self.data["elements"]

    def __repr__(self) -> str:
        return f"Model({self.name!r}, elements={self.elements})"


def _read(text: str, where: str) -> _core.Potential:
    from mlpot import _core

    try:
        return _core.Potential(text, where=where)
    except _core.ModelError as error:
        raise InputError(str(error)) from None


def _digest(text: str, match: re.Match) -> str:
    blank = text[: match.start(2)] + _ZEROS + text[match.end(2) :]
    return hashlib.sha256(blank.encode("utf-8")).hexdigest()


def _format(data: dict) -> str:
    lines = []
    for key, value in data.items():
        try:
            text = json.dumps(value, ensure_ascii=False, allow_nan=False, default=_plain)
            text.encode("utf-8")
        except (ValueError, TypeError, RecursionError) as error:
            raise InputError(f"model: {key}: cannot be written: {error}") from None
        lines.append(f"  {json.dumps(key)}: {text}")
    return "{\n" + ",\n".join(lines) + "\n}\n"


def _plain(value: Any) -> Any:
    if isinstance(value, np.ndarray | np.generic):
        return value.tolist()
    raise TypeError(f"{type(value).__name__} has no place in a model file")
