"""DICOM files in every encoding are read right: values, orientation, millimetres, frames; damaged ones are refused."""

import zlib

import numpy as np
import pydicom
import pytest
from pydicom.dataset import Dataset
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGLSLossless,
    RLELossless,
)
from tests.read.wrap import region, wrap_dicom

from salus import read_scan
from salus.errors import SalusError
from salus.read import limits
from salus.read.frames import detect_format, open_frames
from salus.scan import LUMA, Region

LOSSLESS = [
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    ExplicitVRBigEndian,
    DeflatedExplicitVRLittleEndian,
    RLELossless,
    JPEGLSLossless,
    JPEG2000Lossless,
]
PLAIN = LOSSLESS[:3]


def letter_l(dtype=np.uint8, top=250):
    """Draw a bright letter L, whose arms differ in value: it looks different mirrored, turned or transposed."""
    values = np.zeros((40, 64), dtype)
    values[5:30, 8:12], values[26:30, 8:40] = top, top // 2
    return values


@pytest.fixture
def path(tmp_path):
    return tmp_path / "us.dcm"


@pytest.mark.parametrize("syntax", LOSSLESS, ids=lambda s: s.name)
@pytest.mark.parametrize("frames", [1, 3])
def test_grey_is_exact_upright_and_in_millimetres(syntax, frames, path):
    pixels = letter_l() if frames == 1 else np.stack([np.roll(letter_l(), 2 * i, axis=1) for i in range(frames)])
    opened = open_frames(wrap_dicom(path, pixels, syntax=syntax, regions=[region(0, 0, 40, 64, (0.2, 0.1))]))
    assert (opened.count, opened.seconds) == (frames, 0.05 if frames > 1 else None)
    for number in range(1, frames + 1):
        scan = opened.scan(number)
        np.testing.assert_array_equal(scan.pixels * 255, pixels if frames == 1 else pixels[number - 1])
        assert scan.frame == (number if frames > 1 else None)
        assert scan.spacing == pytest.approx((0.2, 0.1), rel=1e-12)
        assert scan.notes == ()


@pytest.mark.parametrize("syntax", [*PLAIN, RLELossless, JPEGLSLossless, JPEG2000Lossless], ids=lambda s: s.name)
@pytest.mark.parametrize("planar", [0, 1])
def test_colour_becomes_luma(syntax, planar, path):
    if planar and syntax.is_compressed:
        pytest.skip("compressed frames have an order of their own")
    colour = np.stack([letter_l(), np.flipud(letter_l()), np.fliplr(letter_l())], axis=-1)
    scan = read_scan(wrap_dicom(path, colour, syntax=syntax, PlanarConfiguration=planar))
    np.testing.assert_allclose(scan.pixels, colour @ np.array(LUMA) / 255, atol=1e-6)


@pytest.mark.parametrize("syntax", [ExplicitVRLittleEndian, RLELossless], ids=lambda s: s.name)
def test_ybr_full_becomes_luma(syntax, path):
    colour = np.stack([letter_l(), letter_l() // 2, letter_l() // 3], axis=-1)
    scan = read_scan(wrap_dicom(path, colour, photometric="YBR_FULL", syntax=syntax))
    np.testing.assert_allclose(scan.pixels, colour @ np.array(LUMA) / 255, atol=2 / 255)  # two roundings


def test_uncompressed_ybr_full_422_becomes_luma(path):
    grey = np.repeat(np.linspace(0, 255, 32).astype(np.uint8), 2)[None].repeat(40, axis=0)
    wrap_dicom(path, np.stack([grey] * 3, axis=-1))
    ds = pydicom.dcmread(path)
    packed = np.full((40, 32, 4), 128, np.uint8)  # Y1 Y2 Cb Cr for two pixels (PS3.3 C.7.6.3.1.2)
    packed[..., 0], packed[..., 1] = grey[:, ::2], grey[:, 1::2]
    ds.PhotometricInterpretation, ds.PixelData = "YBR_FULL_422", packed.tobytes()
    ds.save_as(path)
    np.testing.assert_allclose(read_scan(path).pixels * 255, grey, atol=1)


@pytest.mark.parametrize("colour", [False, True])
@pytest.mark.parametrize("frames", [1, 2])
def test_jpeg_is_read_but_for_its_losses(colour, frames, path):
    smooth = (np.add.outer(np.arange(40) * 3, np.arange(64) * 2)).astype(np.uint8)
    pixels = np.stack([smooth] * 3, axis=-1) if colour else smooth
    if frames > 1:
        pixels = np.stack([pixels, pixels[::-1]])
    opened = open_frames(wrap_dicom(path, pixels, syntax=JPEGBaseline8Bit))
    np.testing.assert_allclose(opened.scan(1).pixels * 255, smooth, atol=5)
    if frames > 1:
        np.testing.assert_allclose(opened.scan(2).pixels * 255, smooth[::-1], atol=5)


def test_a_palette_becomes_luma(path):
    index = (letter_l() > 0).astype(np.uint8) + (letter_l() > 200)
    tables = {"Red": [0, 40, 255, 9], "Green": [0, 80, 255, 9], "Blue": [0, 160, 255, 9]}
    tags = {}
    for name, values in tables.items():
        tags[f"{name}PaletteColorLookupTableDescriptor"] = [4, 0, 8]
        tags[f"{name}PaletteColorLookupTableData"] = bytes(values)
    scan = read_scan(wrap_dicom(path, index, photometric="PALETTE COLOR", **tags))
    expected = np.array([0, np.dot([40, 80, 160], LUMA) / 255, 1])[index]
    np.testing.assert_allclose(scan.pixels, expected, atol=1e-6)


def test_monochrome1_is_inverted(path):
    np.testing.assert_allclose(
        read_scan(wrap_dicom(path, letter_l(), photometric="MONOCHROME1")).pixels, 1 - letter_l() / 255
    )


@pytest.mark.parametrize("syntax", [*PLAIN, RLELossless, JPEGLSLossless, JPEG2000Lossless], ids=lambda s: s.name)
def test_sixteen_bits_are_stretched_to_their_maximum(syntax, path):
    scan = read_scan(wrap_dicom(path, letter_l(np.uint16, 3000), syntax=syntax, bits=12))
    np.testing.assert_allclose(scan.pixels, letter_l(np.uint16, 3000) / 3000, atol=1e-6)


def test_rescale_and_window_follow_the_standards_formula(path):
    stored = np.linspace(0, 4095, 40 * 64).astype(np.uint16).reshape(40, 64)
    tags = {"RescaleSlope": 0.5, "RescaleIntercept": -100, "WindowCenter": 600, "WindowWidth": 400}
    scan = read_scan(wrap_dicom(path, stored, bits=12, **tags))
    x = stored * 0.5 - 100
    expected = np.clip((x - (600 - 0.5)) / (400 - 1) + 0.5, 0, 1)  # PS3.3 C.11.2.1.2.1
    np.testing.assert_allclose(scan.pixels, expected, atol=1e-6)


def test_a_voi_table_is_applied(path):
    table = Dataset()
    table.LUTDescriptor, table.LUTData = [256, 0, 16], [min(65535, 512 * i) for i in range(256)]
    ds = pydicom.dcmread(wrap_dicom(path, letter_l(top=100)))
    table["LUTDescriptor"].VR, table["LUTData"].VR = "US", "US"
    ds.VOILUTSequence = [table]
    ds.save_as(path)
    np.testing.assert_allclose(read_scan(path).pixels, letter_l(top=100) * 512.0 / 65535, atol=1e-6)


def test_regions_are_read_clipped_and_sorted_and_others_named_in_a_note(path):
    regions = [
        region(0, 60, 40, 40, (0.2, 0.1)),  # clipped: its right part lies outside
        region(0, 0, 40, 30, (0.2, 0.1)),
        region(4, 4, 10, 10, (0.2, 0.1)),  # within another
        region(10, 10, 20, 10, kind=2),
        region(30, 0, 10, 64, kind=3, form=3),
        region(30, 0, 10, 64, form=2),
        region(100, 100, 20, 20),  # outside
        region(0, 0, 4, 64),  # too flat
    ]
    scan = read_scan(wrap_dicom(path, np.pad(letter_l(), ((0, 0), (0, 26))), regions=regions))
    boxes = [(r.top, r.left, r.height, r.width) for r in scan.regions]
    assert boxes == [(0, 0, 40, 30), (0, 60, 40, 30)]
    assert scan.spacing == pytest.approx((0.2, 0.1))
    assert scan.notes == ("not looked at: colour flow, spectral, M-mode, a B-mode region without a sensible place",)
    np.testing.assert_array_equal(
        scan.regions[1].crop(scan.pixels), np.pad(letter_l(), ((0, 0), (0, 26)))[:, 60:] / np.float32(255)
    )


@pytest.mark.parametrize(
    ("change", "expected"), [({"units": 0}, None), ({"spacing": (0, 0.1)}, None), ({}, (0.1, 0.1))]
)
def test_the_spacing_is_none_where_the_file_has_no_valid_one(change, expected, path):
    scan = read_scan(wrap_dicom(path, letter_l(), regions=[region(0, 0, 40, 64, **change)]))
    assert scan.spacing == (pytest.approx(expected) if expected else None)
    assert read_scan(wrap_dicom(path, letter_l())).spacing is None
    assert read_scan(wrap_dicom(path, letter_l(), PixelSpacing=[0.3, 0.2])).spacing == (0.3, 0.2)


def test_regions_of_different_scales_keep_their_own_spacing(path):
    regions = [region(0, 0, 40, 30, (0.1, 0.1)), region(0, 32, 40, 30, (0.2, 0.2))]
    scan = read_scan(wrap_dicom(path, letter_l(), regions=regions))
    assert scan.spacing is None
    assert [r.spacing for r in scan.regions] == [pytest.approx((0.1, 0.1)), pytest.approx((0.2, 0.2))]


def test_an_image_of_doppler_alone_is_used_whole_with_a_note(path):
    scan = read_scan(wrap_dicom(path, letter_l(), regions=[region(0, 0, 40, 64, kind=3, form=3)]))
    assert scan.parts == (Region(0, 0, 40, 64, None),)
    assert "no B-mode region is marked: the whole image was looked at" in scan.notes


@pytest.mark.parametrize(
    ("tags", "seconds"),
    [
        ({"FrameTime": 40}, 0.04),
        ({"FrameTime": None, "CineRate": 20}, 0.05),
        ({"FrameTime": None, "RecommendedDisplayFrameRate": 10}, 0.1),
        ({"FrameTime": None, "FrameTimeVector": [0, 30, 50]}, 0.04),
        ({"FrameTime": None}, None),
        ({"FrameTime": 0}, None),
    ],
)
def test_the_time_between_frames_is_read_from_the_first_tag_that_has_it(tags, seconds, path):
    opened = open_frames(wrap_dicom(path, np.stack([letter_l()] * 3), **tags))
    assert opened.seconds == (pytest.approx(seconds) if seconds else None)


def test_files_without_optional_tags_or_meta_information_are_read(path):
    ds = pydicom.dcmread(wrap_dicom(path, letter_l()))
    for name in ("PatientName", "StudyDate", "PixelRepresentation", "HighBit", "SOPInstanceUID", "Modality"):
        delattr(ds, name)
    ds.PixelRepresentation = 0
    ds.save_as(path)
    np.testing.assert_array_equal(read_scan(path).pixels * 255, letter_l())
    bare = Dataset()
    bare.update({element.tag: element for element in ds})
    bare.save_as(path, implicit_vr=True, little_endian=True)
    np.testing.assert_array_equal(read_scan(path).pixels * 255, letter_l())


def test_a_file_without_a_suffix_is_detected_by_its_first_bytes(tmp_path):
    path = wrap_dicom(tmp_path / "IM_0001", letter_l())
    assert detect_format(path) == "dicom"
    assert read_scan(path).shape == (40, 64)
    (tmp_path / "README").write_text("text")
    assert detect_format(tmp_path / "README") == "image"


def cut_short(path):
    path.write_bytes(path.read_bytes()[:-600])


def edit(**tags):
    def change(path):
        ds = pydicom.dcmread(path)
        for name, value in tags.items():
            setattr(ds, name, value)
        ds.save_as(path)

    return change


def without_pixels(path):
    ds = pydicom.dcmread(path)
    del ds.PixelData
    ds.save_as(path)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (cut_short, "cut short"),
        (edit(Rows=4000), "cut short"),
        (edit(Rows=60000, Columns=60000), "more than 16,000,000"),
        (edit(NumberOfFrames=5), "cut short"),
        (edit(NumberOfFrames=100_000_000), "more than Salus reads"),
        (edit(NumberOfFrames=0), "damaged"),
        (edit(Rows=0), "without an image"),
        (edit(BitsAllocated=32), "32 bits"),
        (edit(SamplesPerPixel=2), "2 values"),
        (edit(Modality="SR"), "kind SR, no image"),
        (edit(Modality="SEG"), "kind SEG, no image"),
        (without_pixels, "without an image"),
        (lambda path: path.write_bytes(b"no dicom at all" * 40), "DICOM"),
        (lambda path: path.write_bytes(b""), "DICOM"),
        (lambda path: path.unlink(), "no such file"),
        (lambda path: (path.unlink(), path.mkdir()), "is a folder"),
    ],
)
def test_a_damaged_file_is_an_error_of_one_line_without_the_patient(damage, message, path):
    wrap_dicom(path, letter_l())
    damage(path)
    with pytest.raises(SalusError, match=message) as caught:
        read_scan(path)
    assert "\n" not in str(caught.value)
    assert "Phantom" not in str(caught.value)


@pytest.mark.parametrize("syntax", [JPEG2000Lossless, JPEGLSLossless, JPEGBaseline8Bit], ids=lambda s: s.name)
def test_a_frame_of_another_size_than_the_header_says_is_refused(syntax, path):
    wrap_dicom(path, letter_l(), syntax=syntax)
    edit(Rows=20, Columns=30)(path)
    with pytest.raises(SalusError, match="damaged"):
        read_scan(path)


def test_frames_that_the_header_promises_but_are_missing_are_refused(path):
    wrap_dicom(path, np.stack([letter_l()] * 3), syntax=RLELossless)
    with pytest.raises(SalusError, match="no frame 4"):
        open_frames(path).scan(4)
    for promised in (4, 20_000):
        edit(NumberOfFrames=promised)(path)
        with pytest.raises(SalusError, match="and holds 3"):
            open_frames(path)


@pytest.mark.parametrize("depth", [50, 100_000])
def test_deep_nesting_is_read_or_refused(depth, path):
    """Sequences within sequences, of undefined length, written by hand."""
    whole = wrap_dicom(path, letter_l()).read_bytes()
    start = 132 + 12 + pydicom.dcmread(path).file_meta.FileMetaInformationGroupLength
    opened = bytes.fromhex("0800 1511") + b"SQ\0\0" + bytes.fromhex("ffffffff feff00e0 ffffffff")
    closed = bytes.fromhex("feff0de0 00000000 feffdde0 00000000")
    path.write_bytes(whole[:start] + depth * opened + depth * closed + whole[start:])
    if depth < 100:
        assert read_scan(path).shape == (40, 64)
    else:
        with pytest.raises(SalusError, match="cannot be read as DICOM"):
            read_scan(path)


def test_a_deflated_bomb_is_refused(path, monkeypatch):
    monkeypatch.setattr("salus.read.dicom_header.MAX_DEFLATED", 10_000)
    wrap_dicom(path, np.zeros((200, 200), np.uint8), syntax=DeflatedExplicitVRLittleEndian)
    assert path.stat().st_size < 2_000
    with pytest.raises(SalusError, match="unpacks to more"):
        read_scan(path)
    assert len(zlib.compress(bytes(40_000))) < 100


def test_a_file_larger_than_the_limit_is_refused(path, monkeypatch):
    monkeypatch.setattr(limits, "MAX_BYTES", 100)
    with pytest.raises(SalusError, match="is more than"):
        read_scan(wrap_dicom(path, letter_l()))


def test_another_modality_is_read_with_a_note(path):
    assert read_scan(wrap_dicom(path, letter_l(), Modality="MG")).notes == (
        "not an ultrasound image: its modality is MG",
    )


def test_a_long_cine_is_read_a_frame_at_a_time(path):
    """A cine of 40 MB; reading one frame takes a small part of that."""
    import tracemalloc

    opened = open_frames(wrap_dicom(path, np.zeros((400, 250, 400), np.uint8)))
    opened.scan(1)
    tracemalloc.start()
    opened.scan(399)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 6_000_000
