"""LabelMe files hold every outline, holes as polygons of their own."""

import json

import numpy as np
from matplotlib.path import Path
from tests.write.segmentations import fill_polygons, l_and_ring, segmentation_of

from salus.write.labelme import write_labelme


def test_every_outline_is_there_and_the_hole_is_the_rings(tmp_path):
    segmentation = segmentation_of(l_and_ring())
    write_labelme(tmp_path / "a.json", "a.png", segmentation)
    content = json.loads((tmp_path / "a.json").read_text())
    assert (content["imagePath"], content["imageHeight"], content["imageWidth"]) == ("a.png", 40, 64)
    assert content["imageData"] is None
    shapes = content["shapes"]
    assert sorted(shape["label"] for shape in shapes) == ["hole", "lesion", "lesion"]
    rings = [[tuple(map(int, point)) for point in shape["points"]] for shape in shapes]
    np.testing.assert_array_equal(fill_polygons((40, 64), rings), segmentation.mask)
    ring = next(lesion for lesion in segmentation.lesions if lesion.box[1] == 44)
    assert next(shape for shape in shapes if shape["label"] == "hole")["group_id"] == ring.number


def test_a_round_lesion_has_few_corners_and_is_the_same_when_filled(tmp_path):
    rows, columns = np.mgrid[:200, :240]
    mask = (np.hypot(rows - 90, columns - 110) < 70) & ~(np.hypot(rows - 80, columns - 110) < 12)
    write_labelme(tmp_path / "a.json", "a.png", segmentation_of(mask))
    shapes = json.loads((tmp_path / "a.json").read_text())["shapes"]
    assert [shape["label"] for shape in shapes] == ["lesion", "hole"]
    assert len(shapes[0]["points"]) < 80
    filled = [
        Path(shape["points"]).contains_points(np.stack([columns, rows], -1).reshape(-1, 2) + 0.5) for shape in shapes
    ]
    np.testing.assert_array_equal((filled[0] ^ filled[1]).reshape(mask.shape), mask)  # by matplotlib
