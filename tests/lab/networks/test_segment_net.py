"""The architecture of the shipped network: shapes, attention, and the gradient that stops at the saliency."""

import keras
import numpy as np
import pytest

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


def test_attention_starts_as_the_identity(model):
    for stride in (2, 4, 8, 16, 32):
        before = model.get_layer(f"attention{stride}_weighed").input[0]
        after = model.get_layer(f"attention{stride}_weighed").output
        one, other = keras.Model(model.input, [before, after]).predict(noise(1), verbose=0)
        np.testing.assert_allclose(one, other, rtol=1e-6)


def test_saliency_changes_the_outline_once_attention_has_weights(model):
    other = segment_net(64)
    other.set_weights(model.get_weights())
    for stride in (2, 4, 8, 16, 32):
        layer = other.get_layer(f"attention{stride}")
        layer.set_weights([np.full(layer.weights[0].shape, 0.3, np.float32), layer.get_weights()[1]])
    net = other.get_layer("saliency_net")
    base = other.predict(noise(), verbose=0)
    last = net.get_layer("logit")
    last.set_weights([last.get_weights()[0] * 0, np.array([4.0], np.float32)])  # a map of ones
    with_ones = other.predict(noise(), verbose=0)
    assert with_ones["saliency"].min() > 0.98
    assert np.abs(with_ones["probability"] - base["probability"]).max() > 1e-4


def test_the_loss_of_the_outline_does_not_train_the_saliency():
    keras.utils.set_random_seed(1)
    model = segment_net(64)
    losses = {"probability": "binary_crossentropy", "saliency": None, "presence": None, "features": None}
    model.compile(keras.optimizers.SGD(1.0), loss=losses)
    net = model.get_layer("saliency_net")
    before = net.get_weights()
    decoder_before = model.get_layer("dec2").get_weights()
    truth = np.ones((2, 64, 64, 1), np.float32)
    model.train_on_batch(noise(), {"probability": truth})
    for one, other in zip(before, net.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)
    assert any((a != b).any() for a, b in zip(decoder_before, model.get_layer("dec2").get_weights(), strict=True))
