"""DICOM segmentations: their pixels, place, codes and references, read by other programs."""

import shutil
import subprocess
import sys
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pydicom
import pytest
from tests.read.wrap import US_IMAGE, US_MULTIFRAME, wrap_dicom
from tests.write.dciodvfy import faults
from tests.write.dicom_sources import MASK, SPACING, as_pixels, frames, planes
from tests.write.segmentations import segmentation_of

from salus.errors import SalusError
from salus.read.dicom import open_dicom
from salus.write.dicom_seg import write_seg, write_seg_zip
from salus.write.dicom_source import tracking_uid

hd = pytest.importorskip("highdicom")


codes = pytest.importorskip("pydicom.sr.codedict").codes


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


def test_a_segmentation_is_no_image_to_segment(image, tmp_path):
    write_seg(tmp_path / "a.dcm", open_dicom(image), segmentation_of(MASK))
    with pytest.raises(SalusError, match="is a DICOM object of kind SEG, no image"):
        write_seg(tmp_path / "b.dcm", open_dicom(tmp_path / "a.dcm"), segmentation_of(MASK))
