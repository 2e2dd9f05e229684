"""EfficientNet-Lite0 against the PyTorch model that its weights come from."""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest

from salus.errors import SalusError
from salus.lab.networks.efficientnet_lite import IMAGENET, STAGES, efficientnet_lite0, load_encoder

FEATURES = Path(__file__).parent / "efficientnet-lite0-features.npz"
"""An image and the PyTorch model's features, written by tools/convert_efficientnet_lite.py."""


def largest_error(folded: bool, last_stride: int = 32) -> float:
    """The largest difference from PyTorch's features at strides 8, 16 and 32, as a share of the largest feature."""
    with np.load(FEATURES, allow_pickle=False) as content:
        reference = {name: content[name] for name in content.files}
    image = reference.pop("image").astype(np.float32)
    inputs = keras.Input(image.shape[1:])
    features = keras.Model(inputs, efficientnet_lite0(inputs, IMAGENET, last_stride, folded)).predict(image, verbose=0)
    errors = []
    for stride, feature in zip((8, 16, 32), features[2:], strict=False):
        found, expected = feature.astype(np.float32), reference[f"stride{stride}"]
        assert found.shape == expected.shape
        errors.append(np.abs(found - expected).max() / np.abs(expected).max())
    return float(max(errors))


@pytest.mark.parametrize("folded", [False, True])
def test_features_are_those_of_the_pytorch_model(folded):
    assert largest_error(folded) < 1e-4


@pytest.mark.parametrize("folded", [False, True])
def test_features_in_bfloat16_are_near(folded):
    before = keras.mixed_precision.dtype_policy()
    keras.mixed_precision.set_dtype_policy("mixed_bfloat16")
    try:
        error = largest_error(folded)
    finally:
        keras.mixed_precision.set_dtype_policy(before)
    assert 1e-4 < error < 0.15  # bfloat16 has eight bits, and was indeed used


@pytest.mark.skipif(importlib.util.find_spec("jax") is None, reason="jax is not installed (pip install 'salus[jax]')")
@pytest.mark.skipif(keras.backend.backend() == "jax", reason="the tests run on jax already")
def test_features_on_jax_are_those_of_the_pytorch_model():
    code = f"import runpy; print(runpy.run_path({__file__!r})['largest_error'](True, 8))"  # jax compiles slowly
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env={**os.environ, "KERAS_BACKEND": "jax"}
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert float(done.stdout.split()[-1]) < 1e-4


def test_saved_and_loaded_gives_the_same(tmp_path):
    image = np.random.default_rng(2).random((1, 32, 32, 1), np.float32)
    inputs = keras.Input((32, 32, 1))
    model = keras.Model(inputs, efficientnet_lite0(inputs, IMAGENET, last_stride=16))
    model.save(tmp_path / "encoder.keras")
    again = keras.models.load_model(tmp_path / "encoder.keras")
    for a, b in zip(model(image, training=False), again(image, training=False), strict=True):
        np.testing.assert_array_equal(keras.ops.convert_to_numpy(a), keras.ops.convert_to_numpy(b))


def test_grey_is_the_same_as_three_equal_channels():
    grey = np.random.default_rng(1).random((1, 32, 32, 1), np.float32)
    results = []
    for image in (grey, np.repeat(grey, 3, axis=3)):
        inputs = keras.Input(image.shape[1:])
        results.append(keras.Model(inputs, efficientnet_lite0(inputs, IMAGENET)[-1]).predict(image, verbose=0))
    np.testing.assert_allclose(results[0], results[1], atol=1e-3 * np.abs(results[1]).max())


@pytest.mark.parametrize(("last", "channels"), [(4, 2), (16, 4), (32, 5)])
def test_strides_and_truncation(last, channels):
    inputs = keras.Input((64, 96, 1))
    features = efficientnet_lite0(inputs, last_stride=last)
    assert [f.shape[1:3] for f in features] == [(64 // s, 96 // s) for s in (2, 4, 8, 16, 32)[:channels]]
    assert [f.shape[3] for f in features] == [16, 24, 40, 112, 320][:channels]


def test_parameters_are_the_published_ones():
    """4,652,008 in all, of which the head (320 to 1280, batch norm, 1000 classes) is not built here."""
    inputs = keras.Input((32, 32, 3))
    model = keras.Model(inputs, efficientnet_lite0(inputs))
    trained = sum(int(np.prod(w.shape)) for w in model.trainable_weights)
    assert trained + 320 * 1280 + 2 * 1280 + 1280 * 1000 + 1000 == 4_652_008
    assert sum(blocks for blocks, *_ in STAGES) == 16


def test_other_weights_are_refused(tmp_path):
    from safetensors.numpy import save_file

    inputs = keras.Input((32, 32, 1))
    model = keras.Model(inputs, efficientnet_lite0(inputs, last_stride=4))
    (tmp_path / "noise.safetensors").write_bytes(b"noise" * 9)
    save_file({"stem/kernel": np.zeros((3, 3, 3, 32), np.float16)}, tmp_path / "part.safetensors")
    for name, message in (("noise", "cannot be read"), ("absent", "cannot be read"), ("part", "lacks")):
        with pytest.raises(SalusError, match=message):
            load_encoder(model, tmp_path / f"{name}.safetensors")


@pytest.mark.parametrize("folded", [False, True])
def test_another_shape_is_refused(folded):
    with pytest.raises(SalusError, match="1 or 3 channels"):
        efficientnet_lite0(keras.Input((32, 32, 2)), IMAGENET, last_stride=4, folded=folded)


@pytest.mark.parametrize("stride", [1, 3, 64])
def test_another_stride_is_refused(stride):
    with pytest.raises(SalusError, match="last_stride"):
        efficientnet_lite0(keras.Input((32, 32, 1)), last_stride=stride)
