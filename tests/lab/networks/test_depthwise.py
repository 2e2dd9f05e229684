"""The sum of shifted copies against Keras's own depthwise convolution, whose results it must have."""

import json
import subprocess
import sys

import keras
import numpy as np
import pytest
from keras import layers

from salus.lab.networks.depthwise import ShiftedDepthwise, depthwise


@pytest.mark.parametrize("use_bias", [False, True])
@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("kernel", [3, 5])
@pytest.mark.parametrize("side", [16, 17])
def test_shifted_copies_are_the_convolution(kernel, stride, side, use_bias):
    rng = np.random.default_rng(0)
    image = rng.normal(size=(2, side, side + 6, 5)).astype(np.float32)
    settings = {"strides": stride, "padding": "same", "use_bias": use_bias}
    own, ours = (kind(kernel, **settings) for kind in (layers.DepthwiseConv2D, ShiftedDepthwise))
    own.build(image.shape)
    ours.build(image.shape)
    assert [w.shape for w in ours.weights] == [w.shape for w in own.weights]
    values = [rng.normal(size=w.shape) for w in own.weights]
    own.set_weights(values)
    ours.set_weights(values)
    expected, found = (keras.ops.convert_to_numpy(layer(image)) for layer in (own, ours))
    np.testing.assert_allclose(found, expected, atol=1e-4)


def test_tensorflow_keeps_its_own_and_jax_gets_the_sum():
    assert type(depthwise(3, 1, True, "one")) is layers.DepthwiseConv2D
    code = """
from salus.lab.training.backend import describe_environment, use_backend
use_backend("jax")
import json, keras
from salus.lab.networks.efficientnet_lite import efficientnet_lite0
image = keras.Input((32, 32, 1))
model = keras.Model(image, efficientnet_lite0(image, folded=True))
kinds = sorted({type(layer).__name__ for layer in model.layers if layer.name.endswith("_depthwise")})
print(json.dumps([kinds, describe_environment().get("gpu")]))
"""
    pytest.importorskip("jax", reason="jax is not installed (pip install 'salus[jax]')")
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    assert json.loads(done.stdout.splitlines()[-1]) == [["ShiftedDepthwise"], None]
