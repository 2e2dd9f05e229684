"""The published layout: images/, masks/, and a table of labels and patients."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.data.layouts.example_sets import published

from salus.data.layouts import read_data_set
from salus.errors import SalusError


def test_published_without_any_pair_is_a_mistake(tmp_path: Path) -> None:
    published(tmp_path)
    for path in (tmp_path / "masks").iterdir():
        path.rename(path.with_stem(f"{path.stem}_mask"))
    with pytest.raises(SalusError, match=r"no image has a mask of its name.*000001_mask\.png"):
        read_data_set(tmp_path)


def test_published_takes_labels_from_its_table(tmp_path: Path) -> None:
    published(tmp_path)
    (tmp_path / "manifest.csv").write_text("name,label,patient\n000002,benign,p9\n")
    data = read_data_set(tmp_path)
    assert data.layout == "published"
    assert [(case.label, case.patient) for case in data.cases] == [(None, None), ("benign", "p9")]


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ("name,label\n000001,B\n", "the label of 000001 is 'b'; write benign"),
        ("name,patient\n000001,p1\n000001,p2\n", "'000001' stands on several lines"),
    ],
)
def test_the_table_of_a_published_set_is_checked(tmp_path: Path, table: str, said: str) -> None:
    published(tmp_path)
    (tmp_path / "manifest.csv").write_text(table)
    with pytest.raises(SalusError, match=said):
        read_data_set(tmp_path)


def test_the_table_of_a_published_set_may_be_in_capitals_and_names_what_is_not_there(tmp_path: Path) -> None:
    published(tmp_path)
    (tmp_path / "manifest.csv").write_text("name,label\n000001,Benign\n000003,\n")
    data = read_data_set(tmp_path)
    assert data.cases[0].label == "benign"
    assert data.remarks == (f"{tmp_path / 'images' / '000003'}: in manifest.csv, but no file",)
