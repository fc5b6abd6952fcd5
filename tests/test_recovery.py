"""benchmarks/lj_recovery.py on few structures: what made the energies is found again."""

import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "benchmarks"))
import lj_recovery


def test_lennard_jones_comes_out_exactly(tmp_path):
    arguments = ["--structures", "160", "--workers", "1", "--output", str(tmp_path)]
    result = lj_recovery.main(arguments)
    assert result["all powers"]["test_rmse"] <= 1e-9
    found = result["elimination"]
    assert found["test_rmse"] <= 1e-10 and found["powers"] == [[6, 12]] * 3
    table = np.array(found["coefficients"])
    table = table[:, np.any(table != 0.0, axis=0)]
    assert np.abs(table / np.column_stack([-lj_recovery.C6, lj_recovery.C12]) - 1.0).max() <= 1e-9
    assert found["max_error_of_V"] <= 1e-9
    pictures = [tmp_path / f"{name}.recovered.png" for name in ("all", "eliminated")]
    assert all(picture.read_bytes().startswith(b"\x89PNG") for picture in pictures)


def test_charges_come_out_of_energies(tmp_path):
    arguments = ["--structures", "300", "--ionic", "--workers", "1", "--output", str(tmp_path)]
    result = lj_recovery.main(arguments)["all powers"]
    assert result["test_rmse"] <= 5e-5
    assert result["charges"] == pytest.approx([1.0, -1.0, 1.0], abs=0.005)
