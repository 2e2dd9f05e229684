"""The plain segmentation network: shapes, ranges, and where its encoder starts."""

import keras
import numpy as np
import pytest
from safetensors.numpy import load_file

from salus.lab.networks.efficientnet_lite import IMAGENET
from salus.lab.networks.segment_net import OUTPUTS, segment_net


@pytest.fixture(scope="module")
def model():
    keras.utils.set_random_seed(0)
    return segment_net(64)


def noise(n=2, side=64):
    return np.random.default_rng(0).random((n, side, side, 1), np.float32)


def test_shapes_and_ranges(model):
    outputs = model.predict(noise(), verbose=0)
    assert {name: value.shape for name, value in outputs.items()} == {
        "probability": (2, 64, 64, 1),
        "saliency": (2, 16, 16, 1),
        "presence": (2, 1),
        "features": (2, 512),
    }
    assert set(outputs) == set(OUTPUTS)
    assert all(0 <= outputs[name].min() <= outputs[name].max() <= 1 for name in ("probability", "saliency", "presence"))


def test_the_encoder_starts_from_imagenet_with_batch_norm_folded():
    pretrained = segment_net(64, IMAGENET)
    stem = load_file(IMAGENET)["stem/kernel"].astype(np.float32).sum(axis=2)
    norm = {name: load_file(IMAGENET)[f"stem_norm/{name}"].astype(np.float32) for name in ("gamma", "moving_variance")}
    folded = stem * norm["gamma"] / np.sqrt(norm["moving_variance"] + 1e-3)
    np.testing.assert_allclose(pretrained.get_layer("stem").get_weights()[0][:, :, 0], folded, rtol=1e-4, atol=1e-6)
