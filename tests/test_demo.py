"""The demo: its numbers against literature and second ways, its files by the programs they are for.

Truths: what the MEAM file prescribes (re, alpha, Ec), ASE's radial distribution, statistics with
known answers.
"""

import io
import json
import re

import numpy as np
import pytest
from ase.units import GPa
from rich.console import Console

from lmp import LMP, run
from mlpot import demo
from mlpot.config import load_config
from mlpot.demo import properties, show
from mlpot.errors import InputError
from mlpot.fit import fit
from mlpot.generate import parse_structure
from mlpot.io import read
from mlpot.lammps import LammpsEngine
from mlpot.metrics import evaluate
from mlpot.model import Model


@pytest.fixture(scope="module")
def quick(tmp_path_factory):
    """Folder, results and printed text of a small demo; the folder's name has a space."""
    folder = tmp_path_factory.mktemp("demo") / "a demo"
    text = io.StringIO()
    results = demo.run(folder, Console(file=text, width=120), quick=True)
    return folder, results, text.getvalue()


def test_all_files_are_written_and_named_in_the_text(quick):
    folder, results, text = quick
    names = {path.name for path in folder.iterdir()}
    assert names == {"demo.json", "demo.png", "fit.yaml", "in.mlpot", "test.xyz", "train.xyz"} | {
        f"Mo.{ending}" for ending in ("json", "log", "metrics.json", "parity.png")
    }
    assert all(name in text for name in names)
    assert "stands in for DFT" in text
    assert (folder / "demo.png").read_bytes().startswith(b"\x89PNG")
    assert json.loads((folder / "demo.json").read_text()) == {
        key: value for key, value in results.items() if key != "seconds"
    }


def test_no_file_names_a_place(quick):
    folder, _, _ = quick
    for name in ("demo.json", "fit.yaml", "in.mlpot", "Mo.json", "train.xyz"):
        assert str(folder.parent) not in (folder / name).read_text(), name


def test_text_is_plain_where_it_is_no_terminal(quick):
    assert "\x1b" not in quick[2]
    assert "\r" not in quick[2]


def test_labels_are_the_references(quick):
    frames = read(quick[0] / "test.xyz").frames
    with LammpsEngine(demo.REFERENCE, ["Mo"]) as engine:
        for frame in frames[::4]:
            found = engine.evaluate(frame)
            assert frame.get_potential_energy() == pytest.approx(found["energy"], abs=1e-9)
            np.testing.assert_allclose(frame.get_forces(), found["forces"], atol=1e-9)


def test_fit_is_repeated_by_its_own_file(quick, tmp_path):
    folder, _, _ = quick
    config = load_config(folder / "fit.yaml").model_copy(update={"output": str(tmp_path)})
    fit(config)
    assert (tmp_path / "Mo.json").read_bytes() == (folder / "Mo.json").read_bytes()


def test_errors_shown_are_those_of_the_saved_model(quick):
    folder, results, _ = quick
    metrics = evaluate(Model.load(folder / "Mo.json"), read(folder / "test.xyz").frames)
    assert json.loads(json.dumps(metrics.to_dict())) == results["metrics_test"]


def test_script_runs_in_lmp_and_gives_the_models_energy(quick):
    folder, _, _ = quick
    script = (folder / "in.mlpot").read_text()
    assert "run           1000\n" in script
    (folder / "in.short").write_text(script.replace("run           1000", "run 1"))
    done = run([*LMP, "-in", "in.short"], folder)
    (folder / "in.short").unlink()
    assert done.returncode == 0, done.stdout
    energy = float(re.search(r"^ +0 +\S+ +(\S+)", done.stdout, re.MULTILINE)[1])
    atoms = parse_structure("bcc:Mo", properties.LATTICE).repeat(demo.QUICK.repeat)
    potential = Model.load(folder / "Mo.json").potential()
    species = np.zeros(len(atoms), dtype=np.int32)
    here = potential.evaluate(atoms.positions, atoms.cell.array, atoms.pbc, species)
    assert energy == pytest.approx(here["energy"], abs=1e-3)


def test_rows_hold_both_potentials_and_their_difference(quick):
    _, results, text = quick
    rows = {row["property"]: row for row in results["rows"]}
    assert list(rows) == list(properties.PROPERTIES)
    for name, row in rows.items():
        assert name in text
        assert np.isfinite([row["reference"], row["mlpot"], *row["standard_errors"]]).all()
        assert row["difference"] == row["mlpot"] - row["reference"]
        assert (row["standard_errors"] == [0.0, 0.0]) == (name in show.STATIC)


def test_reference_has_the_properties_its_file_prescribes(quick):
    # MEAM: re, alpha and Ec of the file are the crystal's own, alpha² = 9 B V / Ec.
    row = {row["property"]: row["reference"] for row in quick[1]["rows"]}
    assert row["lattice constant"] == pytest.approx(2 * 2.7250 / np.sqrt(3), abs=2e-5)
    volume = row["lattice constant"] ** 3 / 2
    bulk_modulus = 5.83817808**2 * 6.81 / (9 * volume) / GPa
    assert (row["c11"] + 2 * row["c12"]) / 3 == pytest.approx(bulk_modulus, rel=1e-3)


def test_a_folder_with_anything_in_it_is_left_alone(tmp_path):
    (tmp_path / "train.xyz").write_text("mine")
    with pytest.raises(InputError, match=r"is not empty; give --output a new folder"):
        demo.run(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["train.xyz"]
    assert (tmp_path / "train.xyz").read_text() == "mine"
