"""Prompts change the outline, everywhere in the same way, on a network whose answer is known."""

import inspect

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("onnx")

from tests.prompts.networks import SIDE, write_prompt_network
from tests.segmentation.test_segmenter import write_network

import salus
from salus.errors import SalusError
from salus.prompts.prompt import Prompt
from salus.prompts.render import render_prompt
from salus.scan import Region, Scan
from salus.segmentation.segmenter import Segmenter

ENGINES = ("openvino", "onnxruntime")
WHOLE = Region(0, 0, SIDE, SIDE)


@pytest.fixture
def network(tmp_path):
    return write_prompt_network(tmp_path / "pointed.onnx")


@pytest.fixture
def two_lesions():
    """Two dark squares, columns 8 to 20 and 40 to 52 of rows 20 to 32."""
    image = np.full((SIDE, SIDE), 255, np.uint8)
    image[20:32, 8:20] = image[20:32, 40:52] = 0
    return image


def closed_form(image, prompt):
    return np.clip((1 - image / 255 + render_prompt(prompt, WHOLE, SIDE)[..., 0]) / 2, 0, 1)


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("tta", [False, True])
def test_a_prompt_reaches_the_network_as_it_is_drawn(network, two_lesions, engine, tta):
    segmenter = Segmenter(network, engine=engine, tta=tta)
    prompt = Prompt(
        points=((14, 26),), not_points=((46, 26),), boxes=((5, 18, 22, 34),), scribbles=(((9, 21), (15, 30)),)
    )
    result = segmenter(two_lesions, prompt)
    np.testing.assert_allclose(result.probability, closed_form(two_lesions, prompt), atol=1e-6)
    np.testing.assert_array_equal(result.mask[20:32, 8:20], True)
    assert result.mask.sum() == 144
    assert [lesion.box for lesion in result.lesions] == [(20, 8, 12, 12)]


@pytest.mark.parametrize("engine", ENGINES)
def test_without_a_prompt_the_network_gets_zeros(network, two_lesions, engine):
    result = Segmenter(network, engine=engine)(two_lesions)
    np.testing.assert_allclose(result.probability, (1 - two_lesions / 255) / 2, atol=1e-6)
    assert not result.found
    assert result.saliency.max() == 0


def test_the_function_the_segmenter_and_a_session_take_the_same(network, two_lesions, tmp_path):
    heat = np.zeros((SIDE, SIDE))
    heat[20:32, 40:52] = 1
    Image.fromarray((heat * 255).astype(np.uint8)).save(tmp_path / "gaze.png")
    segmenter = Segmenter(network)
    session = segmenter.open(two_lesions)
    for given, call in (
        ({"points": [(14, 26)]}, lambda: session.click(14, 26)),
        ({"not_points": [(14, 26)]}, lambda: session.click(14, 26, inside=False)),
        ({"box": (38, 18, 54, 34)}, lambda: session.box(38, 18, 54, 34)),
        ({"scribble": [(42, 22), (50, 30)]}, lambda: session.scribble([(42, 22), (50, 30)])),
        ({"prompt_map": heat}, lambda: session.map(heat)),
        ({"prompt_map": tmp_path / "gaze.png"}, lambda: session.map(tmp_path / "gaze.png")),
    ):
        results = [salus.segment(two_lesions, network=network, **given), segmenter(two_lesions, **given), call()]
        session.clear()
        assert results[0].probability.std() > 0
        for result in results[1:]:
            np.testing.assert_array_equal(result.probability, results[0].probability)
            assert result.lesions == results[0].lesions
    both = segmenter(two_lesions, Prompt(points=((14, 26),)), points=(46, 26))
    np.testing.assert_array_equal(both.mask, segmenter(two_lesions, points=[(14, 26), (46, 26)]).mask)


def test_a_session_adds_up_and_undoes(network, two_lesions):
    segmenter = Segmenter(network)
    session = segmenter.open(two_lesions)
    assert not session.segmentation.found
    first = session.box(5, 18, 22, 34)
    assert (first.mask.sum(), session.segmentation) == (144, first)
    second = session.box(38, 18, 54, 34)
    assert second.mask.sum() == 288
    session.click(46, 26, inside=False)
    assert session.prompt.not_points == ((46, 26),)
    assert session.undo() is second
    assert session.undo() is first
    with pytest.raises(SalusError, match="outside the image"):
        session.click(64, 3)
    with pytest.raises(SalusError, match="upper left"):
        session.box(9, 9, 3, 3)
    assert session.segmentation is first
    session.undo()
    assert not session.undo().found
    assert not session.prompt


def test_every_region_gets_its_own_part(network):
    pixels = np.full((SIDE, 2 * SIDE + 10), 1, np.float32)
    pixels[20:32, 8:20] = pixels[20:32, 82:94] = 0
    scan = Scan(pixels, "two views", regions=(Region(0, 0, SIDE, SIDE), Region(0, SIDE + 10, SIDE, SIDE)))
    result = Segmenter(network)(scan, box=(80, 18, 96, 34))
    assert [lesion.box for lesion in result.lesions] == [(20, 82, 12, 12)]
    with pytest.raises(SalusError, match="outside the image's ultrasound regions"):
        Segmenter(network)(scan, points=(68, 20))


def test_prompts_land_where_a_wide_image_does(tmp_path):
    """With its aspect ratio kept or squashed, a map that equals the image's darkness is the image's darkness."""
    dark = np.zeros((48, 160), np.float32)
    dark[12:36, 60:100] = 1
    for keep_aspect in (False, True):
        segmenter = Segmenter(write_prompt_network(tmp_path / f"{keep_aspect}.onnx", keep_aspect=keep_aspect))
        result = segmenter(1 - dark, prompt_map=dark)
        by_box = segmenter(1 - dark, box=(60, 12, 100, 36))
        assert result.mask[14:34, 62:98].all()
        assert by_box.mask[14:34, 62:98].all()
        assert not result.mask[:9].any()
        assert not by_box.mask[:, :56].any()


def test_a_batch_is_as_one_by_one(network, two_lesions):
    segmenter = Segmenter(network)
    images = [two_lesions, two_lesions[:, ::-1], two_lesions[:40]]
    prompts = [Prompt(points=((14, 26),)), Prompt(), Prompt(boxes=((38, 18, 54, 34),))]
    for image, prompt, result in zip(images, prompts, segmenter.batch(images, prompts), strict=True):
        np.testing.assert_allclose(result.probability, segmenter(image, prompt).probability, atol=1e-6)


def test_a_network_that_takes_none_refuses_prompts_in_one_line(tmp_path, two_lesions):
    plain = Segmenter(write_network(tmp_path / "dark.onnx"))
    assert not plain.takes_prompts
    for call in (
        lambda: plain(two_lesions, points=[(3, 4)]),
        lambda: plain.open(two_lesions),
        lambda: plain.batch([two_lesions], [Prompt(points=((3, 4),))]),
        lambda: salus.segment(two_lesions, box=(1, 1, 5, 5), network=tmp_path / "dark.onnx"),
    ):
        with pytest.raises(SalusError, match="the network dark takes no prompts") as error:
            call()
        assert "\n" not in str(error.value)
    assert plain(two_lesions, Prompt()).found
    assert plain.batch([two_lesions], [Prompt()])[0].found


def test_a_network_whose_two_inputs_differ_in_size_is_refused(tmp_path):
    path = write_prompt_network(tmp_path / "odd.onnx", prompt_side=1)
    with pytest.raises(SalusError, match="has not the image's size"):
        Segmenter(path)


def test_all_ways_have_the_same_names():
    names = {"points", "not_points", "box", "scribble", "prompt_map"}
    for function in (salus.segment, Segmenter.__call__):
        assert names <= set(inspect.signature(function).parameters)


def test_a_click_keeps_its_own_view_from_being_left_empty_and_no_other(tmp_path):
    """Two views side by side, each with a dark square, by a network that leaves everything empty by itself."""
    segmenter = Segmenter(write_prompt_network(tmp_path / "a.onnx", threshold=0.4, presence=1.01))
    pixels = np.ones((SIDE, 2 * SIDE), np.float32)
    pixels[20:32, 8:20] = pixels[20:32, SIDE + 8 : SIDE + 20] = 0
    scan = Scan(pixels, "views", regions=(WHOLE, Region(0, SIDE, SIDE, SIDE)))
    assert not segmenter(scan).found
    assert not segmenter(scan, not_points=[(50, 50)]).found
    columns = np.flatnonzero(segmenter(scan, points=[(14, 26)]).mask.any(axis=0))
    assert (columns.min(), columns.max()) == (8, 19)
    columns = np.flatnonzero(segmenter(scan, box=(SIDE + 7, 19, SIDE + 21, 33)).mask.any(axis=0))
    assert columns.min() >= SIDE
