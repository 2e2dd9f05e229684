"""Images and masks in one folder."""

from __future__ import annotations

from pathlib import Path

from tests.data.layouts.example_sets import SHAPE, breast, columns

from salus.data.layouts import read_data_set


def test_pairs_unite_tumours_and_leave_other_findings_out(tmp_path: Path) -> None:
    data = read_data_set(breast(tmp_path))
    cases = {case.name: case for case in data.cases}
    assert sorted(cases) == ["case001", "case002", "case003"]
    assert columns(cases["case002"].read_mask(SHAPE)) == [0, 1, 5]
    assert cases["case003"].masks is None
    assert all(case.label is None and case.patient is None for case in data.cases)
    assert len(data.remarks) == 2
    assert "case002_other1.png: ignored" in data.remarks[0]
    assert "case003.png: an image without a mask" in data.remarks[1]
