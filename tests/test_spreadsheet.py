"""Tables that spreadsheets open safely, and that other readers still understand."""

import csv

import pytest
from hypothesis import given
from hypothesis import strategies as st

from salus.atomic import write_rows
from salus.spreadsheet import protect_cell, read_rows, restore_cell

DANGEROUS = ["=1+1.png", "+a.png", "-a.png", "@SUM(A1)", "\t=1", "\r=1", "'=1", '=HYPERLINK("http://x")']
HARMLESS = ["a=1.png", "-0.5", "-12", "1e-3", "+3", "nan", "-inf", "'quoted'", "", "a", "ü", 3, -0.5, None, True]


@pytest.mark.parametrize("cell", DANGEROUS)
def test_no_cell_is_a_formula(cell, tmp_path):
    write_rows(tmp_path / "t.csv", [{"name": cell, "value": -1}])
    with (tmp_path / "t.csv").open(newline="") as file:
        (row,) = csv.DictReader(file)
    assert row == {"name": "'" + cell, "value": "-1"}
    assert read_rows(tmp_path / "t.csv") == [{"name": cell, "value": "-1"}]


@pytest.mark.parametrize("cell", HARMLESS)
def test_numbers_and_plain_texts_stay(cell):
    assert protect_cell(cell) == cell


@given(st.text("'=+-@1a.\t", max_size=6))
def test_a_protected_text_is_restored(text):
    assert restore_cell(protect_cell(text)) == text


def test_letters_beyond_ascii_have_a_byte_order_mark_and_others_none(tmp_path):
    write_rows(tmp_path / "t.csv", [{"name": "Müller.png"}])
    assert (tmp_path / "t.csv").read_bytes().startswith(b"\xef\xbb\xbfname")
    assert read_rows(tmp_path / "t.csv") == [{"name": "Müller.png"}]
    write_rows(tmp_path / "t.csv", [{"name": "Muller.png"}])
    assert (tmp_path / "t.csv").read_bytes().startswith(b"name")


def test_pandas_reads_both(tmp_path):
    pandas = pytest.importorskip("pandas")
    for name in ("Müller.png", "Muller.png"):
        write_rows(tmp_path / "t.csv", [{"name": name, "value": -0.5}])
        table = pandas.read_csv(tmp_path / "t.csv")
        assert (list(table.columns), table.name[0], table.value[0]) == (["name", "value"], name, -0.5)
