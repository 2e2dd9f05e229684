"""What outputs say of the patient: nothing outside DICOM objects, and nothing at all with --deidentify."""

import numpy as np
import pydicom
import pytest
from PIL import Image
from tests.cli.clinical_scans import LEFT, REGIONS, TOP, frame, outside, run
from tests.read.wrap import wrap_dicom
from tests.segmentation.test_segmenter import SIDE
from tests.write.dciodvfy import faults

nibabel = pytest.importorskip("nibabel")


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
