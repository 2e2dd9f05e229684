"""Files that are left out with a remark, and tables that cannot be read."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from tests.data.layouts.example_sets import picture, published

from salus.data.layouts import read_data_set
from salus.errors import SalusError


def test_equal_stems_are_remarked_and_png_wins(tmp_path: Path) -> None:
    published(tmp_path)
    picture(tmp_path / "images" / "000001.jpg")
    (tmp_path / "images" / "scan.dcm").write_bytes(b"DICM")
    (tmp_path / "images" / ".hidden.png").write_bytes(b"")
    data = read_data_set(tmp_path)
    assert data.cases[0].image.name == "000001.png"
    assert len(data.cases) == 2
    assert len(data.remarks) == 2
    assert "000001.jpg: ignored, for another file here has the same name" in data.remarks[0]
    assert "scan.dcm: ignored, for it is no image that Salus reads" in data.remarks[1]


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such names")
def test_names_that_cannot_be_printed_are_ignored_with_a_remark(tmp_path: Path) -> None:
    picture(tmp_path / "a.png")
    for name in (b"b\nc.png", b"d\x1b[31m.png", b"e\xff.png"):
        with open(os.fsencode(tmp_path) + b"/" + name, "wb"):
            pass
    data = read_data_set(tmp_path)
    assert [case.name for case in data.cases] == ["a"]
    assert all(remark.isprintable() and "rename it" in remark for remark in data.remarks)
    assert len(data.remarks) == 3


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes here")
def test_a_table_that_is_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "manifest.csv")
    with pytest.raises(SalusError, match="it is no file"):
        read_data_set(tmp_path, "manifest")


def test_empty_lines_and_cells_beyond_the_last_column_are_nothing(tmp_path: Path) -> None:
    (tmp_path / "manifest.csv").write_text("\n  \nimage,mask\n\na.png,none,,\n,,,\n")
    assert [case.name for case in read_data_set(tmp_path).cases] == ["a"]


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ("image;mask\na.png;m1.png;m2.png\n", "'a.png' has more cells than the first line"),
        ('image,mask\na.png,"m.png\nb.png,none\n', "cannot be read as a table"),
        ("image,mask,mask\na.png,none,m.png\n", "has the column 'mask' 2 times"),
        ('image,mask,name\na.png,none,"n\nm"\n', "holds a line break"),
        ("image,mask\na\0.png,none\n", "cannot be printed"),
        ("image,msk\na.png,none\n", "has no column 'mask'"),
        ("image,mask\nä.png,none\n", "save it as CSV in UTF-8"),
    ],
)
def test_a_manifest_that_would_lose_cells_is_refused_and_never_ignored(tmp_path: Path, table: str, said: str) -> None:
    picture(tmp_path / "a.png")  # without its manifest, a folder of unlabelled images
    (tmp_path / "manifest.csv").write_bytes(table.encode("latin-1"))
    with pytest.raises(SalusError) as caught:
        read_data_set(tmp_path)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)
