"""Burned-in rulers: found with their true spacing on drawn ones, and nowhere on what only resembles one."""

import io

import numpy as np
import pytest
from PIL import Image
from tests.serve.conftest import png_of, upload

from salus import make_phantom
from salus.serve.ruler_ticks import find_ruler

HEIGHT, WIDTH = 480, 420


def margins(seed=3, side=40):
    """A phantom, (height, width) uint8, with black margins and noise as JPEG files have it."""
    rng = np.random.default_rng(seed)
    image = rng.integers(0, 6, (HEIGHT, WIDTH)).astype(np.uint8)
    part = Image.fromarray(make_phantom(seed).image).resize((WIDTH - 2 * side, HEIGHT - 2 * side))
    image[side:-side, side:-side] = np.asarray(part)
    return image


def draw_ruler(image, start, spacing, count, x, length=8, thick=2, grey=200):
    for place in np.rint(start + spacing * np.arange(count)).astype(int):
        image[place : place + thick, x : x + length] = grey
    return image


def find(image):
    return find_ruler(image.astype(np.float32) / 255)


@pytest.mark.parametrize("spacing", [12.0, 23.4, 47.7, 101.3])
@pytest.mark.parametrize(("x", "edge"), [(10, "left"), (WIDTH - 20, "right")])
def test_a_ruler_in_the_margin_has_its_true_spacing(spacing, x, edge):
    count = int((HEIGHT - 60) / spacing) + 1
    ruler = find(draw_ruler(margins(), 30, spacing, count, x))
    assert ruler is not None
    assert (ruler.count, ruler.edge) == (count, edge)
    assert ruler.spacing == pytest.approx(spacing, abs=1 / (count - 1))  # ticks lie on whole pixels
    x0, y0, x1, y1 = ruler.line
    assert x0 == x1 == x + 4
    assert (y0, y1) == pytest.approx((31, 31 + spacing * (count - 1)), abs=0.6)
    assert ruler.spacing == pytest.approx((y1 - y0) / (count - 1))


def test_a_ruler_of_width_a_scaled_one_and_one_with_longer_ticks_are_found():
    across = find(draw_ruler(np.ascontiguousarray(margins().T), 20, 30, 13, 12).T)
    assert (across.count, across.spacing, across.edge) == (13, 30, "top")
    assert across.line == (21, 16, 381, 16)
    image = draw_ruler(draw_ruler(margins(), 30, 20, 21, WIDTH - 20, 5), 30, 100, 5, WIDTH - 20, 14)
    assert (find(image).count, find(image).spacing) == (21, 20)  # every fifth tick is longer
    content = io.BytesIO()
    Image.fromarray(image).resize((WIDTH * 3 // 2, HEIGHT * 3 // 2), Image.Resampling.BICUBIC).save(content, "JPEG")
    scaled = find(np.asarray(Image.open(content)))
    assert (scaled.count, scaled.spacing) == (21, pytest.approx(30, abs=0.1))


def test_what_only_resembles_a_ruler_is_not_proposed():
    rng = np.random.default_rng(0)
    uneven = margins()
    for place in np.cumsum(rng.integers(20, 60, 10)):
        uneven[place : place + 2, WIDTH - 20 : WIDTH - 12] = 220
    few = draw_ruler(margins(), 60, 80, 4, WIDTH - 20)
    short = draw_ruler(margins(), 60, 12, 8, WIDTH - 20)  # over a fifth of the image
    long_marks = draw_ruler(margins(), 30, 40, 10, WIDTH - 20, thick=20)
    faint = draw_ruler(margins(), 30, 40, 10, WIDTH - 20, grey=50)
    inside = draw_ruler(margins(), 60, 40, 9, WIDTH // 2)  # amid the image, such as a line of a caliper
    bright = np.full((HEIGHT, WIDTH), 60, np.uint8)
    on_tissue = draw_ruler(bright, 30, 40, 10, WIDTH - 20)
    dotted = draw_ruler(margins(), 30, 4, 100, WIDTH - 20)
    hair = draw_ruler(margins(), 30, 40, 10, WIDTH - 20, length=1)
    bar = margins()
    bar[40:440, 8:20] = np.linspace(255, 0, 400).astype(np.uint8)[:, None]  # the scale of grey values
    for image in (uneven, few, short, long_marks, faint, inside, on_tissue, dotted, hair, bar):
        assert find(image) is None


def test_phantoms_without_a_ruler_have_none():
    assert [find(make_phantom(seed).image) for seed in range(40)] == [None] * 40
    assert [find(margins(seed)) for seed in range(20)] == [None] * 20
    for shape in ((1, 1), (3, 500), (500, 2)):
        assert find(np.zeros(shape, np.uint8)) is None


def test_the_server_proposes_the_ruler_of_an_image_and_does_not_apply_it(client):
    image = draw_ruler(margins(), 30, 40, 11, WIDTH - 20)
    key = upload(client, png_of(image)).json()["key"]
    ruler = client.get(f"/v1/cases/{key}/frames/1/ruler").json()
    assert ruler == {"line": [404, 31, 404, 431], "count": 11, "spacing": 40, "edge": "right"}
    answer = client.get(f"/v1/cases/{key}/frames/1").json()
    assert (answer["calibration"], answer["spacing"]) == (None, None)
    key = upload(client, png_of(make_phantom(3).image)).json()["key"]
    assert client.get(f"/v1/cases/{key}/frames/1/ruler").json() is None
