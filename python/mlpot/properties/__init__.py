"""Properties of a crystal by any ASE calculator: each a function that returns a dataclass.

    calculator = MLPotCalculator("Mo.json")
    crystal = lattice(parse_structure("bcc:Mo"), calculator).crystal

and the crystal, relaxed with the calculator at hand, is what all others are given. A new property
is a module here and a line in PROPERTIES; `mlpot properties` then computes, tabulates, plots and
saves it.
"""

from mlpot.properties.base import Property, PropertyError, Result
from mlpot.properties.lattice import Lattice, lattice

__all__ = ["PROPERTIES", "Lattice", "Property", "PropertyError", "Result", "lattice"]

# In the order in which they are computed and shown.
PROPERTIES = (Property("lattice", lattice),)
