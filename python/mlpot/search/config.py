"""The YAML file of a search, checked strictly: one line says what is wrong and where."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

from ase.data import chemical_symbols
from ase.formula import Formula
from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from mlpot.config import (
    TRAINED,
    Data,
    Element,
    FitConfig,
    FitSettings,
    FromFile,
    Name,
    Paths,
    as_list,
    found_files,
)
from mlpot.errors import did_you_mean
from mlpot.lattice_sums import pairs
from mlpot.strict import Strict

OWN = ("search", "report")  # .json: of the search itself, where the potential would go
GROUPS = ("given", "random", "relaxed")  # of training structures: data, start and way of a search


def _span(value: Any) -> Any:
    """[low, high] from one number or two in rising order."""
    if not isinstance(value, list):
        value = [value, value]
    numbers = all(isinstance(x, int | float) and not isinstance(x, bool) for x in value)
    if len(value) != 2 or not numbers or not 0 < value[0] <= value[1]:
        raise ValueError(f"{value!r} is neither a number above 0 nor two of them in rising order")
    return value


def _whole(value: list[Any]) -> list[int]:
    if not all(isinstance(x, int) for x in value):
        raise ValueError(f"{value!r}: must be whole numbers")
    return value


def _formula(text: str) -> str:
    try:
        counts = Formula(text).count()
    except ValueError:
        counts = {}
    if not counts or not all(n > 0 and s in chemical_symbols[1:] for s, n in counts.items()):
        raise ValueError(f"{text!r} is not a formula such as NaCl or Al2O3")
    return text


def _check_pairs(keys: Sequence[str], symbols: list[str]) -> None:
    """ValueError where keys such as Al-Ni are not the pairs of the elements, each once."""
    known = {"-".join(pair) for pair in pairs(symbols)}
    given = ["-".join(sorted(key.split("-"))) for key in keys]
    for key in sorted(known.symmetric_difference(given)):
        what = "no such pair" if key in given else "missing"
        raise ValueError(f"min_distance.{key}: {what}{did_you_mean(key, known - set(given))}")
    for key in given:
        if given.count(key) > 1:
            raise ValueError(f"min_distance.{key}: given twice")


Span = Annotated[list[float], BeforeValidator(_span)]
Counts = Annotated[list[int], BeforeValidator(lambda v: _whole(_span(v)))]
Positive = Annotated[float, Field(gt=0)]
Formulas = Annotated[
    list[Annotated[str, AfterValidator(_formula)]],
    BeforeValidator(as_list),
    Field(min_length=1),
]


class Structures(Strict):
    """Random crystals: units of formulas, or any composition of so many atoms of elements."""

    formula: Formulas | None = None
    units: Counts = [1, 4]  # noqa: RUF012
    elements: Annotated[list[Element], Field(min_length=1)] | None = None
    atoms: Counts = [2, 8]  # noqa: RUF012
    volume: Span  # Å³ an atom
    min_distance: Positive | dict[str, Positive]  # Å: of all pairs, or {Al-Ni: 2.0, ...}
    symmetric: bool = False

    @model_validator(mode="after")
    def _consistent(self) -> Structures:
        if (self.formula is None) == (self.elements is None):
            raise ValueError("give either formula or elements")
        unused = "atoms" if self.formula else "units"
        if unused in self.model_fields_set:
            belongs = "elements" if self.formula else "formula"
            raise ValueError(f"{unused}: is for {belongs}")
        if isinstance(self.min_distance, dict):
            _check_pairs(list(self.min_distance), self.symbols)
        return self

    @property
    def symbols(self) -> list[str]:
        """The elements, in alphabetical order."""
        if self.elements is not None:
            return sorted(set(self.elements))
        return sorted({s for text in self.formula or () for s in Formula(text).count()})

    @property
    def compositions(self) -> list[dict[str, int]] | None:
        """Of the cells, where formulas say which; None for any."""
        if self.formula is None:
            return None
        low, high = self.units
        formulas = [Formula(text).count() for text in self.formula]
        return [
            {symbol: n * k for symbol, k in counts.items()}
            for counts in formulas
            for n in range(low, high + 1)
        ]

    @property
    def least(self) -> dict[tuple[str, str], float]:
        """Å: least distance of each pair of elements, as `mlpot.lattice_sums.pairs` orders them."""
        if not isinstance(self.min_distance, dict):
            return dict.fromkeys(pairs(self.symbols), self.min_distance)
        given = {tuple(sorted(k.split("-"))): r for k, r in self.min_distance.items()}
        return {pair: given[pair] for pair in pairs(self.symbols)}


class Reference(Strict):
    """Where labels come from: LAMMPS commands, or an ASE calculator by its name."""

    lammps: Annotated[list[str], Field(min_length=1)] | None = None
    calculator: str | None = None
    arguments: dict[str, Any] = Field({})

    @model_validator(mode="after")
    def _one(self) -> Reference:
        if (self.lammps is None) == (self.calculator is None):
            raise ValueError("give either lammps (commands) or calculator (an ASE calculator)")
        if self.lammps and self.arguments:
            raise ValueError("arguments: is for calculator")
        return self


class Select(Strict):
    """Which structures of a round are labelled: those with a grade above threshold, or chance;
    and the lowest of the relaxed ones, whatever their grade."""

    rule: Literal["range", "d_optimal", "random"] = "range"
    threshold: Positive = 1.0
    at_most: Annotated[int, Field(ge=1)] = 50
    lowest: Annotated[int, Field(ge=0)] = 5


class Relax(Strict):
    """Relaxation of atoms and cell: eV/Å, GPa; stops where a grade is above stop_grade."""

    fmax: Positive = 0.05
    steps: Annotated[int, Field(ge=1)] = 200
    pressure: float = 0.0
    every: Annotated[int, Field(ge=1)] = 10  # one step in so many may be selected
    stop_grade: Positive | None = 10.0


class Final(Strict):
    """What is relaxed and ranked in the end, and how many of the lowest the reference checks."""

    candidates: Annotated[int, Field(ge=1)] = 100
    verify: Annotated[int, Field(ge=0)] = 10
    relax: bool = False  # the reference relaxes them, too


class SearchConfig(FromFile):
    """A search."""

    name: Name
    data: Paths = Field([])  # labelled structures that are known before
    structures: Structures
    reference: Reference
    fit: FitSettings
    rounds: Annotated[int, Field(ge=1)] = 3
    first: Annotated[int, Field(ge=0)] = 100  # random structures of the first round, all labelled
    candidates: Annotated[int, Field(ge=1)] = 50  # of each of the other rounds
    select: Select = Select()
    relax: Relax = Relax()
    final: Final = Final()
    seed: Annotated[int, Field(ge=0)] = 0
    output: str | None = None  # default: the name

    @model_validator(mode="after")
    def _fits(self) -> SearchConfig:
        if self.name in OWN:
            raise ValueError(f"name: {self.name}.json is a file of the search; take another name")
        if self.first == 0 and not self.data:
            raise ValueError("first: 0 needs data to begin with")
        kind, rule = self.fit.regressor["type"], self.select.rule
        if rule == "range" and self.fit.descriptor["type"] == "none":
            raise ValueError("select.rule: range needs a descriptor; take d_optimal")
        if rule == "d_optimal" and (kind in TRAINED or self.fit.pooling == "structure"):
            raise ValueError("select.rule: d_optimal is for linear and quadratic models of atoms")
        if rule == "d_optimal" and self.fit.active_set == "none":
            raise ValueError("select.rule: d_optimal needs an active set; leave fit.active_set out")
        for group in self.fit.weights.groups:
            if group not in GROUPS:
                hint = did_you_mean(group, GROUPS)
                raise ValueError(f"fit.weights.groups.{group}: must be {', '.join(GROUPS)}{hint}")
        return self

    @property
    def output_folder(self) -> Path:
        return self._folder / (self.output or self.name)

    @property
    def files(self) -> list[Path]:
        """Of data.  InputError where a pattern has none."""
        return found_files(self.data, self._folder, f"{self._where}: data")

    def fit_config(self, folder: Path, data: Sequence[Path], groups: Sequence[str]) -> FitConfig:
        """Of a fit to these files, which hold these groups, into the folder."""
        settings = self.fit.model_dump(exclude_unset=True)
        if (weights := settings.get("weights", {})).get("groups"):
            weights["groups"] = {g: w for g, w in weights["groups"].items() if g in groups}
        if self.select.rule == "d_optimal" and self.fit.active_set == "auto":
            rows = "structures" if self.fit.descriptor["type"] == "none" else "atoms"
            settings["active_set"] = rows
        config = FitConfig(
            **settings,
            name=self.name,
            elements=self.structures.symbols,
            data=Data(train=[str(path.absolute()) for path in data]),
            seed=self.seed,
            output=str(folder.absolute()),
        )
        config._where = f"{self._where}: fit"
        return config


def load_search(path: str | Path) -> SearchConfig:
    """Read a search's YAML file.  Raises InputError "file:line: key: what is wrong"."""
    return SearchConfig.load(path)


def parse_search(text: str, where: str = "search", folder: str | Path = ".") -> SearchConfig:
    """Check a search's YAML text; where: its name in messages, folder: where its paths start."""
    return SearchConfig.parse(text, where, folder)
