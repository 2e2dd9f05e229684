"""lesions.csv and lesions.json hold everything that was found, and records read back."""

import csv
import json
from dataclasses import asdict, fields

import numpy as np
import pytest

from salus.atomic import write_json
from salus.measure.lesions import measure_lesions
from salus.scan import Region
from salus.segmentation.result import FOUND, NONE, Findings, Segmentation, findings_of
from salus.serve.result_json import Answer
from salus.write.tables import COLUMNS, FAILED, Record, lesion_rows, make_record, read_record, records_json, write_csv


def segmentation(mask, spacing=None, **others):
    p = np.where(mask, 0.9, 0.1).astype(np.float32)
    return Segmentation(
        mask, p, p, 0.8, measure_lesions(mask, p, spacing), 0.75, 0.5, ("a, flag",), spacing, "x.png", "net", **others
    )  # fmt: skip


@pytest.fixture
def records():
    """Of an image with two lesions, of one without, and of one that failed."""
    mask = np.zeros((40, 60), bool)
    none = make_record(segmentation(mask), "b.png", "b")
    mask[5:15, 10:30] = mask[30:34, 50:60] = True
    file = {"sha256": "0f", "size": 3, "modified": 5, "seconds": 0.5}
    regions = (Region(0, 0, 40, 60, (0.1, 0.2)), Region(0, 0, 3, 3))
    two = make_record(segmentation(mask, (0.1, 0.2), regions=regions, frame=7), "a.png", "a", **file)
    return [two, none, Record("c,\n.png", "c", FAILED, "c.png: no such file")]


def test_a_row_for_each_lesion_and_one_for_each_image_without(records, tmp_path):
    write_csv(tmp_path / "l.csv", records)
    with (tmp_path / "l.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert tuple(rows[0]) == COLUMNS
    assert [(r["image"], r["frame"], r["result"], r["lesions"], r["lesion"]) for r in rows] == [
        ("a.png", "7", FOUND, "2", "1"),
        ("a.png", "7", FOUND, "2", "2"),
        ("b.png", "", NONE, "0", ""),
        ("c,\n.png", "", FAILED, "", ""),
    ]
    first = rows[0]
    assert (first["unit"], first["area"], first["width"], first["height"]) == ("mm", "4", "4", "1")
    assert (first["top"], first["left"], first["box_height"], first["box_width"]) == ("5", "10", "10", "20")
    assert (first["centroid_row"], first["centroid_column"]) == ("10", "20")
    assert (first["image_height"], first["image_width"], first["flags"]) == ("40", "60", "a, flag")
    assert (first["presence"], first["confidence"], first["strangeness"], first["at_border"]) == (
        "0.8",
        "0.75",
        "0.5",
        "False",
    )
    assert float(first["lesion_confidence"]) == pytest.approx(records[0].lesions[0].confidence, rel=1e-5)
    assert rows[1]["at_border"] == "True"
    assert float(first["longest"]) == pytest.approx(records[0].lesions[0].longest, rel=1e-5)
    assert rows[3]["error"] == "c.png: no such file"
    assert [row["lesion"] for row in lesion_rows(records[:1])] == [1, 2]


def test_json_holds_every_number_and_reads_back(records, tmp_path):
    write_json(tmp_path / "l.json", records_json(records))
    images = json.loads((tmp_path / "l.json").read_text())["images"]
    assert [read_record(image) for image in images] == records


def test_records_of_versions_that_knew_no_regions_and_no_frames_are_read(records):
    content = json.loads(json.dumps(asdict(records[1])))
    del content["regions"], content["frame"]
    assert read_record(content) == records[1]


@pytest.mark.parametrize("content", [{}, [], 3, {"lesions": 3}, {"lesions": [3]}, {"lesions": ["ab"]}, {"end": True}])
def test_what_is_no_record_is_refused(content):
    with pytest.raises((TypeError, ValueError, KeyError)):
        read_record(content)


def test_keys_of_lesions_json_stay(records):
    assert list(records_json(records)["images"][0]) == [
        "image", "name", "result", "error", "height", "width", "spacing", "regions", "frame", "presence", "confidence",
        "strangeness", "flags", "lesions", "network", "sha256", "size", "modified", "seconds",
    ]  # fmt: skip


def test_the_shared_fields_are_those_of_segmentation_record_and_answer(records):
    shared = {each: {field.name for field in fields(each)} for each in (Segmentation, Record, Answer)}
    assert set(Findings.__annotations__) <= set.intersection(*shared.values())
    assert findings_of(records[0])["frame"] == 7


def test_names_that_are_no_utf8_are_written(tmp_path):
    record = Record("a\udcff.png", "a\udcff", FAILED, "x")
    write_csv(tmp_path / "l.csv", [record])
    write_json(tmp_path / "l.json", records_json([record]))
    assert "a\\udcff.png" in (tmp_path / "l.csv").read_text()


def test_a_record_is_told_in_one_line(records):
    assert str(records[0]) == "a.png, frame 7: tumour 4.12 x 1.94 mm; 2.04 x 0.784 mm; confidence 0.75; a, flag"
    assert str(records[1]) == "b.png: no tumour found; confidence 0.75; a, flag"
    assert str(records[2]) == "c.png: no such file"
