"""mlearn JSON, lists of pymatgen dictionaries: Zuo et al., J. Phys. Chem. A 124, 731 (2020).

github.com/materialsvirtuallab/mlearn. virial_stress is in kbar, positive under compression, in one
of two orders of components: xx yy zz xy yz zx (VASP's own) for Li and for the Elastic groups of Si
and Ge, xx yy zz xy zx yz for everything else.
"""

import numpy as np
from ase import Atoms
from ase.units import GPa

from mlpot.errors import InputError
from mlpot.io.labels import with_labels

UNITS = (
    "energy eV, forces eV/Å, virial_stress kbar and positive under compression "
    "(xx yy zz xy yz zx for Li and Elastic Si, Ge; xx yy zz xy zx yz elsewhere)"
)
KBAR = 0.1 * GPa
VASP_ORDER = ("xx", "yy", "zz", "xy", "yz", "zx")
OTHER_ORDER = ("xx", "yy", "zz", "xy", "zx", "yz")


def is_mlearn(content: object) -> bool:
    """Whether parsed JSON is a list of {"structure": ..., "outputs": ...}, as in mlearn."""
    first = content[0] if isinstance(content, list) and content else None
    return isinstance(first, dict) and {"structure", "outputs"} <= first.keys()


def frames_of(entries: list, where: str) -> list[Atoms]:
    """Structures with labels in eV, Å, eV/Å³. Raises InputError naming `where` and the frame."""
    frames = []
    for index, entry in enumerate(entries):
        try:
            frames.append(_frame(entry))
        except InputError as error:
            raise InputError(f"{where}: frame {index}: {error}") from None
        except (KeyError, TypeError, ValueError, IndexError) as error:
            raise InputError(
                f"{where}: frame {index}: not as in mlearn ({type(error).__name__}: {error}); "
                "expected structure {lattice {matrix}, sites [{species, xyz}]}, outputs {energy}"
            ) from None
    return frames


def stress_order(elements: set[str], group: str | None) -> tuple[str, ...]:
    """The order of virial_stress in an entry of these elements and group."""
    elastic = group == "Elastic" and elements <= {"Si", "Ge"}
    return VASP_ORDER if elements == {"Li"} or elastic else OTHER_ORDER


def _frame(entry: dict) -> Atoms:
    structure, outputs = entry["structure"], entry["outputs"]
    cell = np.array(structure["lattice"]["matrix"], dtype=float)
    symbols = [_symbol(site) for site in structure["sites"]]
    positions = [_position(site, cell) for site in structure["sites"]]
    if entry.get("num_atoms", len(symbols)) != len(symbols):
        raise InputError(f"num_atoms is {entry['num_atoms']}, but there are {len(symbols)} sites")
    atoms = Atoms(
        symbols, positions=positions, cell=cell, pbc=structure["lattice"].get("pbc", True)
    )
    names = {"group": "group", "tag": "split", "description": "label"}
    atoms.info.update({ours: entry[theirs] for theirs, ours in names.items() if theirs in entry})
    forces, stress = outputs.get("forces"), outputs.get("virial_stress")
    if forces is not None:
        forces = np.array(forces, dtype=float)
    if stress is not None:
        stress = _stress(stress, stress_order(set(symbols), entry.get("group")))
    return with_labels(atoms, outputs.get("energy"), forces, stress)


def _symbol(site: dict) -> str:
    species = site.get("species") or [{"element": site["label"], "occu": 1}]
    if len(species) != 1 or species[0]["occu"] != 1:
        raise InputError(f"a site is shared by {species}; one element a site is needed")
    return species[0]["element"]


def _position(site: dict, cell: np.ndarray) -> np.ndarray:
    return np.asarray(site["xyz"] if "xyz" in site else np.array(site["abc"]) @ cell, dtype=float)


def _stress(virial: list[float], order: tuple[str, ...]) -> np.ndarray:
    if len(virial) != 6:
        raise InputError(
            f"virial_stress has {len(virial)} components; six ({' '.join(order)}) are needed"
        )
    stress = np.zeros((3, 3))
    for name, value in zip(order, virial, strict=True):
        a, b = ("xyz".index(axis) for axis in name)
        stress[a, b] = stress[b, a] = -KBAR * value
    return stress
