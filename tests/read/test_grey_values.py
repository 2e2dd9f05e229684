"""Grey values of DICOM files in many encodings are those that dcmtk's dcm2pnm shows; what cannot be applied is said."""

import shutil
import subprocess

import numpy as np
import pydicom
import pytest
from PIL import Image
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate, generate_frames
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEGLSLossless,
    RLELossless,
)
from tests.read.wrap import wrap_dicom

from salus import read_scan
from salus.errors import SalusError
from salus.read.frames import open_frames
from salus.scan import LUMA

needs_dcmtk = pytest.mark.skipif(not shutil.which("dcm2pnm"), reason="dcm2pnm (Debian's dcmtk) is not installed")

UNCOMPRESSED = [
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    ExplicitVRBigEndian,
    DeflatedExplicitVRLittleEndian,
]
RAMP = np.linspace(0, 255, 40 * 64).astype(np.uint8).reshape(40, 64)
WIDE = np.linspace(0, 4095, 40 * 64).astype(np.uint16).reshape(40, 64)


def shown_by_dcmtk(path, *options, program="dcm2pnm"):
    """The grey values, or the luma of the colours, that a program of dcmtk writes."""
    target = path.with_suffix(".pnm")
    subprocess.run([program, "+op", "-O", *options, str(path), str(target)], check=True, capture_output=True)
    values = np.asarray(Image.open(target), float)
    return values @ np.array(LUMA) if values.ndim == 3 else values


def agrees(path, *options, levels=1.01, program="dcm2pnm"):
    shown = shown_by_dcmtk(path, *options, program=program)
    np.testing.assert_allclose(read_scan(path).pixels * 255, shown, atol=levels)


def words(values, syntax, vr="OW"):
    return np.asarray(values).astype("<u2" if syntax.is_little_endian else ">u2").tobytes()


def table(descriptor, values, syntax, kind=None):
    """An item of a sequence of tables."""
    item = Dataset()
    item.LUTDescriptor = descriptor
    item["LUTDescriptor"].VR = "US"
    item.add_new(0x00283006, "OW", words(values, syntax))
    if kind:
        item.ModalityLUTType = kind
    return item


def palette(descriptor, data):
    tags = {}
    for name in ("Red", "Green", "Blue"):
        tags[f"{name}PaletteColorLookupTableDescriptor"] = descriptor
        tags[f"{name}PaletteColorLookupTableData"] = data
    return tags


INVERSE = np.arange(255, -1, -1)
PALETTES = {
    "8 bits packed": (8, lambda syntax: packed(INVERSE, syntax)),
    "8 bits in 16": (8, lambda syntax: words(INVERSE, syntax)),
    "16 bits": (16, lambda syntax: words(INVERSE * 257, syntax)),
    "16 bits high": (16, lambda syntax: words(INVERSE * 256, syntax)),
}


def packed(values, syntax):
    """Two 8-bit entries a word, the first in the lower byte (PS3.5 annex D)."""
    content = np.asarray(values, np.uint8).tobytes()
    return content if syntax.is_little_endian else np.frombuffer(content, "<u2").astype(">u2").tobytes()


@needs_dcmtk
@pytest.mark.parametrize("syntax", [*UNCOMPRESSED, RLELossless], ids=lambda s: s.name)
@pytest.mark.parametrize("kind", PALETTES)
def test_palettes(kind, syntax, tmp_path):
    bits, make = PALETTES[kind]
    path = wrap_dicom(
        tmp_path / "a.dcm",
        RAMP,
        photometric="PALETTE COLOR",
        syntax=syntax,
        **palette([256, 0, bits], make(syntax)),
    )
    agrees(path)
    assert read_scan(path).pixels[0, 0] > 0.98  # inverse: not read as black


@needs_dcmtk
def test_a_palette_of_16_bit_indices_that_starts_above_0(tmp_path):
    path = wrap_dicom(
        tmp_path / "a.dcm",
        WIDE,
        photometric="PALETTE COLOR",
        **palette([1024, 1000, 16], words(np.arange(1024) * 60, ExplicitVRLittleEndian)),
    )
    agrees(path)


@needs_dcmtk
@pytest.mark.parametrize("syntax", UNCOMPRESSED, ids=lambda s: s.name)
@pytest.mark.parametrize("bits", [8, 12, 16])
def test_modality_tables(bits, syntax, tmp_path):
    entries = (np.arange(256)[::-1] * (2**bits - 1) / 255).astype(int)
    sequence = [table([256, 0, bits], entries, syntax, "US")]
    agrees(wrap_dicom(tmp_path / "a.dcm", RAMP, syntax=syntax, ModalityLUTSequence=sequence))


@needs_dcmtk
@pytest.mark.parametrize(("low", "high"), [(0, 0.5), (0.05, 1), (0.3, 0.6), (0, 0.07)])
@pytest.mark.parametrize("bits", [8, 10, 12, 16])
def test_the_range_of_a_modality_table_is_that_of_its_bits(bits, low, high, tmp_path):
    entries = ((low + np.arange(256) / 255 * (high - low)) * (2**bits - 1)).astype(int)
    sequence = [table([256, 0, bits], entries, ExplicitVRLittleEndian, "US")]
    agrees(wrap_dicom(tmp_path / "a.dcm", RAMP, ModalityLUTSequence=sequence))


@pytest.mark.parametrize(("bits", "used"), [(12, 8), (16, 8), (16, 12)])
def test_a_modality_table_of_fewer_bits_than_it_says_is_no_black_picture(bits, used, tmp_path):
    """dcmtk shows at most 16 levels of it."""
    sequence = [table([256, 0, bits], np.arange(256) * 2 ** (used - 8), ExplicitVRLittleEndian, "US")]
    scan = read_scan(wrap_dicom(tmp_path / "a.dcm", RAMP, ModalityLUTSequence=sequence))
    np.testing.assert_allclose(scan.pixels * 255, RAMP, atol=1)
    assert any(f"says {bits} bits" in note for note in scan.notes)


@needs_dcmtk
@pytest.mark.parametrize("syntax", [*UNCOMPRESSED, RLELossless], ids=lambda s: s.name)
@pytest.mark.parametrize("signed", [False, True])
@pytest.mark.parametrize("high", [11, 13, 15])
def test_the_highest_bit_with_other_bits_in_use(high, signed, syntax, tmp_path):
    values = WIDE.astype(np.int32) - 2048 * signed
    noise = np.random.default_rng(high).integers(0, 2**16, WIDE.shape)
    shift = high - 11
    stored = ((values & 0xFFF) << shift) | (noise & ~(0xFFF << shift) & 0xFFFF)
    center = 2048 - 2048 * signed
    path = wrap_dicom(
        tmp_path / "a.dcm", stored.astype(np.uint16), syntax=syntax, bits=12, HighBit=high,
        PixelRepresentation=int(signed), WindowCenter=center, WindowWidth=3000,
    )  # fmt: skip
    agrees(path, "+Wi", "1")
    expected = np.clip((values - (center - 0.5)) / 2999 + 0.5, 0, 1)
    np.testing.assert_allclose(read_scan(path).pixels, expected, atol=1e-6)


@needs_dcmtk
@pytest.mark.parametrize("dtype", [np.uint8, np.int8, np.int16])
@pytest.mark.parametrize(("slope", "intercept"), [(1, 0), (2, -100), (-1, 255), (0.5, 10)])
def test_rescale(slope, intercept, dtype, tmp_path):
    values = (RAMP.astype(int) - (128 if dtype == np.int8 else 0)).astype(dtype)
    path = wrap_dicom(tmp_path / "a.dcm", values, RescaleSlope=slope, RescaleIntercept=intercept)
    if dtype == np.int16 and slope * values.min() + intercept >= 0 and intercept:
        pytest.skip("16 bits are stretched from 0, not from their minimum")
    agrees(path, *(["+Wm"] if dtype == np.int16 else []), levels=2.1)  # dcmtk rounds before the window, too


@needs_dcmtk
@pytest.mark.parametrize("photometric", ["MONOCHROME1", "MONOCHROME2"])
@pytest.mark.parametrize(("center", "width"), [(2048, 4096), (1000, 300), (3000, 1), (500, 2), (100, 20000)])
@pytest.mark.parametrize("function", ["LINEAR", "SIGMOID", "LINEAR_EXACT"])
def test_windows(function, center, width, photometric, tmp_path):
    if function == "LINEAR_EXACT" and width < 3:
        pytest.skip("a single value at the edge is rounded otherwise")
    path = wrap_dicom(
        tmp_path / "a.dcm", WIDE, bits=12, photometric=photometric, WindowCenter=[center, 7], WindowWidth=[width, 9],
        VOILUTFunction=function,
    )  # fmt: skip
    agrees(path, "+Wi", "1", levels=2.1)


@needs_dcmtk
@pytest.mark.parametrize("syntax", UNCOMPRESSED, ids=lambda s: s.name)
@pytest.mark.parametrize(("bits", "first"), [(8, 0), (12, 1000), (16, 500)])
def test_voi_tables(bits, first, syntax, tmp_path):
    entries = (np.linspace(1, 0, 2000) ** 2 * (2**bits - 1)).astype(int)
    sequence = [table([2000, first, bits], entries, syntax)]
    agrees(wrap_dicom(tmp_path / "a.dcm", WIDE, bits=12, syntax=syntax, VOILUTSequence=sequence), "+Wl", "1")


@needs_dcmtk
@pytest.mark.parametrize("photometric", ["MONOCHROME1", "MONOCHROME2"])
@pytest.mark.parametrize("shape", [None, "IDENTITY", "INVERSE"])
def test_inversion(photometric, shape, tmp_path):
    tags = {"PresentationLUTShape": shape} if shape else {}
    agrees(wrap_dicom(tmp_path / "a.dcm", RAMP, photometric=photometric, **tags))


COMPRESSORS = {
    "dcmcjpeg +eb": [(0, 0)],
    "dcmcjpeg +eb +cr": [(0, 0)],
    "dcmcjpeg +eb +n2 +s4": [(0, 0)],
    "dcmcjpeg +ee": [(0, 0)],
    "dcmcjpls +el": [(0, 12), (1, 12)],
    "dcmcjpls +en": [(0, 12)],
    "dcmcrle": [(0, 12), (1, 12)],
}
"""Programs of dcmtk, and (signed, bits) besides 8 and colour that they write and Salus reads."""


@needs_dcmtk
@pytest.mark.parametrize("kind", ["grey", "colour", "wide", "signed"])
@pytest.mark.parametrize("compressor", COMPRESSORS)
def test_what_dcmtk_compresses(compressor, kind, tmp_path):
    smooth = (np.indices((40, 64)).sum(axis=0) * 2).astype(np.uint8)
    wide = {"bits": 12, "WindowWidth": 3000}
    values, tags = {
        "grey": (smooth, {}),
        "colour": (np.stack([smooth, 255 - smooth, smooth // 2], axis=-1), {}),
        "wide": (WIDE, {**wide, "WindowCenter": 2000}),
        "signed": ((WIDE.astype(int) - 2048).astype(np.int16), {**wide, "WindowCenter": 0}),
    }[kind]
    if kind in ("wide", "signed") and (int(kind == "signed"), 12) not in COMPRESSORS[compressor]:
        pytest.skip("that program writes no such file, or none that is read without python-gdcm")
    plain, path = wrap_dicom(tmp_path / "plain.dcm", values, **tags), tmp_path / "a.dcm"
    program, *options = compressor.split()
    subprocess.run([program, *options, str(plain), str(path)], check=True, capture_output=True)
    shown = "dcml2pnm" if "jpls" in program else "dcmj2pnm" if "jpeg" in program else "dcm2pnm"
    agrees(path, *(["+Wi", "1"] if tags else []), program=shown, levels=1.1)


@needs_dcmtk
@pytest.mark.parametrize("syntax", [*UNCOMPRESSED, RLELossless], ids=lambda s: s.name)
@pytest.mark.parametrize("planar", [0, 1])
@pytest.mark.parametrize("bits", [8, 12, 16])
def test_colour_of_any_depth_and_order(bits, planar, syntax, tmp_path):
    if planar and syntax == RLELossless:
        pytest.skip("run lengths have an order of their own")
    colour = np.stack([RAMP, RAMP[::-1], 255 - RAMP], axis=-1)
    values = colour if bits == 8 else colour.astype(np.uint16) * (16 if bits == 12 else 257)
    agrees(wrap_dicom(tmp_path / "a.dcm", values, bits=bits, syntax=syntax, PlanarConfiguration=planar))


@needs_dcmtk
def test_twelve_bits_of_jpeg_are_refused_with_what_to_install(tmp_path):
    plain = wrap_dicom(tmp_path / "plain.dcm", WIDE, bits=12)
    subprocess.run(["dcmcjpeg", "+ee", str(plain), str(tmp_path / "a.dcm")], check=True, capture_output=True)
    with pytest.raises(SalusError, match="pip install python-gdcm"):
        open_frames(tmp_path / "a.dcm")


@needs_dcmtk
@pytest.mark.parametrize("bits", [5, 6, 7, 8])
def test_up_to_eight_bits_have_a_known_range(bits, tmp_path):
    path = wrap_dicom(tmp_path / "a.dcm", RAMP >> (8 - bits), bits=bits)
    np.testing.assert_allclose(read_scan(path).pixels, (RAMP >> (8 - bits)) / (2**bits - 1), atol=1e-6)
    agrees(path, levels=255 / 2**bits)  # dcmtk shows fewer levels


def test_enhanced_objects_have_transforms_of_each_frame(tmp_path):
    frames = np.stack([WIDE, WIDE])
    items = []
    for center in (1000, 3000):
        item, window = Dataset(), Dataset()
        window.WindowCenter, window.WindowWidth = center, 500
        item.FrameVOILUTSequence = [window]
        items.append(item)
    shared, rescale = Dataset(), Dataset()
    rescale.RescaleSlope, rescale.RescaleIntercept = 2, -10
    shared.PixelValueTransformationSequence = [rescale]
    path = wrap_dicom(
        tmp_path / "a.dcm", frames, bits=12,
        PerFrameFunctionalGroupsSequence=items, SharedFunctionalGroupsSequence=[shared],
    )  # fmt: skip
    for number, center in ((1, 1000), (2, 3000)):
        expected = np.clip((WIDE * 2.0 - 10 - (center - 0.5)) / 499 + 0.5, 0, 1)
        np.testing.assert_allclose(open_frames(path).scan(number).pixels, expected, atol=1e-6)


@pytest.mark.parametrize(("center", "width"), [(128, 0), (128, -5), (128, 0.5), (None, 100), (100, None)])
def test_a_window_that_is_not_valid_is_not_applied_and_said(center, width, tmp_path):
    tags = {name: value for name, value in (("WindowCenter", center), ("WindowWidth", width)) if value is not None}
    scan = read_scan(wrap_dicom(tmp_path / "a.dcm", RAMP, **tags))
    np.testing.assert_allclose(scan.pixels, RAMP / 255, atol=1e-6)
    assert any("window" in note for note in scan.notes)


@pytest.mark.parametrize(
    ("tags", "message"),
    [
        ({"HighBit": 8}, "not possible"),
        ({"HighBit": 3}, "not possible"),
        ({"BitsStored": 9}, "not possible"),
        ({"PixelRepresentation": 7}, "not possible"),
        ({"PhotometricInterpretation": "HSV"}, "of the kind HSV"),
        ({"PhotometricInterpretation": "RGB"}, "of the kind RGB"),
        ({"PhotometricInterpretation": "PALETTE COLOR"}, "descriptor"),
        ({"RescaleSlope": 0}, "RescaleSlope"),
        ({"VOILUTFunction": "CURVE", "WindowCenter": 5, "WindowWidth": 5}, "VOILUTFunction"),
        ({"ModalityLUTSequence": [Dataset()]}, "LUTData"),
    ],
)
def test_what_cannot_be_applied_is_refused_with_its_name(tags, message, tmp_path):
    path = wrap_dicom(tmp_path / "a.dcm", RAMP, **tags)
    with pytest.raises(SalusError, match=message) as caught:
        read_scan(path)
    assert str(caught.value).startswith(f"{path}: ")


def test_compressed_pixels_with_another_highest_bit_are_refused(tmp_path):
    path = wrap_dicom(tmp_path / "a.dcm", WIDE, bits=12, syntax=JPEGLSLossless)
    ds = pydicom.dcmread(path)
    ds.HighBit = 15
    ds.save_as(path)
    with pytest.raises(SalusError, match="highest bit"):
        read_scan(path)


@pytest.mark.parametrize("syntax", [*UNCOMPRESSED, RLELossless, JPEGLSLossless], ids=lambda s: s.name)
@pytest.mark.parametrize("missing", [True, False])
def test_frames_without_their_number_are_counted_and_said(missing, syntax, tmp_path):
    frames = np.stack([np.roll(RAMP, i) for i in range(3)])
    path = wrap_dicom(tmp_path / "a.dcm", frames, syntax=syntax)
    ds = pydicom.dcmread(path)
    if missing:
        del ds.NumberOfFrames
    else:
        ds.NumberOfFrames = None
    ds.save_as(path)
    opened = open_frames(path)
    assert opened.count == 3
    for number in (1, 2, 3):
        np.testing.assert_allclose(opened.scan(number).pixels * 255, frames[number - 1], atol=1e-4)
    assert any("3 were found" in note for note in opened.scan(1).notes)


@pytest.mark.parametrize("has_offsets", [True, False])
@pytest.mark.parametrize("syntax", [*UNCOMPRESSED, RLELossless, JPEGLSLossless], ids=lambda s: s.name)
def test_more_frames_than_the_header_says_are_named(has_offsets, syntax, tmp_path):
    frames = np.stack([np.roll(RAMP, i) for i in range(4)])
    path = wrap_dicom(tmp_path / "a.dcm", frames, syntax=syntax)
    ds = pydicom.dcmread(path)
    if syntax.is_compressed and not syntax.is_deflated:
        ds.PixelData = encapsulate(list(generate_frames(ds.PixelData, number_of_frames=4)), has_bot=has_offsets)
    for said in (1, 2):
        ds.NumberOfFrames = said
        ds.save_as(path)
        opened = open_frames(path)
        assert opened.count == said
        for number in range(1, said + 1):
            np.testing.assert_allclose(opened.scan(number).pixels * 255, frames[number - 1], atol=1e-4)
        assert any(f"4 frames and the header says {said}" in note for note in opened.scan(1).notes)


@pytest.mark.parametrize(("syntax", "count"), [(JPEGLSLossless, 1), (JPEGLSLossless, 2), (RLELossless, 1)])
def test_a_frame_in_several_pieces_is_one_frame(syntax, count, tmp_path):
    """DICOM forbids it for run lengths; pydicom reads it where it can."""
    path = wrap_dicom(tmp_path / "a.dcm", np.stack([RAMP] * count), syntax=syntax)
    ds = pydicom.dcmread(path)
    streams = list(generate_frames(ds.PixelData, number_of_frames=count))
    ds.PixelData = encapsulate(streams, fragments_per_frame=3, has_bot=False)
    ds.save_as(path)
    opened = open_frames(path)
    np.testing.assert_allclose(opened.scan(count).pixels * 255, RAMP, atol=1e-4)
    assert not any("frames" in note for note in opened.scan(count).notes)
