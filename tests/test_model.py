"""The model file: its text, its seal, and what is refused."""

import hashlib
import json
import math
import struct
from pathlib import Path

import numpy as np
import pytest

from mlpot.errors import InputError
from mlpot.model import Model, seal, unseal

BLOCK = {
    "type": "bispectrum",
    "two_j_max": 1,
    "r_cut": 4.6,
    "rfac0": 0.99363,
    "rmin0": 0.0,
    "radii": [0.5],
    "weights": [1.0],
    "switchflag": True,
    "bzeroflag": False,
    "wselfallflag": False,
    "chemflag": False,
    "bnormflag": False,
    "switchinnerflag": False,
    "sinner": [],
    "dinner": [],
}
KEYS = "format version name units elements E0 core pair descriptor scaling pooling regressor"
KEYS += " ranges active_set provenance"


def content(**changes):
    return {
        "name": "Mo_snap",
        "elements": ["Mo"],
        "E0": [-1.5],
        "core": {"type": "zbl", "inner": 1.0, "outer": 2.0},
        "descriptor": dict(BLOCK),
        "regressor": {"type": "linear", "coefficients": [[0.1, -2e-300]]},
        "provenance": {"author": "Gábor Csányi", "data": [{"sha256": "0" * 64}]},
    } | changes


def test_text_has_one_key_a_line_in_the_order_of_the_format():
    lines = Model(content()).to_text().split("\n")
    assert lines[0] == "{" and lines[-2:] == ["}", ""]
    keys = [json.loads("{" + line.strip().rstrip(",") + "}") for line in lines[1:-2]]
    assert [next(iter(k)) for k in keys] == [*KEYS.split(), "sha256"]
    assert '  "E0": [-1.5],' in lines and '  "pair": null,' in lines


def test_seal_is_the_sha256_of_the_bytes_with_zeros_in_its_place():
    text = Model(content()).to_text()
    digest = json.loads(text)["sha256"]
    assert text.count(digest) == 1
    zeroed = text.replace(digest, "0" * 64).encode()
    assert hashlib.sha256(zeroed).hexdigest() == digest


def test_save_load_save_is_byte_identical(tmp_path):
    rng = np.random.default_rng(5)
    bits = rng.integers(0, 2**64, 4000, dtype=np.uint64).tolist()
    doubles = [struct.unpack("d", struct.pack("Q", b))[0] for b in bits]
    row = [x for x in doubles if math.isfinite(x)] + [5e-324, -0.0, 1.7976931348623157e308]
    model = Model(content(regressor={"type": "linear", "coefficients": [row]}))
    path = model.save(tmp_path / "Mo.json")
    first = path.read_bytes()
    data = unseal(first.decode())
    read = data["regressor"]["coefficients"][0]
    assert struct.pack(f"{len(row)}d", *read) == struct.pack(f"{len(row)}d", *row)
    assert data == model.data
    assert Model(data).save(path).read_bytes() == first


def test_every_one_byte_edit_is_noticed():
    text = Model(content()).to_text()
    for k, old in enumerate(text):
        for new in {"0", "1", " ", "}"} - {old}:
            with pytest.raises(InputError):
                unseal(text[:k] + new + text[k + 1 :])


def test_an_edited_text_can_be_sealed_again():
    text = Model(content()).to_text().replace("Mo_snap", "other")
    with pytest.raises(InputError, match=r"x\.json: sha256: the file was damaged or edited"):
        unseal(text, "x.json")
    assert unseal(seal(text))["name"] == "other"
    assert seal(seal(text)) == seal(text)


def test_numpy_values_are_written_as_plain_numbers():
    plain = Model(content(E0=[0.1], version=1))
    arrays = Model(content(E0=np.array([0.1]), version=np.int64(1)))
    assert arrays.to_text() == plain.to_text()


@pytest.mark.parametrize("value", [math.nan, math.inf, object(), "\ud800", np.array([np.nan])])
def test_what_json_cannot_hold_is_refused_by_name(value):
    with pytest.raises(InputError, match="provenance: cannot be written"):
        Model(content(provenance={"x": value}))


@pytest.mark.parametrize("text", ["", "{}", "[1]", "{", '{"sha256": 1}', "[" * 100000])
def test_text_that_is_no_model_is_refused(text):
    with pytest.raises(InputError, match=r"x\.json: not a model file"):
        unseal(text, "x.json")


def test_a_missing_file_suggests_its_neighbour(tmp_path):
    Model(content()).save(tmp_path / "Mo_snap.json")
    with pytest.raises(InputError, match=r"no such file; did you mean 'Mo_snap\.json'"):
        Model.load(tmp_path / "Mo_snp.json")
    with pytest.raises(InputError, match="cannot read"):
        Model.load(tmp_path)


def test_load_reads_what_save_wrote_and_names_the_file_it_refuses(tmp_path):
    pytest.importorskip("mlpot._core")
    model = Model(content(regressor={"type": "linear", "coefficients": [[0.1, 0.2]]}))
    path = model.save(tmp_path / "Mo.json")
    read = Model.load(path)
    assert read.data == model.data and read.potential().elements == ["Mo"]
    assert read.save(tmp_path / "again.json").read_bytes() == path.read_bytes()
    path.write_text(seal(path.read_text().replace("two_j_max", "twojmax")))
    with pytest.raises(InputError, match=r"Mo\.json.*twojmax"):
        Model.load(path)


def test_the_example_of_the_specification_is_sealed_and_written_as_we_write():
    page = (Path(__file__).parents[1] / "docs" / "model_format.md").read_text(encoding="utf-8")
    text = page.split("```json\n")[1].split("```")[0]
    assert Model(unseal(text)).to_text() == text
