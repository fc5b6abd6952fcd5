"""mlpot.files: atomic writing and hashes."""

import os
import subprocess
import sys

import pytest

from mlpot.errors import InputError, did_you_mean
from mlpot.files import sha256_of, write_atomic


def test_sha256_is_the_standard_one(tmp_path):
    # FIPS 180-2, appendix B.1.
    path = tmp_path / "abc"
    path.write_bytes(b"abc")
    expected = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert sha256_of(path) == expected


@pytest.mark.parametrize("content", ["Å\r\nb\n", b"\x00\xff"])
def test_bytes_arrive_unchanged_and_nothing_else_stays(tmp_path, content):
    path = tmp_path / "model.json"
    write_atomic(path, "old")
    write_atomic(path, content)
    assert path.read_bytes() == (content.encode() if isinstance(content, str) else content)
    assert os.listdir(tmp_path) == ["model.json"]


def test_permissions_are_those_of_an_ordinary_file_or_the_old_one(tmp_path):
    (tmp_path / "ordinary").write_text("")
    write_atomic(tmp_path / "new", "")
    assert (tmp_path / "new").stat().st_mode == (tmp_path / "ordinary").stat().st_mode
    (tmp_path / "new").chmod(0o600)
    write_atomic(tmp_path / "new", "again")
    assert (tmp_path / "new").stat().st_mode & 0o777 == 0o600


def test_a_symbolic_link_stays_one(tmp_path):
    (tmp_path / "real").write_text("old")
    (tmp_path / "link").symlink_to(tmp_path / "real")
    write_atomic(tmp_path / "link", "new")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "real").read_text() == "new"


def test_failure_leaves_the_old_file_and_no_other(tmp_path, monkeypatch):
    path = tmp_path / "model.json"
    path.write_text("old")

    def full_disk(_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full_disk)
    with pytest.raises(InputError, match="No space left"):
        write_atomic(path, "new")
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["model.json"]


def test_killed_while_writing_leaves_a_whole_file(tmp_path):
    path = tmp_path / "model.json"
    script = (
        "import itertools, sys; from mlpot.files import write_atomic\n"
        "for i in itertools.count():\n"
        "    write_atomic(sys.argv[1], str(i % 10) * 300_000)\n"
        "    print(i, flush=True)\n"
    )
    for _ in range(3):
        writer = subprocess.Popen([sys.executable, "-c", script, path], stdout=subprocess.PIPE)
        writer.stdout.readline()
        writer.kill()
        writer.wait()
        writer.stdout.close()
        content = path.read_text()
        assert len(content) == 300_000
        assert len(set(content)) == 1


def test_missing_folder_and_file_are_named(tmp_path):
    with pytest.raises(InputError, match=r"nowhere/model\.json: cannot write"):
        write_atomic(tmp_path / "nowhere" / "model.json", "")
    with pytest.raises(InputError, match="absent: cannot read: No such file"):
        sha256_of(tmp_path / "absent")


def test_did_you_mean():
    assert (
        did_you_mean("Mo_tain.xyz", ["Mo_train.xyz", "Si.json"]) == "; did you mean 'Mo_train.xyz'?"
    )
    assert did_you_mean("zzz", ["Mo_train.xyz"]) == ""
