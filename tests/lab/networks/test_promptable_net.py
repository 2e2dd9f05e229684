"""The network that takes a prompt: its contract, its ONNX file, and that the prompt reaches every stage."""

import numpy as np
import pytest

from salus.engine import open_network
from salus.lab.networks.efficientnet_lite import IMAGENET
from salus.lab.networks.promptable_net import promptable_net
from salus.lab.networks.segment_net import in_file_order
from salus.lab.onnx.weights import load_onnx_weights
from salus.lab.segmentation.export import EXPORTED, add_strangeness_output, export_segmenter
from salus.weights import SHIPPED_NETWORK

SIDE = 64


@pytest.fixture(scope="module")
def model():
    import keras

    keras.utils.set_random_seed(1)
    return promptable_net(SIDE, IMAGENET)


def inputs(n=2, prompt=0.0):
    rng = np.random.default_rng(0)
    maps = np.zeros((n, SIDE, SIDE, 1), np.float32)
    maps[:, 20:36, 24:40] = prompt
    return {"image": rng.random((n, SIDE, SIDE, 1), np.float32), "prompt": maps}


def test_shapes_and_ranges(model):
    outputs = model.predict(inputs(prompt=1.0), verbose=0)
    assert outputs["probability"].shape == (2, SIDE, SIDE, 1)
    assert outputs["saliency"].shape == (2, SIDE // 4, SIDE // 4, 1)
    assert outputs["presence"].shape == (2, 1)
    assert outputs["features"].shape == (2, 512)
    for name in ("probability", "saliency", "presence"):
        assert outputs[name].min() >= 0
        assert outputs[name].max() <= 1


@pytest.mark.parametrize("prompt", [1.0, -1.0])
def test_the_prompt_reaches_the_attention_of_every_stage_from_the_first_step(model, prompt):
    """Beside pretrained features that are not scaled it would drown, and the block would stay blind to it."""
    import keras

    strides = (2, 4, 8, 16, 32)
    attention = keras.Model(model.input, [model.get_layer(f"attention{stride}").output for stride in strides])
    without, given = (attention.predict(inputs(1, value), verbose=0) for value in (0.0, prompt))
    for before, after in zip(without, given, strict=True):
        assert np.abs(after - before).max() > 0.02
        assert 0.05 < before.mean() < 0.95  # not saturated


def test_the_onnx_file_computes_what_the_network_does(model, tmp_path):
    rng = np.random.default_rng(3)
    for weight in model.weights:  # a bias of zeros, which no trained network has, would be left out of the file
        if weight.name == "bias" and not np.any(weight):
            weight.assign(rng.normal(0, 0.01, weight.shape))
    known = add_strangeness_output(model, np.random.default_rng(2).integers(0, 256, (12, SIDE, SIDE), np.uint8))
    settings = {"name": "net", "size": SIDE}
    assert export_segmenter(known, tmp_path / "net.onnx", settings) < 1e-4
    network = open_network(tmp_path / "net.onnx")
    assert set(network.inputs) == {"image", "prompt"}
    assert set(network.outputs) == set(EXPORTED)
    given = inputs(3, 1.0)
    expected = model.predict(given, verbose=0)
    computed = network.run(given)
    for name in ("probability", "saliency", "presence"):
        np.testing.assert_allclose(computed[name], expected[name], atol=1e-4)


@pytest.mark.slow
def test_fine_tuning_starts_from_the_shipped_network():
    shipped = open_network(SHIPPED_NETWORK)
    size = shipped.inputs["image"][1]
    model = promptable_net(size)
    load_onnx_weights(in_file_order(model), SHIPPED_NETWORK)
    image, prompt = np.random.default_rng(3).random((2, 1, size, size, 1), np.float32)
    inputs = {"image": image, "prompt": prompt}
    ours, theirs = model.predict(inputs, verbose=0), shipped.run(inputs)
    for name in ("probability", "saliency", "presence"):
        np.testing.assert_allclose(ours[name], theirs[name], atol=5e-3)
