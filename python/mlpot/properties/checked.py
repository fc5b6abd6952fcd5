"""Settings that several properties have: what cannot be is refused before anything is computed."""

from __future__ import annotations

import math
from collections.abc import Iterable

from ase import Atoms

from mlpot.errors import InputError
from mlpot.generate.crystals import kelvin
from mlpot.properties.base import SettingError


def positive(name: str, **settings: float) -> None:
    """Raises SettingError for a setting of the property `name` that is not above 0 and finite."""
    for setting, value in settings.items():
        if not 0.0 < value < math.inf:
            raise SettingError(f"{name}.{setting} {value}: must be above 0 and finite")


def of_dynamics(name: str, time: float, equilibration: float, timestep: float, seed: int) -> None:
    """Raises SettingError for a run of the property `name` that cannot be."""
    positive(name, time=time, timestep=timestep)
    for setting, value in {"equilibration": equilibration, "seed": seed}.items():
        if not 0 <= value < math.inf:
            raise SettingError(f"{name}.{setting} {value}: must be 0 or above, and finite")


def kelvins(name: str, temperatures: Iterable[float | str], crystal: Atoms) -> list[float]:
    """K of each temperature, see `kelvin`. Raises SettingError where there is none."""
    try:
        found = [kelvin(t, crystal) for t in temperatures]
    except InputError as error:
        raise SettingError(f"{name}.temperatures: {error}") from None
    if not found:
        raise SettingError(f"{name}.temperatures: is empty")
    return found
