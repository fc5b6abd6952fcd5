"""The published potentials have, measured here, the properties that others measured."""

import importlib.util
import io
from pathlib import Path

import pytest
from rich.console import Console

from mlpot.convert import convert

path = Path(__file__).parents[1] / "benchmarks" / "table2.py"
spec = importlib.util.spec_from_file_location("table2_benchmark", path)
table2 = importlib.util.module_from_spec(spec)
spec.loader.exec_module(table2)

# Rounding, and the spread of strains and of forces left on a band.
BARS = {"a": 6e-4, "polymorph": 0.6, "E_v": 1.5e-3, "E_m": 1.5e-3, "E_a": 2.5e-3}
GPA = 0.35


def assert_within(deviations: dict[str, float]) -> None:
    assert len(deviations) == len(table2.ROWS)
    for name, deviation in deviations.items():
        assert abs(deviation) < BARS.get(name, GPA), (name, deviation)


@pytest.mark.slow
@pytest.mark.parametrize("element", table2.ELEMENTS)
def test_snap_and_qsnap_in_lammps(element, tmp_path):
    results = table2.run(element, [], tmp_path, Console(file=io.StringIO(), width=140))
    for name in ("SNAP", "qSNAP"):
        assert_within(results["deviations"][name])
    assert (tmp_path / element / "report.md").is_file()


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["mtp", "nnp"])
@pytest.mark.parametrize("element", ["Mo", "Si"])
def test_converted_models(element, kind, shared, tmp_path, monkeypatch):
    folder = shared / "models" / element / kind
    path = tmp_path / f"{element}_{kind.upper()}.json"
    convert(sorted(folder.iterdir()), [element]).save(path)
    monkeypatch.setattr(table2, "FILES", {})
    console = Console(file=io.StringIO(), width=140)
    found = table2.run(element, [path], None, console)["deviations"][path.stem]
    if (element, kind) != ("Si", "nnp"):
        assert_within(found)
        return
    # A shell of neighbours lies at the cutoff, 5.500 Å, where the second derivative jumps: see
    # docs/properties.md. Of what does not depend on it the bars are the usual ones.
    assert_within(found | dict.fromkeys(("a", "c11", "B_VRH", "E_v", "E_a"), 0.0))
    wide = {"a": 1.5e-3, "c11": 5.0, "B_VRH": 2.0, "E_v": 0.015, "E_a": 0.015}
    for name, bar in wide.items():
        assert abs(found[name]) < bar, (name, found[name])
