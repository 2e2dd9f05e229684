"""The map that a network gets for a prompt, against its closed form."""

import numpy as np
import pytest
from scipy.ndimage import distance_transform_edt

from salus.preprocess import letterbox, resize
from salus.prompts.prompt import Prompt
from salus.prompts.render import render_prompt, render_prompts
from salus.scan import Region, Scan

SIZE = 64
WHOLE = Region(0, 0, SIZE, SIZE)
Y, X = np.mgrid[:SIZE, :SIZE] + 0.5


def gaussian(x, y, size=SIZE):
    """A click at (x, y) of the square."""
    at_y, at_x = np.mgrid[:size, :size] + 0.5
    return np.exp(-((at_x - x) ** 2 + (at_y - y) ** 2) / (2 * (size / 32) ** 2))


def drawn(region=WHOLE, size=SIZE, keep_aspect=False, **parts):
    result = render_prompt(Prompt(**parts), region, size, keep_aspect)
    assert (result.shape, result.dtype) == ((size, size, 1), np.float32)
    assert -1 <= result.min() <= result.max() <= 1
    return result[..., 0]


@pytest.mark.parametrize("size", [32, 64, 256])
def test_a_click_is_a_gaussian_of_a_32nd_of_the_side(size):
    region = Region(0, 0, size, size)
    np.testing.assert_allclose(drawn(region, size, points=((20.5, 9.5),)), gaussian(20.5, 9.5, size), atol=1e-6)
    np.testing.assert_allclose(drawn(region, size, not_points=((20.5, 9.5),)), -gaussian(20.5, 9.5, size), atol=1e-6)
    peak = drawn(region, size, points=((20.5, 9.5),))
    assert (peak.max(), peak[9, 20]) == (1, 1)


def test_several_clicks_are_their_maximum_and_those_outside_are_taken_off():
    several = drawn(points=((20, 9), (24, 12)))
    np.testing.assert_allclose(several, np.maximum(gaussian(20, 9), gaussian(24, 12)), atol=1e-6)
    both = drawn(points=((20, 9),), not_points=((26, 9), (27, 30)))
    expected = gaussian(20, 9) - np.maximum(gaussian(26, 9), gaussian(27, 30))
    np.testing.assert_allclose(both, expected, atol=1e-6)


def test_a_box_is_1_inside_and_0_outside():
    np.testing.assert_array_equal(drawn(boxes=((10, 20, 30, 44),)), (X > 10) & (X < 30) & (Y > 20) & (Y < 44))
    loose = drawn(boxes=((-20, 50, 12, 99),))  # what sticks out of the image is left out
    np.testing.assert_array_equal(loose, (X < 12) & (Y > 50))
    two = drawn(boxes=((0, 0, 5, 5), (50, 50, 60, 60)))
    assert two.sum() == 25 + 100


def test_a_box_that_is_smaller_than_a_pixel_of_the_square_is_drawn_all_the_same():
    small = drawn(Region(0, 0, 640, 640), boxes=((100.0, 201.0, 102.0, 203.0),))
    assert np.argwhere(small).tolist() == [[20, 10]]
    edge = drawn(Region(0, 0, 640, 640), boxes=((639.5, 639.5, 640, 640),))
    assert np.argwhere(edge).tolist() == [[63, 63]]


def test_a_click_outside_is_minus_1_within_a_box_too():
    both = drawn(boxes=((10, 10, 50, 50),), not_points=((20.5, 20.5),))
    assert both[20, 20] == -1
    assert both[45, 45] == pytest.approx(1, abs=1e-6)
    inside = drawn(boxes=((10, 10, 50, 50),), points=((22.5, 20.5),), not_points=((20.5, 20.5),))
    np.testing.assert_allclose(inside[20, 22], 1 - gaussian(20.5, 20.5)[20, 22], atol=1e-6)


def test_a_scribble_is_the_gaussian_of_the_distance_to_it():
    corner = drawn(scribbles=(((8.5, 8.5), (40.5, 8.5), (40.5, 30.5)),))
    line = np.ones((SIZE, SIZE), bool)
    line[8, 8:41] = line[8:31, 40] = False
    np.testing.assert_allclose(corner, np.exp(-(distance_transform_edt(line) ** 2) / 8), atol=1e-6)
    # a slanted line is the maximum of clicks all along it
    ends = np.array([(5.0, 50.0), (55.0, 12.0)])
    along = np.max([gaussian(*(ends[0] + t * (ends[1] - ends[0]))) for t in np.linspace(0, 1, 4001)], axis=0)
    np.testing.assert_allclose(drawn(scribbles=(tuple(map(tuple, ends)),)), along, atol=1e-5)
    np.testing.assert_array_equal(drawn(scribbles=(((9, 7),),)), drawn(points=((9, 7),)))


def test_a_map_stays_as_it_is_and_joins_clicks():
    values = np.random.default_rng(0).random((SIZE, SIZE)).astype(np.float32)
    np.testing.assert_array_equal(drawn(map=values), values)
    both = drawn(map=values, points=((9, 7),), not_points=((50, 50),))
    out = gaussian(50, 50)
    np.testing.assert_allclose(both, np.maximum(gaussian(9, 7), values * (1 - out)) - out, atol=1e-6)


@pytest.mark.parametrize("keep_aspect", [False, True])
def test_a_prompt_lands_where_the_image_does(keep_aspect):
    """A bright square of the image, a box around it and a click in its middle stay together in the network's square."""
    image = np.zeros((90, 150), np.float32)
    image[30:60, 75:105] = 1
    square = letterbox(image, SIZE) if keep_aspect else resize(image, (SIZE, SIZE))
    whole = Region(0, 0, *image.shape)
    box = drawn(whole, keep_aspect=keep_aspect, boxes=((75, 30, 105, 60),))
    assert np.abs(box - square).max() <= 0.9  # edges within a pixel
    assert np.abs(box - square).sum() < 0.5 * box.sum() ** 0.5 * 4
    click = drawn(whole, keep_aspect=keep_aspect, points=((90, 45),))
    rows, columns = np.nonzero(square > 0.5)
    peak = np.argwhere(click == click.max()).mean(axis=0)
    np.testing.assert_allclose(peak, [rows.mean(), columns.mean()], atol=0.75)
    by_map = drawn(whole, keep_aspect=keep_aspect, map=image)
    np.testing.assert_array_equal(by_map, np.clip(square, 0, 1))


def test_a_region_gets_its_own_part_of_a_prompt():
    left, right = Region(10, 0, 64, 64), Region(10, 100, 64, 128)
    prompt = Prompt(points=((20.5, 30.5), (141, 30.5)), not_points=((100.5, 10.5),), boxes=((60, 10, 110, 20),))
    two_views = Scan(np.zeros((80, 230), np.float32), "two views", regions=(left, right))
    one_view = Scan(np.zeros((80, 230), np.float32), "one view", regions=(left,))
    squares = render_prompts([prompt, Prompt()], [two_views, one_view], SIZE)
    box = (X > 60) & (Y < 10)
    np.testing.assert_allclose(squares[0, ..., 0], np.maximum(gaussian(20.5, 20.5), box), atol=1e-6)
    out = gaussian(0.25, 0.5)  # the right region is squashed to half its width
    area = ((X < 5) & (Y < 10)) * (1 - out)
    np.testing.assert_allclose(squares[1, ..., 0], np.maximum(gaussian(20.5, 20.5), area) - out, atol=1e-6)
    assert not squares[2].any()
    assert not drawn().any()


def test_a_long_scribble_is_drawn_fast():
    import time

    turn = np.linspace(0, 20, 600)
    line = tuple(zip(128 + 4 * turn * np.cos(turn), 128 + 4 * turn * np.sin(turn), strict=True))
    at = time.perf_counter()
    drawn(Region(0, 0, 256, 256), 256, scribbles=(line,))
    assert time.perf_counter() - at < 1  # 0.1 s on an idle core
