"""The tables say what was found, all of it, and read back."""

import csv
import json
from dataclasses import asdict, replace

import numpy as np
import pytest

from salus.measure.lesions import measure
from salus.pipeline.journal import Journal, read_journal
from salus.pipeline.manifest import manifest
from salus.segmentation.result import Segmentation
from salus.write.tables import (
    COLUMNS,
    FAILED,
    FOUND,
    NONE,
    Record,
    document,
    record_from,
    record_of,
    rows,
    write_csv,
    write_json,
)


def found_in(mask, spacing=None):
    p = np.where(mask, 0.9, 0.1).astype(np.float32)
    return Segmentation(
        mask, p, p, 0.8, measure(mask, p, spacing), 0.75, 0.5, ("a, flag",), spacing, "x.png", "net"
    )  # fmt: skip


@pytest.fixture
def records():
    mask = np.zeros((40, 60), bool)
    none = record_of(found_in(mask), "b.png", "b")
    mask[5:15, 10:30] = mask[30:34, 50:60] = True
    two = record_of(found_in(mask, (0.1, 0.2)), "a.png", "a", sha256="0f", size=3, modified=5, seconds=0.5)
    return [two, none, Record("c,\n.png", "c", FAILED, "c.png: no such file")]


def test_rows(records, tmp_path):
    write_csv(tmp_path / "l.csv", records)
    with (tmp_path / "l.csv").open(newline="") as file:
        found = list(csv.DictReader(file))
    assert tuple(found[0]) == COLUMNS
    assert [(r["image"], r["result"], r["lesions"], r["lesion"]) for r in found] == [
        ("a.png", FOUND, "2", "1"), ("a.png", FOUND, "2", "2"), ("b.png", NONE, "0", ""), ("c,\n.png", FAILED, "", ""),
    ]  # fmt: skip
    first = found[0]
    assert (first["unit"], first["area"], first["width"], first["height"]) == ("mm", "4", "4", "1")
    assert (first["top"], first["left"], first["box_height"], first["box_width"]) == ("5", "10", "10", "20")
    assert (first["image_height"], first["image_width"], first["flags"]) == ("40", "60", "a, flag")
    assert (first["presence"], first["confidence"], first["at_border"]) == ("0.8", "0.75", "False")
    assert found[1]["at_border"] == "True"
    assert float(first["longest"]) == pytest.approx(records[0].lesions[0].longest, rel=1e-5)
    assert found[3]["error"] == "c.png: no such file"
    assert [r["lesion"] for r in rows(records[:1])] == [1, 2]


def test_json_holds_every_number(records, tmp_path):
    write_json(tmp_path / "l.json", document(records))
    images = json.loads((tmp_path / "l.json").read_text())["images"]
    assert [record_from(one) for one in images] == records


def test_names_that_are_no_utf8_are_written(tmp_path):
    record = Record("a\udcff.png", "a\udcff", FAILED, "x")
    write_csv(tmp_path / "l.csv", [record])
    write_json(tmp_path / "l.json", document([record]))
    assert "a\\udcff.png" in (tmp_path / "l.csv").read_text()


def test_one_line_for_a_reader(records):
    assert str(records[0]) == "a.png: tumour 4.12 x 1.94 mm; 2.04 x 0.784 mm; confidence 0.75; a, flag"
    assert str(records[1]) == "b.png: no tumour found; confidence 0.75; a, flag"
    assert str(records[2]) == "c.png: no such file"


def test_the_journal_keeps_what_was_added_and_forgets_what_was_broken_off(records, tmp_path):
    path = tmp_path / "j.jsonl"
    with Journal(path, {"threshold": 0.5}, records[:1]) as journal:
        journal.add(records[1])
    assert read_journal(path) == ({"threshold": 0.5}, {"a": records[0], "b": records[1]})
    for rest in ('{"image": "d.png", "na', "{}", "[]", "3", '{"lesions": 3}', json.dumps(asdict(records[1]))[:-9]):
        with path.open("a") as file:
            file.write(rest + "\n")
    assert set(read_journal(path)[1]) == {"a", "b"}
    with path.open("a") as file:
        file.write(json.dumps(asdict(replace(records[1], presence=0.1))))
    assert read_journal(path)[1]["b"].presence == 0.1


@pytest.mark.parametrize("content", ["", "{", "[]", "{}\n", "3"])
def test_a_damaged_journal_is_told(tmp_path, content):
    from salus.errors import SalusError

    (tmp_path / "j").write_text(content)
    with pytest.raises(SalusError, match="--overwrite"):
        read_journal(tmp_path / "j")


def test_the_manifest(records):
    from salus.segmentation.network import NetworkSettings

    class Stub:
        settings = NetworkSettings("net", 64)

    made = json.loads(json.dumps(manifest(Stub(), {"threshold": 0.4}, records, {"seconds": 1.0})))
    assert made["results"] == {FOUND: 1, NONE: 1, FAILED: 1}
    assert made["failures"] == [{"image": "c,\n.png", "error": "c.png: no such file"}]
    assert made["images"][0]["sha256"] == "0f"
    assert (made["network"]["name"], made["settings"], made["timing"]) == ("net", {"threshold": 0.4}, {"seconds": 1.0})
    assert set(made["versions"]) >= {"python", "numpy", "openvino"}
