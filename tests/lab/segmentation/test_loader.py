"""Worker processes make the batches that a thread makes, and nothing of them outlives the training."""

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
from tests.lab.segmentation.small_training import SMALL, discs

from salus.errors import SalusError
from salus.lab.segmentation.loader import load_batches

TRAINING = """
from tests.lab.segmentation.small_training import SMALL, discs
from salus.lab.segmentation.loader import load_batches
if __name__ == "__main__":
    started = load_batches(*discs(12, free=3), SMALL, 0, 10**6, processes=1)
    next(started)
    import multiprocessing
    print(multiprocessing.active_children()[0].pid, flush=True)
    for _ in started:
        pass
"""


def is_running(process: int) -> bool:
    """Tell whether a process runs; one that ended and waits for its parent does not."""
    try:
        state = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"


def test_processes_make_the_batches_that_a_thread_makes():
    images, masks = discs(12, free=3)
    alone, shared = (list(load_batches(images, masks, SMALL, 2, 9, processes)) for processes in (0, 2))
    assert len(alone) == len(shared) == 7
    for (x, y), (again, same) in zip(alone, shared, strict=True):
        np.testing.assert_array_equal(x, again)
        for name in y:
            np.testing.assert_array_equal(y[name], same[name])


def test_closing_the_batches_ends_the_processes_and_removes_their_files(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    images, masks = discs(12, free=3)
    started = load_batches(images, masks, SMALL, 0, 9, processes=1)
    next(started)
    assert len(list(tmp_path.iterdir())) == 1
    started.close()
    assert not list(tmp_path.iterdir())
    assert not multiprocessing.active_children()


def test_a_killed_worker_process_is_reported():
    images, masks = discs(12, free=3)
    started = load_batches(images, masks, SMALL, 0, 10**6, processes=1)
    next(started)
    os.kill(multiprocessing.active_children()[0].pid, signal.SIGTERM)
    with pytest.raises(SalusError, match="was killed"):
        for _ in started:
            pass


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="needs /proc to see a process end")
def test_nothing_is_left_of_a_training_that_is_killed(tmp_path):
    (tmp_path / "training.py").write_text(TRAINING)
    variables = {**os.environ, "TMPDIR": str(tmp_path), "PYTHONPATH": str(Path(__file__).parents[3])}
    training = subprocess.Popen([sys.executable, tmp_path / "training.py"], stdout=subprocess.PIPE, env=variables)
    assert training.stdout is not None
    worker = int(training.stdout.readline())
    assert len(list(tmp_path.glob("salus-train-*"))) == 1
    assert is_running(worker)
    training.kill()
    training.wait()
    ends = time.monotonic() + 20
    while time.monotonic() < ends and (list(tmp_path.glob("salus-train-*")) or is_running(worker)):
        time.sleep(0.1)
    assert not list(tmp_path.glob("salus-train-*"))
    assert not is_running(worker)
