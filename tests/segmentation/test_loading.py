"""A network that is loaded in the background is the one that is then taken; its errors come where it is taken."""

import numpy as np
import pytest

from salus.errors import SalusError
from salus.segmentation import loading
from salus.segmentation.loading import load_network, network_path, start_loading
from salus.segmentation.network import predict
from salus.weights import SHIPPED_NETWORK


def test_the_shipped_network_has_several_names(tmp_path):
    assert network_path(None) == network_path("shipped") == SHIPPED_NETWORK
    assert network_path(str(tmp_path / "a.onnx")) == tmp_path / "a.onnx"


def test_what_was_started_is_taken_once(monkeypatch):
    opened = []
    monkeypatch.setattr(loading, "open_network", lambda path, **options: opened.append(options) or object())
    start_loading(None, None, threads=1)
    other = load_network(None, None, threads=2)
    started = load_network("shipped", None, threads=1)
    assert len(opened) == 2
    assert load_network(None, None, threads=1) not in (started, other)
    assert len(opened) == 3


def test_an_error_in_the_background_is_raised_where_the_network_is_taken(tmp_path):
    start_loading(tmp_path / "absent.onnx", None, engine="openvino")
    with pytest.raises(SalusError, match="no such file"):
        load_network(tmp_path / "absent.onnx", None, engine="openvino")


def test_the_mirrored_image_is_in_the_same_inference(monkeypatch):
    asked = []
    monkeypatch.setattr(loading, "open_network", lambda path, *, images_a_call: asked.append(images_a_call))
    for tta in (None, True, False):
        load_network(None, tta)
    kinds = ({"tta": True}, {"tta": False}, {}, {"tta": True, "refine": True})
    assert [[size(settings) for settings in kinds] for size in asked] == [
        [2, 1, 1, 1],  # the second look is at the image alone
        [2, 2, 2, 1],
        [1, 1, 1, 1],
    ]


@pytest.mark.slow
@pytest.mark.parametrize(("size", "tta"), [(2, True), (1, True), (1, False)])
def test_any_number_of_images_gives_what_a_free_batch_gives(size, tta):
    from salus.engine import open_network

    pytest.importorskip("openvino")
    network = open_network(SHIPPED_NETWORK, "openvino", images_a_call=lambda settings: size)
    free = open_network(SHIPPED_NETWORK, "openvino")
    assert (network.images_a_call, free.images_a_call) == (size, None)
    for count in (1, 3):
        side = network.settings["size"]
        images = np.random.default_rng(count).random((count, side, side, 1), np.float32)
        ours, theirs = predict(network, images, tta), predict(free, images, tta)
        for name, values in theirs.items():
            np.testing.assert_allclose(ours[name], values, atol=1e-4)
