"""Batches made by processes are those made by a thread; and nothing of the processes outlives the training."""

import multiprocessing
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pytest
from tests.lab.segmentation.test_run import SMALL, discs

from salus.errors import SalusError
from salus.lab.segmentation.loader import batches

TRAINING = """
from tests.lab.segmentation.test_run import SMALL, discs
from salus.lab.segmentation.loader import batches
if __name__ == "__main__":
    begun = batches(*discs(12, free=3), SMALL, 0, 10**6, processes=1)
    next(begun)
    import multiprocessing
    print(multiprocessing.active_children()[0].pid, flush=True)
    for _ in begun:
        pass
"""


def lives(process: int) -> bool:
    """Whether a process runs; one that ended and waits for its parent does not."""
    try:
        state = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"


def test_processes_make_the_batches_that_a_thread_makes():
    images, masks = discs(12, free=3)
    alone, shared = (list(batches(images, masks, SMALL, 2, 9, processes)) for processes in (0, 2))
    assert len(alone) == len(shared) == 7
    for (x, y), (again, same) in zip(alone, shared, strict=True):
        np.testing.assert_array_equal(x, again)
        for name in y:
            np.testing.assert_array_equal(y[name], same[name])


def test_a_training_given_up_ends_the_processes_and_removes_their_files(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    images, masks = discs(12, free=3)
    begun = batches(images, masks, SMALL, 0, 9, processes=1)
    next(begun)
    assert len(list(tmp_path.iterdir())) == 1
    begun.close()
    assert not list(tmp_path.iterdir())
    assert not multiprocessing.active_children()


def test_a_maker_that_is_killed_is_told_in_a_line():
    images, masks = discs(12, free=3)
    begun = batches(images, masks, SMALL, 0, 10**6, processes=1)
    next(begun)
    os.kill(multiprocessing.active_children()[0].pid, signal.SIGTERM)
    with pytest.raises(SalusError, match="was killed"):
        for _ in begun:
            pass


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="needs /proc to see a process end")
def test_nothing_is_left_of_a_training_that_is_killed(tmp_path):
    (tmp_path / "training.py").write_text(TRAINING)
    surroundings = {**os.environ, "TMPDIR": str(tmp_path), "PYTHONPATH": str(Path(__file__).parents[3])}
    training = subprocess.Popen([sys.executable, tmp_path / "training.py"], stdout=subprocess.PIPE, env=surroundings)
    assert training.stdout is not None
    maker = int(training.stdout.readline())
    assert len(list(tmp_path.glob("salus-train-*"))) == 1
    assert lives(maker)
    training.kill()
    training.wait()
    ends = time.monotonic() + 20
    while time.monotonic() < ends and (list(tmp_path.glob("salus-train-*")) or lives(maker)):
        time.sleep(0.1)
    assert not list(tmp_path.glob("salus-train-*"))
    assert not lives(maker)
