"""`salus segment` from DICOM to DICOM: every encoding comes back exactly, and no output names a patient unasked."""

import csv
import json

import numpy as np
import pydicom
import pytest
from PIL import Image, ImageDraw
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGLSLossless,
    RLELossless,
)
from tests.read.wrap import region, wrap_dicom
from tests.segmentation.test_segmenter import SIDE, image_of, write_network
from tests.write.dciodvfy import faults

from salus.cli import main
from salus.read.frames import read_scan
from salus.read.image import read_mask
from salus.write.overlay import draw_overlay

hd = pytest.importorskip("highdicom")
nibabel = pytest.importorskip("nibabel")

TOP, LEFT, SHAPE, SPACING = 20, 30, (100, 120), (0.2, 0.1)
OUTPUT = "png,overlay,csv,json,nifti,dicom-seg,dicom-sc"
# An L, neither alike mirrored, turned nor transposed, and a bar: dark in the region, which the network has the size of.
BOXES = ((8, 48, 8, 16), (40, 48, 8, 40), (8, 16, 48, 56))


def frame(shift=0, ground=200, dark=20):
    """A screen: text above, a dark L and a bar in the region, dark outside it too."""
    screen = Image.new("L", SHAPE[::-1], 0)
    ImageDraw.Draw(screen).text((2, 2), "DOE JANE", 255)
    boxes = [(top, bottom, left + shift, right + shift) for top, bottom, left, right in BOXES]
    values = np.array(screen)
    values[TOP : TOP + SIDE, LEFT : LEFT + SIDE] = image_of(*boxes, ground=ground, dark=dark)
    return values


def truth(shift=0):
    mask = np.zeros(SHAPE, bool)
    for top, bottom, left, right in BOXES:
        mask[TOP + top : TOP + bottom, LEFT + left + shift : LEFT + right + shift] = True
    return mask


REGIONS = [region(TOP, LEFT, SIDE, SIDE, SPACING), region(0, 0, 15, 120, kind=2)]


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


def outside(picture):
    """The brightest pixel of a picture outside the region."""
    values = np.array(picture.convert("L"))
    values[TOP - 8 : TOP + SIDE + 8, LEFT - 8 : LEFT + SIDE + 8] = 0  # JPEG's blocks reach beyond it
    return values.max()


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


IDENTITY = {
    "PatientName": "Quixote^Dulcinea", "PatientID": "MRN7788123", "PatientBirthDate": "19630517", "PatientSex": "O",
    "OtherPatientIDs": "OLDID445566", "PatientAddress": "Toboso Lane 12", "PatientTelephoneNumbers": "5550147",
    "AccessionNumber": "ACC998877", "StudyID": "STU665544", "StudyDate": "20251224", "StudyTime": "031415",
    "SeriesDate": "20251224", "ReferringPhysicianName": "Panza^Sancho", "PerformingPhysicianName": "Cervantes^Miguel",
    "OperatorsName": "Rocinante^R", "InstitutionName": "Mancha General", "InstitutionAddress": "Windmill Road 1",
    "StationName": "WINDMILL7", "DeviceSerialNumber": "SN443322", "StudyDescription": "Left lump of Dulcinea",
    "SeriesDescription": "Panza protocol", "ProtocolName": "Secret protocol", "PatientComments": "Lives in Toboso",
    "ImageComments": "Call 5550147", "AdditionalPatientHistory": "Cousin of Altisidora", "PatientAge": "062Y",
    "RequestedProcedureDescription": "Biopsy of Dulcinea", "IssuerOfPatientID": "MANCHAISSUER", "PatientSize": 1.73,
    "AdmissionID": "ADM11229", "EthnicGroup": "Manchegan", "Occupation": "Muse", "MedicalRecordLocator": "SHELF77123",
    "AcquisitionDateTime": "20251224031415", "ContentDate": "20251224", "PatientBirthName": "Lorenzo^Aldonza",
}  # fmt: skip
IDENTITY_PARTS = {part for value in map(str, IDENTITY.values()) for part in (value, *value.split("^"))}
IDENTIFYING_WORDS = {
    part for part in IDENTITY_PARTS if len(part) >= (8 if part.isdigit() else 5)
}  # shorter ones occur by chance
IDENTIFYING_WORDS |= {"Dulcinea", "Panza", "Toboso", "1.2.826.0.1.99", "PRIVATEWHO"}


def write_identified_scan(path, several):
    pixels = np.stack([frame(), frame(3)]) if several else frame()
    wrap_dicom(path, pixels, regions=REGIONS, **IDENTITY)
    source = pydicom.dcmread(path)
    for number, name in enumerate(("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID"), int(several) * 10):
        setattr(source, name, "1.2.826.0.1.99.1" if number in (0, 10) else f"1.2.826.0.1.99.{number}")
    source.FrameOfReferenceUID = "1.2.826.0.1.99.77"
    source.file_meta.MediaStorageSOPInstanceUID = source.SOPInstanceUID
    source.private_block(0x0011, "PRIVATEWHO", create=True).add_new(1, "LO", "PRIVATEWHO")
    source.save_as(path)


def files_with_texts(folder, texts):
    """Which of some texts stand in any file, packed or not, or in any file's name."""
    matches = set()
    for path in folder.rglob("*"):
        content = path.name.encode() + (path.read_bytes() if path.is_file() else b"")
        if path.name.endswith(".gz"):
            content += np.asarray(nibabel.load(path).dataobj).tobytes()
        matches |= {(text, path.name) for text in texts if text.encode() in content}
    return matches


@pytest.fixture
def identified_scans(tmp_path):
    (tmp_path / "in").mkdir()
    write_identified_scan(tmp_path / "in" / "single.dcm", False)
    write_identified_scan(tmp_path / "in" / "cine.dcm", True)
    return tmp_path


def run(folder, out, *more):
    network = write_network(folder / "dark.onnx")
    return main(["segment", str(folder / "in"), "-o", str(folder / out), "--network", str(network), *more])


PICTURE_AND_TABLE_OUTPUTS = "png,overlay,probability,saliency,csv,json,nifti,labelme,coco"
DICOM_OUTPUTS = ",dicom-seg,dicom-sr,dicom-sc"


def test_without_dicom_outputs_no_output_names_the_patient(identified_scans, capsys):
    assert run(identified_scans, "out", "--output", PICTURE_AND_TABLE_OUTPUTS, "--preview", "--report") == 0
    assert files_with_texts(identified_scans / "in", IDENTIFYING_WORDS)  # the test would find them
    assert files_with_texts(identified_scans / "out", IDENTIFYING_WORDS) == set()
    output = capsys.readouterr()
    assert not [word for word in IDENTIFYING_WORDS if word in output.out + output.err]


def test_dicom_outputs_belong_to_the_patient(identified_scans):
    assert run(identified_scans, "out", "--output", "png" + DICOM_OUTPUTS) == 0
    assert {name for word, name in files_with_texts(identified_scans / "out", {"MRN7788123"})} == {
        "single.dcm", "cine.dcm", "0001.dcm", "0002.dcm",
    }  # fmt: skip


def test_deidentified_outputs_hold_no_value_of_an_identifying_tag(identified_scans, capsys):
    assert (
        run(
            identified_scans,
            "out",
            "--output",
            PICTURE_AND_TABLE_OUTPUTS + DICOM_OUTPUTS,
            "--preview",
            "--report",
            "--deidentify",
        )
        == 0
    )
    assert files_with_texts(identified_scans / "out", IDENTIFYING_WORDS) == set()
    output = capsys.readouterr()
    assert "text within the ultrasound regions" in output.err
    assert not [word for word in IDENTIFYING_WORDS if word in output.out + output.err]
    objects = [pydicom.dcmread(path) for path in (identified_scans / "out").rglob("*.dcm")]
    assert len(objects) == 8
    for dataset in objects:
        assert faults(dataset.filename) == []
        assert dataset.PatientIdentityRemoved == "YES"
        assert dataset.DeidentificationMethodCodeSequence[0].CodeValue == "113100"
        assert dataset.SOPInstanceUID == dataset.file_meta.MediaStorageSOPInstanceUID
    assert len({dataset.StudyInstanceUID for dataset in objects}) == 1  # both images are of one study, and stay so
    assert len({dataset.PatientID for dataset in objects}) == 1
    assert len({dataset.SOPInstanceUID for dataset in objects}) == 8
    references = {
        element.value
        for dataset in objects
        for element in dataset.iterall()
        if element.keyword == "ReferencedSOPInstanceUID"
    }  # fmt: skip
    assert len(references) == 2


def test_deidentified_pictures_are_black_outside_the_regions(identified_scans):
    assert run(identified_scans, "out", "--output", "png,overlay,dicom-sc", "--preview", "--deidentify") == 0
    assert outside(Image.open(identified_scans / "out" / "overlays" / "single.jpg")) < 8
    pixels = pydicom.dcmread(identified_scans / "out" / "dicom-sc" / "single.dcm").pixel_array
    pixels = pixels.copy()
    pixels[TOP : TOP + SIDE, LEFT : LEFT + SIDE] = 0
    assert pixels.max() == 0


def test_a_path_that_names_the_patient_is_refused(identified_scans, capsys):
    (identified_scans / "in" / "single.dcm").rename(identified_scans / "in" / "dulcinea-left.dcm")
    assert run(identified_scans, "out", "--deidentify") == 2
    assert "rename it" in capsys.readouterr().err
    assert not (identified_scans / "out").exists()
    assert run(identified_scans, "out") == 0


def test_images_without_regions_are_warned_of(identified_scans, capsys):
    Image.fromarray(frame()).save(identified_scans / "in" / "plain.png")
    assert run(identified_scans, "out", "--deidentify") == 0
    output = capsys.readouterr().err
    assert "burned-in text may name the patient" in output
    assert "plain.png" in output
    assert "single.dcm" not in output


def test_a_resumed_run_must_ask_for_the_same_identity(identified_scans, capsys):
    assert run(identified_scans, "out", "--output", "png,dicom-seg") == 0
    assert run(identified_scans, "out", "--output", "png,dicom-seg", "--resume", "--deidentify") == 2
    assert "deidentify" in capsys.readouterr().err
    assert run(identified_scans, "other", "--whole-image", "--deidentify") == 2


def test_other_products_of_a_picture_that_is_no_dicom(tmp_path, capsys):
    (tmp_path / "in").mkdir()
    Image.fromarray(frame()).save(tmp_path / "in" / "plain.png")
    assert run(tmp_path, "out", "--output", "png,csv,dicom-seg") == 3
    assert "needs a DICOM image" in capsys.readouterr().err
    with (tmp_path / "out" / "lesions.csv").open(newline="") as file:
        assert {row["unit"] for row in csv.DictReader(file)} == {"px"}


def test_two_runs_give_different_pseudonyms():
    """They are no plain hashes, which could be looked up."""
    import subprocess
    import sys

    code = "from salus.write.dicom_deidentify import pseudonym, replacement_uid; "
    code += "print(replacement_uid('1.2.3'), pseudonym('A'))"
    outputs = {
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout for _ in "ab"
    }
    assert len(outputs) == 2


def test_areas_are_0_in_frames_without_the_lesion(tmp_path):
    """In the numbers and in the chart, whatever the first and last frames hold."""
    empty = np.full_like(frame(), 128)
    path = wrap_dicom(tmp_path / "c.dcm", np.stack([empty, frame(), frame(3), empty]), regions=REGIONS)
    command = ["segment", str(path), "--out", str(tmp_path / "out"), "--no-overlay", "--threshold", "0.5"]
    assert main(command) == 0
    with (tmp_path / "out" / "cine" / "c" / "area.csv").open(newline="", encoding="utf-8-sig") as file:
        rows = list(csv.DictReader(file))
    first = {row["lesion"] for row in rows}.pop()
    areas = [float(row["area"]) for row in rows if row["lesion"] == first]
    assert [row["frame"] for row in rows if row["lesion"] == first] == ["1", "2", "3", "4"]
    assert (areas[0], areas[3]) == (0, 0)
    assert min(areas[1:3]) > 0
    svg = (tmp_path / "out" / "cine" / "c" / "area.svg").read_text()
    assert svg.count("<circle") == len(rows)
