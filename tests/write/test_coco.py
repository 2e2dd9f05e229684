"""COCO files, read back by COCO's own tools."""

import json
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from tests.write.segmentations import l_and_ring, segmentation_of

from salus.segmentation.result import NONE
from salus.write.coco import encode_polygon_or_runs, image_file_names, write_coco
from salus.write.tables import Record


def test_annotations_are_read_by_cocos_own_tools(tmp_path):
    coco = pytest.importorskip("pycocotools.coco", reason="pycocotools is not installed")
    mask = l_and_ring()
    items = [("empty.png", segmentation_of(np.zeros_like(mask))), ("ward/two.png", segmentation_of(mask))]
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


def records_of(*images):
    """Records of files, or of (file, frame)."""
    items = [image if isinstance(image, tuple) else (image, None) for image in images]
    return [
        Record(image, Path(image).stem if frame is None else f"{Path(image).stem}/{frame:04}", NONE, frame=frame)
        for image, frame in items
    ]


@pytest.mark.parametrize(
    ("images", "names"),
    [
        (("x/IM01", "x/a.jpg", "x/a.png", "y/e.nii.gz"), ["IM01", "a.jpg", "a.png", "e.nii.gz"]),
        (("x/a.png", "x/y/a.png", "z/b"), ["x/a.png", "x/y/a.png", "z/b"]),
        (("/data/x/a.png", "/data/y/a.png"), ["x/a.png", "y/a.png"]),
        (("s/a.png", ("s/cine.dcm", 1), ("s/cine.dcm", 2)), ["a.png", "cine/0001.png", "cine/0002.png"]),
        ((("s/a.dcm", 1), "s/a/0001.png", "s/b/0001.png"), ["a.dcm/0001.png", "a/0001.png", "b/0001.png"]),
    ],
)
def test_images_are_named_as_their_files(images, names):
    assert image_file_names(records_of(*images)) == names


def test_a_file_without_images_is_valid(tmp_path):
    write_coco(tmp_path / "coco.json", [])
    content = json.loads((tmp_path / "coco.json").read_text(encoding="utf-8"))
    assert (content["images"], content["annotations"]) == ([], [])
    assert list(content) == ["info", "images", "annotations", "categories"]


def test_memory_does_not_grow_with_the_images(tmp_path):
    segmentation = segmentation_of(np.indices((20, 20)).sum(0) % 2 == 0)  # 200 lesions
    peaks = []
    for n in (3, 30):
        tracemalloc.start()
        write_coco(tmp_path / "coco.json", ((f"{i}.png", segmentation) for i in range(n)))
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < peaks[0] + 200_000, peaks  # the annotations of an image are 50 KB
    assert len(json.loads((tmp_path / "coco.json").read_text())["images"]) == 30


def test_run_lengths_count_by_column():
    mask = np.ones((3, 3), bool)
    mask[1, 1] = False
    assert encode_polygon_or_runs(mask) == {"size": [3, 3], "counts": [0, 4, 1, 4]}
    mask[0, 0] = False
    assert encode_polygon_or_runs(mask)["counts"] == [1, 3, 1, 4]
