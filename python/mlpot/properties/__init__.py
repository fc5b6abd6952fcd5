"""Properties of a crystal by any ASE calculator: each a function that returns a dataclass.

    calculator = MLPotCalculator("Mo.json")
    crystal = lattice(parse_structure("bcc:Mo"), calculator).crystal

and the crystal, relaxed with the calculator at hand, is what all others are given. A new property
is a module here and a line in PROPERTIES; `mlpot properties` then computes, tabulates, plots and
saves it.
"""

from mlpot.properties import eos as _eos
from mlpot.properties import md as _md
from mlpot.properties import phonons as _phonons
from mlpot.properties import polymorphs as _polymorphs
from mlpot.properties import surfaces as _surfaces
from mlpot.properties import thermal_expansion as _thermal_expansion
from mlpot.properties import vacancy as _vacancy
from mlpot.properties.base import Property, PropertyError, Result
from mlpot.properties.elastic import Elastic, elastic
from mlpot.properties.eos import EquationOfState, delta_eos, eos
from mlpot.properties.lattice import Lattice, lattice
from mlpot.properties.md import Dynamics, md
from mlpot.properties.phonons import Phonons, phonons
from mlpot.properties.polymorphs import Polymorphs, polymorphs
from mlpot.properties.surfaces import Surfaces, surfaces
from mlpot.properties.thermal_expansion import ThermalExpansion, thermal_expansion
from mlpot.properties.vacancy import Vacancy, vacancy

__all__ = [
    "PROPERTIES",
    "Dynamics",
    "Elastic",
    "EquationOfState",
    "Lattice",
    "Phonons",
    "Polymorphs",
    "Property",
    "PropertyError",
    "Result",
    "Surfaces",
    "ThermalExpansion",
    "Vacancy",
    "delta_eos",
    "elastic",
    "eos",
    "lattice",
    "md",
    "phonons",
    "polymorphs",
    "surfaces",
    "thermal_expansion",
    "vacancy",
]

# In the order in which they are computed and shown.
PROPERTIES = (
    Property("lattice", lattice),
    Property("elastic", elastic),
    Property("eos", eos, plot=_eos.plot, between=_eos.between),
    Property("vacancy", vacancy, plot=_vacancy.plot, of_elements=True),
    Property("surfaces", surfaces, plot=_surfaces.plot),
    Property("phonons", phonons, plot=_phonons.plot, usual=False),
    Property("polymorphs", polymorphs, plot=_polymorphs.plot, of_elements=True),
    Property("md", md, plot=_md.plot, usual=False),
    Property("thermal_expansion", thermal_expansion, plot=_thermal_expansion.plot, usual=False),
)
