"""All DICOM objects that are written: what they take from their source, and that its checker finds no error."""

import numpy as np
import pydicom
import pytest
from PIL import Image
from tests.read.wrap import US_IMAGE, wrap_dicom
from tests.write.dciodvfy import faults
from tests.write.dicom_sources import MASK, SPACING, as_pixels, frames
from tests.write.segmentations import segmentation_of

from salus.errors import SalusError
from salus.read.dicom import open_dicom
from salus.write.dicom_sc import write_secondary_capture
from salus.write.dicom_seg import write_seg
from salus.write.dicom_sr import write_sr
from salus.write.overlay import draw_overlay


def test_a_capture_is_the_overlay_to_the_pixel(cine, tmp_path):
    segmentation = frames()[1]
    picture = draw_overlay(as_pixels(MASK) / 255, segmentation.mask)
    write_secondary_capture(tmp_path / "sc.dcm", open_dicom(cine), picture, segmentation)
    dataset = pydicom.dcmread(tmp_path / "sc.dcm")
    np.testing.assert_array_equal(dataset.pixel_array, np.asarray(picture))
    assert (list(dataset.PixelSpacing), dataset.BurnedInAnnotation) == ([0.2, 0.1], "YES")
    assert (dataset.SourceImageSequence[0].ReferencedFrameNumber, dataset.InstanceNumber) == (2, 2)
    assert dataset.StudyInstanceUID == pydicom.dcmread(cine).StudyInstanceUID


def test_names_in_any_script_come_through(tmp_path):
    image = wrap_dicom(
        tmp_path / "us.dcm", as_pixels(MASK), PatientName="Müller^Jäne", SpecificCharacterSet="ISO_IR 100"
    )
    write_sr(tmp_path / "sr.dcm", open_dicom(image), [segmentation_of(MASK)])
    assert pydicom.dcmread(tmp_path / "sr.dcm").PatientName == "Müller^Jäne"
    image = wrap_dicom(
        tmp_path / "us.dcm", as_pixels(MASK), PatientName="Yamada^Tarou=山田^太郎",
        SpecificCharacterSet=["", "ISO 2022 IR 87"],
    )  # fmt: skip
    write_seg(tmp_path / "seg.dcm", open_dicom(image), segmentation_of(MASK))
    assert pydicom.dcmread(tmp_path / "seg.dcm").PatientName.ideographic == "山田^太郎"


def test_what_was_compressed_with_loss_says_so_again(tmp_path):
    image = wrap_dicom(
        tmp_path / "us.dcm", as_pixels(MASK), LossyImageCompression="01", LossyImageCompressionRatio=12,
        LossyImageCompressionMethod="ISO_10918_1",
    )  # fmt: skip
    write_seg(tmp_path / "seg.dcm", open_dicom(image), segmentation_of(MASK))
    assert pydicom.dcmread(tmp_path / "seg.dcm").LossyImageCompression == "01"
    assert faults(tmp_path / "seg.dcm") == []


def test_a_header_with_hardly_anything_is_enough(tmp_path):
    image = wrap_dicom(tmp_path / "us.dcm", as_pixels(MASK))
    source = pydicom.dcmread(image)
    for name in (
        "PatientName", "PatientID", "PatientBirthDate", "PatientSex", "StudyDate", "StudyTime", "StudyID", "Modality",
        "AccessionNumber", "ReferringPhysicianName", "StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID",
        "SOPClassUID", "Manufacturer",
    ):  # fmt: skip
        delattr(source, name)
    source.Rows = 40
    source.save_as(image)
    segmentation = segmentation_of(MASK)
    write_seg(tmp_path / "seg.dcm", open_dicom(image), segmentation)
    write_sr(tmp_path / "sr.dcm", open_dicom(image), [segmentation])
    write_secondary_capture(tmp_path / "sc.dcm", open_dicom(image), Image.new("RGB", (64, 40)), segmentation)
    one, other = (pydicom.dcmread(tmp_path / name) for name in ("seg.dcm", "sr.dcm"))
    assert one.StudyInstanceUID == other.StudyInstanceUID
    assert one.ReferencedSeriesSequence[0].ReferencedInstanceSequence[0].ReferencedSOPClassUID == US_IMAGE
    for name in ("seg.dcm", "sr.dcm", "sc.dcm"):
        assert faults(tmp_path / name) == []


@pytest.mark.parametrize("kind", ["seg", "fractional", "sr", "empty", "pixels", "sc"])
@pytest.mark.parametrize("several", [False, True])
@pytest.mark.parametrize("deidentified", [False, True])
def test_dciodvfy_finds_no_error(kind, several, deidentified, image, cine, tmp_path):
    source, path = cine if several else image, tmp_path / "made.dcm"
    segmentation = frames() if several else [segmentation_of(MASK, SPACING)]
    how = {"deidentified": deidentified}
    if kind in ("seg", "fractional"):
        write_seg(path, open_dicom(source), segmentation[-1], fractional=kind == "fractional", **how)
    elif kind == "sc":
        write_secondary_capture(
            path, open_dicom(source), draw_overlay(as_pixels(MASK) / 255, MASK), segmentation[-1], **how
        )
    else:
        spacing = None if kind == "pixels" else SPACING
        masks = [one.mask & (kind != "empty") for one in segmentation]
        segmentation = [
            segmentation_of(mask, spacing, one.frame) for mask, one in zip(masks, segmentation, strict=True)
        ]
        write_sr(path, open_dicom(source), segmentation, **how)
    assert faults(path) == []


def test_the_opened_source_is_left_as_it_is_for_the_next_object(image, tmp_path):
    source, segmentation = open_dicom(image), segmentation_of(MASK, SPACING)
    before = source.header.to_json()
    write_sr(tmp_path / "a.dcm", source, [segmentation], deidentified=True)
    write_seg(tmp_path / "b.dcm", source, segmentation, deidentified=True)
    write_secondary_capture(tmp_path / "c.dcm", source, Image.new("RGB", (64, 40)), segmentation, deidentified=True)
    assert source.header.to_json() == before
    write_sr(tmp_path / "d.dcm", source, [segmentation])
    assert pydicom.dcmread(tmp_path / "d.dcm").PatientID == pydicom.dcmread(image).PatientID


def test_the_source_may_be_given_by_its_path(image, tmp_path):
    assert write_seg(tmp_path / "a.dcm", image, segmentation_of(MASK))
    write_sr(tmp_path / "b.dcm", image, [segmentation_of(MASK)])
    studies = {pydicom.dcmread(path).StudyInstanceUID for path in (image, tmp_path / "a.dcm", tmp_path / "b.dcm")}
    assert len(studies) == 1
    with pytest.raises(SalusError, match="no such file"):
        write_seg(tmp_path / "c.dcm", tmp_path / "none.dcm", segmentation_of(MASK))
