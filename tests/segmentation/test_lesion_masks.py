"""Every lesion has its pixels, also where regions of an image touch or overlap."""

from dataclasses import replace

import numpy as np
import pytest
from tests.segmentation.test_segmenter import SIDE, write_network
from tests.write.segmentations import fill_polygons, segmentation_of

from salus.scan import Region, Scan
from salus.segmentation.lesion_masks import lesion_labels, lesion_masks
from salus.segmentation.region_results import measure_mask
from salus.segmentation.segmenter import Segmenter
from salus.serve.result_json import make_answer, remeasure

pytest.importorskip("onnx")

TOUCHING = (Region(0, 0, SIDE, SIDE, (0.1, 0.1)), Region(0, SIDE, SIDE, SIDE, (0.2, 0.2)))
OVERLAPPING = (Region(0, 0, SIDE, SIDE), Region(0, SIDE - 9, SIDE, SIDE))
INSET = (Region(0, 0, SIDE, 2 * SIDE), Region(SIDE // 2, SIDE, SIDE, SIDE // 2))


@pytest.fixture(scope="module")
def segmenter(tmp_path_factory):
    return Segmenter(write_network(tmp_path_factory.mktemp("network") / "dark.onnx"), threshold=0.5)


def over_the_seam():
    """Dark over the seam of two views, and in each of them."""
    pixels = np.ones((2 * SIDE, 2 * SIDE), np.float32)
    pixels[20:40, SIDE - 20 : SIDE + 10] = pixels[5:12, 5:12] = pixels[46:58, SIDE + 20 : SIDE + 32] = 0
    return pixels


def check_lesions(mask, lesions, masks):
    """Each lesion has the pixels that it counts, no pixel has two, and none is left over."""
    assert [int(one.sum()) for one in masks] == [lesion.area_px for lesion in lesions]
    np.testing.assert_array_equal(sum(one.astype(int) for one in masks), mask)


@pytest.mark.parametrize("regions", [TOUCHING, OVERLAPPING, INSET, TOUCHING[::-1], OVERLAPPING[::-1], ()])
def test_lesions_over_a_seam_have_their_pixels(regions, segmenter):
    result = segmenter(Scan(over_the_seam(), "two views", regions=regions))
    assert len(result.lesions) >= 3
    check_lesions(result.mask, result.lesions, [mask for _, mask in lesion_masks(result)])
    np.testing.assert_array_equal(lesion_labels(result) > 0, result.mask)
    assert all(result.polygons())
    rings = [ring for lesion in result.polygons() for ring in lesion]
    np.testing.assert_array_equal(fill_polygons(result.mask.shape, rings), result.mask)


def test_a_lesion_over_a_seam_is_measured_in_each_view(segmenter):
    result = segmenter(Scan(over_the_seam(), "two views", regions=TOUCHING))
    assert [(one.area_px, round(one.area, 6)) for one in result.lesions] == [
        (400, 4.0), (200, 8.0), (144, 5.76), (49, 0.49)
    ]  # fmt: skip


@pytest.mark.parametrize("regions", [TOUCHING, OVERLAPPING, INSET])
def test_an_outline_drawn_over_a_seam_has_its_pixels(regions):
    drawn = np.zeros((2 * SIDE, 2 * SIDE), bool)
    drawn[10:50, SIDE - 12 : SIDE + 12] = True
    answer = make_answer(replace(segmentation_of(np.zeros_like(drawn)), regions=regions))
    lesions = remeasure(answer, drawn, drawn * 0.9, drawn * 0.5)["lesions"]
    saved = replace(segmentation_of(drawn), regions=regions, lesions=lesions)
    check_lesions(drawn, lesions, [mask for _, mask in lesion_masks(saved)])


def test_what_lies_outside_the_regions_is_not_measured():
    drawn = np.ones((SIDE, 2 * SIDE), bool)
    (lesion,) = measure_mask([Region(0, 0, 30, 40)], drawn, drawn * 0.9, drawn * 0.5)
    assert lesion.area_px == 30 * 40
