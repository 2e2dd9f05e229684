"""`salus segment` from DICOM to DICOM: every encoding comes back exactly, and no output names a patient unasked."""

import csv
import json

import numpy as np
import pydicom
import pytest
from PIL import Image
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGLSLossless,
    RLELossless,
)
from tests.cli.clinical_scans import BOXES, LEFT, REGIONS, SHAPE, TOP, frame, outside, run
from tests.read.wrap import wrap_dicom
from tests.segmentation.test_segmenter import write_network
from tests.write.dciodvfy import faults

from salus.cli import main
from salus.read.frames import read_scan
from salus.read.image import read_mask
from salus.write.overlay import draw_overlay

nibabel = pytest.importorskip("nibabel")


OUTPUT = "png,overlay,csv,json,nifti,dicom-seg,dicom-sc"


def truth(shift=0):
    mask = np.zeros(SHAPE, bool)
    for top, bottom, left, right in BOXES:
        mask[TOP + top : TOP + bottom, LEFT + left + shift : LEFT + right + shift] = True
    return mask


def rgb(values):
    return np.stack([values, values // 2 + 100, values // 3 + 120], axis=-1)


def palette(path):
    tables, values = {}, np.arange(256)
    for name, table in zip(("Red", "Green", "Blue"), (255 - values, 255 - values, 200 - values // 2), strict=True):
        tables[f"{name}PaletteColorLookupTableDescriptor"] = [256, 0, 8]
        tables[f"{name}PaletteColorLookupTableData"] = table.astype(np.uint8).tobytes()
    return wrap_dicom(path, 255 - frame(), photometric="PALETTE COLOR", regions=REGIONS, **tables)


def ybr_422(path):
    wrap_dicom(path, np.stack([frame()] * 3, axis=-1), regions=REGIONS)
    source, grey = pydicom.dcmread(path), frame()
    packed = np.full((SHAPE[0], SHAPE[1] // 2, 4), 128, np.uint8)
    packed[..., 0], packed[..., 1] = grey[:, ::2], grey[:, 1::2]
    source.PhotometricInterpretation, source.PixelData = "YBR_FULL_422", packed.tobytes()
    source.save_as(path)


ENCODINGS = {
    "monochrome2": lambda p: wrap_dicom(p, frame(), regions=REGIONS),
    "monochrome1": lambda p: wrap_dicom(p, 255 - frame(), photometric="MONOCHROME1", regions=REGIONS),
    "twelve-bits": lambda p: wrap_dicom(p, frame().astype(np.uint16) * 16, bits=12, regions=REGIONS),
    "rgb": lambda p: wrap_dicom(p, rgb(frame()), regions=REGIONS),
    "rgb-planes": lambda p: wrap_dicom(p, rgb(frame()), regions=REGIONS, PlanarConfiguration=1),
    "ybr": lambda p: wrap_dicom(p, rgb(frame()), photometric="YBR_FULL", regions=REGIONS),
    "ybr-422": ybr_422,
    "palette": palette,
    "implicit": lambda p: wrap_dicom(p, frame(), syntax=ImplicitVRLittleEndian, regions=REGIONS),
    "big-endian": lambda p: wrap_dicom(p, frame(), syntax=ExplicitVRBigEndian, regions=REGIONS),
    "big-endian-16": lambda p: wrap_dicom(
        p, frame().astype(np.uint16) * 16, bits=12, syntax=ExplicitVRBigEndian, regions=REGIONS
    ),
    "deflated": lambda p: wrap_dicom(p, frame(), syntax=DeflatedExplicitVRLittleEndian, regions=REGIONS),
    "rle": lambda p: wrap_dicom(p, rgb(frame()), syntax=RLELossless, regions=REGIONS),
    "jpeg": lambda p: wrap_dicom(p, frame(), syntax=JPEGBaseline8Bit, regions=REGIONS),
    "jpeg-colour": lambda p: wrap_dicom(p, rgb(frame()), syntax=JPEGBaseline8Bit, regions=REGIONS),
    "jpeg-ls": lambda p: wrap_dicom(p, frame(), syntax=JPEGLSLossless, regions=REGIONS),
    "jpeg-2000": lambda p: wrap_dicom(p, rgb(frame()), syntax=JPEG2000Lossless, regions=REGIONS),
    "cine": lambda p: wrap_dicom(p, np.stack([frame(), frame(3), frame(6)]), syntax=RLELossless, regions=REGIONS),
}


SHIFTS = [("cine/0001", 0), ("cine/0002", 3), ("cine/0003", 6)]


NAMES = [(name, 0) for name in ENCODINGS if name != "cine"] + SHIFTS


@pytest.fixture(scope="module")
def segmented_folder(tmp_path_factory):
    """A folder with a file in each encoding, segmented."""
    folder = tmp_path_factory.mktemp("clinical")
    (folder / "in").mkdir()
    for name, write in ENCODINGS.items():
        write(folder / "in" / f"{name}.dcm")
    network = write_network(folder / "dark.onnx")
    command = ["segment", str(folder / "in"), "-o", str(folder / "out"), "--output", OUTPUT, "--network", str(network)]
    assert main(command) == 0
    return folder


@pytest.mark.parametrize(("name", "shift"), NAMES)
def test_each_encoding_comes_back_to_the_pixel_and_the_millimetre(name, shift, segmented_folder):
    out, expected = segmented_folder / "out", truth(shift)
    mask = read_mask(out / "masks" / f"{name}.png")
    np.testing.assert_array_equal(mask, expected)
    pixels = pydicom.dcmread(out / "dicom-seg" / f"{name}.dcm").pixel_array.reshape(-1, *SHAPE)
    np.testing.assert_array_equal(pixels.any(axis=0), expected)
    assert len(pixels) == 2
    images = json.loads((out / "lesions.json").read_text())["images"]
    lesions = next(image for image in images if image["name"] == name)["lesions"]
    sizes = sorted((lesion["width"], lesion["height"], lesion["depth"], lesion["area"]) for lesion in lesions)
    np.testing.assert_allclose(sizes, [(0.8, 1.6, 1.6, 8 * 8 * 0.02), (3.2, 8.0, 1.6, (40 * 8 + 24 * 8) * 0.02)])


@pytest.mark.parametrize("name", ENCODINGS)
def test_nifti_is_upright_and_in_millimetres(name, segmented_folder):
    image = nibabel.load(segmented_folder / "out" / "nifti" / f"{name}.nii.gz")
    shifts = [0, 3, 6] if name == "cine" else [0]
    labels = np.asarray(image.dataobj).reshape(*SHAPE[::-1], -1)
    np.testing.assert_array_equal(labels > 0, np.stack([truth(shift).T for shift in shifts], axis=-1))
    assert [float(step) for step in image.header.get_zooms()[:2]] == [pytest.approx(0.1), pytest.approx(0.2)]
    assert image.header.get_xyzt_units()[0] == "mm"


def test_every_object_is_valid_and_in_its_source_s_study(segmented_folder):
    paths = sorted((segmented_folder / "out").rglob("*.dcm"))
    assert len(paths) == 2 * (len(ENCODINGS) + 2)
    for path in paths:
        name = path.relative_to(segmented_folder / "out").parts[1].removesuffix(".dcm")
        dataset, source = pydicom.dcmread(path), pydicom.dcmread(segmented_folder / "in" / f"{name}.dcm")
        assert (dataset.StudyInstanceUID, dataset.PatientID) == (source.StudyInstanceUID, "PH-1")
    for path in [path for path in paths if path.parent.name == "cine" or path.stem in ("jpeg", "rgb")]:
        assert faults(path) == []


def test_the_capture_is_the_overlay_before_jpeg(segmented_folder):
    read = pydicom.dcmread(segmented_folder / "out" / "dicom-sc" / "jpeg-ls.dcm").pixel_array
    scan = read_scan(segmented_folder / "in" / "jpeg-ls.dcm")
    np.testing.assert_array_equal(read, np.asarray(draw_overlay(scan.pixels, truth(), scan.regions)))


def test_overlays_show_no_burned_in_text_unless_asked(segmented_folder, tmp_path):
    assert outside(Image.open(segmented_folder / "out" / "overlays" / "rgb.jpg")) < 8
    for name in ("strip.jpg", "overlay.gif"):
        with Image.open(segmented_folder / "out" / "cine" / "cine" / name) as picture:
            assert np.asarray(picture.convert("L"))[:10].max() < 40  # the strip's ground is no black
    command = [
        "segment",
        str(segmented_folder / "in" / "rgb.dcm"),
        "--network",
        str(segmented_folder / "dark.onnx"),
        "-o",
        str(tmp_path),
    ]
    assert main([*command, "--whole-image", "--output", "png,overlay,dicom-sc"]) == 0
    assert outside(Image.open(tmp_path / "overlays" / "rgb.jpg")) > 150
    assert outside(Image.fromarray(pydicom.dcmread(tmp_path / "dicom-sc" / "rgb.dcm").pixel_array)) > 150


def test_other_products_of_a_picture_that_is_no_dicom(tmp_path, capsys):
    (tmp_path / "in").mkdir()
    Image.fromarray(frame()).save(tmp_path / "in" / "plain.png")
    assert run(tmp_path, "out", "--output", "png,csv,dicom-seg") == 3
    assert "needs a DICOM image" in capsys.readouterr().err
    with (tmp_path / "out" / "lesions.csv").open(newline="") as file:
        assert {row["unit"] for row in csv.DictReader(file)} == {"px"}


def test_areas_are_0_in_frames_without_the_lesion(tmp_path):
    """In the numbers and in the chart, whatever the first and last frames hold."""
    empty = np.full_like(frame(), 200)
    path = wrap_dicom(tmp_path / "c.dcm", np.stack([empty, frame(), frame(3), empty]), regions=REGIONS)
    network = write_network(tmp_path / "dark.onnx")
    command = ["segment", str(path), "--out", str(tmp_path / "out"), "--no-overlay", "--network", str(network)]
    assert main(command) == 0
    with (tmp_path / "out" / "cine" / "c" / "area.csv").open(newline="", encoding="utf-8-sig") as file:
        rows = list(csv.DictReader(file))
    largest = max(rows, key=lambda row: float(row["area"]))["lesion"]
    areas = [float(row["area"]) for row in rows if row["lesion"] == largest]
    assert [row["frame"] for row in rows if row["lesion"] == largest] == ["1", "2", "3", "4"]
    assert (areas[0], areas[3]) == (0, 0)
    assert min(areas[1:3]) > 0
    svg = (tmp_path / "out" / "cine" / "c" / "area.svg").read_text()
    assert svg.count("<circle") == len(rows)
