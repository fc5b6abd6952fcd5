"""Shared fixtures. Threads are set before NumPy is imported: BLAS reads the variables once."""

import os

os.environ["OMP_NUM_THREADS"] = "1"
os.environ["OPENBLAS_NUM_THREADS"] = "1"
os.environ["OMP_WAIT_POLICY"] = "passive"

from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of data sets and published models; set MLPOT_SHARED where it is elsewhere."""
    default = Path(__file__).resolve().parents[1].parent / "shared"
    folder = Path(os.environ.get("MLPOT_SHARED", default))
    if not folder.is_dir():
        pytest.skip(f"no folder {folder}; set MLPOT_SHARED to the one with data/ and models/")
    return folder
