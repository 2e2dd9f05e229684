"""DICOM SEG, SR and secondary capture, dataset back by highdicom's readers and pydicom, and judged by dciodvfy."""

import shutil
import subprocess
import sys
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pydicom
import pytest
from PIL import Image, ImageDraw
from tests.read.wrap import US_IMAGE, US_MULTIFRAME, region, wrap_dicom
from tests.write.dciodvfy import faults
from tests.write.segmentations import l_and_ring, segmentation_of

from salus.errors import SalusError
from salus.read.dicom import open_dicom
from salus.write.dicom_sc import write_secondary_capture
from salus.write.dicom_seg import write_seg, write_seg_zip
from salus.write.dicom_source import tracking_uid
from salus.write.dicom_sr import write_sr
from salus.write.overlay import draw_overlay
from salus.write.polygons import lesion_masks

hd = pytest.importorskip("highdicom")
codes = pytest.importorskip("pydicom.sr.codedict").codes

MASK, SPACING = l_and_ring(), (0.2, 0.1)
REGIONS = [region(0, 0, 40, 64, SPACING)]


def as_pixels(mask):
    return (200 - 180 * mask).astype(np.uint8)


@pytest.fixture
def image(tmp_path):
    return wrap_dicom(tmp_path / "us.dcm", as_pixels(MASK), regions=REGIONS)


@pytest.fixture
def cine(tmp_path):
    return wrap_dicom(tmp_path / "cine.dcm", np.stack([as_pixels(MASK)] * 3), regions=REGIONS)


def frames():
    masks = (MASK, MASK[::-1], np.roll(MASK, 3, axis=1))
    return [segmentation_of(mask, SPACING, number) for number, mask in enumerate(masks, 1)]


def planes(segmentation):
    return np.stack([mask for _, mask in lesion_masks(segmentation)], axis=-1)


@pytest.mark.parametrize("fractional", [False, True])
def test_a_segmentation_holds_each_lesion_exactly(fractional, image, tmp_path):
    segmentation = segmentation_of(MASK, SPACING)
    steps = np.arange(MASK.size, dtype=np.float32).reshape(MASK.shape) % 256 / np.float32(255)
    segmentation = replace(segmentation, probability=steps)
    assert write_seg(tmp_path / "seg.dcm", open_dicom(image), segmentation, fractional=fractional)
    dataset, source = hd.seg.segread(tmp_path / "seg.dcm"), pydicom.dcmread(image)
    pixels = dataset.get_pixels_by_source_instance([source.SOPInstanceUID], ignore_spatial_locations=True)[0]
    expected = planes(segmentation) * (steps[..., None] if fractional else 1)
    np.testing.assert_allclose(pixels, expected, atol=1e-7)
    if not fractional:
        np.testing.assert_array_equal(pixels.any(axis=-1), MASK)
    assert (dataset.StudyInstanceUID, dataset.PatientID) == (source.StudyInstanceUID, source.PatientID)
    assert dataset.SeriesInstanceUID != source.SeriesInstanceUID
    item = dataset.PerFrameFunctionalGroupsSequence[0].DerivationImageSequence[0].SourceImageSequence[0]
    assert (item.ReferencedSOPClassUID, item.SpatialLocationsPreserved) == (US_IMAGE, "YES")
    assert (dataset.Rows, dataset.Columns) == MASK.shape


def placed(path, folder):
    """The segmentation as dcmqi places it: lesion masks by number, and the spacing, origin and directions in mm."""
    if shutil.which(tool := str(Path(sys.executable).parent / "segimage2itkimage")) is None:
        pytest.skip("segimage2itkimage is not installed (pip install dcmqi)")
    folder.mkdir()
    command = [tool, "--inputDICOM", str(path), "--outputDirectory", str(folder), "--outputType", "nrrd"]
    subprocess.run(command, check=True, capture_output=True)
    nrrd = pytest.importorskip("nrrd")
    files = [nrrd.read(str(file)) for file in sorted(folder.glob("*.nrrd"))]
    header = files[0][1]
    assert header["space"] == "left-posterior-superior"
    return [values[..., 0].T > 0 for values, _ in files], header["space origin"], header["space directions"]


def test_other_programs_place_a_segmentation_on_its_source(image, tmp_path):
    """Where ITK puts a picture without a position: at the origin, rows along x, columns along y."""
    segmentation = segmentation_of(MASK, SPACING)
    write_seg(tmp_path / "seg.dcm", open_dicom(image), segmentation)
    masks, origin, directions = placed(tmp_path / "seg.dcm", tmp_path / "placed")
    np.testing.assert_array_equal(np.stack(masks, axis=-1), planes(segmentation))
    np.testing.assert_allclose(origin, [0, 0, 0])
    np.testing.assert_allclose(directions, np.diag([0.1, 0.2, 1.0]))
    volume = hd.seg.segread(tmp_path / "seg.dcm").get_volume()
    np.testing.assert_array_equal(volume.array[0], planes(segmentation))
    np.testing.assert_allclose(volume.affine @ [0, 39, 63, 1], [6.3, 7.8, 0, 1])


@pytest.mark.parametrize("deidentified", [False, True])
def test_a_segmentation_of_a_volume_lies_in_the_plane_of_its_frame(deidentified, tmp_path):
    """Positions and directions of an Enhanced US Volume, frame by frame."""
    path = wrap_dicom(tmp_path / "volume.dcm", np.stack([as_pixels(MASK)] * 3))
    source = pydicom.dcmread(path)
    source.SOPClassUID = source.file_meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.6.2"
    source.FrameOfReferenceUID = "1.2.3.4"
    measures, orientation, shared = pydicom.Dataset(), pydicom.Dataset(), pydicom.Dataset()
    measures.PixelSpacing, measures.SliceThickness = list(SPACING), 0.5
    orientation.ImageOrientationVolume = [0.0, 1.0, 0.0, 0.0, 0.0, -1.0]
    shared.PixelMeasuresSequence, shared.PlaneOrientationVolumeSequence = [measures], [orientation]
    source.SharedFunctionalGroupsSequence, source.PerFrameFunctionalGroupsSequence = [shared], []
    for number in range(3):
        position, group = pydicom.Dataset(), pydicom.Dataset()
        position.ImagePositionVolume = [2.0 * number, -3.0, 11.0]
        group.PlanePositionVolumeSequence = [position]
        source.PerFrameFunctionalGroupsSequence.append(group)
    source.save_as(path)
    opened = open_dicom(path)
    assert opened.spacing == SPACING
    for segmentation in frames():
        write_seg(tmp_path / "seg.dcm", opened, segmentation, deidentified=deidentified)
        dataset = hd.seg.segread(tmp_path / "seg.dcm")
        assert (dataset.FrameOfReferenceUID == "1.2.3.4") is not deidentified
        volume = dataset.get_volume()
        x = 2.0 * (segmentation.frame - 1)
        np.testing.assert_allclose(volume.affine @ [0, 0, 0, 1], [x, -3, 11, 1], atol=1e-9)
        np.testing.assert_allclose(volume.affine @ [0, 10, 20, 1], [x, -3 + 20 * 0.1, 11 - 10 * 0.2, 1])
        np.testing.assert_array_equal(volume.array[0], planes(segmentation))
        assert faults(tmp_path / "seg.dcm") == []


def test_without_a_calibration_a_segmentation_has_no_plane(image, tmp_path):
    write_seg(tmp_path / "seg.dcm", open_dicom(image), segmentation_of(MASK))
    dataset = pydicom.dcmread(tmp_path / "seg.dcm")
    assert "FrameOfReferenceUID" not in dataset
    assert "PixelMeasuresSequence" not in dataset.SharedFunctionalGroupsSequence[0]


def test_a_report_outlines_parts_and_holes(image, tmp_path):
    """The line, filled, is the lesion: a ring whose hole is not in it, and a part that touches it by a corner."""
    mask = np.zeros_like(MASK)
    mask[4:18, 20:40] = mask[18:24, 40:50] = True
    mask[8:12, 24:28] = mask[8:12, 32:36] = False
    write_sr(tmp_path / "sr.dcm", open_dicom(image), [segmentation_of(mask, SPACING)])
    (group,) = hd.sr.srread(tmp_path / "sr.dcm").content.get_planar_roi_measurement_groups()
    line = group.roi.value[:, :2]
    assert (line[0] == line[-1]).all()
    filled = Image.new("1", (64 * 8, 40 * 8))  # Pillow's own filling, on a finer grid: eight steps a pixel
    ImageDraw.Draw(filled).polygon([(8 * x, 8 * y) for x, y in line], fill=1)
    np.testing.assert_array_equal(np.asarray(filled)[4::8, 4::8], mask)
    x, y = line.T
    assert abs(np.dot(x[:-1], y[1:]) - np.dot(x[1:], y[:-1])) / 2 == mask.sum()


def test_a_segmentation_is_coded_and_says_who_made_it(image, tmp_path):
    write_seg(tmp_path / "seg.dcm", open_dicom(image), segmentation_of(MASK))
    dataset = hd.seg.segread(tmp_path / "seg.dcm")
    assert dataset.number_of_segments == 2
    for number in (1, 2):
        about = dataset.get_segment_description(number)
        assert about.segmented_property_category == codes.SCT.MorphologicallyAbnormalStructure
        assert about.segmented_property_type == codes.SCT.Neoplasm
        assert about.anatomic_regions == [codes.SCT.Breast]
        assert about.algorithm_type.value == "AUTOMATIC"
        assert about.algorithm_identification.name == "Salus test"
        assert about.algorithm_identification.family == codes.DCM.ArtificialIntelligence
        assert about.tracking_id == f"Lesion {number}"
        assert about.tracking_uid == tracking_uid(pydicom.dcmread(image), number)


@pytest.mark.parametrize("reference", [None, "1.2.3.4"])
def test_each_frame_of_a_cine_has_an_object_that_refers_to_it(reference, cine, tmp_path):
    """With a frame of reference too, which says nothing without a position in it."""
    source = pydicom.dcmread(cine)
    if reference:
        source.FrameOfReferenceUID = reference
        source.save_as(cine)
    spaces = set()
    uids = set()
    for segmentation in frames():
        path = tmp_path / f"{segmentation.frame}.dcm"
        write_seg(path, open_dicom(cine), segmentation)
        dataset = hd.seg.segread(path)
        assert dataset.InstanceNumber == segmentation.frame
        spaces.add(dataset.FrameOfReferenceUID)
        for item in dataset.PerFrameFunctionalGroupsSequence:
            (one,) = item.DerivationImageSequence[0].SourceImageSequence
            assert one.ReferencedSOPInstanceUID == source.SOPInstanceUID
            assert (one.ReferencedSOPClassUID, one.ReferencedFrameNumber) == (US_MULTIFRAME, segmentation.frame)
        (whole,) = dataset.ReferencedSeriesSequence[0].ReferencedInstanceSequence
        assert (whole.ReferencedSOPClassUID, whole.get("ReferencedFrameNumber")) == (US_MULTIFRAME, None)
        pixels = dataset.pixel_array.reshape(-1, *MASK.shape)
        np.testing.assert_array_equal(np.moveaxis(pixels, 0, -1), planes(segmentation))
        uids.add((dataset.SeriesInstanceUID, dataset.SegmentSequence[0].TrackingUID))
    assert len(spaces) == 1  # all frames of a source lie in one space, not in that of the source without a position
    assert reference not in spaces
    assert len(uids) == 1  # one series; a lesion that keeps its number keeps its UID
    assert pydicom.dcmread(cine) == source  # nothing of the source was touched


def test_segmentations_of_a_cine_in_a_zip_file(cine, tmp_path):
    nothing = segmentation_of(np.zeros_like(MASK), SPACING, 2)
    assert write_seg_zip(tmp_path / "seg.zip", open_dicom(cine), [frames()[0], nothing, frames()[2]]) == 2
    with zipfile.ZipFile(tmp_path / "seg.zip") as archive:
        assert archive.namelist() == ["0001.dcm", "0003.dcm"]
        archive.extractall(tmp_path)
    pixels = pydicom.dcmread(tmp_path / "0003.dcm").pixel_array
    np.testing.assert_array_equal(np.moveaxis(pixels, 0, -1), planes(frames()[2]))
    assert write_seg_zip(tmp_path / "none.zip", open_dicom(cine), [nothing]) == 0
    assert not (tmp_path / "none.zip").exists()


def test_without_a_lesion_there_is_no_segmentation_and_an_old_one_goes(image, tmp_path):
    (tmp_path / "seg.dcm").write_bytes(b"of an earlier run")
    assert not write_seg(tmp_path / "seg.dcm", open_dicom(image), segmentation_of(np.zeros_like(MASK)))
    assert not (tmp_path / "seg.dcm").exists()


FIGURES = {
    codes.SCT.Area: "area", codes.SCT.LongAxis: "longest", codes.SCT.ShortAxis: "across", codes.SCT.Width: "width",
    codes.DCM.Height: "height", codes.SCT.Perimeter: "perimeter", codes.SCT.Depth: "depth",
    ("circularity", "99SALUS"): "circularity", ("solidity", "99SALUS"): "solidity", ("border", "99SALUS"): "border",
    ("confidence", "99SALUS"): "confidence", ("irregularity", "99SALUS"): "irregularity", ("tilt", "99SALUS"): "tilt",
}  # fmt: skip


@pytest.mark.parametrize("spacing", [SPACING, None])
def test_a_report_holds_every_figure_with_its_unit(spacing, image, tmp_path):
    segmentation = segmentation_of(MASK, spacing)
    write_sr(tmp_path / "sr.dcm", open_dicom(image), [segmentation])
    dataset, source = hd.sr.srread(tmp_path / "sr.dcm"), pydicom.dcmread(image)
    assert dataset.ContentTemplateSequence[0].TemplateIdentifier == "1500"
    groups = dataset.content.get_planar_roi_measurement_groups()
    assert [group.tracking_uid for group in groups] == [
        tracking_uid(source, one.number) for one in segmentation.lesions
    ]
    for group, lesion in zip(groups, segmentation.lesions, strict=True):
        assert group.finding_type == codes.SCT.Neoplasm
        assert [site.topographical_site if hasattr(site, "topographical_site") else site.value for site in
                group.finding_sites] == [codes.SCT.Breast]  # fmt: skip
        measurements = {(one.name.value, one.name.scheme_designator): one for one in group.get_measurements()}
        for name, attribute in FIGURES.items():
            one = measurements[(name.value, name.scheme_designator) if hasattr(name, "value") else name]
            assert one.value == pytest.approx(getattr(lesion, attribute), rel=1e-9), attribute
        assert measurements[codes.SCT.LongAxis.value, "SCT"].unit.value == ("mm" if spacing else "{pixels}")
        assert measurements[codes.SCT.Area.value, "SCT"].unit.value == ("mm2" if spacing else "{square pixels}")
        assert len(measurements) == len(FIGURES)  # contrast is left out, for it was not measured
        ring = group.roi.value
        rows, columns = np.nonzero(planes(segmentation)[..., lesion.number - 1])
        assert (ring[:, 0].min(), ring[:, 0].max()) == (columns.min(), columns.max() + 1)
        assert (ring[:, 1].min(), ring[:, 1].max()) == (rows.min(), rows.max() + 1)
        assert group.reference_type == codes.DCM.ImageRegion
        assert group.roi.ContentSequence[0].ReferencedSOPSequence[0].ReferencedSOPInstanceUID == source.SOPInstanceUID


def test_a_report_of_a_cine_names_the_frames(cine, tmp_path):
    write_sr(tmp_path / "sr.dcm", open_dicom(cine), frames())
    groups = hd.sr.srread(tmp_path / "sr.dcm").content.get_planar_roi_measurement_groups()
    numbers = [int(group.roi.ContentSequence[0].ReferencedSOPSequence[0].ReferencedFrameNumber) for group in groups]
    assert numbers == [1, 1, 2, 2, 3, 3]
    assert len({group.tracking_uid for group in groups}) == 2


def test_a_report_of_nothing_says_so(image, tmp_path):
    write_sr(tmp_path / "sr.dcm", open_dicom(image), [segmentation_of(np.zeros_like(MASK))])
    (group,) = hd.sr.srread(tmp_path / "sr.dcm").content.get_image_measurement_groups()
    assert [one.value.meaning for one in group.get_qualitative_evaluations()] == ["No tumour found"]


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


def test_a_segmentation_is_no_image_to_segment(image, tmp_path):
    write_seg(tmp_path / "a.dcm", open_dicom(image), segmentation_of(MASK))
    with pytest.raises(SalusError, match="is a DICOM object of kind SEG, no image"):
        write_seg(tmp_path / "b.dcm", open_dicom(tmp_path / "a.dcm"), segmentation_of(MASK))


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
