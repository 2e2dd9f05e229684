"""Pictures of a cine, read back."""

from xml.etree import ElementTree

import numpy as np
import pytest
from PIL import Image

from salus.write.cine import draw_chart, write_animation, write_strip


@pytest.fixture
def overlays(tmp_path):
    """Twelve pictures, each brighter than the one before, wider than tall."""
    places = [tmp_path / f"{i}.jpg" for i in range(12)]
    for i, place in enumerate(places):
        Image.fromarray(np.full((300, 600, 3), 20 * i, np.uint8)).save(place)
    return places


def test_a_strip_shows_the_first_the_last_and_even_steps(overlays, tmp_path):
    write_strip(tmp_path / "strip.jpg", overlays, range(1, 13))
    strip = np.asarray(Image.open(tmp_path / "strip.jpg").convert("L"))
    seen = strip[100, 200::404]
    assert strip.shape == (220, 8 * 404)
    np.testing.assert_allclose(seen, [0, 40, 60, 100, 120, 160, 180, 220], atol=3)


def test_a_moving_overlay_has_every_frame_its_pace_and_order(overlays, tmp_path):
    write_animation(tmp_path / "overlay.gif", overlays, 0.05)
    with Image.open(tmp_path / "overlay.gif") as moving:
        assert (moving.n_frames, moving.size) == (12, (480, 240))
        for i in range(12):
            moving.seek(i)
            assert moving.info["duration"] == 50
            assert abs(int(np.asarray(moving.convert("L"))[100, 100]) - 20 * i) <= 4


def test_one_frame_is_enough(overlays, tmp_path):
    write_animation(tmp_path / "overlay.gif", overlays[:1], None)
    write_strip(tmp_path / "strip.jpg", overlays[:1], [1])
    assert Image.open(tmp_path / "overlay.gif").size == (480, 240)


def test_a_missing_overlay_is_an_error_that_names_it(tmp_path):
    with pytest.raises(OSError, match=r"gone\.jpg"):
        write_strip(tmp_path / "strip.jpg", [tmp_path / "gone.jpg"], [1])


@pytest.mark.parametrize(
    "areas", [{}, {1: [(3.0, 5.0)]}, {1: [(0, 1e-3), (1, 2e-3)], 2: [(0.5, 1e-3)]}, {1: [(1, 1e6)]}]
)
def test_a_chart_holds_every_point_inside_its_frame_and_to_scale(areas):
    root = ElementTree.fromstring(draw_chart(areas, "seconds", "mm2"))
    space = "{http://www.w3.org/2000/svg}"
    dots = [(float(one.get("cx")), float(one.get("cy"))) for one in root.iter(f"{space}circle")]
    assert len(dots) == sum(map(len, areas.values()))
    assert all(64 <= x <= 551 and 24 <= y <= 236.1 for x, y in dots)
    if len(dots) == 3:
        assert dots[2][0] == pytest.approx((dots[0][0] + dots[1][0]) / 2, abs=0.2)  # half way in time
        assert (236 - dots[1][1]) == pytest.approx(2 * (236 - dots[0][1]), abs=0.2)  # twice the area
