"""Values that no standard reader takes cost their attribute, not the object; and nothing of the patient is printed."""

import logging
import warnings

import numpy as np
import pydicom
import pytest
from PIL import Image
from tests.read.wrap import wrap_dicom
from tests.write.dciodvfy import faults
from tests.write.segmentations import l_and_ring, segmentation_of

from salus.read.dicom import open_dicom
from salus.write.dicom_clean import clean_value
from salus.write.dicom_sc import write_secondary_capture
from salus.write.dicom_seg import write_seg
from salus.write.dicom_source import header_remarks
from salus.write.dicom_sr import write_sr

pytest.importorskip("highdicom")

MASK = l_and_ring()
PIXELS = (200 - 180 * MASK).astype(np.uint8)


def make(path, **tags):
    """Write a source with values that pydicom would refuse to set."""
    wrap_dicom(path, PIXELS)
    dataset = pydicom.dcmread(path)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for keyword, value in tags.items():
            setattr(dataset, keyword, value)
        dataset.save_as(path)
    return path


def write_all(source, folder, **how):
    """Write the three kinds of objects, and return them by kind."""
    segmentation, paths = segmentation_of(MASK, (0.2, 0.1)), {}
    for kind in ("seg", "sr", "sc"):
        paths[kind] = folder / f"{kind}.dcm"
    write_seg(paths["seg"], open_dicom(source), segmentation, **how)
    write_sr(paths["sr"], open_dicom(source), [segmentation], **how)
    write_secondary_capture(paths["sc"], open_dicom(source), Image.new("RGB", (64, 40)), segmentation, **how)
    return paths


BAD = {
    "old date": ({"StudyDate": "2019.11.05"}, {"StudyDate": "20191105"}),
    "a year for a birth date": ({"PatientBirthDate": "1955"}, {"PatientBirthDate": ""}),
    "a name for a birth date": ({"PatientBirthDate": "Smith"}, {"PatientBirthDate": ""}),
    "no such day": ({"StudyDate": "20230230"}, {"StudyDate": ""}),
    "old time": ({"StudyTime": "14:04:38"}, {"StudyTime": "140438"}),
    "seven decimals": ({"StudyTime": "112233.1234567"}, {"StudyTime": "112233.123456"}),
    "no such time": ({"StudyTime": "256101"}, {"StudyTime": ""}),
    "a leap second": ({"StudyTime": "235960"}, {"StudyTime": "235959"}),
    "small letter for a sex": ({"PatientSex": "f"}, {"PatientSex": "F"}),
    "a word for a sex": ({"PatientSex": "FEMALE"}, {"PatientSex": ""}),
    "an age in years": ({"PatientAge": "45"}, {"PatientAge": None}),
    "a long accession number": ({"AccessionNumber": "1" * 20}, {"AccessionNumber": ""}),
    "a long description": ({"StudyDescription": "breast " * 12}, {"StudyDescription": None}),
    "an empty sequence": ({"ReferencedStudySequence": []}, {"ReferencedStudySequence": None}),
}


@pytest.mark.parametrize("deidentified", [False, True])
@pytest.mark.parametrize("case", BAD)
def test_objects_are_written_without_the_bad_value(case, deidentified, tmp_path):
    tags, expected = BAD[case]
    source = make(tmp_path / "us.dcm", **tags)
    for path in write_all(source, tmp_path, deidentified=deidentified).values():
        assert faults(path) == []
        if not deidentified:
            made = pydicom.dcmread(path)
            for keyword, value in expected.items():
                assert made.get(keyword) == value, path.name
    remarks = " ".join(header_remarks(open_dicom(source)))
    assert (next(iter(tags)) in remarks) is (tags != expected)
    assert all(not isinstance(value, str) or len(value) == 1 or value not in remarks for value in tags.values())


def test_a_bad_item_of_a_sequence_is_left_out_and_good_ones_stay(tmp_path):
    good, bad = pydicom.Dataset(), pydicom.Dataset()
    good.ReferencedSOPClassUID = bad.ReferencedSOPClassUID = "1.2.840.10008.3.1.2.3.1"
    good.ReferencedSOPInstanceUID, bad.ReferencedSOPInstanceUID = "1.2.3", "1.2.x"
    source = make(tmp_path / "us.dcm", ReferencedStudySequence=[good, bad])
    paths = write_all(source, tmp_path)
    for kind in ("seg", "sr"):  # highdicom's captures take nothing over that is optional
        (item,) = pydicom.dcmread(paths[kind]).ReferencedStudySequence
        assert item.ReferencedSOPInstanceUID == "1.2.3"
        assert faults(paths[kind]) == []
    for path in write_all(source, tmp_path, deidentified=True).values():
        assert "ReferencedStudySequence" not in pydicom.dcmread(path)
        assert faults(path) == []


@pytest.mark.parametrize("sop_class", ["1.2.840.10008.5.1.4.1.1.6", "1.2.840.10008.5.1.4.1.1.3", "1.3.12.2.1107.5.9.1"])
def test_a_retired_or_private_class_is_referred_to_as_it_is(sop_class, tmp_path):
    source = make(tmp_path / "us.dcm", SOPClassUID=sop_class)
    uid = pydicom.dcmread(source).SOPInstanceUID
    for path in write_all(source, tmp_path).values():
        assert faults(path) == []
        classes = set()
        pydicom.dcmread(path).walk(
            lambda item, element, classes=classes: (
                classes.add(item.ReferencedSOPClassUID)
                if element.keyword == "ReferencedSOPInstanceUID" and element.value == uid
                else None
            )
        )
        assert classes == {sop_class}
    assert ("retired" in " ".join(header_remarks(open_dicom(source)))) is sop_class.startswith("1.2.840")


@pytest.mark.parametrize("deidentified", [False, True])
def test_no_library_prints_a_name(deidentified, tmp_path, capfd, caplog):
    """Names of one part, which highdicom takes for mistakes and quotes, in warnings and in its log."""
    source = make(tmp_path / "us.dcm", PatientName="SMITH", ReferringPhysicianName="DRJONES", PatientID="ID-77")
    with warnings.catch_warnings(record=True) as caught, caplog.at_level(logging.DEBUG):
        warnings.simplefilter("always")
        write_all(source, tmp_path, deidentified=deidentified)
    said = "".join(capfd.readouterr()) + caplog.text + " ".join(str(one.message) for one in caught)
    assert not any(name in said for name in ("SMITH", "JONES", "ID-77"))


@pytest.mark.parametrize(
    ("vr", "value", "cleaned"),
    [
        ("DA", "20200229", "20200229"), ("DA", "20190229", None), ("DA", "05.11.2019", None), ("DA", "", ""),
        ("TM", "1404", "1404"), ("TM", "14:04", "1404"), ("TM", "14", "14"), ("TM", "1404pm", None),
        ("CS", "hand held", "HAND HELD"), ("CS", "a,b", None), ("UI", "1.2.03", None), ("UI", "1." + "2" * 70, None),
        ("DS", "1.5e-3", "1.5e-3"), ("DS", "1,5", None), ("IS", "12", "12"), ("IS", "12.5", None),
        ("PN", "a^b^c^d^e^f", None), ("SH", "two\nlines", None), ("DT", "2020010203.5+0100", "2020010203.5+0100"),
    ],
)  # fmt: skip
def test_values_by_type(vr, value, cleaned):
    assert clean_value(vr, value) == cleaned
