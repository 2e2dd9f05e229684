"""The outline lies on the mask's edge, and nowhere else."""

import numpy as np
import pytest
from PIL import Image
from scipy.ndimage import binary_dilation, binary_erosion

from salus.scan import Region, mask_outside_regions
from salus.write.overlay import COLOUR, draw_overlay, write_overlay


def drawn(mask, grey=0.4):
    return np.asarray(draw_overlay(np.full(mask.shape, grey, np.float32), mask)).astype(int)


def test_without_a_tumour_it_is_the_scan():
    pixels = np.random.default_rng(0).random((30, 40)).astype(np.float32)
    picture = np.asarray(draw_overlay(pixels, np.zeros((30, 40), bool)))
    np.testing.assert_array_equal(picture, np.repeat(np.rint(pixels * 255)[..., None], 3, 2))


def test_the_line_is_the_edge_alone_and_about_two_pixels_wide():
    r, c = np.mgrid[:100, :120]
    mask = (r - 50) ** 2 + (c - 60) ** 2 < 30**2
    picture = drawn(mask)
    changed = (picture != 102).any(axis=2)
    inner, outer = binary_erosion(mask, iterations=3), binary_dilation(mask, iterations=3)
    assert not changed[inner | ~outer].any()
    edge = mask & ~binary_erosion(mask)
    assert changed[edge].all()
    opacity = (picture[..., 0] - 102) / (COLOUR[0] - 102)
    assert opacity.sum() == pytest.approx(2 * np.pi * 30 * 2, rel=0.2)  # a line of two pixels
    assert ((opacity > 0.1) & (opacity < 0.9)).any()  # antialiased


def test_the_images_border_is_no_edge():
    mask = np.zeros((40, 50), bool)
    mask[:20, :] = True
    picture = drawn(mask)
    assert (picture[:17] == 102).all()
    assert (picture[19:21] == COLOUR).all()


def test_the_line_grows_with_the_image_and_small_lesions_are_seen():
    wide = np.zeros((300, 2400), bool)
    wide[100:200, 600:1800] = True
    column = drawn(wide)[:150, 1000, 0]
    assert 6 <= (column > 110).sum() <= 12
    dot = np.zeros((50, 50), bool)
    dot[25, 25] = True
    assert drawn(dot)[25, 25, 0] > 115


def test_the_file_keeps_the_colour(tmp_path):
    mask = np.zeros((40, 50), bool)
    mask[10:30, 10:40] = True
    write_overlay(tmp_path / "o.jpg", np.full(mask.shape, 0.4, np.float32), mask)
    with Image.open(tmp_path / "o.jpg") as image:
        assert (image.format, image.size, image.mode) == ("JPEG", (50, 40), "RGB")
        found = np.asarray(image).astype(int)
    assert np.abs(found[9:11, 15:35] - COLOUR).max() < 40
    assert np.abs(found[20, 25] - 102).max() < 6


def test_it_is_black_outside_the_regions():
    pixels = np.full((40, 64), 0.5, np.float32)
    parts = (Region(5, 10, 20, 15), Region(5, 30, 30, 20))
    shown = np.asarray(draw_overlay(pixels, np.zeros((40, 64), bool), parts))
    seen = np.zeros((40, 64), bool)
    seen[5:25, 10:25] = seen[5:35, 30:50] = True
    np.testing.assert_array_equal(shown[..., 0] == 128, seen)
    assert (shown[~seen] == 0).all()
    np.testing.assert_array_equal(mask_outside_regions(pixels, parts) > 0, seen)
    assert mask_outside_regions(pixels, ()) is pixels
