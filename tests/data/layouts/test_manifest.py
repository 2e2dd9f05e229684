"""A manifest.csv that names the files."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.data.layouts.example_sets import SHAPE, columns, manifest, picture

from salus.data.layouts import read_data_set
from salus.errors import SalusError


def test_a_manifest_says_everything(tmp_path: Path) -> None:
    root = manifest(tmp_path)
    data = read_data_set(root)
    a, b, c = data.cases
    assert (a.name, a.patient, a.label, a.source) == ("a", "p1", "malignant", "Here")
    assert columns(a.read_mask(SHAPE)) == [0, 1, 6]
    assert b.masks == ()
    assert b.label == "normal"
    assert b.image.is_file()
    assert c.masks is None
    assert data.official_folds == {"a": 1, "b": 2}
    assert data.remarks == ()
    (root / "manifest.csv").rename(root / "mine.csv")
    assert read_data_set(root / "mine.csv").cases == data.cases


def test_a_semicolon_table_and_equal_stems(tmp_path: Path) -> None:
    for place in ("x", "y"):
        picture(tmp_path / place / "1.png")
    (tmp_path / "manifest.csv").write_text("Image;Mask\nx/1.png;none\ny/1.png;\n")
    assert [case.name for case in read_data_set(tmp_path).cases] == ["x_1", "y_1"]


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ("image,patient\na.png,1\n", "has no column 'mask'; its first line must name the columns image,mask"),
        ("image,mask\n,none\n", "line 2: names no image"),
        ("image,mask,label\na.png,none,B\n", "line 2: the label is 'B'; write benign, malignant, normal"),
        ("image,mask,fold\na.png,none,first\n", "line 2: the fold is 'first'"),
        ("image,mask,name\na.png,none,n\nb.png,none,n\n", "'n'; a name must be unique"),
        ("", "has no column 'image', 'mask'"),
    ],
)
def test_a_wrong_manifest_says_what_to_write(tmp_path: Path, table: str, said: str) -> None:
    (tmp_path / "manifest.csv").write_text(table)
    with pytest.raises(SalusError) as caught:
        read_data_set(tmp_path, "manifest")
    assert said in str(caught.value)


def test_a_manifest_in_another_encoding_or_with_missing_files(tmp_path: Path) -> None:
    path = tmp_path / "manifest.csv"
    path.write_bytes("image,mask,patient\nä.png,none,Müller\n".encode("latin-1"))
    with pytest.raises(SalusError, match="save it as CSV in UTF-8"):
        read_data_set(tmp_path, "manifest")
    path.write_text("image,mask\ngone.png,lost.png\n")
    data = read_data_set(tmp_path)
    assert [case.name for case in data.cases] == ["gone"]
    assert [line.split(": ")[1] for line in data.remarks] == ["named in manifest.csv, but no file"] * 2


def test_a_name_too_long_for_a_file_is_remarked(tmp_path: Path) -> None:
    (tmp_path / "manifest.csv").write_text(f"image,mask\n{'a' * 5000}.png,none\n")
    assert read_data_set(tmp_path).remarks[0].endswith("named in manifest.csv, but no file")


def test_names_lose_the_whole_suffix_and_keep_the_digits_of_a_uid(tmp_path: Path) -> None:
    (tmp_path / "manifest.csv").write_text("image,mask\na.nii.gz,\n1.2.840.1,\n1.2.840.2,\n")
    for name in ("a.nii.gz", "1.2.840.1", "1.2.840.2"):
        (tmp_path / name).write_bytes(b"x")
    assert {case.name for case in read_data_set(tmp_path).cases} == {"a", "1.2.840.1", "1.2.840.2"}
