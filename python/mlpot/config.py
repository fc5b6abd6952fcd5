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
    BeforeValidator,
    Field,
    PrivateAttr,
    ValidationError,
    model_validator,
)
from typing_extensions import Self

from mlpot.errors import InputError, did_you_mean
from mlpot.files import read_text
from mlpot.strict import Strict, explain
from mlpot.strict_yaml import parse_yaml


def as_list(value: Any) -> Any:
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


TRAINED = ("neural_network",)  # regressors that need a descent; the others are linear
RADIAL = {"iterations", "checkpoint", "max_minutes"}  # of training: what radial functions know

Weight = Annotated[float, BeforeValidator(_number)]
Element = Annotated[str, AfterValidator(_element)]
Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")]
Paths = Annotated[list[str], BeforeValidator(as_list)]
Block = Annotated[dict[str, Any], AfterValidator(_typed)]


class GroupWeights(Strict):
    """Weights of one group; what is not given is taken from the general weights."""

    energy: Weight | None = None
    force: Weight | None = None
    stress: Weight | None = None


class Weights(Strict):
    """Weights of rows in eV/atom, eV/Å and GPa."""

    energy: Weight = 1.0
    force: Weight = 1.0
    stress: Weight = 0.0
    groups: dict[str, GroupWeights] = Field({})

    def of(self, group: str | None) -> tuple[float, float, float]:
        """(energy, force, stress) weights of a group of structures."""
        own = self.groups.get(group or "", GroupWeights())
        pairs = ((own.energy, self.energy), (own.force, self.force), (own.stress, self.stress))
        energy, force, stress = (general if mine is None else mine for mine, general in pairs)
        return energy, force, stress


class Data(Strict):
    train: Annotated[Paths, Field(min_length=1)]
    test: Paths = Field([])


class Core(Strict):
    """Screened nuclear repulsion, switched off between inner and outer (Å)."""

    type: Literal["zbl"]
    inner: Weight
    outer: Weight

    @model_validator(mode="after")
    def _ordered(self) -> Core:
        if not self.inner < self.outer:
            raise ValueError(f"inner {self.inner:g} must be below outer {self.outer:g}")
        return self


class PairConfig(Strict):
    """A pair term sum_k A_k r^-k over the whole lattice or inside r_cut (Å), tapered at its end."""

    sum: Literal["ewald", "cut"] = "ewald"
    powers: Annotated[list[int], Field(min_length=1)] = list(range(1, 16))  # noqa: RUF012
    r_cut: Annotated[float, Field(gt=0)] | None = None
    taper: Weight = 1.0
    eliminate: bool | Annotated[float, Field(gt=0)] = True
    core: bool = True

    @model_validator(mode="after")
    def _fits(self) -> PairConfig:
        least = 1 if self.sum == "ewald" else 0
        if self.powers != sorted({k for k in self.powers if least <= k <= 15}):
            raise ValueError(f"powers: expected whole numbers from {least} to 15 in rising order")
        if self.sum == "cut" and self.r_cut is None:
            raise ValueError("sum: cut needs r_cut")
        if self.sum == "ewald" and self.r_cut is not None:
            raise ValueError("r_cut is for sum: cut; sum: ewald has none")
        if self.r_cut is not None and self.taper > 0.9 * self.r_cut:
            raise ValueError(f"taper {self.taper:g} must be at most 0.9 r_cut")
        return self


class Training(Strict):
    """How a regressor that is not linear in its coefficients is trained."""

    optimiser: Literal["lbfgs", "adam"] = "lbfgs"
    scheme: Literal["joint", "alternating", "once"] = "joint"  # of a pair term and the network
    rounds: Annotated[int, Field(ge=1)] = 30
    round_iterations: Annotated[int, Field(ge=1)] = 50
    iterations: Annotated[int, Field(ge=1)] = 1000
    validation: Annotated[float, Field(ge=0, le=0.5)] = 0.1
    patience: Annotated[int, Field(ge=1)] = 100
    restarts: Annotated[int, Field(ge=1)] = 1
    committee: Annotated[int, Field(ge=1)] = 1
    scaling: Literal["standard", "range"] = "standard"
    checkpoint: Annotated[int, Field(ge=1)] = 50
    max_minutes: Annotated[float, Field(gt=0)] | None = None
    learning_rate: Annotated[float, Field(gt=0)] = 0.005
    batch: Annotated[int, Field(ge=1)] = 8

    @model_validator(mode="after")
    def _used(self) -> Training:
        for key in ("learning_rate", "batch"):
            given = getattr(self, key) != type(self).model_fields[key].default
            if given and self.optimiser != "adam":
                raise ValueError(f"{key} is for optimiser: adam")
        for key in ("rounds", "round_iterations"):
            given = getattr(self, key) != type(self).model_fields[key].default
            if given and self.scheme != "alternating":
                raise ValueError(f"{key} is for scheme: alternating")
        if self.scheme == "alternating" and self.optimiser != "lbfgs":
            raise ValueError("scheme: alternating is for optimiser: lbfgs")
        return self

    @property
    def steps(self) -> int:
        """Of a descent, at most."""
        return self.rounds if self.scheme == "alternating" else self.iterations


class FitSettings(Strict):
    """How a potential is fitted, whatever the data."""

    descriptor: Block = Field({"type": "none"})
    pooling: Literal["atom", "structure"] = "atom"
    pair: PairConfig | None = None
    regressor: Block = Field({"type": "linear"})
    E0: Annotated[Any, BeforeValidator(_e0)] = "fit"
    core: Core | None = None
    weights: Weights = Weights()
    training: Training | None = None
    active_set: Literal["auto", "atoms", "structures", "none"] = "auto"
    ridge: Annotated[Any, BeforeValidator(_ridge)] = "auto"
    folds: Annotated[int, Field(ge=2, le=100)] = 5

    @model_validator(mode="after")
    def _used(self) -> FitSettings:
        kind = self.regressor["type"]
        if self.descriptor["type"] == "none" and not (self.pair and kind == "linear"):
            raise ValueError("descriptor: missing; only pair: with regressor linear needs none")
        if kind not in TRAINED and self.training:
            if self.descriptor["type"] != "moments":
                raise ValueError(f"training: is for regressor {' or '.join(TRAINED)}, not {kind}")
            for key in sorted(self.training.model_fields_set - RADIAL):
                raise ValueError(f"training.{key}: is for networks, not for radial functions")
        if kind in TRAINED and self.ridge != "auto":
            raise ValueError(f"ridge: is for linear and quadratic regressors, not {kind}")
        if kind in TRAINED and self.active_set not in ("auto", "none"):
            raise ValueError(f"active_set: is for linear and quadratic regressors, not {kind}")
        return self


class FromFile(Strict):
    """What a YAML file of its own says.  Paths in it are relative to the folder of the file."""

    _where: str = PrivateAttr("config")
    _folder: Path = PrivateAttr(Path("."))

    @property
    def where(self) -> str:
        """The file, for messages."""
        return self._where

    @classmethod
    def load(cls, path: str | Path) -> Self:
        return cls.parse(read_text(path), str(path), Path(path).parent)

    @classmethod
    def parse(cls, text: str, where: str, folder: str | Path = ".") -> Self:
        content, lines = parse_yaml(text, where)
        try:
            config = cls.model_validate(content)
        except ValidationError as error:
            raise InputError(explain(error, cls, where, lines)) from None
        config._where, config._folder = where, Path(folder)
        return config


class FitConfig(FitSettings, FromFile):
    """A fit: data, model, weights."""

    name: Name
    elements: list[Element] | None = None
    data: Data
    seed: Annotated[int, Field(ge=0)] = 0
    output: str = "."

    @property
    def output_folder(self) -> Path:
        return self._folder / self.output

    def paths(self, split: Literal["train", "test"]) -> list[Path]:
        """Files of a split with patterns expanded, sorted.  InputError where one has no file."""
        return found_files(getattr(self.data, split), self._folder, f"{self._where}: data.{split}")


def found_files(patterns: list[str], folder: Path, where: str) -> list[Path]:
    """Files of patterns that start from a folder, each once.  InputError where one has none."""
    found: list[Path] = []
    for pattern in patterns:
        path = folder / pattern
        matches = [path] if path.is_file() else sorted(map(Path, glob.glob(str(path))))
        if not matches:
            raise InputError(f"{where}: no file {pattern}")
        found += [match for match in matches if match not in found]
    return found


def load_config(path: str | Path) -> FitConfig:
    """Read a fit's YAML file.  Raises InputError "file:line: key: what is wrong"."""
    return FitConfig.load(path)


def parse_config(text: str, where: str = "config", folder: str | Path = ".") -> FitConfig:
    """Check a fit's YAML text; where: its name in messages, folder: where its paths start."""
    return FitConfig.parse(text, where, folder)
