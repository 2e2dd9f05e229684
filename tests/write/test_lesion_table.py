"""A run's table is read back as it was written, with pandas and without."""

import json
import math

import numpy as np
import pytest
from tests.write.segmentations import l_and_ring, segmentation_of

import salus
from salus.errors import SalusError
from salus.write import lesion_table
from salus.write.tables import FAILED, Record, make_record, record_json, write_csv


@pytest.fixture
def records():
    return [
        make_record(segmentation_of(l_and_ring(), (0.1, 0.2)), "a.png", "a"),
        make_record(segmentation_of(np.zeros((20, 30), bool)), "=b.png", "b"),
        Record("c.png", "c", FAILED, error="c.png: no such file"),
    ]


def write_json(path, records):
    path.write_text(json.dumps({"images": [record_json(record) for record in records]}))


def test_each_lesion_is_a_row_with_typed_values(tmp_path, records):
    write_json(tmp_path / "lesions.json", records)
    rows = salus.read_lesions(tmp_path, frame=False)
    assert [row["image"] for row in rows] == ["a.png", "a.png", "=b.png", "c.png"]
    assert [row["lesions"] for row in rows] == [2, 2, 0, None]
    for row, lesion in zip(rows, records[0].lesions, strict=False):
        assert (row["lesion"], row["unit"], row["at_border"]) == (lesion.number, "mm", lesion.at_border)
        assert math.isclose(row["area"], lesion.area, rel_tol=1e-5)
        assert isinstance(row["area_px"], int)
    assert (rows[2]["area"], rows[2]["at_border"], rows[3]["error"]) == (None, None, "c.png: no such file")


def test_csv_and_parts_give_the_same_rows(tmp_path, records):
    write_json(tmp_path / "lesions.json", records)
    expected = salus.read_lesions(tmp_path, frame=False)
    (tmp_path / "parts").mkdir()
    write_json(tmp_path / "parts" / "lesions-1-of-2.json", records[:1])
    write_json(tmp_path / "parts" / "lesions-2-of-2.json", records[1:])
    assert salus.read_lesions(str(tmp_path / "parts"), frame=False) == expected
    write_csv(tmp_path / "lesions.csv", [records[0], records[2]])
    assert salus.read_lesions(tmp_path / "lesions.csv", frame=False) == [expected[0], expected[1], expected[3]]


def test_pandas_gets_a_frame_to_compute_with(tmp_path, records):
    pandas = pytest.importorskip("pandas")
    write_json(tmp_path / "lesions.json", records)
    frame = salus.read_lesions(tmp_path)
    assert isinstance(frame, pandas.DataFrame)
    areas = [lesion.area for lesion in records[0].lesions]
    assert math.isclose(frame.groupby("image")["area"].sum()["a.png"], sum(areas), rel_tol=1e-5)
    assert frame["area"].isna().tolist() == [False, False, True, True]
    write_json(tmp_path / "lesions.json", [])
    assert salus.read_lesions(tmp_path).empty
    assert "area" in salus.read_lesions(tmp_path)


def test_without_pandas_there_is_a_list(tmp_path, records, monkeypatch):
    write_json(tmp_path / "lesions.json", records)
    monkeypatch.setattr(lesion_table.importlib.util, "find_spec", lambda name: None)
    assert isinstance(salus.read_lesions(tmp_path), list)
    with pytest.raises(SalusError, match="pandas is not installed"):
        salus.read_lesions(tmp_path, frame=True)


@pytest.mark.parametrize(
    ("name", "content", "part"),
    [
        ("lesions.json", "{", "is no table of lesions"),
        ("lesions.json", '{"images": [{"image": 1}]}', "is no table of lesions"),
        ("lesions.csv", "a,b\n1,2\n", "columns are missing"),
        ("x", "", "holds no lesions.json"),
    ],
)
def test_what_is_no_table_is_refused(tmp_path, name, content, part):
    (tmp_path / name).write_text(content)
    with pytest.raises(SalusError, match=part):
        salus.read_lesions(tmp_path)
    with pytest.raises(SalusError, match="no such folder"):
        salus.read_lesions(tmp_path / "absent")
