"""Layouts: each is built here file by file as its data set ships it, and must be told and listed as it is."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from salus.data.layouts import LAYOUTS, detect, read_data_set
from salus.errors import SalusError

SHAPE = (10, 14)
GREEN, RED = (0, 255, 0), (255, 0, 0)


def picture(path: Path, value: int = 90) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.full(SHAPE, value, np.uint8)).save(path)
    return path


def mask(path: Path, columns: slice | None = None, colour: tuple[int, int, int] | int = 255) -> Path:
    """A mask whose lesion is some columns, in grey or in a colour; None is an empty one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    values = np.zeros(SHAPE if isinstance(colour, int) else (*SHAPE, 3), np.uint8)
    if columns is not None:
        values[:, columns] = colour
    Image.fromarray(values).save(path, quality=75)
    return path


def busi(root: Path) -> Path:
    picture(root / "benign" / "benign (1).png")
    mask(root / "benign" / "benign (1)_mask.png", slice(0, 3))
    mask(root / "benign" / "benign (1)_mask_1.png", slice(8, 10))
    picture(root / "malignant" / "malignant (1).png")
    mask(root / "malignant" / "malignant (1)_mask.png", slice(4, 5))
    picture(root / "normal" / "normal (1).png")
    mask(root / "normal" / "normal (1)_mask.png")
    return root


def busbra(root: Path) -> Path:
    rows = [("bus_0001-l", 1, "malignant", 3), ("bus_0001-r", 1, "malignant", 3), ("bus_0002-s", 2, "benign", 5)]
    for name, *_ in rows:
        picture(root / "Images" / f"{name}.png")
        mask(root / "Masks" / f"{name.replace('bus', 'mask')}.png", slice(2, 6), 1)
    table = "".join(f"{n},{case},x,{label},4\n" for n, case, label, _ in rows)
    (root / "bus_data.csv").write_text("ID,Case,Histology,Pathology,BIRADS\n" + table)
    folds = "".join(f"{n},{label},{fold},1,NaN\n" for n, _, label, fold in rows)
    (root / "5-fold-cv.csv").write_text("ID,Pathology,kFold,valid_1,valid_2\n" + folds)
    return root


def uclm(root: Path, suffix: str = "png", empty: int = 12) -> Path:
    """Many empty masks come first, as in the real set."""
    for i in range(empty):
        picture(root / "images" / f"ALWI_{i:03}.png")
        mask(root / "masks" / f"ALWI_{i:03}.{suffix}", None, GREEN)
    for name, colour in (("VITR_000", GREEN), ("WAQU_001", RED)):
        picture(root / "images" / f"{name}.png")
        mask(root / "masks" / f"{name}.{suffix}", slice(0, 7), colour)
    return root


def published(root: Path, colour: tuple[int, int, int] | int = 255) -> Path:
    for name in ("000001", "000002"):
        picture(root / "images" / f"{name}.png")
        mask(root / "masks" / f"{name}.png", slice(3, 6), colour)
    return root


def breast(root: Path) -> Path:
    for i in (1, 2, 3):
        picture(root / f"case00{i}.png")
    mask(root / "case001_tumor.png", slice(0, 2))
    mask(root / "case002_tumor1.png", slice(0, 2))
    mask(root / "case002_tumor2.png", slice(5, 6))
    mask(root / "case002_other1.png", slice(9, 12))
    return root


def manifest(root: Path) -> Path:
    picture(root / "scans" / "a.png")
    picture(root / "scans" / "b.png")
    picture(root / "scans" / "c.png")
    mask(root / "truth" / "a1.png", slice(0, 2))
    mask(root / "truth" / "a2.png", slice(6, 7))
    (root / "manifest.csv").write_text(
        "\ufeffimage, mask ,patient,label,fold,source\n"
        "scans/a.png,truth/a1.png;truth/a2.png,p1,Malignant,1,Here\n"
        "scans\\b.png,none,p2,normal,2,\n"
        "scans/c.png,,,,,\n",
        encoding="utf-8",
    )
    return root


MAKERS = {
    "busi": busi,
    "busbra": busbra,
    "colours": uclm,
    "published": published,
    "pairs": breast,
    "manifest": manifest,
}


def columns(truth: np.ndarray) -> list[int]:
    return np.flatnonzero(truth.all(axis=0)).tolist()


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


def test_busi_unites_masks_and_keeps_classes(tmp_path: Path) -> None:
    cases = {case.name: case for case in read_data_set(busi(tmp_path)).cases}
    assert {name: case.label for name, case in cases.items()} == {
        "benign (1)": "benign",
        "malignant (1)": "malignant",
        "normal (1)": "normal",
    }
    assert columns(cases["benign (1)"].read_mask(SHAPE)) == [0, 1, 2, 8, 9]
    assert not cases["normal (1)"].read_mask(SHAPE).any()
    assert all(case.patient is None for case in cases.values())


def test_busi_names_stay_unique_and_oddities_are_remarked(tmp_path: Path) -> None:
    busi(tmp_path)
    picture(tmp_path / "benign" / "7.png")  # without a mask: unlabelled
    picture(tmp_path / "normal" / "7.png")  # without a mask: the folder says tumour-free
    mask(tmp_path / "malignant" / "8_mask.png")
    data = read_data_set(tmp_path)
    cases = {case.name: case for case in data.cases}
    assert cases["benign_7"].masks is None
    assert cases["normal_7"].masks == ()
    assert any("8_mask.png: a mask without an image" in line for line in data.remarks)
    assert any("7.png: an image without a mask" in line for line in data.remarks)
    assert len(data.remarks) == 2


def test_busbra_knows_patients_labels_and_folds(tmp_path: Path) -> None:
    data = read_data_set(busbra(tmp_path))
    assert [(c.name, c.patient, c.label) for c in data.cases] == [
        ("bus_0001-l", "busbra-1", "malignant"),
        ("bus_0001-r", "busbra-1", "malignant"),
        ("bus_0002-s", "busbra-2", "benign"),
    ]
    assert data.official_folds == {"bus_0001-l": 3, "bus_0001-r": 3, "bus_0002-s": 5}
    assert columns(data.cases[0].read_mask(SHAPE)) == [2, 3, 4, 5]
    assert data.remarks == ()


def test_busbra_without_a_column_says_which(tmp_path: Path) -> None:
    busbra(tmp_path)
    (tmp_path / "bus_data.csv").write_text("ID,Pathology\nbus_0001-l,benign\n")
    with pytest.raises(SalusError, match=r"bus_data\.csv: has no column 'case'; take the file from"):
        read_data_set(tmp_path)


def test_busbra_remarks_what_does_not_fit(tmp_path: Path) -> None:
    busbra(tmp_path)
    (tmp_path / "Images" / "bus_0001-r.png").unlink()
    (tmp_path / "Masks" / "mask_0002-s.png").unlink()
    picture(tmp_path / "Images" / "bus_0009-l.png")
    (tmp_path / "5-fold-cv.csv").unlink()
    data = read_data_set(tmp_path)
    text = "\n".join(data.remarks)
    assert "mask_0001-r.png: a mask without an image" in text
    assert "bus_0002-s.png and 1 more" not in text  # few are named one by one
    assert "bus_0002-s.png: an image without a mask" in text
    assert "bus_0009-l.png: its patient is not in bus_data.csv" in text
    assert "bus_0001-r: in bus_data.csv, but no file" in text
    assert "no official folds" in text
    assert data.official_folds == {}


@pytest.mark.parametrize("suffix", ["png", "jpg"])
def test_colours_are_labels_and_both_are_lesion(tmp_path: Path, suffix: str) -> None:
    data = read_data_set(uclm(tmp_path, suffix))
    cases = {case.name: case for case in data.cases}
    assert data.layout == "colours"
    assert [cases[n].label for n in ("ALWI_003", "VITR_000", "WAQU_001")] == ["normal", "benign", "malignant"]
    assert [cases[n].patient for n in ("ALWI_003", "VITR_000", "WAQU_001")] == ["ALWI", "VITR", "WAQU"]
    for name in ("VITR_000", "WAQU_001"):
        truth = cases[name].read_mask(SHAPE)
        assert truth[:, :6].all()
        assert not truth[:, 8:].any()
    assert not cases["ALWI_003"].read_mask(SHAPE).any()


def test_a_lesion_in_another_colour_is_no_tumour_free_image(tmp_path: Path) -> None:
    root = uclm(tmp_path)
    Image.fromarray(np.full((*SHAPE, 3), (0, 0, 255), np.uint8)).save(root / "masks" / "VITR_000.png")
    cases = {case.name: case for case in read_data_set(root).cases}
    with pytest.raises(SalusError, match=r"VITR_000\.png: has no lesion's colour"):
        cases["VITR_000"].read_mask(SHAPE)
    assert not cases["ALWI_003"].read_mask(SHAPE).any()


@pytest.mark.parametrize("colour", [255, (255, 255, 255), (0, 0, 255)])
def test_masks_in_other_colours_are_the_published_layout(tmp_path: Path, colour: tuple[int, int, int] | int) -> None:
    data = read_data_set(published(tmp_path, colour))
    assert data.layout == "published"
    assert columns(data.cases[0].read_mask(SHAPE)) == [3, 4, 5]


def test_detection_survives_damaged_and_palette_masks(tmp_path: Path) -> None:
    uclm(tmp_path, empty=2)
    for path in (tmp_path / "masks").iterdir():
        Image.open(path).convert("P").save(path)
    (tmp_path / "masks" / "AAAA_000.png").write_bytes(b"\x89PNG")
    picture(tmp_path / "images" / "AAAA_000.png")
    data = read_data_set(tmp_path)
    assert data.layout == "colours"
    assert data.cases[0].label is None
    assert any("AAAA_000.png: unreadable" in line for line in data.remarks)


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


def test_empty_lines_and_cells_beyond_the_last_column_are_nothing(tmp_path: Path) -> None:
    (tmp_path / "manifest.csv").write_text("\n  \nimage,mask\n\na.png,none,,\n,,,\n")
    assert [case.name for case in read_data_set(tmp_path).cases] == ["a"]


def test_a_name_too_long_for_a_file_is_remarked(tmp_path: Path) -> None:
    (tmp_path / "manifest.csv").write_text(f"image,mask\n{'a' * 5000}.png,none\n")
    assert read_data_set(tmp_path).remarks[0].endswith("named in manifest.csv, but no file")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes here")
def test_a_table_that_is_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "manifest.csv")
    with pytest.raises(SalusError, match="it is no file"):
        read_data_set(tmp_path, "manifest")


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
