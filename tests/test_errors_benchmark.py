"""Fits to the data of Zuo et al. (2020) beat the models published with it, on both test errors."""

import importlib.util
from pathlib import Path

import pytest

from mlpot.config import load_config

path = Path(__file__).parents[1] / "benchmarks" / "errors.py"
spec = importlib.util.spec_from_file_location("errors_benchmark", path)
errors = importlib.util.module_from_spec(spec)
spec.loader.exec_module(errors)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("model", "element"), [*errors.BISPECTRUM, ("mtp", "Li"), ("mtp", "Mo")], ids="-".join
)
def test_fit_is_no_worse_than_the_published_model(shared, tmp_path, model, element):
    result, _ = errors.run(model, element, shared / "data" / "zuo2020", tmp_path)
    found = errors.compare(model, element, result)
    assert found["energy_mae"] <= found["published_energy_mae"]
    assert found["force_mae"] <= found["published_force_mae"]


@pytest.mark.parametrize(("model", "element"), errors.FITS, ids="-".join)
def test_every_configuration_is_one_that_mlpot_fit_takes(tmp_path, model, element):
    for split in ("train", "test"):
        (tmp_path / f"{element}_{split}.xyz").touch()
    path = tmp_path / "fit.yaml"
    path.write_text(errors.config_text(model, element, tmp_path))
    assert load_config(path).name == f"{element}_{model}"
