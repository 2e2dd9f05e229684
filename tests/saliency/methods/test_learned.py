"""The learned method's runtime, on networks small enough to know their answer."""

import numpy as np
import pytest
from PIL import Image

from salus.errors import SalusError
from salus.saliency.methods import learned
from salus.saliency.methods.learned import BATCH, LearnedSaliency

onnx = pytest.importorskip("onnx")
helper = pytest.importorskip("onnx.helper")


def write(path, size=16, *, pool=False, gain=-1.0, bias=1.0, batch="n", names=("image", "saliency"), side=None):
    """saliency = gain · image + bias, then a 2 x 2 average where pool."""
    scalar = [helper.make_tensor(k, 1, [1], [v]) for k, v in (("gain", gain), ("bias", bias))]
    nodes = [helper.make_node("Mul", [names[0], "gain"], ["a"]), helper.make_node("Add", ["a", "bias"], ["b"])]
    if pool:
        nodes += [
            helper.make_node("Transpose", ["b"], ["c"], perm=[0, 3, 1, 2]),
            helper.make_node("AveragePool", ["c"], ["d"], kernel_shape=[2, 2], strides=[2, 2]),
            helper.make_node("Transpose", ["d"], ["e"], perm=[0, 2, 3, 1]),
        ]
    nodes.append(helper.make_node("Identity", ["e" if pool else "b"], [names[1]]))
    out = size // 2 if pool else size
    value = lambda name, s: helper.make_tensor_value_info(name, 1, [batch, s, s if side is None else side, 1])  # noqa: E731
    graph = helper.make_graph(nodes, "g", [value(names[0], size)], [value(names[1], out)], scalar)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9), path)
    return path


def noise(n, size, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (n, size, size), dtype=np.uint8)


def test_at_its_own_size_the_map_is_the_networks(tmp_path):
    images = noise(3, 16)
    maps = LearnedSaliency(write(tmp_path / "a.onnx")).estimate(images)
    assert maps.dtype == np.float32
    np.testing.assert_allclose(maps, 1 - images / 255, atol=1e-6)


def test_a_smaller_map_and_another_image_size_are_resized_as_pillow_does(tmp_path):
    images = noise(2, 40)
    found = LearnedSaliency(write(tmp_path / "a.onnx", pool=True)).estimate(images)
    assert found.shape == images.shape
    for image, one in zip(images, found, strict=True):
        small = Image.fromarray(image.astype(np.float32)).resize((16, 16), Image.Resampling.BILINEAR)
        answer = (1 - np.asarray(small) / 255).reshape(8, 2, 8, 2).mean(axis=(1, 3))
        wanted = Image.fromarray(answer).resize((40, 40), Image.Resampling.BILINEAR)
        np.testing.assert_allclose(one, np.asarray(wanted), atol=1e-5)


@pytest.mark.parametrize("batch", ["n", 1])
def test_batches_do_not_matter(tmp_path, batch):
    images = noise(BATCH + 3, 20)
    estimator = LearnedSaliency(write(tmp_path / "a.onnx", batch=batch))
    whole = estimator.estimate(images)
    np.testing.assert_array_equal(whole, np.concatenate([estimator.estimate(one[None]) for one in images]))
    assert estimator.estimate(images[:0]).shape == (0, 20, 20)


def test_maps_stay_within_zero_and_one(tmp_path):
    maps = LearnedSaliency(write(tmp_path / "a.onnx", gain=4.0, bias=-2.0)).estimate(noise(2, 16))
    assert (maps.min(), maps.max()) == (0, 1)


def test_the_session_is_opened_once_with_one_thread(tmp_path, monkeypatch):
    opened = []
    real = learned.open_network
    monkeypatch.setattr(learned, "open_network", lambda *a, **k: opened.append(k) or real(*a, **k))
    estimator = LearnedSaliency(write(tmp_path / "a.onnx"))
    for _ in range(3):
        estimator.estimate(noise(1, 16))
    assert [options["threads"] for options in opened] == [1]


@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        ({"names": ("scan", "saliency")}, "no saliency network"),
        ({"names": ("image", "map")}, "no saliency network"),
        ({"side": 8}, "no saliency network"),
        ({"size": "s"}, "no saliency network"),
        ({"batch": 4}, "no saliency network"),
    ],
)
def test_another_contract_is_refused(tmp_path, arguments, part):
    with pytest.raises(SalusError, match=part):
        LearnedSaliency(write(tmp_path / "a.onnx", **arguments))


def test_missing_and_damaged_files_are_one_line(tmp_path):
    with pytest.raises(SalusError, match="no such file"):
        LearnedSaliency(tmp_path / "absent.onnx")
    whole = write(tmp_path / "a.onnx").read_bytes()
    for content in (b"", b"no network", whole[: len(whole) // 2]):
        (tmp_path / "b.onnx").write_bytes(content)
        with pytest.raises(SalusError, match=r"b\.onnx") as error:
            LearnedSaliency(tmp_path / "b.onnx")
        assert "\n" not in str(error.value)


def test_without_an_engine_the_command_is_named(tmp_path, monkeypatch):
    path = write(tmp_path / "a.onnx")
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(SalusError, match="pip install openvino"):
        LearnedSaliency(path)
