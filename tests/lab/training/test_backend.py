"""The same code trains on TensorFlow and on JAX, to the same losses."""

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from salus.errors import SalusError
from salus.lab.training.backend import ONEDNN, describe_environment, set_up, use_backend


def losses(backend, network, weights):
    environment = {k: v for k, v in os.environ.items() if k != "KERAS_BACKEND"}
    script = Path(__file__).with_name("steps.py")
    done = subprocess.run(
        [sys.executable, str(script), backend, network, str(weights)], capture_output=True, text=True, env=environment
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.skipif(importlib.util.find_spec("jax") is None, reason="jax is not installed (pip install 'salus[jax]')")
def test_tensorflow_and_jax_train_to_the_same_losses(tmp_path):
    tensorflow = losses("tensorflow", "sa-unet", tmp_path / "w.npz")
    jax = losses("jax", "sa-unet", tmp_path / "w.npz")
    assert jax == pytest.approx(tensorflow, abs=2e-4)
    assert tensorflow[-1] < tensorflow[0]


@pytest.mark.parametrize(("value", "state"), [(None, "on"), ("0", "off")])
def test_onednn_is_on_unless_the_user_turned_it_off(value, state):
    variables = {k: v for k, v in os.environ.items() if k not in ("KERAS_BACKEND", ONEDNN)}
    variables |= {} if value is None else {ONEDNN: value}
    code = """
from salus.lab.training.backend import describe_environment, use_backend
use_backend("tensorflow")
from tensorflow.python.util import _pywrap_util_port
print(describe_environment()["oneDNN"], _pywrap_util_port.IsMklEnabled())
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=variables)
    assert done.stdout.split() == [state, str(state == "on")], done.stderr[-2000:]


def test_unknown_choices_are_refused():
    with pytest.raises(SalusError, match="theano"):
        use_backend("theano")
    with pytest.raises(SalusError, match="float16"):
        set_up(1, "float16")


def test_a_second_backend_in_one_process_is_refused():
    import keras

    other = "jax" if keras.backend.backend() == "tensorflow" else "tensorflow"
    with pytest.raises(SalusError, match="new process"):
        use_backend(other)
    assert use_backend(keras.backend.backend()) == keras.backend.backend()


def test_the_environment_names_versions_and_machine():
    assert {"python", "keras", "numpy", "processor", "cores"} <= set(describe_environment())
