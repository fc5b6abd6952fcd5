"""Lines of other programs' text files, and the messages that name them."""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import NamedTuple, NoReturn

from mlpot.errors import InputError
from mlpot.files import read_text

NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")


class Line(NamedTuple):
    """The words of one line, and where it stands."""

    path: Path
    number: int
    words: list[str]

    def refuse(self, why: str) -> NoReturn:
        raise InputError(f"{self.path}: line {self.number}: {why}")

    def real(self, word: str) -> float:
        if not NUMBER.fullmatch(word) or not math.isfinite(float(word)):
            self.refuse(f"{word!r} is not a finite number")
        return float(word)

    def exact(self, word: str) -> Fraction:
        """The number as it is written, without rounding."""
        return Fraction(word) if self.real(word) else Fraction(0)

    def integer(self, word: str) -> int:
        if not re.fullmatch(r"\d{1,9}", word):
            self.refuse(f"{word!r} is not a whole number")
        return int(word)

    def flag(self, word: str) -> bool:
        if word not in ("0", "1"):
            self.refuse(f"{self.words[0]} is 0 or 1, not {word!r}")
        return word == "1"


def lines(path: Path, comments: str = "#", quotes: str = "") -> Iterator[Line]:
    """Lines that are not blank; what follows one of `comments` and all `quotes` are removed."""
    for number, text in enumerate(read_text(path, errors="replace").splitlines(), 1):
        bare = re.split(f"[{comments}]", text, maxsplit=1)[0]
        if words := bare.translate(dict.fromkeys(map(ord, quotes), " ")).split():
            yield Line(path, number, words)


def sources(*paths: Path | None) -> list[dict]:
    """Name, hash and opening comments (they hold the citation) of each file."""
    found = []
    for path in filter(None, paths):
        data = path.read_bytes()
        text = data.decode("utf-8", "replace")
        comments = [line.strip("# \t\r") for line in text.splitlines()[:5] if line.startswith("#")]
        digest = hashlib.sha256(data).hexdigest()
        found.append({"name": path.name, "sha256": digest, "comments": [c for c in comments if c]})
    return found
