"""MLIP's .cfg files: against motep's reader and writer, and back and forth."""

import numpy as np
import pytest
from ase.build import bulk

from mlpot import io
from mlpot.errors import InputError
from mlpot.io import labels, with_labels, write_cfg

ELEMENTS = ["Mo", "Nb"]


def structures() -> list:
    rng = np.random.default_rng(2)
    frames = []
    for k in range(3):
        atoms = bulk("Mo", cubic=True).repeat((1, 1, k + 1))
        atoms.symbols[0] = "Nb"
        atoms.rattle(0.1, seed=k)
        stress = rng.normal(size=(3, 3))
        with_labels(atoms, -10.5 - k, rng.normal(size=(len(atoms), 3)), stress + stress.T)
        atoms.info["group"] = f"g{k}"
        frames.append(atoms)
    return frames


def assert_same(found, truth, tolerance=0.0):
    assert found.get_chemical_formula() == truth.get_chemical_formula()
    for a, b in zip(labels(found), labels(truth), strict=True):
        assert np.abs(np.subtract(a, b)).max() <= tolerance
    assert np.abs(found.positions - truth.positions).max() <= tolerance
    assert np.abs(found.cell.array - truth.cell.array).max() <= tolerance


def test_back_and_forth(tmp_path):
    frames = structures()
    path = write_cfg(tmp_path / "train.cfg", frames, ELEMENTS)
    data = io.read(path, elements=ELEMENTS)
    assert data.report.files[0].format == "MLIP"
    for found, truth in zip(data.frames, frames, strict=True):
        assert_same(found, truth, 1e-15)
        assert found.info["group"] == truth.info["group"]


def test_motep_reads_the_same(tmp_path):
    cfg = pytest.importorskip("motep.io.mlip.cfg")
    frames = structures()
    path = write_cfg(tmp_path / "train.cfg", frames, ELEMENTS)
    for found, truth in zip(cfg.read_cfg(path, ":", species=ELEMENTS), frames, strict=True):
        assert_same(found, truth, 1e-14)


def test_motep_writes_the_same(tmp_path):
    cfg = pytest.importorskip("motep.io.mlip.cfg")
    frames = structures()
    for atoms in frames:
        atoms.calc.results["free_energy"] = atoms.calc.results["energy"]
    cfg.write_cfg(tmp_path / "train.cfg", frames, species=ELEMENTS)
    data = io.read(tmp_path / "train.cfg", elements=ELEMENTS)
    for found, truth in zip(data.frames, frames, strict=True):
        assert_same(found, truth, 1e-6)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("Size\n2", "Size\n3", "line 11: expected 8 numbers"),
        ("END_CFG\n", "", "BEGIN_CFG.* is not known in a configuration"),
        ("Energy", "Enrgy", "line 11: 'Enrgy' is not known"),
        ("1 1 ", "1 7 ", "expected atoms of types 0 to 1 .Mo Nb."),
        ("cartes_x", "x", "expected columns cartes_x"),
        ("xx yy", "xx yx", "expected PlusStress of xx yy zz yz xz xy"),
    ],
)
def test_bad_files_are_refused(old, new, message, tmp_path):
    path = write_cfg(tmp_path / "bad.cfg", structures(), ELEMENTS)
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))
    with pytest.raises(InputError, match=f"bad.cfg: .*{message}"):
        io.read(path, elements=ELEMENTS)


def test_elements_must_be_given(tmp_path):
    path = write_cfg(tmp_path / "train.cfg", structures(), ELEMENTS)
    with pytest.raises(InputError, match="does not name its elements"):
        io.read(path)
    with pytest.raises(InputError, match="Nb is not one of Mo"):
        write_cfg(tmp_path / "train.cfg", structures(), ["Mo"])
