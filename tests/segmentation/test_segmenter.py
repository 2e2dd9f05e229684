"""`Segmenter` on a network whose answer is known; engines, kinds of input, options."""

import inspect
import json
import pickle
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import salus
from salus.errors import SalusError
from salus.read.frames import read_scan
from salus.read.inputs import as_scan
from salus.scan import Scan
from salus.segmentation.postprocess import threshold_and_clean
from salus.segmentation.region_results import AT_BORDER, STRANGE
from salus.segmentation.segmenter import Segmenter
from salus.weights import SHIPPED_NETWORK

onnx = pytest.importorskip("onnx")
helper = pytest.importorskip("onnx.helper")

SIDE = 64
ENGINES = ("openvino", "onnxruntime")


def write_network(path, *, side=SIDE, outputs=("probability", "saliency", "presence", "strangeness"), **settings):
    """Probability 1 - image: dark is tumour; saliency half of it, presence its largest, strangeness twice mean grey."""
    fixed = [helper.make_tensor(n, 1, [1], [v]) for n, v in (("one", 1.0), ("half", 0.5), ("two", 2.0))]
    fixed.append(helper.make_tensor("pixels", 7, [2], [1, 2]))
    nodes = [
        helper.make_node("Sub", ["one", "image"], ["probability"]),
        helper.make_node("Mul", ["probability", "half"], ["saliency"]),
        helper.make_node("ReduceMax", ["probability", "pixels"], ["presence"], keepdims=0),
        helper.make_node("ReduceMean", ["image", "pixels"], ["mean"], keepdims=0),
        helper.make_node("Mul", ["mean", "two"], ["strangeness"]),
    ]
    value = lambda n: helper.make_tensor_value_info(  # noqa: E731
        n, 1, ["n", side, side, 1] if n in ("image", "probability", "saliency") else ["n", 1]
    )
    graph = helper.make_graph(nodes, "g", [value("image")], [value(n) for n in outputs], fixed)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    helper.set_model_props(model, {"salus": json.dumps({"name": "dark", "size": side, "strange": 1.9} | settings)})
    onnx.save(model, path)
    return path


@pytest.fixture
def network(tmp_path):
    return write_network(tmp_path / "dark.onnx")


def image_of(*boxes, shape=(SIDE, SIDE), ground=200, dark=20):
    """Bytes: grey, with dark boxes (top, bottom, left, right)."""
    image = np.full(shape, ground, np.uint8)
    for top, bottom, left, right in boxes:
        image[top:bottom, left:right] = dark
    return image


@pytest.mark.parametrize("engine", ENGINES)
def test_at_its_own_size_everything_is_in_closed_form(network, engine):
    image = image_of((10, 30, 20, 50), (40, 50, 5, 15))
    result = Segmenter(network, engine=engine)(image)
    np.testing.assert_array_equal(result.mask, image == 20)
    np.testing.assert_allclose(result.probability, 1 - image / 255, atol=1e-6)
    np.testing.assert_allclose(result.saliency, (1 - image / 255) / 2, atol=1e-6)
    assert result.presence == pytest.approx(1 - 20 / 255)
    assert result.strangeness == pytest.approx(2 * image.mean() / 255, rel=1e-4)
    assert [one.box for one in result.lesions] == [(10, 20, 20, 30), (40, 5, 10, 10)]
    p, q, n = 235 / 255, 55 / 255, 700
    assert result.confidence == pytest.approx(2 * n * p / (n + n * p + (SIDE**2 - n) * q), rel=1e-5)
    assert (result.network, result.source, result.spacing, result.flags, result.found) == (
        "dark",
        "the image",
        None,
        (),
        True,
    )
    assert (result.mask.dtype, result.probability.dtype, result.saliency.dtype) == (bool, np.float32, np.float32)


@pytest.mark.parametrize("shape", [(8, 8), (40, 200), (300, 90), (65, 63)])
def test_other_sizes_come_back_at_their_own(network, shape):
    image = np.random.default_rng(1).integers(0, 256, shape, dtype=np.uint8)
    result = Segmenter(network)(image)
    small = Image.fromarray(image.astype(np.float32) / 255).resize((SIDE, SIDE), Image.Resampling.BILINEAR)
    answer = 1 - np.rint(np.asarray(small) * 255) / 255
    expected = Image.fromarray(answer.astype(np.float32)).resize(shape[::-1], Image.Resampling.BILINEAR)
    np.testing.assert_allclose(result.probability, np.asarray(expected), atol=2e-6)
    np.testing.assert_array_equal(result.mask, threshold_and_clean(result.probability, 0.5, 0.0005))
    assert result.saliency.shape == shape


def test_engines_streams_and_threads_give_the_same_numbers(network):
    image = np.random.default_rng(2).integers(0, 256, (90, 120), dtype=np.uint8)
    first, *others = (
        Segmenter(network, engine=engine, threads=threads, streams=streams)(image)
        for engine in ENGINES
        for threads, streams in ((None, 1), (1, 1), (None, 2), (2, 3))
    )
    for other in others:
        np.testing.assert_allclose(other.probability, first.probability, atol=1e-6)
        np.testing.assert_array_equal(other.mask, first.mask)
        assert other.confidence == pytest.approx(first.confidence, abs=1e-6)


def test_settings_are_the_files_and_the_threshold_may_be_the_callers(tmp_path):
    image = image_of((10, 30, 20, 50), dark=102)  # probability 0.6
    p = 0.6
    warm = Segmenter(write_network(tmp_path / "a.onnx", temperature=2.0))(image)
    assert warm.probability[15, 30] == pytest.approx(1 / (1 + ((1 - p) / p) ** 0.5), abs=1e-5)
    assert not Segmenter(write_network(tmp_path / "b.onnx", threshold=0.7))(image).found
    assert Segmenter(tmp_path / "b.onnx", threshold=0.5)(image).found
    none = Segmenter(write_network(tmp_path / "c.onnx", presence=0.61))(image)
    assert (none.found, none.mask.any(), none.lesions) == (False, False, ())
    assert none.confidence == pytest.approx(1 - p)
    assert none.probability.max() == pytest.approx(p)
    big = Segmenter(write_network(tmp_path / "d.onnx", smallest=0.2))(image)
    assert not big.found


def test_a_call_may_have_a_threshold_of_its_own(tmp_path):
    image = image_of((10, 30, 20, 50), dark=102)  # probability 0.6
    segmenter = Segmenter(write_network(tmp_path / "a.onnx", threshold=0.7))
    results = [segmenter(image), segmenter(image, threshold=0.5), *segmenter.batch([image, image], threshold=0.5)]
    assert [(result.found, result.threshold) for result in results] == [(False, 0.7)] + 3 * [(True, 0.5)]
    assert segmenter(image).threshold == 0.7
    for wrong in (0.0, 1.0, float("nan")):
        with pytest.raises(SalusError, match="between 0 and 1"):
            segmenter(image, threshold=wrong)
        with pytest.raises(SalusError, match="between 0 and 1"):
            segmenter.batch([image], threshold=wrong)


def test_flags_tell_of_strange_images_and_of_lesions_at_the_border(network):
    segmenter = Segmenter(network)
    assert segmenter(np.full((SIDE, SIDE), 255, np.uint8)).flags == (STRANGE,)
    assert segmenter(image_of((0, 10, 20, 50))).flags == (AT_BORDER,)
    assert segmenter(image_of((10, 30, 20, 50))).flags == ()


def test_an_image_without_a_tumour_has_an_empty_mask_and_the_confidence_of_absence(network):
    result = Segmenter(network)(np.full((50, 70), 220, np.uint8))
    assert not result.found
    assert not result.mask.any()
    assert result.confidence == pytest.approx(220 / 255, abs=1e-5)


def test_files_arrays_scans_and_pillow_images_give_the_same_result(network, tmp_path):
    segmenter = Segmenter(network)
    image = np.random.default_rng(3).integers(0, 256, (48, 80), dtype=np.uint8)
    path = tmp_path / "a.png"
    Image.fromarray(image).save(path)
    first = segmenter(path)
    assert first.source == str(path)
    for given in (str(path), image, image / 255, Image.fromarray(image), Image.open(path), read_scan(path)):
        np.testing.assert_array_equal(segmenter(given).probability, first.probability)


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "P", "I;16", "1", "CMYK", "LA", "F"])
def test_a_pillow_image_is_read_as_its_file_is(network, tmp_path, mode):
    grey = np.random.default_rng(4).integers(0, 256, (40, 30), dtype=np.uint8)
    image = (
        Image.fromarray(grey.astype(np.uint16) * 256)
        if mode == "I;16"
        else Image.merge("RGB", [Image.fromarray(np.roll(grey, k, 0)) for k in range(3)]).convert(mode)
        if mode not in ("LA", "F")
        else Image.fromarray(grey).convert(mode)
    )
    path = tmp_path / ("a.tif" if mode in ("CMYK", "F") else "a.png")
    image.save(path)
    segmenter = Segmenter(network)
    np.testing.assert_array_equal(segmenter(image).probability, segmenter(path).probability)


def test_a_spaced_scan_is_measured_in_mm(network):
    scan = Scan(as_scan(image_of((10, 30, 20, 50))).pixels, "x", (0.1, 0.2))
    (one,) = Segmenter(network)(scan).lesions
    assert (one.unit, one.width, one.height) == ("mm", pytest.approx(6.0), pytest.approx(2.0))


@pytest.mark.parametrize("engine", ENGINES)
def test_tta_averages_with_the_mirrored_image(network, engine):
    image = image_of((10, 30, 0, 32))
    plain, both = (Segmenter(network, tta=tta, engine=engine)(image) for tta in (False, True))
    np.testing.assert_allclose(both.probability, plain.probability, atol=1e-6)  # the network is local
    assert both.presence == plain.presence


def test_whether_the_mirrored_image_is_averaged_is_a_setting_of_the_network(tmp_path):
    own = Segmenter(write_network(tmp_path / "a.onnx", tta=True))
    assert (own.tta, Segmenter(own.path, tta=False).tta) == (True, False)
    assert Segmenter(write_network(tmp_path / "b.onnx")).tta is False


def test_many_at_a_time_are_as_one_by_one(network):
    images = [np.random.default_rng(i).integers(0, 256, (30 + i, 40), dtype=np.uint8) for i in range(20)]
    segmenter = Segmenter(network, streams=2)
    for many, image in zip(segmenter.each(images, workers=3), images, strict=True):
        np.testing.assert_array_equal(many.probability, segmenter(image).probability)


def test_an_error_of_one_ends_each_but_not_the_segmenter(network, tmp_path):
    segmenter = Segmenter(network)
    good = np.zeros((20, 20), np.uint8)
    results = segmenter.each([good, tmp_path / "absent.png", good])
    next(results)
    with pytest.raises(SalusError, match=r"absent\.png: no such file"):
        list(results)
    assert segmenter(good).found


@pytest.mark.parametrize(
    ("given", "part"),
    [
        (np.zeros((20, 20, 5), np.uint8), "these are 20 images"),
        (np.zeros((7, 20), np.uint8), "8 or more"),
        (np.full((20, 20), np.nan), "400 values are not finite, the first NaN in row 0, column 0"),
        (np.full((20, 20), 300.0), "from 300 to 300; floating point must lie in"),
        (Image.new("L", (4, 4)), "8 or more"),
        (Image.new("1", (5000, 5000)), "crop or shrink"),
        ("absent.png", "no such file"),
    ],
)
def test_what_is_no_grey_image_is_refused(network, given, part):
    with pytest.raises(SalusError, match=part):
        Segmenter(network)(given)


@pytest.mark.parametrize(
    ("options", "part"),
    [
        ({"threshold": 0}, "between 0 and 1"),
        ({"threshold": 1.0}, "between 0 and 1"),
        ({"threshold": float("nan")}, "between 0 and 1"),
        ({"engine": "odd"}, "unknown engine"),
        ({"device": "tpu"}, "unknown device"),
        ({"network": "absent.onnx"}, "no such file"),
    ],
)
def test_wrong_options_are_refused_in_one_line(network, options, part):
    with pytest.raises(SalusError, match=part) as error:
        Segmenter(**{"network": network, **options})
    assert "\n" not in str(error.value)


def test_a_network_with_another_contract_is_refused(tmp_path):
    for i, changes in enumerate(
        ({"outputs": ("probability", "saliency")}, {"size": 32}, {"size": None}, {"name": None, "size": "big"})
    ):
        with pytest.raises(SalusError, match="no segmentation network of Salus"):
            Segmenter(write_network(tmp_path / f"{i}.onnx", **changes))


def test_the_function_opens_a_network_that_replaces_another_and_tells_of_one_that_is_gone(
    network, tmp_path, monkeypatch
):
    image = image_of((10, 30, 20, 50))
    assert salus.segment(image, network=network).network == "dark"
    write_network(network, name="trained again")
    assert salus.segment(image, network=network).network == "trained again"
    (tmp_path / "other").mkdir()
    write_network(tmp_path / "other" / "dark.onnx", name="of another folder")
    monkeypatch.chdir(tmp_path / "other")
    assert salus.segment(image, network="dark.onnx").network == "of another folder"
    monkeypatch.chdir(tmp_path)
    assert salus.segment(image, network="dark.onnx").network == "trained again"
    network.unlink()
    with pytest.raises(SalusError, match="no such file"):
        salus.segment(image, network=network)


def test_the_function_keeps_its_network_and_has_the_segmenters_options(network):
    image = image_of((10, 30, 20, 50))
    first = salus.segment(image, network=network)
    np.testing.assert_array_equal(first.mask, Segmenter(network)(image).mask)
    assert salus.segment(image, network=network).network == "dark"
    assert isinstance(first, salus.Segmentation)
    function, made, called = (inspect.signature(f).parameters for f in (salus.segment, Segmenter, Segmenter.__call__))
    expected = {name: p.default for options in (made, called) for name, p in options.items()}
    del expected["self"], expected["prompt"]
    assert {name: p.default for name, p in function.items()} == expected


def test_the_shipped_network_gives_the_same_with_both_engines():
    image = salus.make_phantom(3).image
    first, other = (Segmenter(engine=engine)(image) for engine in ENGINES)
    np.testing.assert_allclose(first.probability, other.probability, atol=1e-3)
    assert first.presence == pytest.approx(other.presence, abs=1e-3)
    assert first.strangeness == pytest.approx(other.strangeness, rel=1e-3)


def test_the_how_to_runs(capsys):
    text = (Path(__file__).parents[2] / "docs" / "how-to" / "segment.md").read_text()
    names: dict = {}
    for block in re.findall(r"```python\n(.*?)```", text, re.DOTALL):
        exec(block, names)
    assert "confidence" in capsys.readouterr().out


def test_the_network_in_the_package_has_a_name():
    assert Segmenter("shipped").path == Segmenter().path == SHIPPED_NETWORK


def test_a_pickled_segmenter_opens_its_network_again_and_carries_no_weights():
    segmenter = Segmenter(threshold=0.3, tta=True)
    content = pickle.dumps(segmenter)
    assert len(content) < 1000
    image = np.random.default_rng(0).integers(0, 255, (60, 80), dtype=np.uint8)
    np.testing.assert_array_equal(pickle.loads(content)(image).probability, segmenter(image).probability)


def test_a_pickled_segmenter_finds_its_network_from_another_folder(network, tmp_path, monkeypatch):
    monkeypatch.chdir(network.parent)
    content = pickle.dumps(Segmenter(network.name))
    monkeypatch.chdir(tmp_path)
    assert pickle.loads(content).path == network
