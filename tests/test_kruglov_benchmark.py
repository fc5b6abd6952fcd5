"""Kruglov potentials of published data: as accurate as they were measured, selected ones too."""

import argparse
import importlib.util
import sys
from pathlib import Path

import pytest
from rich.progress import Progress

folder = Path(__file__).parents[1] / "benchmarks"


def loaded(name):
    spec = importlib.util.spec_from_file_location(name, folder / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


kruglov = loaded("kruglov")
selection = loaded("selection")
QUIET = Progress(disable=True)
OPTIONS = {
    "force": None,
    "zero": False,
    "r_cut": 6.0,
    "validation": 0.0,
    "iterations": 400,
}


@pytest.mark.slow
@pytest.mark.parametrize(("name", "energy", "force"), [("Si", 8.8, 0.10), ("Mo", 4.4, 0.165)])
def test_a_joint_training_reaches_the_bars(shared, tmp_path, name, energy, force):
    options = argparse.Namespace(**OPTIONS | {"iterations": None})
    files = kruglov.data(shared / "data", name, tmp_path)
    text = kruglov.configuration(options, name, "joint", 0, files)
    found = kruglov.measure(text, tmp_path, QUIET)
    assert found["test_energy_mae_meV_per_atom"] <= energy
    assert found["test_force_mae_eV_per_A"] <= force


@pytest.mark.slow
def test_a_network_of_selected_boron_is_better_than_of_as_many_at_random(shared, tmp_path):
    options = argparse.Namespace(**OPTIONS, folder=shared / "data", fit=["joint"], draws=1)
    options.by, options.no_all = ["features"], True
    selected, at_random = selection.compare(options, "B8", tmp_path, QUIET)
    assert selected["n"] == at_random["n"] < 200
    for measure in ("mae", "rmse", "max"):
        key = f"test_energy_{measure}_meV_per_atom"
        assert selected[key] < at_random[key] / 2
