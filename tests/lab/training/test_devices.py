"""Several devices train the network that one trains, here parts of one processor."""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from salus.errors import SalusError
from salus.lab.training.devices import ONE_DEVICE, DeviceGroup, use_devices

ROOT = Path(__file__).parents[3]


def train(folder, *devices):
    """Train in a process of its own, whose JAX sees two devices; return the weights."""
    folder.mkdir()
    environment = {k: v for k, v in os.environ.items() if k != "KERAS_BACKEND"}
    environment["PYTHONPATH"] = os.pathsep.join([str(ROOT), environment.get("PYTHONPATH", "")])
    environment["XLA_FLAGS"] = "--xla_force_host_platform_device_count=2"
    command = [sys.executable, str(Path(__file__).with_name("device_steps.py")), str(folder), *devices]
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr[-2000:]
    return np.load(folder / "weights.npz", allow_pickle=False)


@pytest.mark.skipif(importlib.util.find_spec("jax") is None, reason="jax is not installed (pip install 'salus[jax]')")
@pytest.mark.slow
def test_a_training_on_two_devices_is_that_on_one(tmp_path):
    one, two = train(tmp_path / "one"), train(tmp_path / "two", "2")
    assert len(one.files) == len(two.files) == 7
    for name in one.files:
        np.testing.assert_allclose(two[name], one[name], rtol=1e-4, atol=1e-5)


def test_options_that_cannot_work_are_refused():
    with pytest.raises(SalusError, match="needs the backend jax, not tensorflow"):
        use_devices(2)
    with pytest.raises(SalusError, match=r"batch of 4 .* 3 devices; use --batch 6"):
        DeviceGroup(3).check_batch(4)
    assert use_devices(None) is ONE_DEVICE
    ONE_DEVICE.check_batch(7)
