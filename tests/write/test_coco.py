"""COCO files, read back by COCO's own tools."""

import json
from dataclasses import replace

import numpy as np
import pytest
from tests.write.segmentations import l_and_ring, segmentation_of

from salus.write.coco import encode_polygon_or_runs, write_coco


def test_annotations_are_read_by_cocos_own_tools(tmp_path):
    coco = pytest.importorskip("pycocotools.coco", reason="pycocotools is not installed")
    mask = l_and_ring()
    items = [("empty", segmentation_of(np.zeros_like(mask))), ("ward/two", segmentation_of(mask))]
    write_coco(tmp_path / "coco.json", items)
    data = coco.COCO(str(tmp_path / "coco.json"))
    assert data.loadImgs([1, 2])[1]["file_name"] == "ward/two.png"
    assert data.getAnnIds(imgIds=[1]) == []
    annotations = data.loadAnns(data.getAnnIds(imgIds=[2]))
    np.testing.assert_array_equal(sum(data.annToMask(annotation) for annotation in annotations), mask)
    for annotation in annotations:
        rows, columns = np.nonzero(data.annToMask(annotation))
        assert annotation["bbox"] == [columns.min(), rows.min(), np.ptp(columns) + 1, np.ptp(rows) + 1]
        assert annotation["area"] == len(rows)


def test_images_are_named_as_their_files(tmp_path):
    nothing = np.zeros((4, 5), bool)
    items = [
        ("a", replace(segmentation_of(nothing), source="x/a.JPG")),
        ("cine/0002", replace(segmentation_of(nothing, frame=2), source="cine.dcm")),
        ("bare", replace(segmentation_of(nothing), source="bare")),
    ]
    write_coco(tmp_path / "coco.json", items)
    images = json.loads((tmp_path / "coco.json").read_text(encoding="utf-8"))["images"]
    assert [image["file_name"] for image in images] == ["a.JPG", "cine/0002.png", "bare.png"]


def test_run_lengths_count_by_column():
    mask = np.ones((3, 3), bool)
    mask[1, 1] = False
    assert encode_polygon_or_runs(mask) == {"size": [3, 3], "counts": [0, 4, 1, 4]}
    mask[0, 0] = False
    assert encode_polygon_or_runs(mask)["counts"] == [1, 3, 1, 4]
