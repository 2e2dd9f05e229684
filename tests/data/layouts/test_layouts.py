"""Layouts: each is detected among the others and listed; what is no data set is refused."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from tests.data.layouts.example_sets import MAKERS, SHAPE, picture, published

from salus.data.layouts import LAYOUTS, detect, read_data_set
from salus.errors import SalusError


@pytest.mark.parametrize("name", MAKERS)
def test_each_layout_is_told_from_the_others(tmp_path: Path, name: str) -> None:
    root = MAKERS[name](tmp_path / "set")
    assert detect(root) == name
    data = read_data_set(root)
    assert data.layout == name
    assert len({case.name for case in data.cases}) == len(data)
    assert [case.name for case in data.cases] == sorted(case.name for case in data.cases)
    assert all(case.image.is_file() for case in data.cases)
    assert all(case.read_mask(SHAPE).shape == SHAPE for case in data.labelled)


@pytest.mark.parametrize("name", [name for name in MAKERS if name != "manifest"])
def test_the_folder_above_will_do_unless_it_holds_others(tmp_path: Path, name: str) -> None:
    MAKERS[name](tmp_path / "unpacked")
    (tmp_path / "__MACOSX").mkdir()
    assert read_data_set(tmp_path).layout == name
    published(tmp_path / "another")
    with pytest.raises(SalusError, match=rf"unpacked \({name}\).*name one of these folders"):
        read_data_set(tmp_path)


def test_bare_images_are_unlabelled(tmp_path: Path) -> None:
    picture(tmp_path / "b.png")
    picture(tmp_path / "a.jpg")
    data = read_data_set(tmp_path)
    assert data.layout == "images"
    assert [(case.name, case.masks) for case in data.cases] == [("a", None), ("b", None)]


def test_what_is_no_data_set_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(SalusError, match=r"no known layout.*--layout.*manifest\.csv"):
        read_data_set(tmp_path)
    with pytest.raises(SalusError, match="no such folder"):
        read_data_set(tmp_path / "nowhere")
    with pytest.raises(SalusError, match="a data set is a folder"):
        read_data_set(picture(tmp_path / "a.png"))
    with pytest.raises(SalusError, match="choose one of manifest, busbra"):
        read_data_set(tmp_path, "unknown")
    (tmp_path / "empty").mkdir()
    with pytest.raises(SalusError, match="finds no image"):
        read_data_set(tmp_path / "empty", "images")


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may read everything")
def test_a_folder_without_permission(tmp_path: Path) -> None:
    root = published(tmp_path / "set")
    (root / "images").chmod(0)
    try:
        with pytest.raises(SalusError, match="no permission"):
            read_data_set(root)
    finally:
        (root / "images").chmod(0o700)


@pytest.mark.parametrize(
    ("folder", "layout", "cases", "patients"),
    [("busi", "busi", 624, 0), ("busbra", "busbra", 1509, 852), ("bus163", "published", 163, 0)],
)
def test_real_sets(real_data: Path, folder: str, layout: str, cases: int, patients: int) -> None:
    data = read_data_set(real_data / folder)
    assert (data.layout, len(data), len(data.labelled)) == (layout, cases, cases)
    assert len({case.patient for case in data.cases} - {None}) == patients
    assert data.remarks == ()
    assert set(LAYOUTS) >= {layout}
