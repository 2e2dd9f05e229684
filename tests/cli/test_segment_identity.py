"""One image has one identity from planning to every table, also where names repeat, files are links, or inputs grow."""

import csv
import json
import os
import shutil
import unicodedata
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tests.read.wrap import wrap_dicom
from tests.segmentation.test_segmenter import image_of, write_network

from salus.cli import main
from salus.read.image import read_mask

WIDTHS = {"left": (10, 30, 10, 30), "wide": (10, 30, 10, 60), "tall": (10, 55, 10, 30), "large": (5, 60, 5, 60)}
"""Boxes of tumours, so that each mask tells which image it is of."""


@pytest.fixture
def segment(tmp_path, monkeypatch):
    """Run the command in the test's folder; its exit code."""
    network = write_network(tmp_path / "dark.onnx")
    monkeypatch.chdir(tmp_path)
    return lambda *arguments: main(["segment", *map(str, arguments), "--network", str(network)])


def save(path, kind):
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(image_of(WIDTHS[kind])).save(path, "PNG")
    return path


def records(out="out"):
    return json.loads((Path(out) / "lesions.json").read_text(encoding="utf-8"))["images"]


def masks(out="out"):
    return sorted(path.relative_to(Path(out) / "masks").as_posix() for path in Path(out, "masks").rglob("*.png"))


def check(expected, out="out"):
    """Check that each image is in every table once, with the mask of its own: {(path, frame): kind}."""
    found = {(record["image"], record["frame"]): record for record in records(out)}
    assert len(records(out)) == len(found)
    assert found.keys() == expected.keys()
    with Path(out, "lesions.csv").open(newline="", encoding="utf-8-sig") as file:
        assert {(row["image"], row["frame"]) for row in csv.DictReader(file)} == {
            (image, "" if frame is None else str(frame)) for image, frame in expected
        }
    for key, kind in expected.items():
        mask = read_mask(Path(out, "masks", found[key]["name"] + ".png"))
        np.testing.assert_array_equal(mask, image_of(WIDTHS[kind]) == 20)
    assert masks(out) == sorted(record["name"] + ".png" for record in found.values())


def test_a_cine_beside_a_folder_of_its_name(segment):
    pytest.importorskip("pydicom")
    wrap_dicom(Path("a.dcm"), np.stack([image_of(WIDTHS[kind]) for kind in ("left", "wide")]))
    save("a/0001.png", "tall")
    save("b/0001.png", "large")
    assert segment("a.dcm", "a", "b", "-o", "out", "--output", "png,csv,json,coco,nifti,labelme") == 0
    check({("a.dcm", 1): "left", ("a.dcm", 2): "wide", ("a/0001.png", None): "tall", ("b/0001.png", None): "large"})
    names = [image["file_name"] for image in json.loads(Path("out/coco.json").read_text())["images"]]
    assert names == ["a.dcm/0001.png", "a.dcm/0002.png", "a/0001.png", "b/0001.png"]
    assert sorted(path.name for path in Path("out/nifti").rglob("*.gz")) == [
        "0001.nii.gz", "0001.nii.gz", "a.nii.gz",
    ]  # fmt: skip


def test_two_links_to_one_file_are_two_images_named_as_the_links(segment, tmp_path):
    target = save("store/5f3a.png", "left")
    for name in ("x/one.png", "x/two.png", "y/one.png"):
        Path(name).parent.mkdir(exist_ok=True)
        Path(name).symlink_to(target.absolute())
    assert segment("x", "y", tmp_path / "y" / "one.png", "-o", "out") == 0
    check({("x/one.png", None): "left", ("x/two.png", None): "left", ("y/one.png", None): "left"})
    assert masks() == ["one.png", "two.png", "y/one.png"]


def test_absolute_paths_and_paths_that_lead_up_stay_inside_out(segment, tmp_path, monkeypatch):
    for name, kind in (("w1/a.png", "left"), ("w2/a.png", "wide"), ("a.png", "tall")):
        save(name, kind)
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    before = set(tmp_path.rglob("*"))
    assert segment(tmp_path / "w1" / "a.png", "../w2/a.png", "../a.png", "-o", "out") == 0
    check({(f"{tmp_path}/w1/a.png", None): "left", ("../w2/a.png", None): "wide", ("../a.png", None): "tall"})
    outside = {path for path in tmp_path.rglob("*") if not path.is_relative_to(tmp_path / "here" / "out")}
    assert outside == before


@pytest.mark.parametrize("order", [("w1", "w2"), ("w2", "w1"), ("w2",)])
def test_resume_with_one_more_folder_that_repeats_a_name(segment, order):
    save("w1/a.png", "left")
    save("w1/b.png", "wide")
    assert segment("w1", "-o", "out", "--preview") == 0
    times = {name: Path("out/masks", name).stat().st_mtime_ns for name in masks()}
    save("w2/a.png", "tall")
    assert segment(*order, "-o", "out", "--resume") == 0
    check({("w1/a.png", None): "left", ("w1/b.png", None): "wide", ("w2/a.png", None): "tall"})
    assert {name: Path("out/masks", name).stat().st_mtime_ns for name in times} == times


def test_resume_keeps_names_when_a_file_is_added_that_comes_first(segment):
    save("s/b.jpg", "left")
    assert segment("s", "-o", "out") == 0
    save("s/b.bmp", "wide")
    save("s/b.png", "tall")
    assert segment("s", "-o", "out", "--resume") == 0
    check({("s/b.jpg", None): "left", ("s/b.bmp", None): "wide", ("s/b.png", None): "tall"})
    assert masks() == ["b.bmp.png", "b.png", "b.png.png"]


def test_a_journal_of_a_version_that_named_all_images_by_their_folders_is_resumed(segment):
    for name, kind in (("w1/a.png", "left"), ("w2/a.png", "wide")):
        save(name, kind)
    assert segment("w1", "w2", "-o", "out") == 0
    text = Path("out/journal.jsonl").read_text().replace('"name": "a"', '"name": "w1/a"')
    Path("out/journal.jsonl").write_text(text)
    for folder in ("masks", "overlays"):
        suffix = ".png" if folder == "masks" else ".jpg"
        Path("out", folder, "w1").mkdir()
        Path("out", folder, f"a{suffix}").rename(Path("out", folder, "w1", f"a{suffix}"))
    times = {name: Path("out/masks", name).stat().st_mtime_ns for name in masks()}
    assert segment("w1", "w2", "-o", "out", "--resume") == 0
    check({("w1/a.png", None): "left", ("w2/a.png", None): "wide"})
    assert {name: Path("out/masks", name).stat().st_mtime_ns for name in masks()} == times


def test_a_journal_that_lists_an_image_twice_lists_it_once_again(segment):
    save("a.png", "left")
    assert segment("a.png", "-o", "out") == 0
    *_, record, end = Path("out/journal.jsonl").read_text().splitlines(keepends=True)
    with Path("out/journal.jsonl").open("a") as file:
        file.writelines([record.replace('"name": "a"', '"name": "w/a"'), end])
    assert segment("a.png", "-o", "out", "--resume") == 0
    assert [(one["image"], one["name"]) for one in records()] == [("a.png", "w/a")]


def test_a_journal_cannot_lead_outputs_out_of_out(segment):
    save("a.png", "left")
    assert segment("a.png", "-o", "out") == 0
    journal = Path("out/journal.jsonl")
    journal.write_text(journal.read_text().replace('"name": "a"', '"name": "../../a"'))
    assert segment("a.png", "-o", "out", "--resume") == 0
    assert [one["name"] for one in records()] == ["a"]
    journal.write_text(journal.read_text().replace('"name": "a"', '"name": "/a"'))
    assert segment("a.png", "-o", "out", "--overwrite") == 0
    assert Path("a.png").is_file()


@pytest.mark.parametrize("resume", ["--resume", "--overwrite"])
@pytest.mark.parametrize("pattern", ["**/*.png", "./**/*", "s"])
def test_out_inside_the_inputs_segments_none_of_its_own_files(segment, pattern, resume, capsys):
    save("s/a.png", "left")
    save("s/deep/b.png", "wide")
    more = ["--recursive"] if pattern == "s" else []
    assert segment(pattern, "-o", "s/out", "--preview", "--probability", *more) == 0
    assert segment("s/a.png", "-o", "s/other") == 0  # of another run
    capsys.readouterr()
    assert segment(pattern, "-o", "s/out", "--preview", "--probability", resume, *more) == 0
    assert "because salus segment wrote them" in capsys.readouterr().err
    check({("s/a.png", None): "left", ("s/deep/b.png", None): "wide"}, "s/out")


def test_a_folder_of_masks_that_is_named_is_read(segment):
    save("s/a.png", "left")
    assert segment("s/a.png", "-o", "out") == 0
    assert segment("out/masks", "-o", "again") == 0
    assert [one["image"] for one in records("again")] == ["out/masks/a.png"]


def test_folders_that_hold_themselves_by_a_link_are_searched_once(segment):
    save("s/a.png", "left")
    Path("s/again").symlink_to("../s")
    assert segment("s/**/*.png", "-o", "out") == 0
    check({("s/a.png", None): "left"})


def test_names_that_differ_in_case_alone(segment):
    save("s/A.png", "left")
    save("s/a.png", "wide")
    save("t/a.PNG", "tall")
    assert segment("s", "t", "-o", "out") == 0
    check({("s/A.png", None): "left", ("s/a.png", None): "wide", ("t/a.PNG", None): "tall"})
    assert len({name.casefold() for name in masks()}) == 3


ODD_NAMES = [
    "n" * 251 + ".png", "ü" * 125 + ".png", "tab\t.png", "new\nline.png", "=1+1.png", os.fsdecode(b"b\xff.png"),
]  # fmt: skip


@pytest.mark.parametrize("name", ODD_NAMES)
def test_a_name_ends_no_run(segment, name, capsys):
    save(Path("s") / name, "left")
    save("s/good.png", "wide")
    outputs = "png,overlay,probability,saliency,csv,json,nifti,labelme,geojson,coco"
    for part in (1, 2):
        options = ("--num-parts", 2, "--part", part, "--output", outputs)
        assert segment("s", "s/" + name, "-o", "out", *options) == 0
    assert main(["merge", "out", "--coco", "--preview"]) == 0
    found = {one["image"]: one for one in records()}
    assert found.keys() == {"s/" + name, "s/good.png"}
    np.testing.assert_array_equal(
        read_mask(Path("out/masks", found["s/" + name]["name"] + ".png")), image_of(WIDTHS["left"]) == 20
    )
    assert {i["file_name"] for i in json.loads(Path("out/coco.json").read_text())["images"]} == {name, "good.png"}
    assert all(line.isprintable() for line in capsys.readouterr().out.splitlines())
    for folder in ("nifti", "labelme", "geojson"):
        assert len(list(Path("out", folder).iterdir())) == 2


def test_an_image_that_was_moved_keeps_its_result_and_has_its_new_path(segment, capsys):
    save("old/a.png", "left")
    assert segment("old", "-o", "out") == 0
    shutil.move("old", "new")
    assert segment("new", "-o", "out", "--resume") == 0
    assert "1 of them kept" in capsys.readouterr().out
    check({("new/a.png", None): "left"})


def test_one_path_written_in_two_ways_is_one_image(segment, tmp_path):
    save("s/a.png", "left")
    assert segment("s/a.png", "./s", tmp_path / "s", "s/../s/a.png", "-o", "out") == 0
    check({("s/a.png", None): "left"})
    Path("t/deep").mkdir(parents=True)
    save("t/a.png", "wide")
    Path("link").symlink_to("t/deep")
    assert segment("link/../a.png", "-o", "t/out") == 0  # t/a.png, not a.png
    check({("link/../a.png", None): "wide"}, "t/out")


def test_umlauts_written_in_two_ways_are_two_images(segment):
    names = [unicodedata.normalize(form, "ü.png") for form in ("NFC", "NFD")]
    save(Path("s") / names[0], "left")
    save(Path("s") / names[1], "wide")
    if len(os.listdir("s")) < 2:
        pytest.skip("this file system takes both for one")
    assert segment("s", "-o", "out") == 0
    check({(f"s/{names[0]}", None): "left", (f"s/{names[1]}", None): "wide"})


def test_parts_agree_on_names_and_each_image_is_in_one(segment):
    for ward in range(4):
        for number in range(3):
            save(f"w{ward}/{number}.png", list(WIDTHS)[ward])
    for part in (1, 2, 3):
        assert segment("w0", "w1", "-o", "out", "--num-parts", 3, "--part", part) == 0
    for part in (3, 1, 2):  # with more, and in another order
        assert segment("w3", "w0", "w2", "w1", "-o", "out", "--num-parts", 3, "--part", part, "--resume") == 0
    assert main(["merge", "out"]) == 0
    check({(f"w{w}/{n}.png", None): list(WIDTHS)[w] for w in range(4) for n in range(3)})
