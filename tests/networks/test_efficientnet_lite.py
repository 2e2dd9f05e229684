"""EfficientNet-Lite0 against the PyTorch model that its weights come from."""

from pathlib import Path

import keras
import numpy as np
import pytest

from salus.errors import SalusError
from salus.networks.efficientnet_lite import IMAGENET, STAGES, efficientnet_lite0, load_encoder

FEATURES = Path(__file__).parent / "efficientnet-lite0-features.npz"
"""An image and the PyTorch model's features, written by bench/convert_efficientnet_lite.py."""


@pytest.mark.parametrize("folded", [False, True])
def test_features_are_those_of_the_pytorch_model(folded):
    with np.load(FEATURES, allow_pickle=False) as content:
        reference = {name: content[name] for name in content.files}
    image = reference.pop("image").astype(np.float32)
    inputs = keras.Input(image.shape[1:])
    features = keras.Model(inputs, efficientnet_lite0(inputs, IMAGENET, folded=folded)).predict(image, verbose=0)
    for stride, found in ((8, features[2]), (16, features[3]), (32, features[4])):
        expected = reference[f"stride{stride}"]
        assert found.shape == expected.shape
        assert np.abs(found - expected).max() < 1e-3 * np.abs(expected).max()


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
