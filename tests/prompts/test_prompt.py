"""Prompts: what users pass, what is refused, and what is kept of them in JSON."""

import hashlib
import json
import struct

import numpy as np
import pytest

from salus.errors import SalusError
from salus.prompts.prompt import Prompt, check_prompt, describe_prompt, make_prompt
from salus.scan import Region, Scan

SCAN = Scan(np.zeros((40, 60), np.float32), "scan.png")
TWO_VIEWS = Scan(SCAN.pixels, "two.dcm", regions=(Region(5, 0, 30, 25), Region(5, 35, 30, 25)))


def test_one_of_a_kind_may_be_given_for_several():
    prompt = make_prompt(points=(3, 4), not_points=np.array([[5, 6], [7, 8]]), box=[1, 2, 3, 4], scribble=[(1, 1)])
    assert (prompt.points, prompt.not_points) == (((3, 4),), ((5, 6), (7, 8)))
    assert (prompt.boxes, prompt.scribbles) == (((1, 2, 3, 4),), (((1, 1),),))
    several = make_prompt(
        points=[(1, 2), (3, 4)], box=[(0, 0, 1, 1), (2, 2, 3, 3)], scribble=[[(1, 1), (2, 2)], [(3, 3)]]
    )
    assert (len(several.points), len(several.boxes), list(map(len, several.scribbles))) == (2, 2, [2, 1])
    assert not make_prompt()
    assert not make_prompt(points=[], scribble=[])


@pytest.mark.parametrize(
    ("given", "part"),
    [
        ({"points": (1, 2, 3)}, "give 2 numbers"),
        ({"points": [(1, 2), (3,)]}, "give 2 numbers"),
        ({"points": "12"}, "give 2 numbers"),
        ({"not_points": (1, float("nan"))}, "give 2 numbers"),
        ({"points": (1, float("inf"))}, "give 2 numbers"),
        ({"box": (1, 2, 3)}, "give 4 numbers"),
        ({"box": (3, 2, 1, 4)}, "upper left"),
        ({"box": (1, 4, 3, 4)}, "upper left"),
        ({"scribble": [[(1, 2, 3)]]}, "give 2 numbers"),
        ({"prompt_map": np.zeros((2, 2, 3))}, "one map"),
        ({"prompt_map": np.zeros((0, 2))}, "one map"),
        ({"prompt_map": np.full((2, 2), 1.5)}, r"0\.\.1"),
        ({"prompt_map": np.full((2, 2), np.nan)}, r"0\.\.1"),
        ({"prompt_map": np.zeros((2, 2), int)}, r"0\.\.1"),
        ({"prompt_map": "absent.png"}, "no such file"),
        ({"scribble": np.zeros((2001, 2))}, "2,001 places; give 2,000 at most"),
    ],
)
def test_what_is_no_prompt_is_refused_in_one_line(given, part):
    with pytest.raises(SalusError, match=part) as error:
        make_prompt(**given)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    "prompt",
    [
        Prompt(points=((0, 0), (59.9, 39.9))),
        Prompt(boxes=((-10, -10, 1, 1), (59, 39, 90, 90))),  # loose boxes stick out
        Prompt(scribbles=(((-5, 3), (5, 3)),)),
        Prompt(map=np.zeros((40, 60), np.float32)),
    ],
)
def test_what_lies_in_the_image_belongs_to_it(prompt):
    check_prompt(prompt, SCAN)


@pytest.mark.parametrize(
    ("prompt", "part"),
    [
        (Prompt(points=((60, 10),)), "point 60,10 lies outside the image of 60 x 40"),
        (Prompt(points=((10, 40),)), "point 10,40 lies outside"),
        (Prompt(not_points=((-0.1, 10),)), "point -0.1,10 lies outside"),
        (Prompt(boxes=((60, 0, 70, 10),)), "box 60,0,70,10 lies outside"),
        (Prompt(boxes=((0, -9, 9, 0),)), "lies outside"),
        (Prompt(scribbles=(((70, 1), (80, 1)),)), "scribble from 70,1"),
        (Prompt(map=np.zeros((60, 40))), "map has 40 x 60 pixels, the image 60 x 40"),
    ],
)
def test_what_lies_outside_the_image_is_refused(prompt, part):
    with pytest.raises(SalusError, match=part):
        check_prompt(prompt, SCAN)


def test_between_the_regions_of_an_image_nothing_can_be_pointed_at():
    check_prompt(Prompt(points=((24, 10), (35, 34)), boxes=((20, 0, 40, 40),)), TWO_VIEWS)
    for prompt in (
        Prompt(points=((30, 10),)),
        Prompt(not_points=((10, 4),)),
        Prompt(boxes=((26, 0, 34, 40),)),
        Prompt(scribbles=(((30, 10), (31, 10)),)),
    ):
        with pytest.raises(SalusError, match=r"two\.dcm.*lies outside"):
            check_prompt(prompt, TWO_VIEWS)


def test_prompts_join_part_by_part_and_maps_by_their_maximum():
    low, high = np.array([[0.2, 0.9]], np.float32), np.array([[0.5, 0.1]], np.float32)
    joined = make_prompt(points=(1, 2), prompt_map=low) + make_prompt(not_points=(3, 4), prompt_map=high)
    assert (joined.points, joined.not_points) == (((1, 2),), ((3, 4),))
    np.testing.assert_array_equal(joined.map, np.array([[0.5, 0.9]], np.float32))
    with pytest.raises(SalusError, match="differ in size"):
        joined + make_prompt(prompt_map=np.zeros((5, 5)))


def test_the_description_survives_json_and_tells_maps_apart():
    prompt = make_prompt([(1, 2)], [(3, 4.5)], (0, 0, 2, 2), [(5, 5), (6, 6)])
    described = describe_prompt(prompt)
    assert described == {
        "points": [[1, 2]], "not_points": [[3, 4.5]], "boxes": [[0, 0, 2, 2]], "scribbles": [[[5, 5], [6, 6]]],
    }  # fmt: skip
    assert json.loads(json.dumps(described)) == described
    assert describe_prompt(Prompt()) is None
    assert describe_prompt(None) is None
    content = b"1 2 " + struct.pack("<2f", 0.25, 1)
    expected = {"map_sha256": hashlib.sha256(content).hexdigest()}
    assert describe_prompt(make_prompt(prompt_map=np.array([[0.25, 1.0]]))) == expected
    assert describe_prompt(make_prompt(prompt_map=np.array([[0.25], [1.0]]))) != expected
