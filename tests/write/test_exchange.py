"""NIfTI, COCO and LabelMe files, read back by others."""

import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from salus.measure.lesions import measure
from salus.read.frames import open_frames
from salus.segmentation.result import Segmentation
from salus.write.coco import outline, write_coco
from salus.write.labelme import write_labelme
from salus.write.nifti import write_nifti
from salus.write.polygons import labels_of, polygons


def found_in(mask, spacing=None, frame=None):
    """What a network that sees exactly this mask would answer."""
    return Segmentation(
        mask=mask, probability=mask * np.float32(0.9), saliency=mask * np.float32(0.5), presence=1.0,
        lesions=measure(mask, mask * 0.9, spacing), confidence=0.9, strangeness=0.5, flags=(), spacing=spacing,
        source="scan.png", network="test", frame=frame,
    )  # fmt: skip


def an_l_and_a_ring():
    mask = np.zeros((40, 64), bool)
    mask[5:30, 8:12] = mask[26:30, 8:40] = True
    mask[4:18, 44:60] = True
    mask[8:12, 50:54] = False
    return mask


def filled(shape, rings):
    """Even-odd filling, pixel by pixel: how many edges lie to the left of its middle."""
    counts = np.zeros(shape, int)
    for ring in rings:
        for (x0, y0), (x1, y1) in zip(ring, ring[1:] + ring[:1], strict=True):
            if x0 == x1:
                counts[min(y0, y1) : max(y0, y1), x0:] += 1
    return counts % 2 == 1


@settings(max_examples=200, deadline=None)
@given(arrays(bool, st.tuples(st.integers(1, 9), st.integers(1, 9))))
def test_polygons_fill_to_the_mask_again(mask):
    rings = polygons(mask)
    np.testing.assert_array_equal(filled(mask.shape, rings), mask)
    for ring in rings:
        steps = [(b[0] - a[0], b[1] - a[1]) for a, b in zip(ring, ring[1:] + ring[:1], strict=True)]
        assert all((dx == 0) != (dy == 0) for dx, dy in steps)
        assert all((a[0] == 0) != (b[0] == 0) for a, b in zip(steps, steps[1:] + steps[:1], strict=True))


@pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])
@pytest.mark.parametrize("frames", [1, 3])
def test_nifti_comes_back_upright_in_millimetres(suffix, frames, tmp_path):
    masks = [np.roll(an_l_and_a_ring(), 2 * i, axis=1) for i in range(frames)]
    path = tmp_path / f"labels{suffix}"
    write_nifti(path, [found_in(mask, (0.2, 0.1)) for mask in masks])
    opened = open_frames(path)
    assert opened.count == frames
    for number, mask in enumerate(masks, 1):
        scan = opened.scan(number)
        np.testing.assert_array_equal(scan.pixels > 0, mask)
        assert scan.spacing == (pytest.approx(0.2), pytest.approx(0.1))
    assert [p.name for p in tmp_path.iterdir()] == [path.name]


def test_nifti_without_a_calibration_names_no_unit(tmp_path):
    nibabel = pytest.importorskip("nibabel")
    write_nifti(tmp_path / "a.nii", [found_in(an_l_and_a_ring())])
    image = nibabel.load(tmp_path / "a.nii")
    assert image.header.get_xyzt_units()[0] == "unknown"
    assert open_frames(tmp_path / "a.nii").scan(1).spacing is None
    assert sorted(np.unique(image.dataobj)) == [0, 1, 2]


def test_coco_is_read_by_its_own_tools(tmp_path):
    coco = pytest.importorskip("pycocotools.coco", reason="pycocotools is not installed")
    mask = an_l_and_a_ring()
    write_coco(tmp_path / "coco.json", [("empty", found_in(np.zeros_like(mask))), ("ward/two", found_in(mask))])
    read = coco.COCO(str(tmp_path / "coco.json"))
    assert read.loadImgs([1, 2])[1]["file_name"] == "ward/two.png"
    assert read.getAnnIds(imgIds=[1]) == []
    both = read.loadAnns(read.getAnnIds(imgIds=[2]))
    np.testing.assert_array_equal(sum(read.annToMask(one) for one in both), mask)
    for one in both:
        rows, columns = np.nonzero(read.annToMask(one))
        assert one["bbox"] == [columns.min(), rows.min(), np.ptp(columns) + 1, np.ptp(rows) + 1]
        assert one["area"] == len(rows)


def test_coco_names_the_images_as_their_files_are(tmp_path):
    nothing = np.zeros((4, 5), bool)
    items = [("a", replace(found_in(nothing), source="x/a.JPG")), ("cine/0002", replace(found_in(nothing, frame=2)))]
    write_coco(tmp_path / "coco.json", items)
    images = json.loads((tmp_path / "coco.json").read_text(encoding="utf-8"))["images"]
    assert [image["file_name"] for image in images] == ["a.JPG", "cine/0002.png"]


def test_run_lengths_by_hand():
    mask = np.ones((3, 3), bool)
    mask[1, 1] = False
    assert outline(mask) == {"size": [3, 3], "counts": [0, 4, 1, 4]}
    mask[0, 0] = False
    assert outline(mask)["counts"] == [1, 3, 1, 4]


def test_labelme_holds_every_outline(tmp_path):
    mask = an_l_and_a_ring()
    write_labelme(tmp_path / "a.json", "a.png", found_in(mask))
    read = json.loads((tmp_path / "a.json").read_text())
    assert (read["imagePath"], read["imageHeight"], read["imageWidth"], read["imageData"]) == ("a.png", 40, 64, None)
    assert sorted(shape["label"] for shape in read["shapes"]) == ["hole", "lesion", "lesion"]
    rings = [[tuple(map(int, point)) for point in shape["points"]] for shape in read["shapes"]]
    np.testing.assert_array_equal(filled(mask.shape, rings), mask)
    hole = next(shape for shape in read["shapes"] if shape["label"] == "hole")
    assert hole["group_id"] == 1 if measure(mask, mask * 1.0)[0].box[1] == 44 else 2


def test_labels_are_the_lesions_numbers():
    from dataclasses import replace

    found = found_in(an_l_and_a_ring())
    tracked = replace(found, lesions=tuple(replace(one, number=one.number + 4) for one in found.lesions))
    assert sorted(np.unique(labels_of(tracked))) == [0, 5, 6]
    for one in tracked.lesions:
        rows, columns = np.nonzero(labels_of(tracked) == one.number)
        assert (rows.min(), columns.min(), len(rows)) == (*one.box[:2], one.area_px)
