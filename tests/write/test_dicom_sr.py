"""DICOM structured reports: outlines and figures, read back; and the memory that a long cine's takes."""

import json
import shutil
import subprocess
import sys
import tracemalloc
from dataclasses import replace
from pathlib import Path

import numpy as np
import pydicom
import pytest
from PIL import Image, ImageDraw
from pydicom.sr._cid_dict import cid_concepts
from tests.write.dciodvfy import faults
from tests.write.dicom_sources import MASK, SPACING, frames, planes
from tests.write.segmentations import segmentation_of

from salus.read.dicom import open_dicom
from salus.segmentation.review import Description
from salus.serve.notes import LEXICON
from salus.write.dicom_source import tracking_uid
from salus.write.dicom_sr import write_sr

hd = pytest.importorskip("highdicom")


codes = pytest.importorskip("pydicom.sr.codedict").codes


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
        presence = measurements.pop(("presence", "99SALUS"))
        assert presence.value == pytest.approx(segmentation.presence)
        assert len(measurements) == len(FIGURES)  # contrast is left out, for it was not measured
        ring = group.roi.value
        rows, columns = np.nonzero(planes(segmentation)[..., lesion.number - 1])
        assert (ring[:, 0].min(), ring[:, 0].max()) == (columns.min(), columns.max() + 1)
        assert (ring[:, 1].min(), ring[:, 1].max()) == (rows.min(), rows.max() + 1)
        assert group.reference_type == codes.DCM.ImageRegion
        assert group.roi.ContentSequence[0].ReferencedSOPSequence[0].ReferencedSOPInstanceUID == source.SOPInstanceUID


def comments(group):
    """The free text of a group of measurements."""
    return [item.TextValue for item in group[0].ContentSequence if item.name == codes.DCM.Comment]


STRANGE = "unlike the breast ultrasound the network knows"


def test_the_flags_of_an_image_stand_in_its_first_group(image, tmp_path):
    flagged = replace(segmentation_of(MASK, SPACING), flags=(STRANGE, "a lesion touches the image's border"))
    write_sr(tmp_path / "sr.dcm", open_dicom(image), [flagged])
    groups = hd.sr.srread(tmp_path / "sr.dcm").content.get_planar_roi_measurement_groups()
    assert [comments(group) for group in groups] == [[STRANGE], *[[]] * (len(groups) - 1)]  # the border has a code


@pytest.mark.parametrize("deidentified", [False, True])
def test_an_image_without_a_lesion_keeps_its_flags_and_its_presence(deidentified, image, tmp_path):
    empty = replace(segmentation_of(np.zeros_like(MASK), SPACING), flags=(STRANGE,), presence=0.125)
    write_sr(tmp_path / "sr.dcm", open_dicom(image), [empty], deidentified=deidentified)
    (group,) = hd.sr.srread(tmp_path / "sr.dcm").content.get_image_measurement_groups()
    assert comments(group) == [STRANGE]
    (presence,) = group.get_measurements()
    assert (presence.name.value, presence.value) == ("presence", 0.125)


def test_of_a_cine_only_frames_with_something_to_say_have_a_group(cine, tmp_path):
    empty = [replace(one, mask=np.zeros_like(one.mask), lesions=()) for one in frames()]
    write_sr(tmp_path / "sr.dcm", open_dicom(cine), [empty[0], replace(empty[1], flags=(STRANGE,)), empty[2]])
    (group,) = hd.sr.srread(tmp_path / "sr.dcm").content.get_image_measurement_groups()
    assert comments(group) == [STRANGE]
    assert int(group.source_images[0].ReferencedSOPSequence[0].ReferencedFrameNumber) == 2


def test_a_report_of_a_cine_names_the_frames(cine, tmp_path):
    write_sr(tmp_path / "sr.dcm", open_dicom(cine), frames())
    groups = hd.sr.srread(tmp_path / "sr.dcm").content.get_planar_roi_measurement_groups()
    numbers = [int(group.roi.ContentSequence[0].ReferencedSOPSequence[0].ReferencedFrameNumber) for group in groups]
    assert numbers == [1, 1, 2, 2, 3, 3]
    assert len({group.tracking_uid for group in groups}) == 2


def test_dcmqi_reads_each_lesion_of_each_frame_with_its_figures(cine, tmp_path):
    """By the program of the package dcmqi, which reads reports of TID 1500."""
    reader = shutil.which("tid1500reader", path=Path(sys.executable).parent)
    if reader is None:
        pytest.skip("tid1500reader (the package dcmqi) is not installed")
    write_sr(tmp_path / "sr.dcm", open_dicom(cine), frames())
    command = [reader, "--inputDICOM", tmp_path / "sr.dcm", "--outputMetadata", tmp_path / "sr.json"]
    subprocess.run(command, check=True, capture_output=True)
    groups = json.loads((tmp_path / "sr.json").read_text())["Measurements"]
    lesions = [lesion for frame in frames() for lesion in frame.lesions]
    source = pydicom.dcmread(cine)
    assert [g["TrackingUniqueIdentifier"] for g in groups] == [tracking_uid(source, one.number) for one in lesions]
    for group, lesion in zip(groups, lesions, strict=True):
        assert group["Finding"]["CodeMeaning"] == "Neoplasm"
        figures = {one["quantity"]["CodeValue"]: one for one in group["measurementItems"]}
        for name, attribute, unit in ((codes.SCT.Area, "area", "mm2"), (codes.SCT.LongAxis, "longest", "mm")):
            assert float(figures[name.value]["value"]) == pytest.approx(getattr(lesion, attribute), rel=1e-6)
            assert figures[name.value]["units"]["CodeValue"] == unit


def test_a_deidentified_report_of_a_cine_names_the_source_in_no_group(cine, tmp_path):
    write_sr(tmp_path / "sr.dcm", open_dicom(cine), frames(), deidentified=True)
    assert len(hd.sr.srread(tmp_path / "sr.dcm").content.get_planar_roi_measurement_groups()) == 6
    source, content = pydicom.dcmread(cine), (tmp_path / "sr.dcm").read_bytes()
    for uid in (source.SOPInstanceUID, source.SeriesInstanceUID, tracking_uid(source, 1), tracking_uid(source, 2)):
        assert uid.encode() not in content


@pytest.mark.slow
def test_the_memory_for_a_report_does_not_grow_with_the_frames(cine, tmp_path):
    def peak(count):
        tracemalloc.start()
        try:
            write_sr(tmp_path / "sr.dcm", open_dicom(cine), (one for _ in range(count) for one in frames()))
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    write_sr(tmp_path / "sr.dcm", open_dicom(cine), frames())  # imports, and what is kept from the first call
    assert peak(2) - peak(1) < 1_000_000  # six groups in memory take some three megabytes


def test_a_report_of_nothing_says_so(image, tmp_path):
    write_sr(tmp_path / "sr.dcm", open_dicom(image), [segmentation_of(np.zeros_like(MASK))])
    (group,) = hd.sr.srread(tmp_path / "sr.dcm").content.get_image_measurement_groups()
    assert [one.value.meaning for one in group.get_qualitative_evaluations()] == ["No tumour found"]


def test_a_report_has_the_reader_s_descriptors_in_the_codes_of_dicom_and_the_comment(image, tmp_path):
    """Every word of BI-RADS that the page knows; pydicom's dictionary of context groups says which codes are meant."""
    segmentation = segmentation_of(MASK, SPACING)
    groups_of = {"shape": 6005, "orientation": 6152, "margin": 6007, "echo_pattern": 6154, "posterior_features": 6155}
    known = {
        name: {getattr(getattr(codes, scheme), word).value for scheme, all in cid_concepts[cid].items() for word in all}
        for name, cid in groups_of.items()
    }
    for i in range(max(map(len, LEXICON.values()))):
        words = {name: LEXICON[name][i % len(LEXICON[name])] for name in LEXICON}
        others = [{} for _ in segmentation.lesions[1:]]
        description = Description("Doe^Jane", "unsure", "Look again.\nIn June.", (words, *others))
        write_sr(tmp_path / "sr.dcm", open_dicom(image), [replace(segmentation, description=description)])
        dataset = hd.sr.srread(tmp_path / "sr.dcm")
        first, *rest = dataset.content.get_planar_roi_measurement_groups()
        stated = {one.name.meaning: one.value for one in first.get_qualitative_evaluations()}
        titles = ("Shape", "Orientation", "Margins", "Echo pattern", "Posterior acoustic features")
        for name, title in zip(groups_of, titles, strict=True):
            code = stated[title]
            assert code.value in known[name] or (code.value, code.scheme_designator) == ("heterogeneous", "99SALUS")
            assert words[name].split()[0][:4].lower() in code.meaning.lower(), (words[name], code.meaning)
        assert stated["Mark of the image"].meaning == "Unsure"
        assert all("Shape" not in {one.name.meaning for one in group.get_qualitative_evaluations()} for group in rest)
        assert str(dataset.to_json()).count("Look again.") == 1
        assert "Doe^Jane" in dataset.to_json()
    described = replace(segmentation, description=description)
    write_sr(tmp_path / "clean.dcm", open_dicom(image), [described], deidentified=True)
    assert "Look again." not in pydicom.dcmread(tmp_path / "clean.dcm").to_json()
    assert faults(tmp_path / "sr.dcm") == []


def test_a_comment_on_an_image_without_a_lesion_is_in_its_report(image, tmp_path):
    nothing = replace(segmentation_of(np.zeros_like(MASK), SPACING), description=Description("", "poor image", "Dark."))
    write_sr(tmp_path / "sr.dcm", open_dicom(image), [nothing])
    content = hd.sr.srread(tmp_path / "sr.dcm").to_json()
    assert content.count("Dark.") == 1
    assert "Poor image" in content
    assert content.count("No tumour found") == 1
