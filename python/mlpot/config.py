"""The YAML file of a fit, checked strictly: one line says what is wrong and where.

The descriptor and regressor blocks are passed on as they are: the C++ core checks them when the
model is built, so that there is one checker for both.
"""

from __future__ import annotations

import glob
from pathlib import Path
from typing import Annotated, Any, Literal

from ase.data import chemical_symbols
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PrivateAttr,
    ValidationError,
    model_validator,
)

from mlpot.errors import InputError, did_you_mean
from mlpot.strict_yaml import parse_yaml


def _as_list(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


def _typed(value: dict[str, Any]) -> dict[str, Any]:
    if not isinstance(value.get("type"), str):
        raise ValueError("needs a key type, such as type: bispectrum or type: linear")
    return value


def _element(symbol: str) -> str:
    if symbol not in chemical_symbols[1:]:
        raise ValueError(
            f"{symbol!r} is not a chemical symbol{did_you_mean(symbol, chemical_symbols)}"
        )
    return symbol


def _number(value: Any, least: float = 0.0) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not value >= least:
        raise ValueError(f"{value!r} is not a number of {least:g} or more")
    if value == float("inf"):
        raise ValueError("is not finite")
    return float(value)


def _ridge(value: Any) -> Any:
    if isinstance(value, str) and value != "auto":
        raise ValueError(f"{value!r} is neither auto nor a number")
    return value if value == "auto" else _number(value)


def _e0(value: Any) -> Any:
    if value == "fit":
        return value
    if not isinstance(value, dict) or not value:
        raise ValueError(f"{value!r} is neither fit nor energies such as {{Mo: -10.9}}")
    return {_element(str(symbol)): _number(e, -float("inf")) for symbol, e in value.items()}


Weight = Annotated[float, BeforeValidator(_number)]
Element = Annotated[str, AfterValidator(_element)]
Paths = Annotated[list[str], BeforeValidator(_as_list)]
Block = Annotated[dict[str, Any], AfterValidator(_typed)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, allow_inf_nan=False)


class GroupWeights(_Strict):
    """Weights of one group; what is not given is taken from the general weights."""

    energy: Weight | None = None
    force: Weight | None = None
    stress: Weight | None = None


class Weights(_Strict):
    """Weights of rows in eV/atom, eV/Å and GPa."""

    energy: Weight = 1.0
    force: Weight = 1.0
    stress: Weight = 0.0
    groups: dict[str, GroupWeights] = {}

    def of(self, group: str | None) -> tuple[float, float, float]:
        """(energy, force, stress) weights of a group of structures."""
        own = self.groups.get(group or "", GroupWeights())
        pairs = ((own.energy, self.energy), (own.force, self.force), (own.stress, self.stress))
        energy, force, stress = (general if mine is None else mine for mine, general in pairs)
        return energy, force, stress


class Data(_Strict):
    train: Annotated[Paths, Field(min_length=1)]
    test: Paths = []


class Core(_Strict):
    """Screened nuclear repulsion, switched off between inner and outer (Å)."""

    type: Literal["zbl"]
    inner: Weight
    outer: Weight

    @model_validator(mode="after")
    def _ordered(self) -> Core:
        if not self.inner < self.outer:
            raise ValueError(f"inner {self.inner:g} must be below outer {self.outer:g}")
        return self


class FitConfig(_Strict):
    """A fit: data, model, weights.  Paths are relative to the folder of the file."""

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")]
    elements: list[Element] | None = None
    data: Data
    descriptor: Block
    regressor: Block = {"type": "linear"}
    E0: Annotated[Any, BeforeValidator(_e0)] = "fit"
    core: Core | None = None
    weights: Weights = Weights()
    ridge: Annotated[Any, BeforeValidator(_ridge)] = "auto"
    folds: Annotated[int, Field(ge=2, le=100)] = 5
    seed: Annotated[int, Field(ge=0)] = 0
    output: str = "."

    _where: str = PrivateAttr("config")
    _folder: Path = PrivateAttr(Path("."))

    @property
    def where(self) -> str:
        """The file, for messages."""
        return self._where

    @property
    def output_folder(self) -> Path:
        return self._folder / self.output

    def paths(self, split: Literal["train", "test"]) -> list[Path]:
        """Files of a split with patterns expanded, sorted.  InputError where one has no file."""
        found: list[Path] = []
        for pattern in getattr(self.data, split):
            path = self._folder / pattern
            matches = [path] if path.is_file() else sorted(map(Path, glob.glob(str(path))))
            if not matches:
                raise InputError(f"{self._where}: data.{split}: no file {pattern}")
            found += [match for match in matches if match not in found]
        return found


def load_config(path: str | Path) -> FitConfig:
    """Read a fit's YAML file.  Raises InputError "file:line: key: what is wrong"."""
    path = Path(path)
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: {getattr(error, 'strerror', None) or error}") from None
    return parse_config(text, str(path), path.parent)


def parse_config(text: str, where: str = "config", folder: str | Path = ".") -> FitConfig:
    """Check a fit's YAML text; where is its name in messages, folder what its paths start from."""
    content, lines = parse_yaml(text, where)
    try:
        config = FitConfig.model_validate(content)
    except ValidationError as error:
        raise InputError(_one_line(error, where, lines)) from None
    config._where, config._folder = where, Path(folder)
    return config


def _one_line(error: ValidationError, where: str, lines: dict[Any, int]) -> str:
    # A misspelt key is the cause, the missing one its consequence.
    first = min(error.errors(), key=lambda e: e["type"] != "extra_forbidden")
    place = first["loc"]
    key = ".".join(str(part) for part in place)
    line = next((lines[place[:n]] for n in range(len(place), 0, -1) if place[:n] in lines), None)
    if first["type"] == "extra_forbidden":
        known = _keys_at(place[:-1])
        message = f"unknown key{did_you_mean(str(place[-1]), known)} (known: {', '.join(known)})"
    elif first["type"] == "missing":
        message = "missing"
    elif first["type"] in ("model_type", "dict_type"):
        message = f"expected keys and values, not {first['input']!r}"
    else:
        message = first["msg"].removeprefix("Value error, ")
        if first["type"] != "value_error":
            message = f"{_plain(message)}, not {first['input']!r}"
    more = f" (and {n} more)" if (n := error.error_count() - 1) else ""
    return f"{where}{f':{line}' if line else ''}: {f'{key}: ' if key else ''}{message}{more}"


def _plain(message: str) -> str:
    return message.removeprefix("Input ").removeprefix("List ").removeprefix("Value ")


def _keys_at(place: tuple[Any, ...]) -> list[str]:
    models = {"data": Data, "weights": Weights, "core": Core}
    model = GroupWeights if place[1:2] == ("groups",) else models.get(place[0] if place else "")
    return list((model or FitConfig).model_fields)


def example_config() -> str:
    """A commented configuration that is valid as it stands."""
    return EXAMPLE


EXAMPLE = """\
# mlpot fit fit.yaml          Units: eV, Å; stress in GPa. Paths start from this file's folder.
name: Mo                      # the model is written to <output>/<name>.json
# elements: [Mo]              # order of the species; default: those in the data, by symbol

data:
  train: train.xyz            # a file, a pattern such as data/*.xyz, or a list of them
  test: []                    # structures that only measure the error

descriptor:                   # `mlpot info MODEL` prints a block with every key filled in
  type: bispectrum
  two_j_max: 6                # 30 numbers an atom; 8 gives 55
  r_cut: 4.4                  # Å; the cutoff of a pair is r_cut * (radii[a] + radii[b])
  radii: [0.5]                # one per element
  weights: [1.0]              # one per element
regressor:
  type: linear                # linear (SNAP) or quadratic (qSNAP)

E0: fit                       # energy of an atom: fit, or known ones in eV: {Mo: -10.9}
core: null                    # or repulsion of close atoms: {type: zbl, inner: 1.0, outer: 2.0} (Å)

weights:                      # of the errors in eV/atom, eV/Å and GPa; 0 leaves a kind out
  energy: 1.0
  force: 0.003                # there are many more of them: 0.001 to 0.01 is usual
  stress: 0.0
  groups: {}                  # other weights for a group of structures: {Elastic: {energy: 10}}
ridge: auto                   # auto: chosen by cross validation; or a number such as 1e-8
folds: 5                      # of the cross validation
seed: 0                       # of the division into folds
output: .                     # folder
"""
