"""Regions and pixel sizes of DICOM headers, as scanners and 3D probes write them."""

import pytest

pydicom = pytest.importorskip("pydicom")

from salus.read.dicom_regions import read_pixel_spacing, read_regions  # noqa: E402


def region(left, top, right, bottom, delta=None):
    """A B-mode region of a header, its corners included; `delta` is the (row, column) size of a pixel in cm."""
    item = pydicom.Dataset()
    item.RegionSpatialFormat = item.RegionDataType = 1
    item.RegionLocationMinX0, item.RegionLocationMinY0 = left, top
    item.RegionLocationMaxX1, item.RegionLocationMaxY1 = right, bottom
    item.PhysicalUnitsXDirection = item.PhysicalUnitsYDirection = 0 if delta is None else 3
    item.PhysicalDeltaY, item.PhysicalDeltaX = delta or (0.008, 0.008)
    return item


def header_of(*regions):
    header = pydicom.Dataset()
    header.SequenceOfUltrasoundRegions = list(regions)
    return header


def places(header):
    regions, notes = read_regions(header, 400, 600)
    return [(r.left, r.top, r.left + r.width - 1, r.top + r.height - 1, r.spacing) for r in regions], notes


OUTER = (0, 0, 599, 399)


@pytest.mark.parametrize("order", [1, -1])
def test_a_calibrated_region_is_used_in_place_of_one_around_it(order):
    found, notes = places(header_of(*[region(*OUTER), region(40, 30, 560, 380, (0.01, 0.02))][::order]))
    assert found == [(40, 30, 560, 380, (0.1, 0.2))]
    assert "calibrated B-mode region, not at the one without calibration" in notes[0]


def test_two_calibrated_regions_side_by_side_are_used():
    left, right = (10, 20, 280, 380), (310, 20, 590, 380)
    found, _ = places(header_of(region(*OUTER), region(*left, (0.01, 0.01)), region(*right, (0.02, 0.02))))
    assert found == [(*left, (0.1, 0.1)), (*right, (0.2, 0.2))]


def test_the_same_place_twice_is_one_region_with_its_calibration():
    found, _ = places(header_of(region(*OUTER), region(*OUTER, (0.01, 0.01))))
    assert found == [(*OUTER, (0.1, 0.1))]


def test_a_small_calibrated_picture_in_a_large_one_does_not_replace_it():
    found, _ = places(header_of(region(*OUTER), region(500, 10, 590, 90, (0.01, 0.01))))
    assert found == [(*OUTER, None)]


def test_an_uncalibrated_region_in_a_calibrated_one_changes_nothing():
    found, notes = places(header_of(region(*OUTER, (0.01, 0.01)), region(40, 30, 560, 380)))
    assert (found, notes) == ([(*OUTER, (0.1, 0.1))], ())


def measures(*spacing):
    item, group = pydicom.Dataset(), pydicom.Dataset()
    item.PixelSpacing, item.SliceThickness = list(spacing), 1
    group.PixelMeasuresSequence = [item]
    return group


def test_pixel_measures_of_a_volume_are_its_pixel_size():
    header = pydicom.Dataset()
    header.SharedFunctionalGroupsSequence = [measures(0.1, 0.08)]
    assert read_pixel_spacing(header) == ((0.1, 0.08), ())
    header = pydicom.Dataset()
    header.PerFrameFunctionalGroupsSequence = [measures(0.1, 0.08)] * 3
    assert read_pixel_spacing(header) == ((0.1, 0.08), ())


def test_sizes_that_differ_between_frames_are_none_and_it_is_said():
    header = pydicom.Dataset()
    header.PerFrameFunctionalGroupsSequence = [measures(0.1, 0.08), measures(0.2, 0.16)]
    spacing, (note,) = read_pixel_spacing(header)
    assert spacing is None
    assert "differs between frames" in note


@pytest.mark.parametrize(("ratio", "is_flagged"), [([2, 1], True), ([1, 2], True), ([1, 1], False), (None, False)])
def test_pixels_that_are_not_square_are_flagged_where_their_size_is_unknown(ratio, is_flagged):
    header = pydicom.Dataset()
    if ratio:
        header.PixelAspectRatio = ratio
    spacing, notes = read_pixel_spacing(header)
    assert spacing is None
    assert bool(notes) is is_flagged
    assert not is_flagged or f"({ratio[0]} high, {ratio[1]} wide)" in notes[0]
    header.PixelSpacing = [0.2, 0.1]
    assert read_pixel_spacing(header) == ((0.2, 0.1), ())
