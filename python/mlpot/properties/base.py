"""How a property is declared: a function that returns a dataclass of quantities with units."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass, field, fields
from typing import Any

import numpy as np

from mlpot.errors import InputError, did_you_mean

# Arguments that are not settings of the user's: the frame passes them to functions that name them.
GIVEN = ("crystal", "calculator", "reference", "progress")


class PropertyError(InputError):
    """The potential given does not have this property, or the search for it did not end; says why.

    Raised instead of returning a number that would be wrong.
    """


class SettingError(InputError):
    """A setting of a property that cannot be: the user's mistake, whatever the potential."""


class Kelvins(tuple):
    """The default of temperatures: numbers (K), or parts of melting as text, "0.9Tm"."""


def quantity(label: str, unit: str = "", digits: int = 3) -> Any:
    """A field of a Result that is shown in tables; its name, unit included, is its JSON key.

    A field that holds a dict gets a row for each of its keys, put where `label` has {}.
    """
    return field(default=None, metadata={"label": label, "unit": unit, "digits": digits})


def hidden() -> Any:
    """A field of a Result for plots and for Python only, neither in tables nor in JSON."""
    return field(default=None, repr=False, metadata={"hidden": True})


@dataclass(frozen=True, kw_only=True)
class Result:
    """Base of what property functions return. Field names are JSON keys and end in their unit.

    Fields made by `quantity` are shown, by `hidden` kept from JSON, all others are in JSON only.
    No two properties may have a key in common: a model's are merged into one JSON object.
    problems: what could not be had although the rest could, one line each.
    """

    problems: tuple[str, ...] = field(default=(), metadata={"hidden": True})

    def to_dict(self) -> dict[str, Any]:
        """What JSON holds: all fields that are neither hidden nor None."""
        values = {f.name: _plain(getattr(self, f.name)) for f in fields(self) if not _is_hidden(f)}
        return {name: value for name, value in values.items() if value is not None}

    def rows(self) -> list[tuple[str, str, int, Any]]:
        """(label, unit, digits, value) of each quantity that has a value."""
        rows = []
        for f in fields(self):
            value = getattr(self, f.name)
            if "label" not in f.metadata or value is None:
                continue
            label, unit, digits = (f.metadata[key] for key in ("label", "unit", "digits"))
            parts = value.items() if isinstance(value, dict) else [("", value)]
            rows += [(label.format(key), unit, digits, part) for key, part in parts]
        return rows


@dataclass(frozen=True)
class Property:
    """One property as the command line knows it.

    function(crystal, calculator, *, setting=default, ...) -> Result, where crystal is the relaxed
    one (see `lattice`) and calculator any ASE calculator, not attached to it. Keyword arguments
    with defaults are the settings, except `progress`, a callback (done, total), and `reference`,
    the calculator of a second method; both may be None. It raises PropertyError where there is no
    right number.
    plot(results by model's name) -> PNG, or None. between(a, b): quantities that compare two
    results, such as {"delta_eos_meV_per_atom": 0.3}. usual: computed without being asked for;
    of_elements: only of crystals of one element.
    """

    name: str
    function: Callable[..., Result]
    plot: Callable[[dict[str, Any]], bytes | None] | None = None
    between: Callable[[Any, Any], dict[str, float]] | None = None
    usual: bool = True
    of_elements: bool = False

    def settings(self) -> dict[str, Any]:
        """Names of all settings and their defaults."""
        parameters = inspect.signature(self.function).parameters.values()
        return {p.name: p.default for p in parameters if p.name not in GIVEN}

    def with_defaults(self, chosen: dict[str, Any]) -> dict[str, Any]:
        """All settings, those in `chosen` instead of the defaults. Raises InputError."""
        settings = self.settings()
        for name, value in chosen.items():
            if name not in settings:
                hint = did_you_mean(name, settings)
                known = ", ".join(settings) or "none"
                raise InputError(f"{self.name}: no setting {name!r}{hint} (settings: {known})")
            settings[name] = _of_kind(f"{self.name}.{name}", value, settings[name])
        return settings

    def accepts(self, argument: str) -> bool:
        """Whether the function takes `progress` or `reference`."""
        return argument in inspect.signature(self.function).parameters


def _is_hidden(f: Any) -> bool:
    return f.metadata.get("hidden", False)


def _of_kind(name: str, value: Any, default: Any) -> Any:
    """The value, an int made a float and a list a tuple where the default is one."""
    if isinstance(default, float) and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if isinstance(default, tuple):
        values = value if isinstance(value, (list, tuple)) else (value,)
        if not values:
            raise SettingError(f"{name}: is empty; must have at least one, such as {default[0]}")
        text = isinstance(default, Kelvins)
        return tuple(
            v if text and type(v) is str else _of_kind(name, v, default[0]) for v in values
        )
    if default is not None and type(value) is not type(default):
        kind = type(default).__name__
        raise SettingError(f"{name}: must be of the kind {kind}, such as {default}, not {value!r}")
    return value


def _plain(value: Any) -> Any:
    """The value in terms of JSON: arrays as lists, numbers as Python's, not-finite ones as None."""
    if isinstance(value, dict):
        return {str(key): _plain(part) for key, part in value.items()}
    if isinstance(value, (list, tuple, np.ndarray)):
        return [_plain(part) for part in value]
    if isinstance(value, np.generic):
        value = value.item()
    return None if isinstance(value, float) and not np.isfinite(value) else value
