"""DICOM segmentations beside their images as data sets."""

import shutil

import numpy as np
import pytest
from PIL import Image
from tests.data.layouts.annotated import DISC, SHAPE, picture

from salus.data.layouts import read_data_set


# DICOM segmentations
def test_segmentations_that_salus_writes_lie_beside_their_images(tmp_path):
    pytest.importorskip("highdicom")
    from tests.write.segmentations import segmentation_of

    from salus.data.layouts.dicom_objects import make_image
    from salus.data.layouts.sample import Sample
    from salus.write.dicom_seg import write_seg

    for name in ("one", "two"):
        case = read_data_set(picture(tmp_path / "png" / f"{name}.png").parent)[name]
        make_image(Sample(name, case, case.read_image(), None)).save_as(
            tmp_path / f"1.2.{name}", enforce_file_format=True
        )
    (tmp_path / "seg").mkdir()
    write_seg(tmp_path / "seg" / "x.dcm", tmp_path / "1.2.two", segmentation_of(DISC))
    shutil.rmtree(tmp_path / "png")
    data = read_data_set(tmp_path)
    assert data.layout == "dicom-seg"
    by_mask = {case.masks is not None: case for case in data}
    np.testing.assert_array_equal(by_mask[True].read_mask(SHAPE), DISC)
    assert by_mask[True].image.name == "1.2.two"
    assert by_mask[False].image.name == "1.2.one"
    assert "two" not in (by_mask[True].patient or "")


def test_a_segmentation_of_another_frame_does_not_make_the_first_one_tumour_free(tmp_path):
    pytest.importorskip("highdicom")
    from tests.read.wrap import wrap_dicom
    from tests.write.segmentations import segmentation_of

    from salus.write.dicom_seg import write_seg

    pixels = np.random.default_rng(0).integers(0, 256, (3, *SHAPE), dtype=np.uint8)
    wrap_dicom(tmp_path / "cine.dcm", pixels)
    write_seg(tmp_path / "3.seg.dcm", tmp_path / "cine.dcm", segmentation_of(DISC, frame=3))
    data = read_data_set(tmp_path)
    assert (data.layout, data["cine"].masks) == ("dicom-seg", None)
    assert any("3.seg.dcm: segments no first frame" in remark for remark in data.remarks)
    write_seg(tmp_path / "1.seg.dcm", tmp_path / "cine.dcm", segmentation_of(DISC, frame=1))
    np.testing.assert_array_equal(read_data_set(tmp_path)["cine"].read_mask(SHAPE), DISC)


def test_objects_of_a_conversion_follow_the_standard_and_are_read_by_highdicom(tmp_path):
    highdicom = pytest.importorskip("highdicom")
    from tests.write.dciodvfy import faults

    from salus.data.convert import convert_data_set

    (tmp_path / "a").mkdir()
    picture(tmp_path / "a" / "x.png")
    Image.fromarray(DISC).save(tmp_path / "a" / "x_mask.png")
    picture(tmp_path / "a" / "y.png")
    Image.fromarray(DISC & False).save(tmp_path / "a" / "y_mask.png")
    convert_data_set(read_data_set(tmp_path / "a"), tmp_path / "b", "dicom-seg")
    for name, mask in (("x", DISC), ("y", DISC & False)):
        path = tmp_path / "b" / "segmentations" / f"{name}.dcm"
        segmentation = highdicom.seg.segread(path)
        (instance,) = {uid for *_, uid in segmentation.get_source_image_uids()}
        pixels = segmentation.get_pixels_by_source_instance([instance], ignore_spatial_locations=True)
        np.testing.assert_array_equal(pixels[0, ..., 0] > 0, mask)
        assert faults(path) == []
