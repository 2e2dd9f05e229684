"""`salus train` on Keras's torch backend: the steps of TensorFlow, an exact resume, an exported network."""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).parents[3]
pytestmark = [
    pytest.mark.skipif(importlib.util.find_spec("torch") is None, reason='needs PyTorch: pip install "salus[torch]"'),
    pytest.mark.slow,
]


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    """Read the weights of a training of `torch_steps.py`, by its name."""
    folder = tmp_path_factory.mktemp("torch")
    environment = {k: v for k, v in os.environ.items() if k != "KERAS_BACKEND"}
    environment["PYTHONPATH"] = os.pathsep.join([str(ROOT), environment.get("PYTHONPATH", "")])
    script = Path(__file__).with_name("torch_steps.py")
    for backend in ("tensorflow", "torch"):
        command = [sys.executable, str(script), str(folder), backend]
        done = subprocess.run(command, capture_output=True, text=True, env=environment)
        assert done.returncode == 0, done.stderr[-2000:]

    def read(name):
        with np.load(folder / f"{name}.npz", allow_pickle=False) as kept:
            return [kept[key] for key in kept.files]

    return read


def test_torch_makes_the_steps_of_tensorflow(weights):
    """With gradients clipped, AdamW, the schedule and the running mean; without dropout, whose draws differ."""
    first, torch, tensorflow = weights("first"), weights("torch"), weights("tensorflow")
    assert max(np.abs(one - other).max() for one, other in zip(first, torch, strict=True)) > 1e-3
    for one, other in zip(torch, tensorflow, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=2e-6)


def test_a_training_on_torch_that_was_interrupted_ends_with_the_same_weights(weights):
    for one, other in zip(weights("torch-whole"), weights("torch-resumed"), strict=True):
        np.testing.assert_array_equal(one, other)
