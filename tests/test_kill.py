"""A training that is killed again and again ends with the file of the undisturbed one.

MLPOT_KILLS=50 for more kills than the default.
"""

import os
import random
import signal
import subprocess
import sys
import time

import pytest
from ase.io import write

from mlpot.model import Model
from mlpot.train.checkpoint import load
from test_train import CONFIG, labelled

KILLS = int(os.environ.get("MLPOT_KILLS", "10"))
RUN = [sys.executable, "-c", "from mlpot.cli import main; main()", "fit", "fit.yaml", "--quiet"]


@pytest.mark.slow
def test_a_training_killed_at_random_moments_ends_with_the_same_file(tmp_path):
    write(tmp_path / "train.xyz", labelled(20), format="extxyz")
    write(tmp_path / "test.xyz", labelled(6, seed=9), format="extxyz")
    text = CONFIG.replace("iterations: 12", "iterations: 150").replace(
        "checkpoint: 4", "checkpoint: 1"
    )
    (tmp_path / "fit.yaml").write_text(text)
    started = time.perf_counter()
    subprocess.run([*RUN, "-o", "whole"], cwd=tmp_path, check=True)
    duration = time.perf_counter() - started
    files = {path.name for path in (tmp_path / "whole").iterdir()}

    rng, saved, killed = random.Random(1), tmp_path / "killed" / "net.checkpoint.npz", 0
    for _ in range(KILLS):
        process = subprocess.Popen([*RUN, "-o", "killed", "--resume"], cwd=tmp_path)
        time.sleep(rng.uniform(0.1, 1.0) * duration)
        process.send_signal(signal.SIGKILL)
        killed += process.wait() == -signal.SIGKILL
        if saved.exists():
            with pytest.raises(Exception, match="another"):
                load(saved, "none")  # readable, and of the training alone
        if (tmp_path / "killed" / "net.json").exists():
            Model.load(tmp_path / "killed" / "net.json")
    assert killed  # a process may have ended before
    subprocess.run([*RUN, "-o", "killed", "--resume"], cwd=tmp_path, check=True)
    for name in ("net.json", "net.metrics.json"):
        assert (tmp_path / "killed" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()
    left = {path.name for path in (tmp_path / "killed").iterdir() if not path.name.startswith(".")}
    assert left == files
